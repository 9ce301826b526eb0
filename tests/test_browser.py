"""The page as a visitor sees it, in Chromium: draw, look back, reload, stop, read; asking no host but its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
import pytest
from fakes import NAMES, WORLD, Fake, make_machine
from PIL import Image, ImageDraw

import engines
from engines import CheckpointError, checkpoint, worlds
from playground.compare import Order
from playground.machine import Machine
from playground.ui import explore_tab, training_tab
from playground.ui import page as playground_page

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

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
COMPLETE = [world for world in worlds.NAMES if all(engines.is_trained(f"{world}/{family}") for family in engines.FAMILIES)]
AXE = os.environ.get("AXE_PATH")  # the file axe.min.js of the npm package axe-core


def skip(reason: str) -> None:
    """Skip, unless this is CI, where everything has to be in place."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


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


def serve(machine: Machine, start: Order | None = None):
    demo = playground_page.build(machine, start)
    _, address, _ = playground_page.launch(demo, prevent_thread_lock=True, quiet=True)
    yield address
    demo.close()
    gr.close_all()


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


def test_draw_and_look_back(open_page, fake_address):
    tab = open_page(fake_address)
    draw(tab, "a bold 7, <img src=x onerror=alert(1)> unicorn")
    wait_until_done(tab)
    assert len(pixels(tab)) == 16
    for title in ("VAE", "GAN", "Autoregressive", "Diffusion"):
        assert tab.get_by_role("img", name=re.compile(f"^{title}, 4 pictures: a bold 7")).is_visible()
    assert tab.get_by_role("list", name="Words of the prompt").inner_text().split("\n") == ["digit 7", "thickness bold", "ignored: unicorn"]
    pane = tab.get_by_role("article", name="Diffusion")
    assert "30 ms" in pane.inner_text()
    assert "50 %" in pane.inner_text()
    assert tab.get_by_role("region", name="When each engine showed").count() == 1

    slider = tab.get_by_role("slider", name="Diffusion: moment")
    last = pixels(tab)
    slider.focus()
    slider.press("Home")
    tab.get_by_role("img", name=re.compile("^Diffusion.*picture at step 1$")).wait_for()
    assert "10 ms" in pane.inner_text()
    tab.wait_for_function("(last) => document.querySelectorAll('.pictures canvas')[12].toDataURL() !== last", arg=last[12])
    first = pixels(tab)
    assert first[:12] == last[:12]
    pane.get_by_role("switch").check()
    tab.get_by_role("img", name=re.compile("^Diffusion.*noisy picture at step 1$")).wait_for()
    tab.wait_for_function("(first) => document.querySelectorAll('.pictures canvas')[12].toDataURL() !== first", arg=first[12])


def test_a_link_restores_the_run(open_page, fake_address):
    tab = open_page(fake_address)
    tab.get_by_label("Seed").fill("21")
    draw(tab, "7")
    wait_until_done(tab)
    query = tab.url.removeprefix(fake_address)
    assert "seed=21" in query
    again = open_page(fake_address, query=query)
    wait_until_done(again)
    assert again.get_by_label("Prompt", exact=True).input_value() == "7"
    assert again.get_by_label("Seed").input_value() == "21"
    assert pixels(again) == pixels(tab)


def test_downloads_and_copy(open_page, fake_address):
    tab = open_page(fake_address, accept_downloads=True, permissions=["clipboard-read", "clipboard-write"])
    draw(tab, "7")
    wait_until_done(tab)
    for label, suffix in (
        ("Pictures", "pictures.png"),
        ("Film strip", "strip.png"),
        ("Animation", "animation.gif"),
        ("Record", "record.json"),
    ):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=label).click()
        assert download.value.suggested_filename == f"digits-seed7-{suffix}"
        content = Path(download.value.path()).read_bytes()
        assert content[:4] in (b"\x89PNG", b"GIF8") or json.loads(content)["prompt"] == "7"
    tab.get_by_role("button", name="Copy link").click()
    tab.get_by_role("button", name="Copied").wait_for()
    assert "seed=7" in tab.evaluate("navigator.clipboard.readText()")


def test_examples_dice_and_settings(open_page, fake_address):
    tab = open_page(fake_address)
    tab.get_by_role("button", name="thin 7", exact=True).click()
    wait_until_done(tab)
    assert tab.get_by_label("Prompt", exact=True).input_value() == "thin 7"
    tab.get_by_role("button", name="Roll").click()
    tab.wait_for_function("!location.search.includes('seed=7&')")
    wait_until_done(tab)
    tab.get_by_role("button", name="Advanced settings").click()
    steps = tab.get_by_label("number input for Steps")
    for _ in range(20):  # Gradio may still be replacing the fields of an accordion that has just opened
        steps.fill("33")
        steps.press("Tab")
        tab.wait_for_timeout(300)
        if steps.input_value() == "33":
            break
    draw(tab)
    tab.wait_for_function("location.search.includes('diffusion.num_inference_steps=33')")
    wait_until_done(tab)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"seed": "7", "prompt": "42"}, "asks for 42"),
        ({"seed": "-4"}, "seed must be a whole number from 0 to 2147483647, got -4"),
        ({"seed": "7", "n": "1000"}, "num_images must be a whole number from 1 to 16, got 1000"),
        ({"seed": "7", "prompt": "x" * 300}, "prompt must have at most 200 characters, got 300"),
        ({"prompt": "forty two 42"}, "asks for 42"),
        ({"world": "mars"}, "world must be one of"),
    ],
)
def test_what_cannot_be_drawn_is_explained(open_page, fake_address, query, words):
    tab = open_page(fake_address, query=f"?{urlencode(query)}")
    tab.get_by_role("status").get_by_text(words).wait_for()
    assert pixels(tab) == []


def test_a_setting_out_of_range_fails_its_own_pane(open_page, fake_address):
    tab = open_page(fake_address, query="?prompt=7&diffusion.num_inference_steps=1000")
    wait_until_done(tab)
    assert "num_inference_steps must be a whole number from 2 to 100, got 1000" in tab.get_by_role("article", name="Diffusion").inner_text()
    assert len(pixels(tab)) == 12


def test_stop_in_the_middle_and_a_missing_engine(open_page, broken_address):
    tab = open_page(broken_address)
    draw(tab, "7")
    tab.get_by_text("Autoregressive is drawing.").wait_for()
    tab.get_by_role("img", name=re.compile("^Autoregressive, 4 pictures")).wait_for()
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_text("Stopped.").wait_for()
    tab.get_by_role("slider", name="Autoregressive: moment").wait_for()
    assert "cannot be loaded" in tab.get_by_role("article", name="GAN").inner_text()
    assert len(pixels(tab)) == 8  # VAE and autoregressive
    assert tab.get_by_role("img", name="Diffusion: nothing drawn yet").count() == 1


def test_a_closed_tab_frees_the_machine(open_page, broken_address):
    first = open_page(broken_address)
    draw(first, "7")
    first.get_by_text("Autoregressive is drawing.").wait_for()
    first.close()
    second = open_page(broken_address)
    draw(second, "7")
    second.get_by_text("Autoregressive is drawing.").wait_for()
    second.get_by_role("button", name="Stop").click()
    second.get_by_text("Stopped.").wait_for()


def test_the_table(open_page, fake_address):
    tab = open_page(fake_address)
    tab.get_by_role("tab", name="The table").click()
    tab.get_by_role("rowheader").nth(6).wait_for()
    text = tab.locator("#table").inner_text()
    assert re.search(r"\d+ of 26 claims reproduced", text)
    assert "not measured yet" in text
    assert "tab=table" in tab.url
    tab.get_by_role("button", name="Look behind it: Quality, GAN").press("Enter")
    tab.get_by_role("heading", name="Quality: GAN").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "Quality: GAN"
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "generative-playground-digits.csv"
    again = open_page(fake_address, query="?tab=table")
    again.get_by_role("rowheader").nth(6).wait_for()


def test_a_lesson_has_a_link_that_restores_it(open_page, fake_address):
    tab = open_page(fake_address, query="?tab=learn&lesson=gan")
    learn = tab.locator("#learn")
    learn.get_by_role("heading", name="GAN", exact=True).wait_for()
    assert learn.get_by_role("article").count() == 1
    assert tab.get_by_role("img", name="How a GAN learns and draws").is_visible()
    assert "course: Fast" in learn.inner_text()
    tab.get_by_role("link", name="Diffusion", exact=True).press("Enter")
    learn.get_by_role("heading", name="Diffusion", exact=True).wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "Diffusion"
    assert tab.get_by_role("link", name="Diffusion", exact=True).get_attribute("aria-current") == "page"
    assert tab.url.endswith("?tab=learn&lesson=diffusion")
    tab.get_by_role("link", name="Digits, three steps only").click()
    wait_until_done(tab)
    assert tab.get_by_label("Prompt", exact=True).input_value() == "three"


def test_the_walk_goes_by_arrow_keys_and_survives_its_links(open_page, fake_address):
    tab = open_page(fake_address, query="?tab=learn&walk=2")
    panel = tab.get_by_role("region", name="Guided walk")
    panel.get_by_role("heading", name=re.compile("^2 of 6")).wait_for()
    tab.locator("#learn article:visible").wait_for()  # what leaves a page that still loads is reported as an error
    tab.keyboard.press("ArrowRight")
    panel.get_by_role("heading", name=re.compile("^3 of 6")).wait_for()
    assert "walk=3" in tab.url
    tab.keyboard.press("Enter")  # the link of the step has the focus
    wait_until_done(tab)
    assert len(pixels(tab)) == 4 * 16
    assert "walk=3" in tab.url
    panel.get_by_role("heading", name=re.compile("^3 of 6")).wait_for()
    tab.get_by_label("Prompt", exact=True).press("ArrowLeft")  # somebody types: the walk stays where it is
    panel.get_by_role("button", name="Next").click()
    panel.get_by_role("heading", name=re.compile("^4 of 6")).wait_for()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    panel.get_by_role("heading", name=re.compile("^6 of 6")).wait_for()
    assert panel.get_by_role("button", name="Next").is_disabled()
    tab.keyboard.press("ArrowLeft")
    panel.get_by_role("heading", name=re.compile("^5 of 6")).wait_for()
    tab.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert "walk" not in tab.url


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_learn_fits_and_has_no_serious_accessibility_finding(open_page, fake_address, theme, width):
    if not AXE:
        skip("AXE_PATH does not name axe.min.js")
    tab = open_page(fake_address, width=width, query=f"?__theme={theme}&tab=learn")
    tab.add_script_tag(path=AXE)
    for name in ("VAE", "GAN", "Autoregressive", "Diffusion", "Reading list"):
        tab.get_by_role("link", name=name, exact=True).click()
        tab.locator("#learn").get_by_role("heading", name=name, exact=True).wait_for()
        assert serious(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.get_by_role("link", name="Guided walk in six steps").click()
    tab.get_by_role("region", name="Guided walk").wait_for()
    assert serious(tab) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_everything(open_page, fake_address, theme):
    tab = open_page(fake_address, width=390, query=f"?__theme={theme}", has_touch=True)
    draw(tab, "7")
    wait_until_done(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    for pane in tab.get_by_role("article").all():
        assert pane.bounding_box()["width"] > 300


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_accessibility_finding(open_page, fake_address, theme):
    if not AXE:
        skip("AXE_PATH does not name axe.min.js")
    tab = open_page(fake_address, query=f"?__theme={theme}")
    tab.add_script_tag(path=AXE)
    assert serious(tab) == []
    draw(tab, "a bold 7, unicorn")
    wait_until_done(tab)
    tab.get_by_role("button", name="Advanced settings").click()
    tab.get_by_label("Steps").first.wait_for()
    assert serious(tab) == []
    tab.get_by_role("tab", name="The table").click()
    tab.get_by_role("rowheader").nth(6).wait_for()
    tab.get_by_role("button", name="Look behind it: Quality, GAN").click()
    tab.get_by_role("heading", name="Quality: GAN").wait_for()
    assert serious(tab) == []


def open_item(open_page, address, item: str, *, of: str = "explore", **values):
    """The page with an item of a tab opened by a link."""
    query = {"tab": of, "item": item, **values}
    return open_page(address, query=f"?{urlencode(query)}")


MAP_READY = "document.querySelector('canvas.decoded').dataset.exact === document.querySelector('canvas.decoded').dataset.shown"


def test_the_latent_map_follows_keys_and_pointer_and_is_restored(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "map", z1=1.5, z2=-0.5)
    tab.get_by_role("img", name="Decoded picture at z1 = 1.50, z2 = -0.50").wait_for()
    tab.wait_for_function(MAP_READY)
    plane, decoded = tab.get_by_role("application", name="Latent plane"), tab.locator("canvas.decoded")
    first = decoded.evaluate("(canvas) => canvas.toDataURL()")
    plane.focus()
    for _ in range(10):
        plane.press("Shift+ArrowUp")
    tab.get_by_role("img", name="Decoded picture at z1 = 1.50, z2 = 4.00").wait_for()  # the edge holds it
    assert decoded.evaluate("(canvas) => canvas.toDataURL()") != first
    tab.wait_for_function("location.search.includes('z2=4')")
    box = plane.bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    tab.get_by_role("img", name=re.compile(r"z1 = -2\.0\d, z2 = -?0\.0\d$")).wait_for()
    tab.get_by_label("show what every place decodes to").check()
    tab.wait_for_function("location.search.includes('plane=1')")
    tab.wait_for_function(MAP_READY)
    shown = decoded.evaluate("(canvas) => canvas.toDataURL()")
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    again.get_by_text("decoded at this very point").wait_for()
    assert again.locator("canvas.decoded").evaluate("(canvas) => canvas.toDataURL()") == shown
    assert again.get_by_label("show what every place decodes to").is_checked()


def test_a_point_off_the_map_is_explained(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "map", z1="nonsense", z2=0)
    tab.get_by_role("status").get_by_text("z1 must be a number from -4 to 4").wait_for()


def test_a_walk_by_keyboard_its_link_and_its_animation(open_page, fake_address):
    tab = open_page(fake_address, accept_downloads=True)
    tab.get_by_role("tab", name="Explore").click()
    tab.get_by_role("tab", name="Walk").click()
    prompt = tab.get_by_role("group", name="From").get_by_label("Prompt")
    prompt.fill("<img src=x onerror=alert(1)>")
    prompt.press("Enter")
    tab.get_by_text("All engines have arrived.").wait_for()
    strip = tab.get_by_role("img", name=re.compile("^Diffusion: 9 pictures on the way from “<img src=x"))
    assert strip.locator("canvas").count() == 9
    assert "item=walk" in tab.url
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Animation (GIF): GAN").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"GIF8"
    tab.get_by_role("button", name="Pause: GAN").click()
    slider = tab.get_by_role("slider", name="GAN: place on the way")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "picture 9 of 9"
    again = open_page(fake_address, query=tab.url.removeprefix(fake_address))
    again.get_by_text("All engines have arrived.").wait_for()
    assert again.get_by_role("group", name="From").get_by_label("Prompt").input_value() == "<img src=x onerror=alert(1)>"
    assert again.get_by_label("Prompt", exact=True).first.input_value() == FIRST.prompt  # Compare keeps its own


def test_a_wrong_walk_link_is_explained(open_page, fake_address):
    tab = open_item(open_page, fake_address, "walk", world=WORLD, from_seed=-4, to_seed=1, steps=5)
    tab.get_by_role("status").get_by_text("seed must be a whole number from 0 to 2147483647, got -4").wait_for()


def test_a_picture_is_repaired_and_restored(open_page, fake_address):
    tab = open_item(open_page, fake_address, "repair", world=WORLD, picture="held-out-3", missing="hole", seed=5, n=1)
    panes = tab.locator("#repaired")
    panes.get_by_text("All engines are done.").wait_for()
    missing = int(tab.locator("canvas.board").get_attribute("data-missing"))
    assert panes.get_by_text(f"0 of {28 * 28 - missing} known pixels changed").count() == 4
    board = tab.get_by_role("application", name="Picture to repair")
    board.focus()
    for _ in range(12):
        board.press("ArrowUp")
    board.press(" ")
    assert int(board.get_attribute("data-missing")) > missing
    tab.get_by_label("It will").select_option("draw")
    board.press("Shift+ArrowLeft")
    tab.get_by_role("button", name="Draw the rest").press("Enter")
    tab.wait_for_function("!location.search.includes('held-out')")
    left = 28 * 28 - int(board.get_attribute("data-missing"))
    panes.get_by_text(f"0 of {left} known pixels changed").nth(3).wait_for()
    again = open_page(fake_address, query=tab.url.removeprefix(fake_address))
    again.locator("#repaired").get_by_text(f"0 of {left} known pixels changed").nth(3).wait_for()
    assert again.locator("canvas.board").get_attribute("data-missing") == str(28 * 28 - left)
    assert again.get_by_label("Seed").last.input_value() == "5"


def test_uploads_are_read_or_explained(open_page, fake_address, tmp_path):
    tab = open_item(open_page, fake_address, "repair")
    board = tab.locator("canvas.board[data-missing]")
    board.wait_for()
    chooser, status = tab.get_by_label("Your own"), tab.locator("#repair-status")
    sheet = Image.new("RGB", (120, 160), "white")
    ImageDraw.Draw(sheet).line([(20, 20), (90, 20), (50, 130)], "black", 12)
    sheet.save(tmp_path / "seven.jpg")
    (tmp_path / "notes.txt").write_text("<b>hello</b>")
    (tmp_path / "huge.png").write_bytes(bytes(50_000_000))
    for name, words in (
        ("notes.txt", "no picture that can be read"),
        ("huge.png", "50.0 MB; at most 8 MB"),
        ("seven.jpg", "turned into light on dark"),
    ):
        chooser.set_input_files(tmp_path / name)
        status.get_by_text(words).wait_for()
    tab.get_by_role("button", name="Draw the rest").click()
    tab.locator("#repaired").get_by_text("All engines are done.").wait_for()
    assert "picture=iVBOR" in tab.url


READY = {  # item -> text that it shows once it is there, and a button to press first
    "map": ("decoded at this very point", ""),
    "walk": ("All engines have arrived.", "Walk"),
    "edit": ("One face, four engines.", ""),
    "repair": ("Complete or repair", ""),
    "encode": ("peak signal-to-noise ratio", ""),
    "inside": ("bits of surprise", "Draw and look inside"),
    "replay": ("Cross-entropy", ""),
    "stability": ("ruined it?", ""),
    "failures": ("Too few steps", ""),
    "live": ("A training from nothing", ""),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("of", ["explore", "training"])
def test_items_are_accessible_and_fit(open_page, shipped_address, of, width, theme):
    if not AXE:
        skip("AXE_PATH does not name axe.min.js")
    for item in explore_tab.ITEMS if of == "explore" else training_tab.ITEMS:
        tab = open_page(shipped_address, width=width, query=f"?tab={of}&item={item}&__theme={theme}")
        text, first = READY[item]
        shown = tab.locator(f"#item-{item}")
        if first:
            shown.get_by_role("button", name=first, exact=True).click()
        shown.get_by_text(text).first.wait_for(timeout=60_000)
        tab.add_script_tag(path=AXE)
        assert cut_off(shown) == []
        assert serious(tab) == []


def test_a_picture_is_encoded_uploaded_and_restored(open_page, shipped_address, tmp_path):
    tab = open_item(open_page, shipped_address, "encode", world=WORLD, picture="held-out-9")
    card = tab.get_by_role("article", name="VAE", exact=True)
    card.get_by_text("peak signal-to-noise ratio").wait_for()
    assert card.get_by_role("img").count() == 3
    before = card.get_by_role("img", name="VAE: what went in").get_attribute("src")
    board = tab.get_by_role("application", name="Picture to encode")
    board.press("Shift+ArrowRight")
    tab.get_by_role("button", name="Encode and decode").press("Enter")
    tab.wait_for_function("""(before) => document.querySelector('img[alt="VAE: what went in"]').src !== before""", arg=before)
    assert "held-out" not in tab.url
    shown = card.get_by_role("img", name="VAE: what went in").get_attribute("src")
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    again.get_by_text("peak signal-to-noise ratio").first.wait_for()
    assert again.get_by_role("img", name="VAE: what went in").first.get_attribute("src") == shown
    (tmp_path / "notes.png").write_text("no picture")
    tab.get_by_label("Your own").set_input_files(tmp_path / "notes.png")
    tab.locator("#encode-status").get_by_text("no picture that can be read").wait_for()


def test_pieces_and_steps_are_looked_at_by_keyboard_and_restored(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "inside", world=WORLD, prompt="a bold 7", seed=5, piece=400)
    pieces = tab.get_by_role("application", name="Autoregressive: choose a piece")
    tab.get_by_text("Row 15, column 9:").wait_for(timeout=60_000)
    pieces.press("ArrowUp")
    tab.get_by_text("Row 14, column 9:").wait_for()
    tab.wait_for_function("location.search.includes('piece=372')")
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    again.get_by_text("Row 14, column 9:").wait_for(timeout=60_000)
    step = tab.locator("#item-inside").get_by_label(re.compile("^Step"))
    step.press("End")
    tab.get_by_text("noise left: 0 %").wait_for()
    step.press("Home")
    tab.get_by_text(re.compile("noise left: (9.|100) %")).wait_for()
    assert tab.get_by_role("row", name=re.compile("^GAN")).get_by_role("img", name="training picture").count() == 3
    tab.get_by_role("button", name="Draw the grid").click()
    tab.get_by_role("img", name="guidance 0, 2 steps").wait_for()


def test_a_wrong_look_inside_is_explained(open_page, fake_address):
    tab = open_item(open_page, fake_address, "inside", world=WORLD, prompt="7", seed=-2)
    tab.get_by_role("status").get_by_text("seed must be a whole number from 0 to 2147483647, got -2").wait_for()


def test_trainings_are_replayed_by_keyboard_and_restored(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "replay", of="training", world=WORLD, at=100)
    sets = tab.get_by_role("img", name=re.compile("^(VAE|GAN|Autoregressive|Diffusion): 16 pictures drawn after"))
    sets.nth(3).wait_for()
    last = sets.nth(1).evaluate("(canvas) => canvas.toDataURL()")
    slider = tab.get_by_label(re.compile("^Share of the training"))
    for _ in range(60):
        slider.press("ArrowLeft")
    tab.wait_for_function("location.search.includes('at=40')")
    earlier = sets.nth(1).evaluate("(canvas) => canvas.toDataURL()")
    assert earlier != last
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    restored = again.get_by_role("img", name=re.compile("^GAN: 16 pictures drawn after"))
    restored.wait_for()
    assert restored.evaluate("(canvas) => canvas.toDataURL()") == earlier
    tab.get_by_role("button", name="Play").click()
    tab.get_by_role("button", name="Pause").click()


def test_a_training_is_watched_and_stopped(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "live", of="training", engine="digits/gan")
    engine = tab.locator("#item-live").get_by_label("Engine")
    assert engine.input_value() == "digits/gan"
    engine.select_option("digits/vae")
    tab.get_by_role("button", name="Train", exact=True).press("Enter")
    tab.get_by_text(re.compile("pictures seen in [1-9]")).wait_for(timeout=90_000)
    tab.get_by_role("img", name=re.compile("^Reconstruction: from")).wait_for()
    other = open_item(open_page, shipped_address, "live", of="training", engine="digits/gan")
    other.get_by_text("VAE is being trained.").wait_for()
    train, stop = (other.get_by_role("button", name=name, exact=True).locator("visible=true") for name in ("Train", "Stop"))
    train.click()
    other.get_by_role("alert").get_by_text("The server is busy with “training digits/vae”").wait_for()
    stop.click()
    other.get_by_role("alert").get_by_text("begun by another visitor").wait_for()
    other.get_by_text("VAE is being trained.").wait_for()
    tab.reload()  # whoever began it may still stop it
    tab.get_by_text("VAE is being trained.").wait_for()
    tab.get_by_role("button", name="Stop", exact=True).locator("visible=true").click()
    tab.get_by_text("Stopped. What it had learnt is shown.").wait_for()
    other.get_by_text("Stopped. What it had learnt is shown.").wait_for()


CUT_OFF = """(root) => [...root.querySelectorAll("*")]
  .filter((node) => !node.parentElement.closest(".scroll") && node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => node.outerHTML.slice(0, 150))"""


def cut_off(item) -> list[str]:
    """Parts of an item beyond the window's right edge, where nobody can scroll to."""
    return item.evaluate(CUT_OFF)


def serious(tab) -> list[str]:
    found = tab.evaluate("axe.run()")["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("world", COMPLETE)
def test_the_shipped_engines_draw_the_same_again(open_page, shipped_address, world):
    order = {"world": world, "prompt": worlds.load(world).examples[0], "seed": 3, "n": 2}
    tab = open_page(shipped_address, query=f"?{urlencode(order)}")
    wait_until_done(tab)
    drawn = pixels(tab)
    assert len(set(drawn)) == 8
    tab.reload()
    wait_until_done(tab)
    assert pixels(tab) == drawn
    assert tab.get_by_role("article").first.get_by_text("%").count() > 0
