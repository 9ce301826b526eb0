// Complete and repair (repair.py): a picture, what is missing in it, and an order that draws the rest. The panes below show it.

const SIZE = 336; // pixels of the board's side
const UPLOAD_MOST = props.fixed.max_bytes;
const root = element.querySelector(".item");
const { worlds, start } = props.fixed;
const page = make("canvas"); // the picture itself, one pixel each
const paper = page.getContext("2d", { willReadFrequently: true });
let code = ""; // the picture as a link writes it; "" after a stroke, until it is needed
let missing = new Uint8Array(0);
let preset = ""; // name of what is missing, "" when brushed
let cursor = { x: 0, y: 0 };

// ---- Layout ----

const world = worldField(worlds, start.world);
const board = make("canvas", {
  class: "board",
  width: SIZE,
  height: SIZE,
  tabindex: 0,
  role: "application",
  "aria-label": "Picture to repair: arrow keys move the brush, Space uses it, Shift with an arrow key paints on the way",
  "aria-describedby": "board-status",
  onpointerdown: (event) => { board.setPointerCapture(event.pointerId); brush(event); },
  onpointermove: (event) => event.buttons && brush(event),
  onkeydown: key,
});
const status = make("p", { id: "board-status", class: "status", role: "status", "aria-live": "polite" });
const number = numberField(0, 0, props.fixed.held_out - 1);
const file = make("input", { type: "file", accept: "image/*", onchange: () => { if (file.files[0]) upload(file.files[0]); file.value = ""; } });
const tool = make("select", {}, ...[["remove", "remove (to be drawn anew)"], ["keep", "keep again"], ["draw", "draw"], ["rub", "rub out"]].map(([value, text]) => make("option", { value, text })));
const width = rangeField("Brush", 4, 1, 9);
const ink = make("input", { type: "color", value: "#ffffff" });
const inkField = labelled("Colour", ink);
const presets = make("div", { class: "buttons", role: "group", "aria-label": "What is missing" });
const prompt = textField(start.prompt);
const seed = numberField(start.seed, 0, props.fixed.max_seed);
const pictures = rangeField("Ways to finish it", start.num_images, 1, props.fixed.most_ways);
const copyButton = button("Copy link", () => { remember("repair", order()); copyAddress(copyButton, location.href); });
root.append(
  make("p", { class: "lead", text: "Complete or repair: hide a part of a picture and let every engine draw it anew, around what is known. The autoregressive engine says the known pixels, in turn, in place of its own; diffusion adds noise to them and lets the rest follow; VAE and GAN search for a latent that agrees with them." }),
  make(
    "div",
    { class: "repair" },
    make("div", {}, board, status),
    make(
      "form",
      { class: "controls", onsubmit: (event) => { event.preventDefault(); draw(); } },
      world.label,
      make("fieldset", {}, make("legend", { text: "Picture" }), labelled("Real picture, never seen by an engine: number", number), make("div", { class: "buttons" }, button("Another", another), button("Empty sheet", empty)), labelled("Your own, at most 8 MB", file)),
      make("fieldset", {}, make("legend", { text: "Missing" }), presets),
      make("fieldset", {}, make("legend", { text: "Pointer" }), labelled("It will", tool), width.node, inkField),
      make("fieldset", {}, make("legend", { text: "What to draw" }), labelled("Prompt", prompt), labelled("Seed", seed), pictures.node),
      make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Draw the rest" }), button("Stop", () => trigger("clear")), copyButton),
    ),
  ),
);
number.addEventListener("change", () => real(number.value));
world.select.addEventListener("change", () => enter().then(() => real(0)));

// ---- The picture ----

async function enter() {
  const { height, width: w, channels, light_on_dark } = world.world;
  Object.assign(page, { width: w, height });
  missing = new Uint8Array(w * height);
  cursor = { x: w >> 1, y: height >> 1 };
  inkField.hidden = channels === 1;
  ink.value = light_on_dark ? "#ffffff" : "#000000";
  prompt.value = "";
  blank();
  presets.replaceChildren(...world.world.presets.map((entry) => button(entry.label, () => hide(entry.name))), button("Nothing", () => hide("")));
  hide(world.world.presets[0].name);
}

async function show(answer) {
  if (answer.error) return say(answer.error, true);
  code = answer.picture;
  paper.drawImage(await picture(answer.uri), 0, 0);
  say((answer.notes ?? []).join(" "));
  paint();
}

async function real(n) {
  number.value = n;
  await show(await server.picture({ world: world.select.value, picture: `held-out-${n}` }));
}

function another() {
  return real(Math.floor(Math.random() * (Number(number.max) + 1)));
}

function blank() {
  paper.fillStyle = world.world.light_on_dark ? "#000000" : "#ffffff";
  paper.fillRect(0, 0, page.width, page.height);
  code = "";
}

function empty() {
  blank();
  hide("");
  tool.value = "draw";
  say("Draw what is known, then remove what is to be drawn anew.");
}

async function upload(chosen) {
  if (chosen.size > UPLOAD_MOST) return say(`The file has ${(chosen.size / 1e6).toFixed(1)} MB; at most ${UPLOAD_MOST / 1e6} MB can be read.`, true);
  say("Reading the picture.");
  const reader = new FileReader();
  reader.onload = async () => show(await server.upload({ world: world.select.value, content: reader.result.split(",")[1] ?? "" }));
  reader.readAsDataURL(chosen);
}

function say(text, failed = false) {
  setText(status, text);
  status.dataset.state = failed ? "failed" : "";
}

// ---- What is missing, and strokes ----

function unpack(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return missing.map((_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

function pack() {
  const bytes = new Uint8Array(Math.ceil(missing.length / 8));
  missing.forEach((gone, i) => (bytes[i >> 3] |= gone << (7 - (i & 7))));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

function hide(name) {
  preset = name;
  missing = name ? unpack(world.world.presets.find((entry) => entry.name === name).bits) : missing.fill(0);
  paint();
}

function brush(event) {
  const box = board.getBoundingClientRect();
  cursor = { x: Math.floor(((event.clientX - box.left) / box.width) * page.width), y: Math.floor(((event.clientY - box.top) / box.height) * page.height) };
  apply();
}

function apply() {
  const radius = Number(width.input.value) / 2;
  const { light_on_dark } = world.world;
  for (let y = Math.ceil(cursor.y - radius); y <= cursor.y + radius; y++) {
    for (let x = Math.ceil(cursor.x - radius); x <= cursor.x + radius; x++) {
      if (x < 0 || y < 0 || x >= page.width || y >= page.height || (x - cursor.x) ** 2 + (y - cursor.y) ** 2 > radius ** 2) continue;
      const i = y * page.width + x;
      if (tool.value === "remove") missing[i] = 1;
      else missing[i] = 0;
      if (tool.value === "draw" || tool.value === "rub") {
        paper.fillStyle = tool.value === "draw" ? ink.value : light_on_dark ? "#000000" : "#ffffff";
        paper.fillRect(x, y, 1, 1);
        code = "";
      }
    }
  }
  preset = "";
  paint();
}

function key(event) {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!move && event.key !== " ") return;
  event.preventDefault();
  if (move) cursor = { x: Math.min(Math.max(cursor.x + move[0], 0), page.width - 1), y: Math.min(Math.max(cursor.y + move[1], 0), page.height - 1) };
  if (!move || event.shiftKey) apply();
  else paint();
  say(`Column ${cursor.x + 1}, row ${cursor.y + 1}: ${missing[cursor.y * page.width + cursor.x] ? "missing" : "known"}.`);
}

function paint() {
  const context = board.getContext("2d");
  const style = getComputedStyle(board);
  const cell = SIZE / page.width;
  context.imageSmoothingEnabled = false;
  context.drawImage(page, 0, 0, SIZE, SIZE);
  missing.forEach((gone, i) => {
    if (!gone) return;
    const [x, y] = [i % page.width, Math.floor(i / page.width)];
    context.fillStyle = style.getPropertyValue((x + y) % 2 ? "--gone" : "--gone-too");
    context.fillRect(x * cell, y * cell, cell, cell);
  });
  context.strokeStyle = style.getPropertyValue("--family-1");
  context.lineWidth = 2;
  context.beginPath();
  context.arc((cursor.x + 0.5) * cell, (cursor.y + 0.5) * cell, Math.max(Number(width.input.value) / 2, 0.5) * cell, 0, 2 * Math.PI);
  context.stroke();
  board.dataset.missing = missing.reduce((sum, gone) => sum + gone, 0);
}

// ---- Order and link ----

function order() {
  if (!code) code = page.toDataURL("image/png").split(",")[1].replaceAll("+", "-").replaceAll("/", "_");
  return { world: world.select.value, picture: code, missing: preset || pack(), prompt: prompt.value.trim(), seed: numberIn(seed), n: numberIn(pictures.input) };
}

function draw() {
  const query = order();
  remember("repair", query);
  const { n, ...rest } = query;
  trigger("submit", { order: { ...rest, num_images: n } });
}

width.input.addEventListener("input", paint);

async function restore() {
  const found = remembered("repair");
  const link = found?.picture ? found : null;
  if (link && worlds.some((entry) => entry.name === link.world)) world.select.value = link.world;
  await enter();
  prompt.value = link ? link.prompt ?? "" : start.prompt;
  if (!link) return real(start.number);
  const answer = await server.restore({ world: world.select.value, picture: link.picture ?? "", missing: link.missing ?? "" });
  await show(answer);
  if (answer.error) return;
  preset = answer.preset;
  missing = unpack(answer.missing);
  seed.value = link.seed ?? start.seed;
  setRange(pictures, link.n ?? start.num_images);
  if (/^held-out-\d+$/.test(code)) number.value = code.slice(9);
  paint();
  draw();
}

restore();
