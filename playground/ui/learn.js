// The script of the Learn tab (learn_tab.py): shows one page at a time, that of the address first ("lesson", since Gradio takes "page" for its own).

function open(name) {
  const pages = [...element.querySelectorAll("article")];
  const shown = pages.find((page) => page.dataset.page === name) ?? pages[0];
  for (const page of pages) page.hidden = page !== shown;
  for (const link of element.querySelectorAll("nav a[data-page]")) {
    if (link.dataset.page === shown.dataset.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return shown;
}

const openAddressed = () => element.querySelector("article") && open(new URLSearchParams(location.search).get("lesson"));

element.addEventListener("click", (event) => {
  const link = event.target.closest("nav a[data-page]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link.dataset.page).querySelector("h2").focus();
  const address = new URL(location.href);
  address.searchParams.set("tab", "learn");
  address.searchParams.set("lesson", link.dataset.page);
  history.replaceState(null, "", address);
});

watch("value", openAddressed);
openAddressed();
