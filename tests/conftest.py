"""Pages in Chromium, and the browser that opens them."""

from __future__ import annotations

import time

import pytest
from browser import CHROMIUM, FIRST, FLAGS, serve, skip
from fakes import NAMES, WORLD, Fake, make_machine

from engines import CheckpointError, checkpoint
from playground.machine import Machine

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        skip("no Chromium found")
    if not sync_playwright:
        skip("Playwright for Python is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def fake_address():
    """A page whose engines need no weights; the third takes half a second."""

    def load(name: str) -> Fake:
        if name == NAMES[2]:
            return Fake(name, num_steps=100, before_frame=lambda step: time.sleep(0.005))
        return Fake(name)

    yield from serve(make_machine(load), FIRST)


@pytest.fixture(scope="module")
def broken_address():
    """A page with one engine whose weights are missing and one that never ends."""

    def load(name: str) -> Fake:
        if name == NAMES[1]:
            raise CheckpointError("checkpoints/digits/gan cannot be loaded")
        return Fake(name, num_steps=10**5, before_frame=lambda step: time.sleep(0.01)) if name == NAMES[2] else Fake(name)

    yield from serve(make_machine(load), FIRST)


@pytest.fixture(scope="module")
def shipped_address():
    """The page with the weights in this repository."""
    missing = [name for name in (*NAMES, f"{WORLD}/text", f"{WORLD}/judge") if not (checkpoint.ROOT / name / "config.json").is_file()]
    if missing:
        skip(f"no weights for {', '.join(missing)}")
    yield from serve(Machine())


@pytest.fixture
def open_page(browser):
    """Opens a page; at the end of the test nothing may have failed and no other host may have been asked."""
    contexts, problems = [], []

    def open_at(address: str, *, width: int = 1440, query: str = "", **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else problems.append(request.url))
        tab.goto(address + query)
        tab.get_by_role("tab", name="The table").wait_for()
        return tab

    yield open_at
    for context in contexts:
        context.close()
    assert problems == []
