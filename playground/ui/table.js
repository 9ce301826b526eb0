// The script of the table (table_tab.py): a cell opens what stands behind it, the table is downloaded or printed.
// The address says which cell is open, "?tab=table&world=digits&cell=quality.gan", and is followed once.

let followed = false;
let turn = 0; // counts the cells that were opened

element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button) return;
  const { action, world, row, family } = button.dataset;
  if (action === "print") window.print();
  if (action === "csv") download(await answerOf(server.as_csv(world)), world);
  if (action === "detail") {
    writeAddress({ tab: "table", world, cell: `${row}.${family}` });
    followed = true;
    open(button);
  }
});

async function open(button) {
  const { world, row, family } = button.dataset;
  const detail = element.querySelector(".detail");
  const mine = ++turn;
  const answer = await answerOf(server.detail({ world, row, family }));
  if (mine !== turn) return; // another cell was opened meanwhile
  if (answer.error) detail.replaceChildren(make("p", { class: "problem", tabindex: -1, text: answer.error }));
  else detail.innerHTML = answer; // escaped by the server, nothing in it was typed by a visitor
  for (const other of element.querySelectorAll("button[aria-expanded]")) other.setAttribute("aria-expanded", other === button);
  detail.querySelector("h3, p").focus();
  detail.scrollIntoView({ block: "start", behavior: "smooth" });
}

function follow() {
  const query = new URLSearchParams(location.search);
  const cell = query.get("cell");
  if (followed || query.get("tab") !== "table" || !cell) return;
  const buttons = [...element.querySelectorAll("button[data-action='detail']")];
  const wanted = buttons.find(({ dataset }) => `${dataset.row}.${dataset.family}` === cell && dataset.world === (query.get("world") ?? dataset.world));
  followed = Boolean(wanted);
  if (wanted) open(wanted);
}

watch("value", follow);
follow();

function download(answer, world) {
  if (answer.error) element.querySelector(".detail").replaceChildren(make("p", { class: "problem", role: "alert", text: answer.error }));
  else save({ uri: `data:text/csv;charset=utf-8,${encodeURIComponent(answer)}`, name: `generative-playground-${world}.csv` });
}
