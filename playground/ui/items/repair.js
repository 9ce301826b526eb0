// Complete and repair (repair.py): a picture, what is missing in it, and an order that draws the rest. The panes below show it.

const root = element.querySelector(".item");
const { worlds, start } = props.fixed;
let missing = new Uint8Array(0);
let drawn = null; // the order whose pictures are shown
let preset = ""; // name of what is missing, "" when brushed

// ---- Layout ----

const presets = make("div", { class: "buttons", role: "group", "aria-label": "What is missing" });
const prompt = textField(start.prompt);
const seed = numberField(start.seed, 0, props.fixed.max_seed);
const pictures = rangeField("Ways to finish it", start.num_images, 1, props.fixed.most_ways);
const copyButton = linkButton(() => remember("repair", drawn ?? order()));
const board = makeBoard({
  worlds,
  start,
  limits: props.fixed,
  tools: [["remove", "remove (to be drawn anew)"], ["keep", "keep again"], ["draw", "draw"], ["rub", "rub out"]],
  label: "Picture to repair",
  hooks: { entered, emptied, touched, over, about: (i) => (missing[i] ? ": missing" : ": known") },
});
root.append(
  make("p", { class: "lead", text: "Complete or repair: hide a part of a picture and let every engine draw it anew, around what is known. The autoregressive engine says the known pixels, in turn, in place of its own; diffusion adds noise to them and lets the rest follow; VAE and GAN search for a latent that agrees with them. At the end the known pixels are put back as they were, and what was drawn otherwise there fades into the drawing beside them; each pane says, and shows, how far off the engine's own picture was there." }),
  make(
    "div",
    { class: "repair" },
    make("div", {}, board.canvas, board.status),
    make(
      "form",
      { class: "controls", onsubmit: (event) => { event.preventDefault(); draw(); } },
      board.world.label,
      board.source,
      make("fieldset", {}, make("legend", { text: "Missing" }), presets),
      board.pointer,
      make("fieldset", {}, make("legend", { text: "What to draw" }), labelled("Prompt", prompt), labelled("Seed", seed), pictures.node),
      make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Draw the rest" }), button("Stop", () => trigger("clear")), copyButton),
    ),
  ),
);

// ---- What is missing ----

function entered() {
  missing = new Uint8Array(board.page.width * board.page.height);
  prompt.value = "";
  const known = board.world.world.presets;
  presets.replaceChildren(...known.map((entry) => button(entry.label, () => hide(entry.name))), button("Nothing", () => hide("")));
  hide(known[0].name);
}

function emptied() {
  hide("");
  board.say("Draw what is known, then remove what is to be drawn anew.");
}

function touched(i, tool) {
  missing[i] = tool === "remove";
  preset = "";
}

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
  missing = name ? unpack(board.world.world.presets.find((entry) => entry.name === name).bits) : missing.fill(0);
  board.paint();
}

function over(context, cell) {
  const style = getComputedStyle(board.canvas);
  const { width } = board.page;
  missing.forEach((gone, i) => {
    if (!gone) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    context.fillStyle = style.getPropertyValue((x + y) % 2 ? "--gone" : "--gone-too");
    context.fillRect(x * cell, y * cell, cell, cell);
  });
  board.canvas.dataset.missing = missing.reduce((sum, gone) => sum + gone, 0);
}

// ---- Order and link ----

function order() {
  return { world: board.world.select.value, picture: board.written(), missing: preset || pack(), prompt: prompt.value.trim(), seed: numberIn(seed), n: rangeIn(pictures) };
}

function draw() {
  drawn = order();
  remember("repair", drawn);
  const { n, ...rest } = drawn;
  trigger("submit", { order: { ...rest, num_images: n } });
}

async function restore() {
  const found = remembered("repair");
  const link = found?.picture ? found : null;
  if (link) board.world.choose(link.world);
  board.enter();
  prompt.value = link ? link.prompt ?? "" : start.prompt;
  if (!link) return board.real(start.number);
  const answer = await board.ask(server.restore({ world: board.world.select.value, picture: link.picture ?? "", missing: link.missing ?? "" }));
  if (!answer || answer.error) return;
  preset = answer.preset;
  missing = unpack(answer.missing);
  seed.value = link.seed ?? start.seed;
  setRange(pictures, link.n ?? start.num_images);
  board.paint();
  draw();
}

restore();
