// The board (board.py): a picture that is chosen, uploaded or drawn, one dot each, under a pointer that the keyboard moves as well.
//
// tools: [value, text] of what the pointer does; "draw" and "rub" are done here. hooks, all optional: entered() when the world changes,
// shown() when another picture is on it, touched(i, tool) for every pixel under the pointer, over(context, cell) to paint above it,
// about(i) for words on a pixel.

const SIZE = 336; // pixels of the board's side

function makeBoard({ worlds, start, limits, tools, label, hooks = {} }) {
  const page = make("canvas"); // the picture itself, one pixel each
  const paper = page.getContext("2d", { willReadFrequently: true });
  let code = ""; // the picture as a link writes it; "" after a stroke, until it is needed
  let cursor = { x: 0, y: 0 };
  let turn = 0; // counts the pictures asked for

  const world = worldField(worlds, start.world);
  const canvas = make("canvas", {
    class: "board",
    width: SIZE,
    height: SIZE,
    tabindex: 0,
    role: "application",
    "aria-label": `${label}: arrow keys move the brush, Space uses it, Shift with an arrow key paints on the way`,
    onpointerdown: (event) => { canvas.setPointerCapture(event.pointerId); brush(event); },
    onpointermove: (event) => event.buttons && brush(event),
    onkeydown: key,
  });
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  status.id = `${props.fixed.item}-status`;
  canvas.setAttribute("aria-describedby", status.id);
  const number = numberField(0, 0, limits.held_out - 1);
  const file = make("input", { type: "file", accept: "image/*", onchange: () => { if (file.files[0]) upload(file.files[0]); file.value = ""; } });
  const tool = make("select", {}, ...tools.map(([value, text]) => make("option", { value, text })));
  const width = rangeField("Brush", 4, 1, 9);
  const ink = make("input", { type: "color", value: "#ffffff" });
  const inkField = labelled("Colour", ink);
  const source = make("fieldset", {}, make("legend", { text: "Picture" }), labelled("Real picture, never seen by an engine: number", number), make("div", { class: "buttons" }, button("Another", another), button("Empty sheet", empty)), labelled("Your own, at most 8 MB", file));
  const pointer = make("fieldset", {}, make("legend", { text: "Pointer" }), labelled("It will", tool), width.node, inkField);
  number.addEventListener("change", () => real(number.value));
  width.input.addEventListener("input", paint);
  world.select.addEventListener("change", () => { enter(); real(0); });

  // ---- Which picture ----

  function enter() {
    const { height, width: w, channels, light_on_dark } = world.world;
    Object.assign(page, { width: w, height });
    cursor = { x: w >> 1, y: height >> 1 };
    inkField.hidden = channels === 1;
    ink.value = light_on_dark ? "#ffffff" : "#000000";
    blank();
    hooks.entered?.();
  }

  async function show(answer) {
    if (answer.error) return say(answer.error, true);
    code = answer.picture;
    paper.drawImage(await picture(answer.uri), 0, 0);
    say((answer.notes ?? []).join(" "));
    if (/^held-out-\d+$/.test(code)) number.value = code.slice(9);
    paint();
    hooks.shown?.();
  }

  async function real(n) {
    number.value = n;
    await ask(server.picture({ world: world.select.value, picture: `held-out-${n}` }));
  }

  // Shows what the server answers and gives it back; neither if another picture was asked for meanwhile.
  async function ask(call) {
    const mine = ++turn;
    const answer = await answerOf(call);
    if (mine !== turn) return null;
    await show(answer);
    return answer;
  }

  function another() {
    return real(Math.floor(Math.random() * (Number(number.max) + 1)));
  }

  function blank() {
    paper.fillStyle = world.world.light_on_dark ? "#000000" : "#ffffff";
    paper.fillRect(0, 0, page.width, page.height);
    code = "";
  }

  function empty() {
    turn += 1; // a picture that is still on its way comes too late
    blank();
    tool.value = "draw";
    hooks.emptied?.();
    paint();
  }

  function upload(chosen) {
    if (chosen.size > limits.max_bytes) return say(`The file has ${(chosen.size / 1e6).toFixed(1)} MB; at most ${limits.max_bytes / 1e6} MB can be read.`, true);
    say("Reading the picture.");
    const reader = new FileReader();
    reader.onload = () => ask(server.upload({ world: world.select.value, content: reader.result.split(",")[1] ?? "" }));
    reader.onerror = () => say("The file could not be read.", true);
    reader.readAsDataURL(chosen);
  }

  function say(text, failed = false) {
    setText(status, text);
    status.dataset.state = failed ? "failed" : "";
  }

  // ---- Strokes ----

  function brush(event) {
    const box = canvas.getBoundingClientRect();
    cursor = { x: Math.floor(((event.clientX - box.left) / box.width) * page.width), y: Math.floor(((event.clientY - box.top) / box.height) * page.height) };
    apply();
  }

  function apply() {
    const radius = Number(width.input.value) / 2;
    for (let y = Math.ceil(cursor.y - radius); y <= cursor.y + radius; y++) {
      for (let x = Math.ceil(cursor.x - radius); x <= cursor.x + radius; x++) {
        if (x < 0 || y < 0 || x >= page.width || y >= page.height || (x - cursor.x) ** 2 + (y - cursor.y) ** 2 > radius ** 2) continue;
        hooks.touched?.(y * page.width + x, tool.value);
        if (tool.value === "draw" || tool.value === "rub") {
          paper.fillStyle = tool.value === "draw" ? ink.value : world.world.light_on_dark ? "#000000" : "#ffffff";
          paper.fillRect(x, y, 1, 1);
          code = "";
        }
      }
    }
    paint();
  }

  function key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) cursor = { x: Math.min(Math.max(cursor.x + move[0], 0), page.width - 1), y: Math.min(Math.max(cursor.y + move[1], 0), page.height - 1) };
    if (!move || event.shiftKey) apply();
    else paint();
    say(`Column ${cursor.x + 1}, row ${cursor.y + 1}${hooks.about?.(cursor.y * page.width + cursor.x) ?? ""}.`);
  }

  function paint() {
    const context = canvas.getContext("2d");
    const cell = SIZE / page.width;
    context.imageSmoothingEnabled = false;
    context.drawImage(page, 0, 0, SIZE, SIZE);
    hooks.over?.(context, cell);
    context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--family-1");
    context.lineWidth = 2;
    context.beginPath();
    context.arc((cursor.x + 0.5) * cell, (cursor.y + 0.5) * cell, Math.max(Number(width.input.value) / 2, 0.5) * cell, 0, 2 * Math.PI);
    context.stroke();
  }

  // The picture as text for a link: the name of a real one, or a file.
  function written() {
    code ||= pictureCode(page);
    return code;
  }

  return { world, canvas, status, source, pointer, page, enter, ask, real, say, paint, written };
}
