// Encode your own (encode.py): a picture through every encoder and back, beside what was lost.

const root = element.querySelector(".item");
const { worlds, start } = props.fixed;
let turn = 0; // counts the pictures encoded
let squeezed = null; // the picture that is shown encoded

const found = make("div", { class: "encoded" });
const told = make("p", { class: "quiet", role: "status" });
const copyButton = linkButton(() => remember("encode", squeezed ?? query()));
const board = makeBoard({
  worlds,
  start,
  limits: props.fixed,
  tools: [["draw", "draw"], ["rub", "rub out"]],
  label: "Picture to encode",
  hooks: { shown: squeeze, emptied: () => board.say("Draw with the pointer, then encode.") },
});
root.append(
  make("p", { class: "lead", text: "An encoder looks at a picture and keeps a code of it; a decoder draws from the code. How much has to be kept for the picture to come back? Choose a picture, upload one, or draw on it." }),
  make(
    "div",
    { class: "repair" },
    make("div", {}, board.canvas, board.status),
    make("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); squeeze(); } },
      board.world.label, board.source, board.pointer,
      make("div", { class: "buttons" }, make("button", { type: "submit", class: "primary", text: "Encode and decode" }), copyButton)),
  ),
  told,
  found,
);

const query = () => ({ world: board.world.select.value, picture: board.written() });
const grouped = (number) => Math.round(number).toLocaleString("en");

async function squeeze() {
  const mine = ++turn;
  squeezed = query();
  remember("encode", squeezed);
  setText(told, "Encoding.");
  const answer = await answerOf(server.squeeze(squeezed));
  if (mine !== turn) return; // another picture was chosen meanwhile
  if (answer.error) {
    setText(told, "");
    return board.say(answer.error, true);
  }
  const words = answer.told ? `The data set calls it: “${answer.told}”. Encoders that want a text were told that.` : "Nothing is known of it in words: encoders that want a text were told nothing, and one that has to know what is shown tries what fits.";
  setText(told, `As it is stored: ${grouped(answer.raw)} bits. ${words}`);
  found.replaceChildren(...answer.engines.map((engine) => card(engine, answer)), relatives(answer.relatives));
}

function relatives(near) {
  const verdict = make("p", { "data-verdict": near.copied ? "failed" : "fine" }, copyVerdict(near));
  return make("article", { class: "card relatives", "aria-label": "Nearest training pictures" },
    make("h2", { text: "Is it a copy?" }), nearest(near), verdict, make("p", { class: "quiet", text: comparedWith(near) }));
}

function card(engine, { picture: original, raw }) {
  const heading = make("h2", { text: engine.title });
  if (engine.error) return make("article", { class: "card" }, heading, make("p", { class: "quiet", text: engine.error }));
  const pictures = [["what went in", original], ["what came out", engine.picture], ["difference", engine.difference]].map(([text, src]) =>
    make("figure", {}, make("img", { src, alt: `${engine.title}: ${text}` }), make("figcaption", { text })));
  const quality = engine.psnr === null ? "exactly the same" : `${engine.psnr.toFixed(1)} dB`;
  const size = `${grouped(engine.bits)} bits, ${engine.bits >= 1 ? `1/${grouped(raw / engine.bits)} of the picture` : "next to nothing"}`;
  return make("article", { class: "card", "aria-label": engine.title }, heading, make("div", { class: "triple" }, ...pictures),
    make("p", {}, make("b", { text: quality }), " peak signal-to-noise ratio"), make("p", {}, make("b", { text: size }), `: ${engine.code}`));
}

async function restore() {
  const link = remembered("encode");
  if (link) board.world.choose(link.world);
  board.enter();
  if (!link?.picture) return board.real(start.number);
  await board.ask(server.picture({ world: board.world.select.value, picture: link.picture }));
}

restore();
