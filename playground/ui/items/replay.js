// Replay (replay.py): every engine's training under one slider, from its first pictures to its last.

const ACROSS = 4; // pictures in a row of an engine's set
const STEP = 1; // percent of a training, for each picture of the animation
const MILLISECONDS = 80;
const root = element.querySelector(".item");
const { worlds, start } = props.fixed;
let shown = []; // engines, each with what its card needs to move
let timer = 0;
let turn = 0; // counts the worlds opened

const world = worldField(worlds, start.world);
const place = rangeField("Share of the training", 100, 0, 100, 1, " %");
const status = make("p", { class: "status", role: "status" });
const play = button("Play", () => (timer ? pause() : run()), "primary");
const cards = make("div", { class: "replays" });
root.append(
  make("p", { class: "lead", text: "How the engines came to draw as they do. Move the slider: every engine goes to the same share of its own training, and shows what it drew then." }),
  make("div", { class: "controls" }, world.label, place.node, make("div", { class: "buttons" }, play, linkButton(settle))),
  status,
  cards,
);
place.input.addEventListener("input", () => { pause(); move(); });
place.input.addEventListener("change", settle);
world.select.addEventListener("change", () => { settle(); open(); });

async function open() {
  const mine = ++turn;
  pause();
  setText(status, "Loading the trainings.");
  const answer = await answerOf(server.open(world.select.value));
  if (mine !== turn) return; // another world was chosen meanwhile
  setText(status, answer.error ?? asked(answer.engines.filter((engine) => !engine.error)));
  status.dataset.state = answer.error ? "failed" : "done";
  const built = answer.error ? [] : await Promise.all(answer.engines.map(card));
  if (mine !== turn) return;
  shown = built;
  cards.replaceChildren(...shown.map((engine) => engine.node));
  move();
}

function asked(engines) {
  const alike = new Set(engines.map((engine) => engine.captions.join("\n"))).size <= 1;
  return `Every engine was asked for the same each time, with the same seeds${alike ? "; all engines too." : ", but not all engines for the same."}`;
}

async function card(engine) {
  const heading = make("h2", { text: engine.title });
  if (engine.error) return { node: make("article", { class: "card replayed" }, heading, make("p", { class: "quiet", text: engine.error })), at: () => {} };
  const sheet = await picture(engine.sheet);
  const side = { width: sheet.width / engine.columns, height: sheet.height / engine.moments.length };
  const canvas = make("canvas", { role: "img" });
  Object.assign(canvas, { width: ACROSS * side.width, height: Math.ceil(engine.columns / ACROSS) * side.height });
  const when = make("p", { class: "when" });
  const curves = engine.curves.map((curve) => curveFigure(curve, engine.seconds));
  const context = canvas.getContext("2d");
  const at = (share) => {
    const seconds = share * engine.seconds;
    for (const curve of curves) curve.at(seconds);
    const row = engine.moments.findLastIndex((moment) => moment.seconds <= seconds + 1);
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < engine.columns && row >= 0; i++) {
      const [x, y] = [(i % ACROSS) * side.width, Math.floor(i / ACROSS) * side.height];
      context.drawImage(sheet, i * side.width, row * side.height, side.width, side.height, x, y, side.width, side.height);
    }
    const moment = engine.moments[row];
    setText(when, moment ? `drawn after ${minutes(moment.seconds)} of ${minutes(engine.seconds)}, ${moment.step.toLocaleString("en")} steps, ${moment.images.toLocaleString("en")} pictures seen` : "nothing drawn yet");
    canvas.setAttribute("aria-label", moment ? `${engine.title}: ${engine.columns} pictures ${when.textContent}. The first: ${engine.captions[0]}` : `${engine.title}: ${when.textContent}`);
  };
  const node = make("article", { class: "card replayed", "aria-label": engine.title }, heading, canvas, when, ...curves.map((curve) => curve.node), make("p", { class: "quiet", text: engine.reads }));
  return { node, at };
}

const minutes = (seconds) => (seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`);

function move() {
  for (const engine of shown) engine.at(Number(place.input.value) / 100);
}

function settle() {
  remember("replay", { world: world.select.value, at: place.input.value });
}

function run() {
  if (Number(place.input.value) >= 100) setRange(place, 0);
  play.textContent = "Pause";
  timer = setInterval(() => {
    setRange(place, Math.min(100, Number(place.input.value) + STEP));
    move();
    if (Number(place.input.value) >= 100) pause();
  }, MILLISECONDS);
}

function pause() {
  if (timer) settle();
  clearInterval(timer);
  timer = 0;
  play.textContent = "Play";
}

const link = remembered("replay");
if (link) {
  world.choose(link.world);
  setRange(place, link.at ?? 100);
}
open();
