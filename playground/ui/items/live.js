// Train live (live.py): choose a family, start, and watch its curve and its samples.

const EVERY = 1000; // milliseconds between two looks at a training
const SELDOM = 15_000; // and between two looks whether another visitor has begun one
const root = element.querySelector(".item");
const { engines, minutes } = props.fixed;
const total = 60 * minutes;
const owner = mine();
let drawn = 0; // which sheet of samples is shown
let timer = 0;

const engine = make("select", {}, ...engines.map(({ name, title }) => make("option", { value: name, text: title })));
const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const refusal = make("p", { class: "problem", role: "alert" });
const counts = make("p", { class: "quiet number" });
const bar = make("progress", { max: total, value: 0, "aria-label": "Share of the training" });
const curves = make("div", { class: "curves" });
const sheet = make("img", { class: "sheet", alt: "" });
bar.hidden = sheet.hidden = true;
root.append(
  make("p", { class: "lead", text: `A training from nothing, in ${minutes} minutes on one core of this server, with the recipe of the shipped engine and a part of its data. One at a time; everybody on this page watches the same one.` }),
  make("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); start(); } },
    labelled("Engine", engine),
    make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Train" }), button("Stop", stop), linkButton(note))),
  refusal,
  status,
  bar,
  counts,
  make("div", { class: "watched" }, curves, sheet),
);
engine.addEventListener("change", note);

function note() {
  remember("live", { engine: engine.value });
}

// Who began a training may stop it, also after a reload of the page.
function mine() {
  const key = "generative-playground-trainer";
  const fresh = `${Math.random()}${Math.random()}`;
  try {
    const token = sessionStorage.getItem(key) ?? fresh;
    sessionStorage.setItem(key, token);
    return token;
  } catch {
    return fresh; // some browsers keep nothing for a page within another site's
  }
}

async function start() {
  note();
  setText(status, "Asking the server.");
  const answer = await answerOf(server.start({ engine: engine.value, owner }));
  setText(refusal, answer.error ?? "");
  look();
}

async function stop() {
  const answer = await answerOf(server.stop({ owner }));
  setText(refusal, answer.error ?? "");
  look();
}

async function look() {
  clearTimeout(timer);
  const view = await answerOf(server.look({ seen: drawn }));
  show(view);
  clearTimeout(timer);
  timer = setTimeout(() => document.hidden || look(), view.state === "training" || view.error ? EVERY : SELDOM);
}

document.addEventListener("visibilitychange", () => document.hidden || look());

const TEXTS = { idle: "", done: "The training is complete.", stopped: "Stopped. What it had learnt is shown.", failed: "The training failed." };

function show(view) {
  if (view.error) return setText(status, view.error);
  const begun = "seconds" in view;
  const title = engines.find(({ name }) => name === view.engine)?.title ?? "";
  const training = begun ? `${title} is being trained.` : `${title} is about to be trained: captions and pictures are being read.`;
  setText(status, view.message || (TEXTS[view.state] ?? training));
  status.dataset.state = view.state;
  bar.hidden = view.state !== "training";
  bar.value = begun ? view.seconds : 0;
  setText(counts, begun ? `${title}: ${view.steps.toLocaleString("en")} steps, ${view.images.toLocaleString("en")} pictures seen in ${view.seconds.toFixed(0)} of ${total} s.` : "");
  curves.replaceChildren(...(begun ? view.curves.map((curve) => curveFigure(curve, Math.max(view.seconds, 1)).node) : []));
  if (!begun || !view.drawn) {
    sheet.hidden = true;
    drawn = 0;
  } else if (view.picture) {
    sheet.src = view.picture;
    sheet.alt = `What ${title} draws after ${view.drawn.toFixed(0)} seconds: a column for each digit, the last row without a prompt`;
    sheet.hidden = false;
    drawn = view.drawn;
  }
}

const link = remembered("live");
if (link && engines.some(({ name }) => name === link.engine)) engine.value = link.engine;
look();
