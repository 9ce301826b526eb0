// The latent map (map.py): a plane of two latents. A moved point is shown at once, blended from the decoded grid that the browser
// has; where it rests the server decodes it exactly.

const REST = 120; // milliseconds without a move
const BACKGROUND_EVERY = 3; // one of so many decoded points is drawn behind the codes
const root = element.querySelector(".item");
const point = { z1: 0, z2: 0 };
let map = null; // what server.open answered, and the pixels of its grid
let resting = 0; // timer
let busy = false; // one place at a time is being decoded
let waiting = false; // and the latest one waits for it

const plane = make("canvas", {
  class: "plane",
  tabindex: 0,
  role: "application",
  "aria-label": "Latent plane: arrow keys move the point, with Shift in large steps",
  "aria-describedby": "map-where",
  onpointermove: follow,
  onpointerdown: follow,
  onkeydown: step,
});
const decoded = make("canvas", { class: "decoded", role: "img", "aria-label": "Decoded picture" });
const where = make("p", { id: "map-where", class: "where", role: "status" });
const source = make("p", { class: "quiet" });
const legend = make("ul", { class: "legend", "aria-label": "Classes" });
const axes = ["z1", "z2"].map((name) => rangeField(name, 0, -4, 4, 0.05));
const background = make("input", { type: "checkbox", onchange: () => { draw(); settle(); } });
const copyButton = linkButton(note);
axes.forEach((axis, i) => axis.input.addEventListener("input", () => map?.pixels && moveTo({ ...point, [i ? "z2" : "z1"]: Number(axis.input.value) })));
root.append(
  make("p", { class: "lead", text: "This VAE squeezes every picture to two numbers, so all it can draw lies on one plane. Coloured dots mark where the test set lands, which it has never seen, and figures name a few of them. Move over the plane: the picture is what the decoder makes of that point." }),
  make(
    "div",
    { class: "map" },
    make("div", {}, plane, legend),
    make("div", { class: "beside" }, decoded, where, source, ...axes.map((axis) => axis.node), make("label", { class: "check" }, background, "show what every place decodes to"), copyButton),
  ),
);

async function open() {
  setText(where, "Loading the plane.");
  map = await answerOf(server.open(""));
  if (map.error) return setText(where, map.error);
  const sheet = await picture(map.sheet);
  const canvas = make("canvas");
  Object.assign(canvas, { width: sheet.width, height: sheet.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(sheet, 0, 0);
  map.canvas = canvas;
  map.pixels = context.getImageData(0, 0, sheet.width, sheet.height).data;
  map.side = sheet.width / map.points;
  for (const { input } of axes) Object.assign(input, { min: -map.extent, max: map.extent });
  legend.replaceChildren(...map.names.map((name, i) => {
    const item = make("li", { text: name });
    item.style.color = colour(i);
    return item;
  }));
  Object.assign(decoded, { width: map.side, height: map.side });
  new ResizeObserver(draw).observe(plane);
  const link = remembered("map");
  if (link) background.checked = link.plane === "1";
  moveTo(link ? { z1: Number(link.z1 ?? 0), z2: Number(link.z2 ?? 0) } : point);
}

// ---- Moving ----

const limited = (z) => Math.min(map.extent, Math.max(-map.extent, z));

function follow(event) {
  if (!map?.pixels) return;
  const box = plane.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  moveTo({ z1: limited((2 * x - 1) * map.extent), z2: limited((1 - 2 * y) * map.extent) });
}

function step(event) {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!direction || !map?.pixels) return;
  event.preventDefault();
  const size = event.shiftKey ? 0.5 : 0.1;
  moveTo({ z1: limited(point.z1 + size * direction[0]), z2: limited(point.z2 + size * direction[1]) });
}

function moveTo({ z1, z2 }) {
  Object.assign(point, { z1: Math.round(1000 * z1) / 1000, z2: Math.round(1000 * z2) / 1000 });
  if (Number.isFinite(z1 + z2)) {
    axes.forEach((axis, i) => setRange(axis, (i ? point.z2 : point.z1).toFixed(2)));
    blend();
  }
  draw();
  clearTimeout(resting);
  resting = setTimeout(settle, REST);
}

async function settle() {
  if (busy) return (waiting = true);
  const { z1, z2 } = point;
  busy = true;
  const answer = await answerOf(server.decode({ z1, z2 }));
  const image = answer.error ? null : await picture(answer.picture);
  busy = false;
  if (waiting) {
    waiting = false;
    return settle();
  }
  if (!Object.is(z1, point.z1) || !Object.is(z2, point.z2)) return; // the point has moved on, and will be decoded where it rests
  if (answer.error) return refuse(answer.error);
  decoded.getContext("2d").drawImage(image, 0, 0);
  shown(`z1 = ${z1.toFixed(2)}, z2 = ${z2.toFixed(2)}`, "decoded at this very point");
  decoded.dataset.exact = `${z1} ${z2}`;
  note();
}

function note() {
  remember("map", { z1: point.z1, z2: point.z2, ...(background.checked ? { plane: 1 } : {}) });
}

function refuse(message) {
  Object.assign(point, { z1: 0, z2: 0 }); // from where the keys go on
  draw();
  setText(where, message);
  setText(source, "");
}

function shown(place, how) {
  setText(where, place);
  setText(source, how);
  decoded.setAttribute("aria-label", `Decoded picture at ${place}`);
}

// ---- Pictures ----

function blend() {
  const { side, points, extent, pixels } = map;
  const width = side * points;
  const at = (z) => Math.min(Math.max(((z + extent) / (2 * extent)) * (points - 1), 0), points - 1);
  const [u, v] = [at(point.z1), at(-point.z2)]; // columns from the left, rows from the top
  const [i, j] = [Math.min(Math.floor(u), points - 2), Math.min(Math.floor(v), points - 2)];
  const [a, b] = [u - i, v - j];
  const target = decoded.getContext("2d").createImageData(side, side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const near = 4 * ((j * side + y) * width + i * side + x);
      const [right, down] = [4 * side, 4 * side * width];
      for (let c = 0; c < 4; c++) {
        const top = (1 - a) * pixels[near + c] + a * pixels[near + right + c];
        const bottom = (1 - a) * pixels[near + down + c] + a * pixels[near + down + right + c];
        target.data[4 * (y * side + x) + c] = (1 - b) * top + b * bottom;
      }
    }
  }
  decoded.getContext("2d").putImageData(target, 0, 0);
  shown(`z1 = ${point.z1.toFixed(2)}, z2 = ${point.z2.toFixed(2)}`, "blended from the nearest four decoded points");
  decoded.dataset.shown = `${point.z1} ${point.z2}`;
}

const isDark = () => document.body.classList.contains("dark");
const colour = (i) => `hsl(${(360 * i) / map.names.length} ${isDark() ? "75% 72%" : "75% 27%"})`;

function draw() {
  const size = Math.round(plane.clientWidth * devicePixelRatio);
  if (!map?.pixels || !size) return;
  if (plane.width !== size) Object.assign(plane, { width: size, height: size });
  const context = plane.getContext("2d");
  const style = getComputedStyle(plane);
  const place = (z1, z2) => [((z1 + map.extent) / (2 * map.extent)) * size, ((map.extent - z2) / (2 * map.extent)) * size];
  context.clearRect(0, 0, size, size);
  if (background.checked) drawBackground(context, size);
  context.strokeStyle = style.getPropertyValue("--dot");
  context.lineWidth = devicePixelRatio;
  context.strokeRect(...place(-map.extent, 0), size, 0);
  context.strokeRect(...place(0, map.extent), 0, size);
  context.drawImage(cloud(size, place), 0, 0);
  context.font = `600 ${Math.max(11, size / devicePixelRatio / 42) * devicePixelRatio}px system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle", lineJoin: "round" });
  context.strokeStyle = style.getPropertyValue("--card");
  for (const [z1, z2, label] of map.codes) {
    const [x, y] = place(z1, z2);
    context.lineWidth = (background.checked ? 4 : 2) * devicePixelRatio;
    context.strokeText(map.names[label], x, y);
    context.fillStyle = colour(label);
    context.fillText(map.names[label], x, y);
  }
  const [x, y] = place(point.z1, point.z2);
  for (const [width, name] of [[6, "--card"], [2.5, "--ink"]]) {
    context.beginPath();
    context.arc(x, y, 10 * devicePixelRatio, 0, 2 * Math.PI);
    context.lineWidth = width * devicePixelRatio;
    context.strokeStyle = style.getPropertyValue(name);
    context.stroke();
  }
}

// The whole test set as dots: painted once for a size and a theme, since it is under every move of the point.
let painted = { key: "", page: null };
function cloud(size, place) {
  const key = `${size} ${map.names.map((_, i) => colour(i))}`;
  if (painted.key === key) return painted.page;
  const page = make("canvas");
  Object.assign(page, { width: size, height: size });
  const context = page.getContext("2d");
  const side = 2 * devicePixelRatio;
  context.globalAlpha = 0.4;
  for (const [z1, z2, label] of map.cloud) {
    const [x, y] = place(z1, z2);
    context.fillStyle = colour(label);
    context.fillRect(x - side / 2, y - side / 2, side, side);
  }
  painted = { key, page };
  return page;
}

function drawBackground(context, size) {
  const cell = (size * BACKGROUND_EVERY) / (map.points - 1);
  context.globalAlpha = 0.8;
  for (let j = 0; j < map.points; j += BACKGROUND_EVERY) {
    for (let i = 0; i < map.points; i += BACKGROUND_EVERY) {
      const [x, y] = [(i / (map.points - 1)) * size, (j / (map.points - 1)) * size];
      context.drawImage(map.canvas, i * map.side, j * map.side, map.side, map.side, x - cell / 2, y - cell / 2, cell, cell);
    }
  }
  context.globalAlpha = 1;
}

open();
