// Look inside (inside.py): every engine draws one picture; then its pieces, its steps and its nearest relatives can be looked at.

const root = element.querySelector(".item");
const { worlds, start, guidance, steps } = props.fixed;
const SIDE = 320; // pixels of a picture that pieces are chosen on
let run = "";
let started = 0;
let wanted = null; // the piece that is looked at, or that a link asks for
let wantedStep = null; // the step likewise, counted from 1
let wantedGrid = false; // whether the grid is drawn
let ordered = null; // what the pictures shown were drawn from

const world = worldField(worlds, start.world);
const prompt = textField(start.prompt);
const seed = numberField(start.seed, 0, props.fixed.max_seed);
const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
const parts = make("div", { class: "parts" });
const copyButton = linkButton(() => note());
root.append(
  make("p", { class: "lead", text: "One picture of each engine, opened up: how surely each piece was said and where the engine looked for it, how noise became a picture, and which training pictures come nearest." }),
  make("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); wanted = wantedStep = null; wantedGrid = false; order(); } },
    world.label, labelled("Prompt", prompt), labelled("Seed", seed),
    make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Draw and look inside" }), button("Stop", () => trigger("clear")), copyButton)),
  status,
  parts,
);
world.select.addEventListener("change", () => (prompt.value = world.world.examples[0]));

const query = () => ({ world: world.select.value, prompt: prompt.value.trim(), seed: numberIn(seed) });

function order() {
  ordered = query();
  note();
  trigger("submit", { order: ordered });
}

function note(soon = false) {
  const places = Object.entries({ piece: wanted, step: wantedStep, grid: wantedGrid ? 1 : null }).filter(([, place]) => place !== null);
  (soon ? rememberSoon : remember)("inside", { ...(ordered ?? query()), ...Object.fromEntries(places) });
}

function show(view) {
  if (!view || view.started < started) return; // the end of a run that a newer one replaced
  if (view.started > started) {
    parts.replaceChildren();
    run = ""; // what was asked about the pictures before comes too late
  }
  started = view.started;
  const drawing = view.panes.find((pane) => pane.state === "drawing");
  const texts = { waiting: "Waiting for a turn.", drawing: drawing ? `${drawing.title} draws.` : "Waiting for the next turn.", done: "", stopped: "Stopped.", failed: view.message };
  setText(status, texts[view.state] ?? "");
  status.dataset.state = view.state;
  if (view.run && view.run !== run) open(view);
}

async function open(view) {
  run = view.run;
  const mine = run;
  setText(status, "Opening the pictures.");
  const answer = await answerOf(server.look({ run }));
  if (mine !== run) return;
  setText(status, answer.error ?? "");
  status.dataset.state = answer.error ? "failed" : "done";
  if (answer.error) return;
  const failed = view.panes.filter((pane) => pane.error).map((pane) => make("p", { class: "quiet", text: `${pane.title}: ${pane.error}` }));
  const sections = await Promise.all([...answer.pieces.map(pieces), ...answer.steps.map((engine) => noise(engine, ordered))]);
  [...answer.pieces, ...answer.steps].forEach((engine, i) => {
    const place = view.panes.findIndex((pane) => pane.name === engine.engine) + 1;
    sections[i].style.setProperty("--accent", `var(--family-${place})`);
  });
  parts.replaceChildren(...failed, relatives(answer, view), ...sections);
}

// ---- Nearest training pictures, and what a discriminator says ----

function relatives(answer, view) {
  const { checks } = answer;
  const scored = checks.some((check) => check.scores.length);
  const rows = checks.map((check) => {
    const drawn = make("img", { src: view.panes.find((pane) => pane.name === check.engine).picture, alt: `${check.title}'s picture` });
    const verdict = make("td", { "data-verdict": check.copied ? "failed" : "fine" }, copyVerdict(check));
    const scores = check.scores.map(([, score]) => make("td", { class: "number", text: score.toFixed(2) }));
    return make("tr", {}, make("th", { scope: "row", text: check.title }), make("td", {}, drawn), make("td", {}, nearest(check)), verdict, ...scores);
  });
  const heads = ["engine", "its picture", "nearest training pictures", "copy?", ...(checks[0]?.scores ?? []).map(([name]) => `score by ${name}'s discriminator`)];
  if (!checks.length) return section("Is it a copy?", "No engine drew a whole picture in this run, so there is nothing to compare.");
  const note = scored ? "The score says how real a picture looks to the network that taught the GAN, beside the prompt; only its order means something." : "The discriminator that taught this world's GAN was not kept, so it cannot be asked.";
  return section("Is it a copy?", comparedWith(checks[0]),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Nearest training pictures" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...rows))),
    make("p", { class: "quiet", text: note }));
}

function refuse(name, most, got, least = 1) {
  setText(status, `${name} must be a whole number from ${least} to ${most}, got ${got}`);
  status.dataset.state = "failed";
}

function section(heading, text, ...children) {
  return make("section", { class: "card opened", "aria-label": heading }, make("h2", { text: heading }), make("p", { text }), ...children);
}

// ---- Piece by piece ----

async function pieces(engine) {
  const image = await picture(engine.picture);
  const canvas = make("canvas", {
    width: SIDE, height: SIDE, tabindex: 0, role: "application",
    "aria-label": `${engine.title}: choose a piece with the arrow keys or the pointer`,
    onpointerdown: (event) => { const box = canvas.getBoundingClientRect(); go(Math.floor(((event.clientX - box.left) / box.width) * engine.columns), Math.floor(((event.clientY - box.top) / box.height) * engine.rows)); },
    onkeydown: key,
  });
  const said = make("p", { role: "status" });
  const rest = make("div"); // too much to be read out at every step
  let [x, y] = [engine.columns >> 1, engine.rows >> 1];
  let [busy, waiting] = [false, false]; // one question at a time is on its way; the latest place waits for its answer

  function key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    go(x + move[0], y + move[1]);
  }

  function go(column, row) {
    [x, y] = [Math.min(Math.max(column, 0), engine.columns - 1), Math.min(Math.max(row, 0), engine.rows - 1)];
    paint();
    wanted = y * engine.columns + x;
    note(true);
    if (busy) waiting = true;
    else inspect();
  }

  async function inspect() {
    busy = true;
    const found = await answerOf(server.inspect({ run, engine: engine.engine, place: y * engine.columns + x }));
    busy = false;
    if (waiting) {
      waiting = false;
      return inspect();
    }
    if (found.error) {
      rest.replaceChildren();
      return setText(said, found.error);
    }
    paint(found.attention);
    tell(found);
  }

  function paint(attention) {
    const context = canvas.getContext("2d");
    const [w, h] = [SIDE / engine.columns, SIDE / engine.rows];
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, SIDE, SIDE);
    attention?.forEach((share, i) => {
      context.fillStyle = `rgb(255 140 0 / ${0.75 * share})`;
      context.fillRect((i % engine.columns) * w, Math.floor(i / engine.columns) * h, w, h);
    });
    context.lineWidth = 3;
    context.strokeStyle = "#ff2d78";
    context.strokeRect(x * w, y * h, w, h);
  }

  function tell(found) {
    const bars = found.probabilities.slice(0, 8).map((probability, i) => {
      const bar = make("span", { class: "bar" });
      bar.style.setProperty("--share", probability);
      return make("li", { "aria-current": i === found.said }, make("img", { src: found.candidates[i], alt: `candidate ${i + 1}` }), bar, make("span", { text: `${(100 * probability).toFixed(1)} %` }));
    });
    const words = found.words.map(([word, share]) => {
      const node = make("span", { text: `${word} `, title: `${(100 * share).toFixed(1)} % of its attention` });
      node.style.setProperty("--share", Math.min(1, 4 * share));
      return node;
    });
    const surprise = -Math.log2(Math.max(found.said_probability, 1e-9));
    said.replaceChildren(make("b", { text: `Row ${y + 1}, column ${x + 1}: ` }), `what is there had ${(100 * found.said_probability).toFixed(1)} % (${surprise.toFixed(1)} bits of surprise). The likeliest pieces:`);
    rest.replaceChildren(
      make("ol", { class: "candidates" }, ...bars),
      make("p", {}, `It looked at what was drawn before with ${(100 * found.pictures).toFixed(0)} % of its attention (orange), and at the text: `, make("span", { class: "attended" }, ...words)));
  }

  const link = wanted;
  if (link !== null && link >= engine.rows * engine.columns) refuse("piece", engine.rows * engine.columns - 1, link, 0);
  setTimeout(() => (link === null ? go(x, y) : go(link % engine.columns, Math.floor(link / engine.columns))));
  return section(`${engine.title}, piece by piece`, "Choose a piece of the picture. The bars say how likely the engine found each candidate for it, given all pieces before; before guidance and temperature.", make("div", { class: "pieces" }, canvas, make("div", {}, said, rest)));
}

// ---- Step by step ----

async function noise(engine, asked) {
  const [predicted, noisy] = await Promise.all([picture(engine.predicted), picture(engine.noisy)]);
  const height = predicted.height / engine.steps.length;
  const views = [["x_t: what the network is given", noisy], ["x0: the picture it expects behind it", predicted]].map(([text, sheet]) => {
    const canvas = make("canvas", { role: "img", "aria-label": text });
    Object.assign(canvas, { width: predicted.width, height });
    return { canvas, sheet, node: make("figure", {}, canvas, make("figcaption", { text })) };
  });
  const step = rangeField("Step", 0, 0, engine.steps.length - 1);
  const level = make("p", { class: "when", role: "status" });
  const stand = () => {
    const i = Number(step.input.value);
    for (const { canvas, sheet } of views) canvas.getContext("2d").drawImage(sheet, 0, -i * (sheet.height / engine.steps.length));
    setText(step.shown, `${engine.steps[i]} of ${engine.total}`);
    setText(level, `noise in it: ${(100 * engine.noise[i]).toFixed(0)} %`);
  };
  step.input.addEventListener("input", () => {
    stand();
    wantedStep = engine.steps[Number(step.input.value)];
    note(true);
  });
  if (wantedStep !== null && (wantedStep < 1 || wantedStep > engine.total)) refuse("step", engine.total, wantedStep);
  const kept = engine.steps.findIndex((number) => number >= wantedStep);
  step.input.value = wantedStep === null ? Math.floor(engine.steps.length / 3) : kept < 0 ? engine.steps.length - 1 : kept;
  stand();

  const cells = new Map();
  const rows = guidance.map((scale) => make("tr", {}, make("th", { scope: "row", text: `guidance ${scale}` }), ...steps.map((count) => {
    const cell = make("td", {});
    cells.set(`${scale} ${count}`, cell);
    return cell;
  })));
  const table = make("table", { class: "grid" }, make("thead", {}, make("tr", {}, make("td"), ...steps.map((count) => make("th", { scope: "col", text: `${count} steps` })))), make("tbody", {}, ...rows));
  const region = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Pictures by guidance and number of steps" }, table);
  const progress = make("p", { class: "quiet", role: "status" });
  region.hidden = true;
  let drawing = false;
  const begin = button("Draw the grid", () => {
    if (!drawing) return grid();
    drawing = false;
    begin.disabled = true; // until the picture that is being drawn is there
  });

  async function grid() {
    const mine = run;
    let [done, problem] = [0, ""];
    drawing = true;
    region.hidden = false;
    wantedGrid = true;
    note();
    setText(begin, "Stop the grid");
    for (const [count, scale] of steps.flatMap((count) => guidance.map((scale) => [count, scale]))) {
      if (mine !== run || !drawing || problem) break;
      setText(progress, `${done} of ${cells.size} pictures drawn.`);
      const answer = await answerOf(server.cell({ ...asked, engine: engine.engine, guidance: scale, steps: count }));
      problem = answer.error ?? "";
      if (!problem) cells.get(`${scale} ${count}`).replaceChildren(make("img", { src: answer.picture, alt: `guidance ${scale}, ${count} steps` }));
      done += 1;
    }
    setText(progress, problem);
    setText(begin, "Draw the grid");
    drawing = begin.disabled = false;
  }

  if (wantedGrid) setTimeout(() => begin.click());
  return section(`${engine.title}, step by step`, "Noise is cleared in steps, the first from nothing but noise. At each the network guesses the whole picture, and the sampler goes a part of the way there.",
    make("div", { class: "noise" }, ...views.map(({ node }) => node), make("div", {}, step.node, level)),
    make("p", { text: "The same noise, cleared with more or fewer steps, and with more or less pull by the text (guidance 0 does not hear it):" }), begin, progress, region);
}

watch("value", () => show(props.value));
const link = remembered("inside");
if (link && "prompt" in link) {
  world.choose(link.world);
  prompt.value = link.prompt;
  seed.value = link.seed ?? "0";
  [wanted, wantedStep] = [link.piece, link.step].map((place) => (/^\d+$/.test(place ?? "") ? Number(place) : null));
  wantedGrid = link.grid === "1";
  ordered = query();
  setTimeout(() => trigger("submit", { order: ordered }));
}
