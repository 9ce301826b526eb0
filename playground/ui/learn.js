// The script of the Learn tab (learn_tab.py): shows one page at a time, that of the address first ("lesson", since Gradio takes "page" for its own).

let last = null; // name of the page that was opened last, for when the markup is drawn anew

function open(name) {
  const pages = [...element.querySelectorAll("article")];
  const shown = pages.find((page) => page.dataset.page === name) ?? pages[0];
  last = shown.dataset.page;
  for (const page of pages) page.hidden = page !== shown;
  for (const link of element.querySelectorAll("nav a[data-page]")) {
    if (link.dataset.page === shown.dataset.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return shown;
}

const openAddressed = () => element.querySelector("article") && open(new URLSearchParams(location.search).get("lesson") ?? last);

element.addEventListener("click", (event) => {
  const link = event.target.closest("nav a[data-page]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link.dataset.page).querySelector("h2").focus();
  const { world } = Object.fromEntries(addressed());
  writeAddress({ tab: "learn", ...(world && { world }), lesson: last });
});

watch("value", openAddressed);
openAddressed();
