"""The Compare tab as a visitor sees it, in Chromium: draw, look back, reload, stop; asking no host but its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from browser import AXE, draw, pixels, serious, skip, wait_until_done

import engines
from engines import worlds


def test_draw_and_look_back(open_page, fake_address):
    tab = open_page(fake_address)
    draw(tab, "a bold 7, <img src=x onerror=alert(1)> unicorn")
    wait_until_done(tab)
    assert len(pixels(tab)) == 16
    for title in ("VAE", "GAN", "Autoregressive", "Diffusion"):
        assert tab.get_by_role("img", name=re.compile(f"^{title}, 4 pictures: a bold 7")).is_visible()
    words = tab.get_by_role("list", name="Words of the prompt").inner_text().split("\n")
    assert words == ["digit 7", "thickness bold", "ignored: unicorn", "The first picture's seed adds: number 7."]
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


def test_a_page_at_rest_asks_for_no_frames(open_page, fake_address):
    tab = open_page(fake_address)
    asked = """async () => {
        const first = requestAnimationFrame(() => 0);
        await new Promise((resolve) => setTimeout(resolve, 500));
        return requestAnimationFrame(() => 0) - first - 1;
    }"""
    for _ in range(20):
        tab.wait_for_timeout(2000)
        if not (count := tab.evaluate(asked)):
            break
    assert count == 0, f"the clock of Gradio's loading screen runs on: {count} frames in half a second"


def test_a_drawn_picture_goes_on_to_be_repaired_and_encoded(open_page, shipped_address):
    tab = open_page(shipped_address, query="?world=digits&prompt=a+bold+7&seed=5&n=2")
    wait_until_done(tab)
    drawn = pixels(tab)[0]
    pane = tab.get_by_role("article", name="VAE", exact=True)
    encode, repair = (pane.get_by_role("link", name=re.compile(name)).get_attribute("href") for name in ("^Encode", "^Repair"))
    tab = open_page(shipped_address, query=encode)
    tab.get_by_role("article", name="VAE", exact=True).get_by_text("peak signal-to-noise ratio").wait_for(timeout=60_000)
    shown = tab.get_by_role("img", name="VAE: what went in").first
    same = """async ([drawn, shown]) => {
        const [a, b] = await Promise.all([drawn, shown].map(async (src) => {
            const image = new Image(), page = document.createElement("canvas");
            image.src = src;
            await image.decode();
            Object.assign(page, { width: image.width, height: image.height });
            page.getContext("2d").drawImage(image, 0, 0);
            return page.toDataURL();
        }));
        return a === b;
    }"""
    assert tab.evaluate(same, [drawn, shown.get_attribute("src")])
    tab = open_page(shipped_address, query=repair)
    tab.locator("#repaired").get_by_text("All engines are done.").wait_for(timeout=60_000)
    assert tab.locator("#item-repair").get_by_label("Prompt").input_value() == "a bold 7"


def test_a_contradiction_is_shown_with_its_rule(open_page, shipped_address):
    tab = open_page(shipped_address, query="?world=faces&prompt=bald+with+long+red+hair&n=1")
    wait_until_done(tab)
    words = tab.get_by_role("list", name="Words of the prompt").inner_text().replace("\n", " ")
    assert "hair style bald" in words
    assert "set aside: hair color red" in words
    assert "The first named counts" in words


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


def test_the_address_of_a_run_comes_back_with_its_tab(open_page, fake_address):
    tab = open_page(fake_address, query="?__theme=light")
    tab.get_by_label("Seed").fill("21")
    draw(tab, "7")
    wait_until_done(tab)
    run = tab.url
    tab.get_by_role("tab", name="Explore").click()
    tab.wait_for_function("location.search.includes('tab=explore')")
    assert "seed=21" not in tab.url
    tab.get_by_role("tab", name="The table").click()
    tab.wait_for_function("location.search === '?tab=table&world=digits&__theme=light'")
    tab.get_by_role("tab", name="Compare").click()
    tab.wait_for_function("location.search.includes('seed=21')")
    assert parse_qs(urlsplit(tab.url).query) == parse_qs(urlsplit(run).query) | {"tab": ["compare"]}
    again = open_page(fake_address, query=tab.url.removeprefix(fake_address))
    wait_until_done(again)
    assert pixels(again) == pixels(tab)


def test_a_refused_link_leaves_no_trace_in_the_address_of_what_comes_next(open_page, fake_address):
    tab = open_page(fake_address, query="?tab=table&seed=bad")
    tab.get_by_text("This link cannot be restored").wait_for()
    draw(tab, "7")
    wait_until_done(tab)
    assert parse_qs(urlsplit(tab.url).query)["prompt"] == ["7"]
    tab.get_by_role("tab", name="The table").click()
    tab.wait_for_function("location.search === '?tab=table&world=digits'")


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
        ({"world": "mars", "tab": "table"}, "world must be one of"),
    ],
)
def test_what_cannot_be_drawn_is_explained(open_page, fake_address, query, words):
    tab = open_page(fake_address, query=f"?{urlencode(query)}")
    tab.get_by_role("status").get_by_text(words).wait_for()
    assert pixels(tab) == []


def test_a_setting_out_of_range_fails_its_own_pane(open_page, fake_address):
    tab = open_page(fake_address, query="?prompt=7&diffusion.num_inference_steps=1000")
    tab.get_by_text("Diffusion failed; the others are done.").wait_for()
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


COMPLETE = [world for world in worlds.NAMES if all(engines.is_trained(f"{world}/{family}") for family in engines.FAMILIES)]


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
