"""How long a moved pointer or slider waits for its picture, in Chromium with the shipped weights.

    python tests/latency.py

prints the median and the 95th percentile. On the latent map: of the picture blended in the browser, which a moved point shows at once,
and of the exact one, whose network answers over HTTP. In the face editor: from a moved slider to the pictures that follow it, and to what
is read in them once the slider rests. Then what a training that others watch costs a visitor: a comparison from pressing Draw to the
last picture, without it and beside it.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import sync_playwright

import engines
from playground import directions
from playground.machine import Machine
from playground.ui import page

MOVES, DRAWS = 60, 12
MOVE = """async (i) => {
  const plane = document.querySelector("canvas.plane"), decoded = document.querySelector("canvas.decoded");
  const box = plane.getBoundingClientRect();
  const [x, y] = [box.left + box.width * (0.1 + 0.8 * ((i * 37) % 60) / 60), box.top + box.height * (0.1 + 0.8 * ((i * 23) % 60) / 60)];
  const before = decoded.dataset.shown;
  const start = performance.now();
  plane.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y }));
  while (decoded.dataset.shown === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const shown = performance.now() - start;
  while (decoded.dataset.exact !== decoded.dataset.shown) await new Promise(requestAnimationFrame);
  return [shown, performance.now() - start - REST];
}"""
REST = 120  # milliseconds that map.js waits for further moves before it asks the network


SLIDE = """async (i) => {
  const root = document.querySelector("#item-edit .item"), slider = root.querySelector("fieldset input[type=range]");
  const { followed, answered } = root.dataset;
  const start = performance.now();
  slider.value = -1 + 2.5 * ((i * 37) % 60) / 60;
  slider.dispatchEvent(new Event("input"));
  while (root.dataset.followed === followed) await new Promise(requestAnimationFrame);
  await Promise.all([...root.querySelectorAll(".card img[src]")].map((image) => image.decode()));
  await new Promise(requestAnimationFrame);
  const shown = performance.now() - start;
  while (root.dataset.answered === answered) await new Promise(requestAnimationFrame);
  return [shown, performance.now() - start - Number(root.dataset.rest)];
}"""

DRAW = """async () => {
  const status = document.querySelector(".stage .status"), done = "All engines are done.";
  const until = (ready) => new Promise((resolve) => {
    const observer = new MutationObserver(() => ready() && (observer.disconnect(), resolve()));
    observer.observe(status, { childList: true, characterData: true, subtree: true });
  });
  const start = performance.now(), begun = until(() => status.textContent !== done);
  const ended = begun.then(() => until(() => status.textContent === done));
  document.querySelector("#draw").click();
  await ended;
  return performance.now() - start;
}"""  # asks the page itself: Playwright's waiting searches all of it at every frame, on the cores that are to draw


def main() -> None:
    demo = page.build(Machine())
    _, address, _ = page.launch(demo, prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        tab = chromium.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(f"{address}?tab=explore&item=map")
        tab.locator("canvas.decoded[data-exact]").wait_for(timeout=60_000)
        times = [tab.evaluate(MOVE.replace("REST", str(REST)), i) for i in range(MOVES)]
        for name, values in zip(
            ("blended in the browser", "decoded by the network, after the rest"), zip(*times, strict=True), strict=True
        ):
            report(f"pointer to picture, {name}", values)
        moving = [name for name in engines.available() if name.partition("/")[0] in directions.WORLDS and engines.engine_type(name).movable]
        if moving and all(map(engines.is_trained, moving)):
            tab.goto(f"{address}?tab=explore&item=edit")
            tab.locator("#item-edit .item[data-answered='2']").wait_for(timeout=60_000)
            times = [tab.evaluate(SLIDE, i) for i in range(MOVES)]
            for name, values in zip(("pictures", "the judge's reading, after the rest,"), zip(*times, strict=True), strict=True):
                report(f"slider to {name} of {', '.join(moving)}", values)
        else:
            print("face editor: its engines are not trained yet")
        for world in engines.world_names():
            tab.goto(f"{address}?world={world}")
            drawing = f"comparison of all engines in {world}"
            tab.locator("#draw").wait_for()
            report(drawing, [tab.evaluate(DRAW) for _ in range(DRAWS)])
        trainer = chromium.new_page()
        trainer.goto(f"{address}?tab=training&item=live&engine=digits/diffusion")
        trainer.locator("#item-live").get_by_role("button", name="Train", exact=True).click()
        trainer.get_by_text(re.compile("pictures seen in [1-9]")).wait_for(timeout=90_000)
        report(f"{drawing}, beside a training", [tab.evaluate(DRAW) for _ in range(DRAWS)])
        chromium.close()
    demo.close()


def report(what: str, values: Sequence[float]) -> None:
    """Print the median and the 95th percentile of milliseconds."""
    slowest = statistics.quantiles(values, n=20)[-1]
    print(f"{what}: median {statistics.median(values):.0f} ms, 95 % within {slowest:.0f} ms, n = {len(values)}")


if __name__ == "__main__":
    main()
