// An item that is text and pictures: the server's markup, which holds nothing that a visitor typed and is escaped where it is made.

const root = element.querySelector(".item");

async function open() {
  root.replaceChildren(make("p", { class: "status", role: "status", text: "Loading." }));
  root.innerHTML = await server.open("");
}

open();
