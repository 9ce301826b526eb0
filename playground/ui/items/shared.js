// What the items share: form fields, curves, and an address that restores the item.

function labelled(text, input, hint = "") {
  const label = make("label", { class: "field" }, make("span", { text }), input);
  if (hint) label.title = hint;
  return label;
}

const textField = (value) => make("input", { type: "text", value, maxlength: 200, placeholder: "empty: anything" });
const numberField = (value, min, max) => make("input", { type: "number", value, min, max, step: 1 });
const button = (text, onclick, kind = "") => make("button", { type: "button", text, onclick, class: kind });

function rangeField(text, value, min, max, step = 1, unit = "") {
  const input = make("input", { type: "range", min, max, step, value });
  const shown = make("span"); // an <output> would take the label for itself
  const range = { input, shown, refused: null, node: make("label", { class: "field" }, make("span", {}, `${text} `, shown), input) };
  range.tell = () => setText(shown, `${input.value}${unit}`);
  input.addEventListener("input", () => { range.refused = null; range.tell(); });
  range.tell();
  return range;
}

function setRange(range, value) {
  range.input.value = value;
  range.refused = Number(range.input.value) === Number(value) && String(value).trim() ? null : String(value);
  range.tell();
}

// A slider's number; or what a link asked for and no slider can stand at, for the server to explain.
const rangeIn = (range) => numberIn({ value: range.refused ?? range.input.value });

function worldField(worlds, chosen) {
  const select = make("select", {}, ...worlds.map((world) => make("option", { value: world.name, text: world.title })));
  select.value = chosen;
  const label = labelled("World", select);
  label.hidden = worlds.length < 2;
  const choose = (name) => (select.value = worlds.some((world) => world.name === name) ? name : chosen);
  return { choose, select, label, get world() { return worlds.find((world) => world.name === select.value); } };
}

// A field's number; what is no number stays text, for the server to explain.
const numberIn = (input) => (input.value.trim() === "" || Number.isNaN(Number(input.value)) ? input.value : Number(input.value));

// Writes an item into the address, unless the visitor has turned to another one meanwhile.
function remember(item, values) {
  if (element.querySelector(".item").offsetParent === null) return;
  writeAddress({ tab: props.fixed.tab, item, ...values });
}

// Writes the address when nothing has moved for a while.
let remembering = 0;
function rememberSoon(item, values) {
  clearTimeout(remembering);
  remembering = setTimeout(() => remember(item, values), 300);
}

// A button that copies the address, once `write` has put into it what is shown now.
function linkButton(write) {
  const copy = button("Copy link", () => { write(); copyAddress(copy, location.href); });
  return copy;
}

function remembered(item) {
  const query = new URLSearchParams(location.search);
  return query.get("tab") === props.fixed.tab && query.get("item") === item ? Object.fromEntries(query) : null;
}

// ---- Nearest training pictures ----

const nearest = (found) => make("div", { class: "near" }, ...found.nearest.map((src, i) =>
  make("figure", {}, make("img", { src, alt: `training picture ${i + 1}` }), make("figcaption", { text: found.distances[i].toFixed(2) }))));

const copyVerdict = (found) => make("b", { text: found.copied ? "looks like a copy" : "none near" });

const comparedWith = (found) => `Distances between the judge's features, among the ${found.looked_at.toLocaleString("en")} of ${found.trained_on.toLocaleString("en")} training pictures that ship with this page. Below 1, a picture is nearer to one of them than 99 of 100 real pictures that nobody trained on.`;

// ---- Curves ----

const CURVE = { width: 320, height: 110, left: 44, bottom: 16 };
const short = (number) => (number === 0 ? "0" : Math.abs(number) >= 100 ? number.toFixed(0) : number.toPrecision(2));

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) name === "text" ? (node.textContent = value) : node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// One line of a training log over time; `at(seconds)` moves its cursor. A start far above all the rest is cut off.
function curveFigure(curve, seconds) {
  const values = curve.points.map(([, value]) => value);
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[0];
  const falls = values[0] === sorted.at(-1);
  const high = Math.max(sorted[Math.floor((falls ? 0.97 : 1) * (sorted.length - 1))], low + 1e-9);
  const { width, height, left, bottom } = CURVE;
  const x = (time) => left + ((width - left - 4) * time) / seconds;
  const y = (value) => 6 + (height - bottom - 10) * (1 - (Math.min(value, high) - low) / (high - low));
  const cursor = svg("line", { class: "cursor", y1: 2, y2: height - bottom });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${curve.name}: from ${short(values[0])} to ${short(values.at(-1))} ${curve.unit}` },
    svg("text", { x: left - 6, y: 14, "text-anchor": "end", text: short(high) }),
    svg("text", { x: left - 6, y: height - bottom, "text-anchor": "end", text: short(low) }),
    svg("text", { x: width - 4, y: height - 2, "text-anchor": "end", text: `${(seconds / 60).toFixed(1)} min` }),
    svg("polyline", { points: curve.points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    cursor,
  );
  const now = make("span", { class: "now" }); // no <output>, which would be read out at every step of a replay
  const node = make("figure", { class: "curve" }, make("figcaption", { title: curve.means }, make("b", { text: curve.name }), " ", now, make("small", { text: curve.means })), drawing);
  const at = (time) => {
    const reached = curve.points.filter(([moment]) => moment <= time).at(-1) ?? curve.points[0];
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(Math.min(time, seconds)));
    setText(now, `${short(reached[1])} ${curve.unit}`);
  };
  at(seconds);
  return { node, at };
}
