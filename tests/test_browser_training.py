"""The Training tab in Chromium, and what all items of Explore and Training have in common."""

from __future__ import annotations

import re

import pytest
from browser import AXE, LOOKS, cut_off, open_item, serious, skip
from fakes import WORLD

from playground.ui import explore_tab, training_tab


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
    early = open_item(open_page, shipped_address, "live", of="training")
    early.get_by_role("button", name="Train", exact=True).wait_for()
    tab = open_item(open_page, shipped_address, "live", of="training", engine="digits/gan")
    engine = tab.locator("#item-live").get_by_label("Engine")
    assert engine.input_value() == "digits/gan"
    engine.select_option("digits/vae")
    tab.get_by_role("button", name="Train", exact=True).press("Enter")
    tab.get_by_text(re.compile("pictures seen in [1-9]")).wait_for(timeout=90_000)
    tab.get_by_role("img", name=re.compile("^Reconstruction: from")).wait_for()
    other = open_item(open_page, shipped_address, "live", of="training", engine="digits/gan")
    other.get_by_text("VAE is being trained.").wait_for()
    early.get_by_text("VAE is being trained.").wait_for()
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


HOLE = "&world=digits&picture=held-out-3&missing=hole&prompt=&seed=5&n=1"  # is repaired at once
READY = {  # item -> text that it shows once there is something in it to look at, and a button to press first
    "map": ("decoded at this very point", ""),
    "walk": ("All engines have arrived.", "Walk"),
    "edit": ("Nothing leaked", ""),
    "repair": ("All engines are done.", ""),
    "encode": ("peak signal-to-noise ratio", ""),
    "inside": ("bits of surprise", "Draw and look inside"),
    "replay": ("Cross-entropy", ""),
    "stability": ("ruined it?", ""),
    "failures": ("Too few steps", ""),
    "live": ("A training from nothing", ""),
}


@pytest.mark.parametrize(("theme", "width"), LOOKS)
@pytest.mark.parametrize("of", ["explore", "training"])
def test_items_are_accessible_and_fit(open_page, shipped_address, of, width, theme):
    if not AXE:
        skip("AXE_PATH does not name axe.min.js")
    for item in explore_tab.ITEMS if of == "explore" else training_tab.ITEMS:
        tab = open_page(shipped_address, width=width, query=f"?tab={of}&item={item}&__theme={theme}{HOLE if item == 'repair' else ''}")
        text, first = READY[item]
        shown = tab.locator(f"#item-{item}")
        if first:
            shown.get_by_role("button", name=first, exact=True).click()
        tab.get_by_text(text).locator("visible=true").first.wait_for(timeout=60_000)
        tab.add_script_tag(path=AXE)
        assert cut_off(shown) == []
        assert serious(tab) == []
