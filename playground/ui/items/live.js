// Train live (live.py): choose a family, start, and watch its curve and its samples.

const root = element.querySelector(".item");
const { engines, minutes } = props.fixed;
const total = 60 * minutes;

const engine = make("select", {}, ...engines.map(({ name, title }) => make("option", { value: name, text: title })));
const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const bar = make("progress", { max: total, value: 0, "aria-label": "Share of the training" });
const curves = make("div", { class: "curves" });
const sheet = make("img", { class: "sheet", alt: "" });
const copyButton = button("Copy link", () => copyAddress(copyButton, location.href));
const stop = button("Stop", () => trigger("clear"));
bar.hidden = sheet.hidden = true;
root.append(
  make("p", { class: "lead", text: `A training from nothing, in ${minutes} minutes on one core of this server, with the recipe of the shipped engine and a sixth of its data. One at a time; whoever asks for the same one watches along.` }),
  make("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); order(); } },
    labelled("Engine", engine),
    make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Train" }), stop, copyButton)),
  status,
  bar,
  make("div", { class: "watched" }, curves, sheet),
);
engine.addEventListener("change", () => remember("live", { engine: engine.value }));

function order() {
  remember("live", { engine: engine.value });
  setText(status, "Asking the server.");
  status.dataset.state = "waiting";
  trigger("submit", { order: { engine: engine.value } });
}

const ENDINGS = { done: "The training is complete.", stopped: "Stopped. What it had learnt is shown." };

function show(view) {
  if (!view) return;
  const begun = "seconds" in view;
  const waiting = view.state === "training" ? "Reading captions and pictures." : "";
  const far = begun ? `${view.steps.toLocaleString("en")} steps, ${view.images.toLocaleString("en")} pictures seen in ${view.seconds.toFixed(0)} of ${total} s.` : waiting;
  setText(status, [ENDINGS[view.state] ?? view.message, far].filter(Boolean).join(" "));
  status.dataset.state = view.state;
  bar.hidden = view.state !== "training";
  bar.value = begun ? view.seconds : 0;
  if (!begun) return view.state === "training" && clear();
  curves.replaceChildren(...view.curves.map((curve) => curveFigure(curve, Math.max(view.seconds, 1)).node));
  sheet.hidden = !view.picture;
  if (view.picture && view.picture !== sheet.src) {
    sheet.src = view.picture;
    sheet.alt = `What it draws after about ${view.seconds.toFixed(0)} seconds: a column for each digit, the last row without a prompt`;
  }
}

function clear() {
  curves.replaceChildren();
  sheet.hidden = true;
}

watch("value", () => show(props.value));
const link = remembered("live");
if (link && engines.some(({ name }) => name === link.engine)) engine.value = link.engine;
