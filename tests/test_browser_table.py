"""The table, and what is to be learnt, in Chromium."""

from __future__ import annotations

import re
import time

import pytest
from browser import AXE, FIRST, LOOKS, pixels, serious, serve, skip, wait_until_done
from fakes import Fake, make_machine

import engines
from playground import figures
from playground.figures import Figure
from playground.ui import again, table_tab


def test_the_table(open_page, fake_address):
    tab = open_page(fake_address)
    tab.get_by_role("tab", name="The table").click()
    tab.get_by_role("rowheader").nth(6).wait_for()
    text = tab.locator("#table").inner_text()
    assert re.search(r"\d+ of 26 claims reproduced .*; \d+ contradicted, \d+ undecided, \d+ not measured yet", text)
    assert "not asked in this world" in tab.get_by_role("row", name="Facial manipulation").inner_text()
    assert "tab=table" in tab.url
    tab.get_by_role("button", name="Look behind it: Quality, GAN").press("Enter")
    tab.get_by_role("heading", name="Quality: GAN").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "Quality: GAN"
    assert "tab=table&world=digits&cell=quality.gan" in tab.url
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "generative-playground-digits.csv"
    tab.evaluate("window.print = () => { document.title = 'on paper' }")
    tab.get_by_role("button", name="Print").click()
    assert tab.title() == "on paper"
    tab.emulate_media(media="print")
    assert [tab.locator(part).first.is_visible() for part in ("#table table", "#table button", "#masthead")] == [True, False, False]
    again = open_page(fake_address, query="?tab=table&world=digits&cell=speed.diffusion")
    again.get_by_role("heading", name="Speed: Diffusion").wait_for()
    again.get_by_role("tab", name="Learn").click()
    again.get_by_role("link", name="Quality", exact=True).first.wait_for()
    assert "cell" not in again.url


@pytest.fixture(scope="module")
def two_worlds():
    """The address of a page on which both worlds count as trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "is_trained", lambda name: True)
        yield from serve(make_machine(Fake), FIRST)


@pytest.fixture
def slow_start(monkeypatch):
    """The address of a page whose table of the world it starts with takes its time."""
    show = table_tab.show

    def show_slowly(world):
        time.sleep(2 if world == FIRST.world else 0)
        return show(world)

    monkeypatch.setattr(engines, "is_trained", lambda name: True)
    monkeypatch.setattr(table_tab, "show", show_slowly)
    yield from serve(make_machine(Fake), FIRST)


def test_a_link_to_another_world_is_not_overtaken_by_the_one_the_page_starts_with(open_page, slow_start):
    tab = open_page(slow_start, query="?tab=table&world=faces&cell=quality.gan")
    tab.get_by_role("heading", name="Quality: GAN").wait_for()
    assert "of 29 claims reproduced" in tab.locator("#table").inner_text()


def test_the_table_has_its_own_choice_of_a_world(open_page, two_worlds):
    tab = open_page(two_worlds, query="?tab=table&world=digits")
    tab.get_by_text("of 26 claims reproduced").wait_for()
    tab.locator("#table-world").get_by_label("Cartoon faces").check()
    tab.get_by_text("of 29 claims reproduced").wait_for()
    assert tab.url.endswith("?tab=table&world=faces")
    again = open_page(two_worlds, query=tab.url.removeprefix(two_worlds))
    again.get_by_text("of 29 claims reproduced").wait_for()
    tab.get_by_role("tab", name="Compare").click()
    assert tab.locator("#choices").get_by_label("World").input_value() == "Cartoon faces"


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_table_fits_and_has_no_serious_accessibility_finding(open_page, fake_address, theme, width):
    if not AXE:
        skip("AXE_PATH does not name axe.min.js")
    tab = open_page(fake_address, width=width, query=f"?__theme={theme}&tab=table&world=digits&cell=quality.gan")
    tab.get_by_role("heading", name="Quality: GAN").wait_for()
    tab.wait_for_function("""!document.querySelector('[aria-label="Empty value"]')""")  # Gradio's, until the charts are there
    tab.add_script_tag(path=AXE)
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


WAIT, NEVER, FAIL = (
    ["timeit", "-n1", "-r1", "import time; time.sleep(2)"],
    ["http.server", "0", "--bind", "127.0.0.1"],
    ["no_such_module_here"],
)


@pytest.mark.parametrize(
    ("command", "role", "ended"),
    [(WAIT, "status", "Handwritten digits: done in"), (FAIL, "alert", "ended early"), (NEVER, "status", "Handwritten digits: stopped.")],
)
def test_measuring_again_is_watched_to_its_end(open_page, fake_address, monkeypatch, command, role, ended):
    def start(background, folder, world, owner):
        seconds = Figure(0.25, "s", 5, "quick: median", "machine", "abc", 0.2, 0.3)
        figures.write(world, "speed", "vae", {"seconds": seconds}, root=folder)
        return background.start_or_join(f"{again.TASK} {world}", command, owner=owner, clear=folder / "of another world")

    monkeypatch.setattr(again, "_start", start)
    monkeypatch.setattr(again, "POLL", 0.2)
    tab = open_page(fake_address, query="?tab=table&world=digits")
    shown = tab.locator("#again")
    tab.get_by_role("button", name=re.compile("^Measure again here")).first.click()  # unfolds the other one
    tab.locator("#again-start").click()
    if command is not FAIL:
        shown.get_by_text("Handwritten digits: 1 of 24 cells measured").wait_for()
    if command is NEVER:
        other = open_page(fake_address, query="?tab=training&item=live")
        other.get_by_role("button", name="Train", exact=True).click()
        other.get_by_text("The server is busy with “measuring digits”").wait_for()
        tab.locator("#again-stop").click()
    shown.get_by_role(role).filter(has_text=ended).wait_for()
    assert "0.25 s [0.2, 0.3]" in shown.get_by_role("row", name="Speed VAE").inner_text()


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


def test_a_lesson_stays_open_while_other_tabs_are_on_show(open_page, two_worlds):
    tab = open_page(two_worlds, query="?tab=learn&world=digits&lesson=gan")
    lesson = tab.locator("#learn").get_by_role("heading", name="GAN", exact=True)
    lesson.wait_for()
    tab.get_by_role("tab", name="The table").click()
    tab.wait_for_function("location.search === '?tab=table&world=digits'")
    tab.locator("#table-world").get_by_label("Cartoon faces").check()
    tab.get_by_text("of 29 claims reproduced").wait_for()
    tab.get_by_role("tab", name="Learn").click()
    tab.wait_for_function("location.search === '?tab=learn&world=faces&lesson=gan'")
    lesson.wait_for()
    assert tab.locator("#learn article:visible").count() == 1


def test_the_walk_goes_by_arrow_keys_and_survives_its_links(open_page, fake_address):
    tab = open_page(fake_address, query="?tab=learn&walk=1")
    panel = tab.get_by_role("region", name="Guided walk")
    panel.get_by_role("heading", name=re.compile("^1 of 6")).wait_for()
    tab.locator("#learn article:visible").wait_for()  # what leaves a page that still loads is reported as an error
    tab.keyboard.press("ArrowRight")
    panel.get_by_role("heading", name=re.compile("^2 of 6")).wait_for()
    assert "walk=2" in tab.url
    tab.keyboard.press("Enter")  # the link of the step has the focus
    wait_until_done(tab)
    assert len(pixels(tab)) == 4 * 16
    assert "walk=2" in tab.url
    panel.get_by_role("heading", name=re.compile("^2 of 6")).wait_for()
    tab.get_by_label("Prompt", exact=True).press("ArrowLeft")  # somebody types: the walk stays where it is
    panel.get_by_role("button", name="Next").click()
    panel.get_by_role("heading", name=re.compile("^3 of 6")).wait_for()
    tab.get_by_role("button", name="Copy link").focus()  # a button has no use for arrows
    for _ in range(7):
        tab.keyboard.press("ArrowRight")
    panel.get_by_role("heading", name=re.compile("^6 of 6")).wait_for()
    assert panel.get_by_role("button", name="Next").is_disabled()
    tab.keyboard.press("ArrowLeft")
    panel.get_by_role("heading", name=re.compile("^5 of 6")).wait_for()
    tab.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert "walk" not in tab.url


@pytest.mark.parametrize(("theme", "width"), LOOKS)
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
