// The script of the component Panes (panes.py says what is in its value). Everything a visitor typed is set as text.

const stage = element.querySelector(".stage");
const panes = new Map(); // engine name -> its elements and film
let newest = null; // the value on show

const milliseconds = (s) => (s < 0.01 ? (1000 * s).toFixed(1) : Math.round(1000 * s).toLocaleString("en"));
const percent = (share) => `${Math.round(100 * share)} %`;

// ---- Layout, built once per set of engines ----

const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const reading = make("ul", { class: "reading", "aria-label": "Words of the prompt" });
const row = make("div", { class: "row" });
const chart = make("section", { class: "chart", "aria-label": "When each engine showed its first and its last picture" });
const takeaway = make("div", { class: "takeaway", role: "group", "aria-label": "Link and downloads" });
stage.append(make("div", { class: "line" }, status, reading), row, chart, takeaway);

const DOWNLOADS = { picture: "Pictures (PNG)", strip: "Film strip (PNG)", animation: "Animation (GIF)", record: "Record (JSON)" };
const copyLink = make("button", { type: "button", text: "Copy link", onclick: copy });
takeaway.append(copyLink);
for (const [kind, label] of Object.entries(DOWNLOADS)) {
  takeaway.append(make("button", { type: "button", text: label, onclick: () => download(kind) }));
}

function figure(label, hint) {
  const value = make("dd", { text: "–" });
  return { value, node: make("div", { title: hint }, make("dt", { text: label }), value) };
}

function buildPane(view) {
  const pane = { name: view.name, film: null, wanted: 0 };
  pane.pictures = make("div", { class: "pictures", role: "img", "aria-label": `${view.title}: nothing drawn yet` });
  pane.bar = make("div", { class: "bar", role: "progressbar", "aria-label": `${view.title}: progress`, "aria-valuemin": 0, "aria-valuemax": 100 });
  pane.fill = make("span");
  pane.bar.append(pane.fill);
  pane.time = figure("time", "Network time of this engine alone; previews, encoding and waiting are not in it. It is longer while the server trains or measures beside it.");
  pane.calls = figure("network calls", "How often a network was evaluated; a guided step counts twice.");
  pane.match = figure("prompt match", "Share of the requested attributes that the judge, a network trained on real pictures only, finds.");
  pane.sharpness = figure("sharpness", "Variance of the Laplacian relative to real pictures: below 1 is softer, above is harsher.");
  pane.found = make("ul", { class: "found", "aria-label": `${view.title}: what was found in its pictures` });
  pane.difference = make("figure", { class: "difference", hidden: "" });
  pane.onward = make("p", { class: "onward", hidden: "" });
  pane.problem = make("p", { class: "problem" });
  buildScrub(pane, view.title);
  const head = make("header", {}, make("h2", { text: view.title }), make("p", { text: view.how }));
  const figures = make("dl", { class: "figures" }, ...[pane.time, pane.calls, pane.match, pane.sharpness].map((f) => f.node));
  pane.node = make("article", { class: "pane", "aria-label": view.title });
  pane.node.append(head, pane.pictures, pane.scrub, figures, make("div", {}, pane.found, pane.difference, pane.onward), pane.problem);
  return pane;
}

function buildScrub(pane, title) {
  pane.slider = make("input", { type: "range", min: 0, value: 0, hidden: "", "aria-label": `${title}: moment`, oninput: () => scrubTo(pane) });
  pane.noisy = make("input", { type: "checkbox", role: "switch", onchange: () => scrubTo(pane) });
  pane.noisyLabel = make("label", { hidden: "" }, pane.noisy, "show the noisy picture");
  pane.moment = make("span");
  pane.scrub = make("div", { class: "scrub" }, pane.bar, pane.slider, make("div", {}, pane.moment, pane.noisyLabel));
}

// ---- Pictures: a sheet has one row per moment and one column per image ----

async function paint(pane, uri, { moment = 0, moments = 1, columns }) {
  const turn = ++pane.wanted;
  if (!uri) return pane.pictures.replaceChildren();
  const sheet = new Image();
  sheet.src = uri;
  await sheet.decode();
  if (turn !== pane.wanted) return; // a later picture was asked for meanwhile
  const [w, h] = [sheet.width / columns, sheet.height / moments];
  while (pane.pictures.childElementCount > columns) pane.pictures.lastChild.remove();
  while (pane.pictures.childElementCount < columns) pane.pictures.append(make("canvas", { "aria-hidden": "true" }));
  [...pane.pictures.children].forEach((canvas, i) => {
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    canvas.getContext("2d").drawImage(sheet, i * w, moment * h, w, h, 0, 0, w, h);
  });
}

function arrange(pictures, count) {
  const columns = Math.ceil(Math.sqrt(count));
  pictures.style.setProperty("--columns", columns);
  pictures.style.setProperty("--rows", Math.ceil(count / columns));
}

// ---- One update: only what differs from the last one is touched, because the browser may share its cores with the engines ----

function differs(shown, data) {
  const said = JSON.stringify(data);
  const other = shown.said !== said;
  shown.said = said;
  return other;
}

function show(view) {
  if (newest && view.started < newest.started) return; // the end of a run that a newer one replaced
  const before = newest;
  newest = view;
  if (!before || before.started !== view.started || before.panes[0]?.name !== view.panes[0]?.name) reset(view);
  showStatus(view);
  for (const data of view.panes) {
    const pane = panes.get(data.name);
    if (differs(pane, data)) showPane(pane, data, view);
  }
  showChart(view);
  takeaway.hidden = !view.run;
  copyLink.hidden = !view.link; // an item's own button copies its link
  if (!view.run || before?.run === view.run) return;
  fetchFilms(view);
  for (const pane of panes.values()) pane.painted?.then(() => newest.run === view.run && showOnward(pane, view));
}

function reset(view) {
  panes.clear();
  for (const data of view.panes) panes.set(data.name, buildPane(data));
  for (const pane of panes.values()) arrange(pane.pictures, view.columns);
  row.replaceChildren(...[...panes.values()].map((pane) => pane.node));
  if (view.state === "idle" || view.state === "failed") return;
  if (view.link) compareAt(view.link);
  if (stage.getBoundingClientRect().top > innerHeight / 2) stage.scrollIntoView({ block: "start" }); // on a phone the panes are further down
}

function showStatus(view) {
  const drawing = view.panes.find((pane) => pane.state === "drawing");
  const failed = view.panes.filter((pane) => pane.error).map((pane) => pane.title);
  const texts = {
    idle: "",
    waiting: "Waiting for a turn.",
    drawing: drawing ? `${drawing.title} is drawing.` : "Waiting for the next turn.",
    done: failed.length ? `${failed.join(", ")} failed; the others are done.` : "All engines are done.",
    stopped: "Stopped.",
    failed: view.message,
  };
  setText(status, texts[view.state]);
  if (stage.dataset.state !== view.state) stage.dataset.state = view.state;
  if (differs(reading, [view.state, view.understood, view.overruled, view.ignored, view.supplement])) showReading(view);
}

function showReading(view) {
  const words = [
    ...Object.entries(view.understood).map(([key, value]) => make("li", { class: "understood" }, ...named(key, value))),
    ...Object.entries(view.overruled).map(([key, value]) =>
      make("li", { class: "ignored" }, "set aside: ", make("s", { text: `${spoken(key)} ${value}` })),
    ),
    ...(Object.keys(view.overruled).length ? [make("li", { class: "rule", text: "The first named counts; what cannot be seen is set aside." })] : []),
    ...view.ignored.map((word) => make("li", { class: "ignored" }, "ignored: ", make("s", { text: word }))),
  ];
  if (["drawing", "done"].includes(view.state) && !words.length) words.push(make("li", { class: "understood", text: "nothing asked: anything goes" }));
  if (view.supplement) words.push(make("li", { class: "rule", text: `${view.columns === 1 ? "The seed" : "The first picture's seed"} adds: ${view.supplement}.` }));
  reading.replaceChildren(...words);
}

function showPane(pane, data, view) {
  const { title, state } = data;
  pane.node.dataset.state = state;
  if (data.picture !== pane.shown) pane.painted = paint(pane, data.picture, { columns: view.columns });
  pane.shown = data.picture;
  pane.alt = `${title}, ${view.columns === 1 ? "1 picture" : `${view.columns} pictures`}: ${view.prompt || "anything"}`;
  pane.pictures.setAttribute("aria-label", data.picture ? pane.alt : `${title}: nothing drawn yet`);
  if (!pane.film) setMoment(pane, data);
  setText(pane.match.value, matchText(data));
  setText(pane.sharpness.value, data.sharpness === null ? "–" : `${data.sharpness.toFixed(2)} × real`);
  setText(pane.problem, data.error);
  const chips = Object.entries(data.found).map(([key, share]) => foundChip(key, view.understood[key], share));
  const kept = data.kept ? [make("li", { class: "kept", text: data.kept })] : [];
  pane.found.replaceChildren(...kept, ...(data.note ? [make("li", { class: "no", text: data.note })] : chips));
}

function matchText({ state, match, note }) {
  if (match !== null) return percent(match);
  return note ? "not judged" : state === "done" ? "nothing asked" : "–";
}

const spoken = (key) => key.replaceAll("_", " ");

function named(key, value) {
  return [make("small", { text: `${spoken(key)} ` }), value];
}

function foundChip(key, value, share) {
  const verdict = share === 1 ? "✓" : share === 0 ? "✗" : percent(share);
  const answer = share === 1 ? "found" : share === 0 ? "not found" : `found in ${percent(share)} of the pictures`;
  const mark = make("span", { "aria-hidden": "true", text: ` ${verdict}` });
  return make("li", { class: share === 1 ? "yes" : share === 0 ? "no" : "some" }, ...named(key, value), mark, make("span", { class: "unseen", text: ` ${answer}` }));
}

function setMoment(pane, { step, steps, seconds, calls }) {
  setText(pane.moment, step ? `step ${step.toLocaleString("en")} of ${steps.toLocaleString("en")}` : "");
  setText(pane.time.value, step ? `${milliseconds(seconds)} ms` : "–");
  setText(pane.calls.value, step ? calls.toLocaleString("en") : "–");
  pane.bar.setAttribute("aria-valuenow", Math.round((100 * step) / steps));
  pane.fill.style.width = `${(100 * step) / steps}%`;
  pane.slider.setAttribute("aria-valuetext", pane.moment.textContent);
}

// ---- Strip chart ----

function showChart(view) {
  const drawn = view.run ? view.panes.filter((pane) => pane.seconds !== null) : [];
  chart.hidden = !drawn.length;
  if (!drawn.length) return;
  const end = Math.max(...drawn.map((pane) => pane.seconds));
  const lines = drawn.map((pane) => {
    const bar = make("span", { class: "span" });
    bar.style.left = `min(${(100 * pane.first) / end}%, 100% - 4px)`;
    bar.style.width = `${(100 * (pane.seconds - pane.first)) / end}%`;
    const text = pane.first === pane.seconds ? `${milliseconds(pane.seconds)} ms` : `${milliseconds(pane.first)} – ${milliseconds(pane.seconds)} ms`;
    const line = make("li", {}, make("b", { text: pane.title }), make("span", { class: "track" }, bar), make("span", { class: "when", text }));
    line.style.setProperty("--accent", `var(--family-${1 + view.panes.indexOf(pane)})`);
    return line;
  });
  chart.replaceChildren(make("h3", { text: "First to last picture, each on its own clock" }), make("ul", {}, ...lines));
}

// ---- Looking back ----

async function fetchFilms(view) {
  const films = await answerOf(server.film(view.run));
  if (newest.run !== view.run) return;
  if (films.error) return setText(status, `${status.textContent} How the pictures came about cannot be shown: ${films.error}`);
  for (const [name, film] of Object.entries(films)) {
    const pane = panes.get(name);
    const last = film.steps.length - 1;
    if (film.difference) showDifference(pane, film.difference);
    if (!last) continue;
    pane.film = film;
    pane.slider.max = last;
    pane.slider.value = last;
    pane.slider.hidden = false;
    pane.bar.hidden = true;
    pane.noisyLabel.hidden = !film.noisy;
  }
}

// Where an engine's own picture is off at known pixels, of all its images side by side.
function showDifference(pane, uri) {
  const image = make("img", { src: uri, alt: `${pane.alt}; how far off at the known pixels` });
  pane.difference.replaceChildren(image, make("figcaption", { text: "How far off: black where it agrees, or where nothing was known." }));
  pane.difference.hidden = false;
}

function scrubTo(pane) {
  const film = pane.film;
  const moment = Number(pane.slider.value);
  const noisy = pane.noisy.checked;
  paint(pane, noisy ? film.noisy : film.predicted, { moment, moments: film.steps.length, columns: newest.columns });
  pane.pictures.setAttribute("aria-label", `${pane.alt}; ${noisy ? "noisy picture" : "picture"} at step ${film.steps[moment]}`);
  setMoment(pane, { step: film.steps[moment], steps: film.total, seconds: film.seconds[moment], calls: film.calls[moment] });
}

// ---- Where a finished picture can go on to: links that hold the first of them ----

function showOnward(pane, view) {
  const canvas = pane.pictures.querySelector("canvas");
  if (!canvas) return;
  const held = { world: pane.name.split("/")[0], picture: pictureCode(canvas) };
  const link = (text, item, more) => {
    const query = new URLSearchParams({ tab: "explore", item, ...held, ...more });
    return make("a", { href: `?${query}`, text, "aria-label": `${text} ${pane.alt}` });
  };
  const repair = link("Repair", "repair", { missing: "hole", prompt: view.prompt });
  pane.onward.replaceChildren(view.columns > 1 ? "The first: " : "", repair, " · ", link("Encode, and is it a copy?", "encode"));
  pane.onward.hidden = false;
}

// ---- Link and downloads ----

function copy() {
  copyAddress(copyLink, `${location.origin}${location.pathname}${newest.link}`);
}

async function download(kind) {
  const file = await answerOf(server.download({ run: newest.run, kind }));
  if (file.error) return setText(status, file.error);
  save(file);
}

watch("value", () => show(props.value));
show(props.value);
