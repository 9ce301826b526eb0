// The script of the table (table_tab.py): a cell opens what stands behind it, the table is downloaded or printed.

element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button) return;
  const { action, world, row, family } = button.dataset;
  if (action === "print") window.print();
  if (action === "csv") save(await server.as_csv(world), `generative-playground-${world}.csv`);
  if (action === "detail") {
    const detail = element.querySelector(".detail");
    detail.innerHTML = await server.detail({ world, row, family }); // escaped by the server, nothing in it was typed by a visitor
    for (const other of element.querySelectorAll("button[aria-expanded]")) other.setAttribute("aria-expanded", other === button);
    detail.querySelector("h3, p").focus();
    detail.scrollIntoView({ block: "start", behavior: "smooth" });
  }
});

function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
