// The walk (walk.py): two ends, and per engine a strip of the pictures between them and an animation that goes there and back.

const STEP_MILLISECONDS = 120;
const root = element.querySelector(".item");
const { worlds, start, limits } = props.fixed;
const rows = new Map(); // engine name -> its elements, pictures and place
let run = "";
let started = 0;
let walked = ""; // through what, where an engine leaves a choice
let ordered = null; // what the strips shown were drawn from
let linked = ""; // what a link says of that, for the server to explain where it is nothing that can be chosen

const world = worldField(worlds, start.world);
const ends = ["from", "to"].map((name) => ({ name, prompt: textField(start[`${name}_prompt`]), seed: numberField(start[`${name}_seed`], 0, limits.seed) }));
const steps = rangeField("Pictures on the way", start.steps, limits.min_steps, limits.max_steps);
const through = make("select", {}, ...["w", "z"].map((way) => make("option", { value: way, text: way })));
const throughField = labelled("The GAN walks through", through, "w: its styles, in a straight line. z: the random vectors that styles are made of, around a sphere.");
const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const strips = make("div", { class: "strips" });
const copyButton = linkButton(() => remember("walk", ordered ?? query()));
copyButton.hidden = true;
const form = make(
  "form",
  { class: "controls", onsubmit: (event) => { event.preventDefault(); order(); } },
  world.label,
  ...ends.map((end) => {
    const group = make("fieldset", {}, make("legend", { text: end.name === "from" ? "From" : "To" }), labelled("Prompt", end.prompt), labelled("Seed", end.seed));
    return group;
  }),
  steps.node,
  throughField,
  make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Walk" }), button("Stop", () => trigger("clear")), copyButton),
);
root.append(
  make("p", { class: "lead", text: "Between two pictures lies a way through what an engine starts from. Walk it: with the same prompt twice you see what only the seed decides, with the same seed twice what only the words decide." }),
  form,
  status,
  strips,
);
world.select.addEventListener("change", () => {
  enter();
  ends.forEach((end, i) => (end.prompt.value = world.world.examples[i] ?? ""));
});

const ways = () => Object.values(world.world.ways).find((known) => Object.keys(known).length);

function enter() {
  throughField.hidden = !ways();
}

function query() {
  const asked = { world: world.select.value, steps: rangeIn(steps), ...(ways() ? { through: through.value || linked } : {}) };
  for (const end of ends) Object.assign(asked, { [`${end.name}_prompt`]: end.prompt.value.trim(), [`${end.name}_seed`]: numberIn(end.seed) });
  return asked;
}

function order() {
  walked = through.value;
  ordered = query();
  remember("walk", ordered);
  trigger("submit", { order: ordered });
}

// ---- Showing ----

function show(view) {
  if (!view || view.started < started) return; // the end of a walk that a newer one replaced
  if (view.started > started) reset(view);
  const drawing = view.panes.find((pane) => pane.state === "drawing");
  const texts = { waiting: "Waiting for a turn.", drawing: drawing ? `${drawing.title} is on its way.` : "Waiting for the next turn.", done: "All engines have arrived.", stopped: "Stopped.", failed: view.message };
  setText(status, texts[view.state] ?? "");
  status.dataset.state = view.state;
  run = view.run;
  copyButton.hidden = view.state === "failed";
  for (const pane of view.panes) showRow(rows.get(pane.name), pane, view);
}

function reset(view) {
  started = view.started;
  for (const row of rows.values()) clearInterval(row.timer);
  rows.clear();
  if (view.state !== "failed") for (const pane of view.panes) rows.set(pane.name, buildRow(pane));
  strips.replaceChildren(...[...rows.values()].map((row) => row.node));
}

function buildRow(pane) {
  const row = { shown: "", frames: [], place: 0, direction: 1, timer: 0, title: pane.title };
  row.strip = make("div", { class: "strip", role: "img", "aria-label": `${pane.title}: nothing drawn yet` });
  row.player = make("canvas", { "aria-hidden": "true" });
  row.slider = make("input", { type: "range", min: 0, value: 0, "aria-label": `${pane.title}: place on the way`, oninput: () => { pause(row); stand(row, Number(row.slider.value)); } });
  row.play = button("Play", () => (row.timer ? pause(row) : play(row)));
  row.gif = button("Animation (GIF)", () => download(pane.name));
  for (const [part, name] of [[row.play, "Play"], [row.gif, "Animation (GIF)"]]) part.setAttribute("aria-label", `${name}: ${pane.title}`);
  row.note = make("p", { class: "quiet" });
  row.moving = make("div", { class: "moving", hidden: "" }, row.player, make("div", {}, row.slider, make("div", { class: "buttons" }, row.play, row.gif)));
  row.node = make("article", { class: "card walked", "aria-label": pane.title }, make("header", {}, make("h2", { text: pane.title }), row.note), row.strip, row.moving);
  return row;
}

async function showRow(row, pane, view) {
  if (!row) return;
  const of = worlds.find(({ name }) => name === ordered?.world);
  const how = of?.ways[pane.name]?.[walked] ?? of?.between[pane.name];
  setText(row.note, pane.error || (how ? `walks through ${how}` : ""));
  row.node.dataset.state = pane.state;
  if (!pane.picture || pane.picture === row.shown) return finish(row);
  row.shown = pane.picture;
  const sheet = await picture(pane.picture);
  if (row.shown !== pane.picture) return; // a later one came meanwhile
  const width = sheet.width / view.columns;
  row.frames = Array.from({ length: view.columns }, (_, i) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    Object.assign(canvas, { width, height: sheet.height });
    canvas.getContext("2d").drawImage(sheet, i * width, 0, width, sheet.height, 0, 0, width, sheet.height);
    return canvas;
  });
  row.strip.replaceChildren(...row.frames);
  row.strip.style.setProperty("--columns", view.columns);
  row.strip.setAttribute("aria-label", `${row.title}: ${view.columns} pictures on the way from “${ordered.from_prompt || "anything"}” to “${ordered.to_prompt || "anything"}”`);
  finish(row);
}

function finish(row) {
  if (!run || !row.moving.hidden || !row.frames.length) return;
  row.moving.hidden = false;
  row.slider.max = row.frames.length - 1;
  Object.assign(row.player, { width: row.frames[0].width, height: row.frames[0].height });
  stand(row, 0);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(row);
}

// ---- The animation ----

function stand(row, place) {
  row.place = place;
  row.slider.value = place;
  row.slider.setAttribute("aria-valuetext", `picture ${place + 1} of ${row.frames.length}`);
  row.player.getContext("2d").drawImage(row.frames[place], 0, 0);
}

function play(row) {
  row.play.textContent = "Pause";
  row.play.setAttribute("aria-label", `Pause: ${row.title}`);
  row.timer = setInterval(() => {
    if (row.place + row.direction < 0 || row.place + row.direction >= row.frames.length) row.direction = -row.direction;
    stand(row, row.place + row.direction);
  }, STEP_MILLISECONDS);
}

function pause(row) {
  clearInterval(row.timer);
  row.timer = 0;
  row.play.textContent = "Play";
  row.play.setAttribute("aria-label", `Play: ${row.title}`);
}

async function download(name) {
  const file = await answerOf(server.download({ run, name }));
  if (file.error) return setText(status, file.error);
  save(file);
}

watch("value", () => show(props.value));
const link = remembered("walk");
if (link && "from_seed" in link) {
  world.choose(link.world);
  for (const end of ends) {
    end.prompt.value = link[`${end.name}_prompt`] ?? "";
    end.seed.value = link[`${end.name}_seed`] ?? "0";
  }
  setRange(steps, link.steps ?? start.steps);
  linked = link.through ?? "w";
  through.value = linked;
  setTimeout(order);
}
enter();
