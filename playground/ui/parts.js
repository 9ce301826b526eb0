// What the scripts of all custom components share. Everything a visitor typed is set as text or value, never as markup.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function flash(button, text) {
  const usual = (button.dataset.usual ??= button.textContent);
  button.textContent = text;
  setTimeout(() => (button.textContent = usual), 1500);
}

async function copyAddress(button, address) {
  try {
    await navigator.clipboard.writeText(address);
    flash(button, "Copied");
  } catch {
    window.prompt("Copy this link:", address); // browsers offer the clipboard to secure addresses only, and may refuse it
  }
}

async function save(file) {
  const address = URL.createObjectURL(await (await fetch(file.uri)).blob()); // browsers refuse to save long data addresses
  make("a", { href: address, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser may not have begun to read it
}

async function picture(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

const MAX_EXACT = 12_000; // characters of a picture in a link without loss

// A canvas as text for a link: a small PNG file; of a picture too detailed for that, a WebP file, or JPEG in browsers that write no WebP.
function pictureCode(canvas) {
  let uri = canvas.toDataURL("image/png");
  if (uri.length > MAX_EXACT) uri = canvas.toDataURL("image/webp", 0.9);
  if (uri.length > MAX_EXACT && uri.startsWith("data:image/png")) uri = canvas.toDataURL("image/jpeg", 0.9);
  return uri.split(",")[1].replaceAll("+", "-").replaceAll("/", "_");
}

// What the server says. Gradio's own client answers nothing at all where the server cannot be reached.
async function answerOf(call) {
  const nothing = { error: "The server did not answer; try again." };
  try {
    return (await call) ?? nothing;
  } catch {
    return nothing;
  }
}
