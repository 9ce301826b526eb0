// The face editor (edit.py): sliders move a face along directions; engines without any draw again when a slider is let go.

const root = element.querySelector(".item");
const { worlds, edits, start, limits } = props.fixed;
let cards = new Map(); // engine name -> its card; others once another face is drawn
let face = {}; // what was drawn: world, prompt, seed
const problems = new Map(); // engine name -> what went wrong with its last answer, or ""
const RESTS = { along: 120, again: 600 }; // milliseconds after the last move before the judge is asked, and the engines that draw again
const busy = { follow: false, along: false, again: false }; // one wish of each kind is on its way at a time
const waiting = { follow: false, along: false, again: false }; // and the latest one waits for it
const resting = { along: 0, again: 0 };
root.dataset.rest = RESTS.along;
const moves = { along: 0, again: 0 }; // of sliders, and how often they were let go

const world = worldField(worlds, start.world);
const prompt = textField(start.prompt);
const seed = numberField(start.seed, 0, limits.seed);
const sliders = edits.map(({ name, label }) => Object.assign(rangeField(label, 0, limits.least, limits.most, limits.step), { name }));
const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const sentence = make("p", { class: "quiet" });
const shown = make("div", { class: "replays" });
const copyButton = linkButton(() => note());
root.append(
  make("p", { class: "lead", text: "One face, four engines. Sliders follow directions found in what the GAN and the VAE draw from: the styles that steer the layers of the one, the attributes that the decoder of the other is told. The judge says what it reads before and after, and what changed that should not have. The other two do the nearest thing they can: draw again from the same random numbers, with the sentence changed." }),
);
if (worlds.length) {
  root.append(
    make("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); draw(); } },
      world.label, labelled("Prompt", prompt), labelled("Seed", seed),
      make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Draw the face" }), button("Back to 0", reset), copyButton),
      make("fieldset", {}, make("legend", { text: "Change" }), ...sliders.map((slider) => slider.node))),
    status, sentence, shown);
  for (const slider of sliders) {
    slider.input.addEventListener("input", () => { ask("follow"); askSoon("along"); });
    slider.input.addEventListener("change", () => { note(); askSoon("again"); });
  }
  world.select.addEventListener("change", draw);
  restore();
} else {
  root.append(make("p", { class: "quiet", text: "No world with faces is trained yet." }));
}

function query() {
  return { ...face, amounts: Object.fromEntries(sliders.map((slider) => [slider.name, rangeIn(slider)])) };
}

function note() {
  const { amounts, ...rest } = query();
  remember("edit", { ...rest, ...amounts });
}

function draw() {
  for (const timer of Object.values(resting)) clearTimeout(timer);
  face = { world: world.select.value, prompt: prompt.value.trim(), seed: numberIn(seed) };
  cards = new Map(world.world.engines.map((engine) => [engine.name, card(engine)]));
  problems.clear();
  shown.replaceChildren(...[...cards.values()].map(({ node }) => node));
  note();
  say("Drawing.");
  ask("along");
  ask("again");
}

function reset() {
  for (const slider of sliders) setRange(slider, 0);
  draw();
}

const cardsOf = (kind) => [...cards].filter(([, card]) => card.kind === kind);

function askSoon(kind) {
  moves[kind] += 1;
  clearTimeout(resting[kind]);
  for (const [, card] of cardsOf(kind)) card.setBusy(true);
  resting[kind] = setTimeout(() => ask(kind), RESTS[kind]);
}

// Ask for one of three: "follow", the pictures alone of the engines that move along directions; "along", what is read in them as well;
// "again", the engines that draw again, one after another, so that the quick ones, and other visitors, have their turn between them.
async function ask(kind) {
  if (busy[kind]) return (waiting[kind] = true);
  busy[kind] = true;
  const wish = query();
  if (kind === "follow") await follow(wish);
  else if (kind === "along") await Promise.all(cardsOf(kind).map(([name]) => change(kind, name, wish)));
  else for (const [name] of cardsOf(kind)) if (!waiting[kind]) await change(kind, name, query());
  busy[kind] = false;
  if (kind !== "follow") count("answered");
  if (waiting[kind]) {
    waiting[kind] = false;
    ask(kind);
  }
}

function count(what) {
  root.dataset[what] = Number(root.dataset[what] ?? 0) + 1;
}

function say(text, failed = false) {
  setText(status, text);
  status.dataset.state = failed ? "failed" : "";
}

async function follow(wish) {
  const on = cards;
  const { pictures } = await answerOf(server.follow(wish)); // without any, `change` says why
  if (!pictures || on !== cards) return;
  for (const [name, picture] of Object.entries(pictures)) cards.get(name).move(picture);
  count("followed");
}

async function change(kind, name, wish) {
  const on = cards, asked = moves[kind];
  const answer = await answerOf(server.change({ ...wish, engine: name }));
  if (on !== cards) return; // another face is drawn by now
  problems.set(name, answer.error ?? "");
  const problem = [...problems.values()].find(Boolean); // one engine's success does not hide another's failure
  say(problem ?? "", Boolean(problem));
  const latest = asked === moves[kind]; // else the next answer is on its way
  if (latest) cards.get(name).setBusy(false);
  if (answer.error) return;
  setText(sentence, `The face: “${answer.before}”${answer.unheard.length ? ` Not heard: ${answer.unheard.join(", ")}.` : ""}`);
  cards.get(name).show(answer.shown, answer, latest);
}

function card(engine) {
  const [before, after] = ["before", "after"].map((text) => ({ image: make("img", { alt: `${engine.title}: ${text}` }), text }));
  const facts = make("div", {});
  const pair = make("div", { class: "double" }, ...[before, after].map(({ image, text }) => make("figure", {}, image, make("figcaption", { text }))));
  const node = make("article", { class: "card", "aria-label": engine.title }, make("h2", { text: engine.title }), make("p", { class: "quiet", text: engine.how }), pair, facts);
  const setBusy = (yes) => facts.setAttribute("aria-busy", yes); // what stands there is about the picture before
  const move = (picture) => (after.image.src = picture);
  const show = (found, answer, latest) => {
    pair.hidden = Boolean(found.error);
    if (found.error) return facts.replaceChildren(make("p", { class: "quiet", text: found.error }));
    before.image.src = found.before;
    if (!latest) return;
    after.image.src = found.after;
    const change = ([key, first, second]) => `${key}: ${first}${first === second ? ", as before" : ` → ${second}`}`;
    const lines = [
      found.wanted.length ? make("p", {}, make("b", { text: "The judge reads " }), found.wanted.map(change).join("; ")) : "",
      make("p", { "data-verdict": found.leaked.length ? "failed" : "fine" }, make("b", { text: found.leaked.length ? "Leaked: " : "Nothing leaked" }), found.leaked.map(change).join("; ")),
      found.scores ? make("p", { class: "number", text: `discriminator's score ${found.scores[0].toFixed(2)} → ${found.scores[1].toFixed(2)}` }) : "",
      engine.along ? "" : make("p", { class: "quiet", text: answer.before === answer.after ? `It is asked for the same: its sentence changes from ${limits.on} of a slider on, by what it does not say yet.` : `Asked for: “${answer.after}”` }),
    ];
    facts.replaceChildren(...lines.filter(Boolean));
  };
  return { node, kind: engine.along ? "along" : "again", setBusy, move, show };
}

function restore() {
  const link = remembered("edit");
  if (link) {
    world.choose(link.world);
    prompt.value = link.prompt ?? "";
    seed.value = link.seed ?? start.seed;
    for (const slider of sliders) setRange(slider, link[slider.name] ?? 0);
  }
  setTimeout(draw);
}
