"""The Explore tab in Chromium: every item by keyboard, restored by its link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import FIRST, open_item
from fakes import WORLD
from PIL import Image, ImageDraw

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from_seed": -4}, "seed must be a whole number from 0 to 2147483647, got -4"),
        ({"steps": 99}, "steps must be a whole number from 3 to 16, got 99"),
        ({"steps": "many"}, "steps must be a whole number from 3 to 16, got 'many'"),
        ({"world": "faces", "through": "x"}, "through must be w or z, got 'x'"),
    ],
)
def test_a_wrong_walk_link_is_explained(open_page, fake_address, change, message):
    link = {"world": WORLD, "from_seed": 4, "to_seed": 1, "steps": 5} | change
    tab = open_item(open_page, fake_address, "walk", **link)
    tab.get_by_role("status").get_by_text(message).wait_for()


def test_the_item_that_one_turns_to_is_in_the_address(open_page, fake_address):
    ends = {"from_prompt": "7", "from_seed": 3, "to_prompt": "7", "to_seed": 1}
    tab = open_item(open_page, fake_address, "walk", world=WORLD, **ends, steps=5, walk=2)
    tab.get_by_text("All engines have arrived.").wait_for()
    assert "from_seed=3" in tab.url  # what Gradio selects by itself leaves it alone
    tab.locator("#item-walk").get_by_role("button", name="Walk", exact=True).click()
    tab.get_by_role("tab", name="Repair").click()
    tab.wait_for_function("location.search === '?tab=explore&item=repair&walk=2'")
    tab = open_page(fake_address, query=tab.url.removeprefix(fake_address))  # a page that reloads while it loads logs what it gave up
    tab.get_by_role("button", name="Draw the rest").wait_for()
    tab.get_by_role("tab", name="Training").click()
    tab.get_by_role("tab", name="Failure shelf").click()
    tab.wait_for_function("location.search === '?tab=training&item=failures&walk=2'")
    tab = open_page(fake_address, query=tab.url.removeprefix(fake_address))
    tab.get_by_text("Every family has its own way to go wrong.").wait_for()


def test_a_picture_is_repaired_and_restored(open_page, fake_address):
    tab = open_item(open_page, fake_address, "repair", world=WORLD, picture="held-out-3", missing="hole", seed=5, n=1)
    panes = tab.locator("#repaired")
    panes.get_by_text("All engines are done.").wait_for()
    missing = int(tab.locator("canvas.board").get_attribute("data-missing"))
    assert panes.get_by_text(re.compile(r"its own picture is \d+\.\d % off at the known pixels")).count() == 4
    panes.get_by_role("img", name="Diffusion, 1 picture: anything; how far off at the known pixels").wait_for()
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
    gone = board.get_attribute("data-missing")
    panes.get_by_text("All engines are done.").wait_for()
    again = open_page(fake_address, query=tab.url.removeprefix(fake_address))
    again.locator("#repaired").get_by_text("All engines are done.").wait_for()
    assert again.locator("canvas.board").get_attribute("data-missing") == gone
    assert again.get_by_label("Seed").last.input_value() == "5"


def test_a_repair_link_for_more_pictures_than_there_may_be_is_explained(open_page, fake_address):
    tab = open_item(open_page, fake_address, "repair", world=WORLD, picture="held-out-3", missing="hole", seed=5, n=9)
    tab.locator("#repaired").get_by_text("num_images must be a whole number from 1 to 4, got 9").wait_for()


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
    assert tab.get_by_role("article", name="Nearest training pictures").get_by_role("img", name="training picture").count() == 3
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
    step.press("Home")
    tab.get_by_text("noise in it: 100 %").wait_for()
    for _ in range(7):
        step.press("ArrowRight")
    left = tab.get_by_text(re.compile("noise in it: [1-9]. %"))
    left.wait_for()
    tab.wait_for_function("location.search.includes('piece=372&step=8')")
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    again.get_by_text(left.inner_text()).wait_for(timeout=60_000)
    assert tab.get_by_role("row", name=re.compile("^GAN")).get_by_role("img", name="training picture").count() == 3
    tab.get_by_role("button", name="Draw the grid").press("Enter")
    tab.get_by_role("img", name="guidance 0, 2 steps").wait_for()
    assert "grid=1" in tab.url
    tab.get_by_role("button", name="Stop the grid").press("Enter")
    tab.get_by_role("button", name="Draw the grid").wait_for()
    assert tab.get_by_role("img", name=re.compile("^guidance")).count() < 16
    again = open_page(shipped_address, query=tab.url.removeprefix(shipped_address))
    again.get_by_role("img", name="guidance 0, 2 steps").wait_for(timeout=60_000)


def test_a_wrong_look_inside_is_explained(open_page, fake_address):
    tab = open_item(open_page, fake_address, "inside", world=WORLD, prompt="7", seed=-2)
    tab.get_by_role("status").get_by_text("seed must be a whole number from 0 to 2147483647, got -2").wait_for()


def test_a_piece_beyond_the_picture_is_explained(open_page, shipped_address):
    tab = open_item(open_page, shipped_address, "inside", world=WORLD, prompt="7", seed=2, piece=784)
    tab.get_by_role("status").get_by_text("piece must be a whole number from 0 to 783, got 784").wait_for(timeout=60_000)
