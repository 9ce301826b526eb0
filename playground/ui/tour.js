// The script of the guided walk (tour.py). Its links load the page anew with the step in the address, so everything is restored from there.

const panel = element.querySelector("section");
const steps = [...element.querySelectorAll(".step")];
let current = 0; // counted from 1; 0: closed
let opener = null; // what had the focus before

function go(number) {
  if (!current) opener = document.activeElement;
  current = number < 0 || number > steps.length ? current : number;
  panel.hidden = current === 0;
  steps.forEach((step, i) => (step.hidden = i + 1 !== current));
  for (const button of panel.querySelectorAll("button")) {
    const next = current + Number(button.dataset.by);
    button.disabled = button.dataset.by !== "" && (next < 1 || next > steps.length);
  }
  if (current) steps[current - 1].querySelector("a").focus({ preventScroll: true });
  else opener?.focus?.({ preventScroll: true });
  const address = new URL(location.href);
  if (current) address.searchParams.set("walk", current);
  else address.searchParams.delete("walk");
  history.replaceState(null, "", address);
}

panel.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) go(button.dataset.by === "" ? 0 : current + Number(button.dataset.by));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-walk]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(Number(link.dataset.walk));
});

document.addEventListener("keydown", (event) => {
  const elsewhere = document.activeElement?.closest("input, select, textarea, [role=application], [role=tab], [role=listbox], .scroll"); // has its own use for arrows
  if (!current || elsewhere || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape") go(0);
  else if (event.key === "ArrowRight") go(current + 1);
  else if (event.key === "ArrowLeft") go(Math.max(current - 1, 1));
});

const asked = Number(new URLSearchParams(location.search).get("walk"));
if (Number.isInteger(asked) && asked > 0) go(asked);
