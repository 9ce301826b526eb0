"""What the browser tests share: where Chromium is, serving a page, and reading one."""

from __future__ import annotations

import os
import shutil
from urllib.parse import urlencode

import gradio as gr
import pytest
from fakes import WORLD

from engines import worlds
from playground.compare import Order
from playground.machine import Machine
from playground.ui import page as playground_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FIRST = Order(WORLD, worlds.load(WORLD).examples[0], seed=7, num_images=4)
LOOKS = [("light", 390), ("dark", 1440)]  # theme and width, each once: colours hang on the one, what fits on the other
AXE = os.environ.get("AXE_PATH")  # the file axe.min.js of the npm package axe-core


def skip(reason: str) -> None:
    """Skip, unless this is CI, where everything has to be in place."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def serve(machine: Machine, start: Order | None = None):
    demo = playground_page.build(machine, start)
    _, address, _ = playground_page.launch(demo, prevent_thread_lock=True, quiet=True)
    yield address
    demo.close()
    gr.close_all()


def draw(tab, prompt: str | None = None):
    if prompt is not None:
        tab.get_by_label("Prompt", exact=True).fill(prompt)
    tab.get_by_role("button", name="Draw", exact=True).click()


def wait_until_done(tab):
    tab.get_by_text("All engines are done.").wait_for(timeout=60_000)
    tab.get_by_role("button", name="Copy link").wait_for()


def pixels(tab) -> list[str]:
    """The content of every picture on the page."""
    return tab.evaluate("[...document.querySelectorAll('.pictures canvas')].map((canvas) => canvas.toDataURL())")


def open_item(open_page, address, item: str, *, of: str = "explore", **values):
    """The page with an item of a tab opened by a link."""
    query = {"tab": of, "item": item, **values}
    return open_page(address, query=f"?{urlencode(query)}")


CUT_OFF = """(root) => [...root.querySelectorAll("*")]
  .filter((node) => !node.parentElement.closest(".scroll") && node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => node.outerHTML.slice(0, 150))"""


def cut_off(item) -> list[str]:
    """Parts of an item beyond the window's right edge, where nobody can scroll to."""
    return item.evaluate(CUT_OFF)


def serious(tab) -> list[str]:
    found = tab.evaluate("axe.run()")["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]
