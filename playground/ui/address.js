// The address says what is on show, so that it can be copied. Every tab has its own, and finds it again when a visitor turns back to it.
// The step of the guided walk and Gradio's own words, such as "__theme", stay whatever is on show.

const ADDRESSES = {}; // tab -> what the address said of it when another took its place
let tabOnShow = null; // until Gradio says which, as the page opens

const addressed = () => [...new URLSearchParams(location.search)];

const ofThePage = ([key]) => key === "walk" || key.startsWith("__");

const tabIn = (query) => new URLSearchParams(query).get("tab") ?? "compare";

// query: whatever makes search parameters.
function writeAddress(query) {
  const left = tabIn(addressed());
  if (left !== tabIn(query)) ADDRESSES[left] = addressed().filter((pair) => !ofThePage(pair));
  const said = new URLSearchParams([...new URLSearchParams(query), ...addressed().filter(ofThePage)]);
  try {
    history.replaceState(null, "", `?${said}`);
  } catch { // some browsers refuse an address that changes too often
  }
}

// A tab is on show. Gradio says so too while the page opens: then it is the first one, or the one that the address names.
function turnTo(tab, world) {
  const opens = tabOnShow === null;
  tabOnShow = tab;
  if (opens || tab === tabIn(addressed())) return; // an item of the tab may have written it as well
  const found = Object.fromEntries(ADDRESSES[tab] ?? []);
  if (tab === "table") writeAddress({ tab, world }); // what stood behind a cell is closed
  else if (tab === "learn") writeAddress({ tab, world, ...(found.lesson && { lesson: found.lesson }) });
  else writeAddress({ tab, ...found });
}

// A comparison has begun, or another world was chosen for the next one.
function compareAt(query) {
  if ((tabOnShow ?? "compare") === "compare") writeAddress(query);
  else ADDRESSES.compare = [...new URLSearchParams(query)];
}

// The table has its own choice of a world, which is the whole page's.
function tableOf(world) {
  writeAddress({ tab: "table", world });
  compareAt({ world });
}
