// What the three items of the Explore tab share: form fields, and an address that restores the item.

function labelled(text, input, hint = "") {
  const label = make("label", { class: "field" }, make("span", { text }), input);
  if (hint) label.title = hint;
  return label;
}

const textField = (value) => make("input", { type: "text", value, maxlength: 200, placeholder: "empty: anything" });
const numberField = (value, min, max) => make("input", { type: "number", value, min, max, step: 1 });
const button = (text, onclick, kind = "") => make("button", { type: "button", text, onclick, class: kind });

function rangeField(text, value, min, max, step = 1) {
  const input = make("input", { type: "range", min, max, step, value });
  const shown = make("output", { text: String(value) });
  input.addEventListener("input", () => setText(shown, input.value));
  return { input, shown, node: make("label", { class: "field" }, make("span", {}, `${text} `, shown), input) };
}

function setRange(range, value) {
  range.input.value = value;
  setText(range.shown, String(value));
}

function worldField(worlds, chosen) {
  const select = make("select", {}, ...worlds.map((world) => make("option", { value: world.name, text: world.title })));
  select.value = chosen;
  const label = labelled("World", select);
  label.hidden = worlds.length < 2;
  return { select, label, get world() { return worlds.find((world) => world.name === select.value); } };
}

// A field's number; what is no number stays text, for the server to explain.
const numberIn = (input) => (input.value.trim() === "" || Number.isNaN(Number(input.value)) ? input.value : Number(input.value));

function remember(item, values) {
  const query = new URLSearchParams({ tab: "explore", item, ...values });
  for (const [key, value] of new URLSearchParams(location.search)) if (key.startsWith("__")) query.set(key, value);
  history.replaceState(null, "", `?${query}`);
}

function remembered(item) {
  const query = new URLSearchParams(location.search);
  return query.get("tab") === "explore" && query.get("item") === item ? Object.fromEntries(query) : null;
}
