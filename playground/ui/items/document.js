// An item that is text and pictures: the server's markup, which holds nothing that a visitor typed and is escaped where it is made.

const root = element.querySelector(".item");
const status = make("p", { class: "status", role: "status", text: "Loading." });
const content = make("div");
root.append(status, content, make("div", { class: "buttons" }, linkButton(() => remember(props.fixed.item, {}))));

async function open() {
  const answer = await answerOf(server.open(""));
  setText(status, answer.error ?? "");
  status.dataset.state = answer.error ? "failed" : "";
  if (!answer.error) content.innerHTML = answer.html;
}

open();
