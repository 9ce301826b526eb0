"""The face editor in Chromium, over tiny engines."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tiny_engines
from browser import open_item, serve
from test_edit import SMILE, Judge

import engines
from engines import Reading, worlds
from playground import directions
from playground.compare import first_order
from playground.explore import edit
from playground.machine import Machine

drawn: Counter[str] = Counter()  # faces, by engine


def load(name: str):
    engine = tiny_engines.make(name)
    generate = engine.generate

    def counted(request):
        drawn[name] += 1
        return generate(request)

    engine.generate = counted
    return engine


@pytest.fixture(scope="module")
def faces_address():
    found = {name: directions.find(tiny_engines.make(name), pairs=4) for name in ("faces/vae", "faces/gan")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "is_trained", lambda name: True)
        patch.setattr(directions, "shared", found.get)
        patch.setattr(engines.style_gan.StyleGANEngine, "score", lambda self, images, prompts: np.zeros(len(images), np.float32))
        judge, reading = Judge(), Reading({"mouth": "sad"}, ())
        yield from serve(Machine(load_engine=load, load_judge=lambda world: judge, read=lambda world, prompt: reading))


def test_a_link_to_the_other_world_brings_its_examples(open_page, faces_address):
    tab = open_page(faces_address, query="?world=digits&tab=table")
    tab.get_by_role("tab", name="The table", selected=True).wait_for(timeout=60_000)  # the link has had its say
    tab.get_by_role("tab", name="Compare").click()
    chips = tab.locator("#examples button")
    chips.get_by_text(worlds.load("digits").examples[1], exact=True).wait_for(timeout=60_000)
    assert tab.get_by_label("Prompt", exact=True).input_value() == worlds.load("digits").examples[0]
    tab.get_by_label("Prompt", exact=True).fill("")
    chips.nth(0).click()
    tab.get_by_text("All engines are done.").wait_for(timeout=60_000)


def test_another_world_brings_its_first_order(open_page, faces_address):
    tab = open_page(faces_address, query="?world=digits")
    pictures, asked = tab.get_by_label("number input for Pictures"), {name: first_order(name) for name in ("digits", "faces")}
    tab.locator("#examples button").get_by_text(worlds.load("digits").examples[1], exact=True).wait_for(timeout=60_000)
    assert pictures.input_value() == str(asked["digits"].num_images)
    assert asked["digits"].num_images != asked["faces"].num_images
    tab.get_by_label("World", exact=True).first.click()
    tab.get_by_role("option", name=worlds.load("faces").title).click()
    tab.locator("#examples button").get_by_text(worlds.load("faces").examples[1], exact=True).wait_for(timeout=60_000)
    assert pictures.input_value() == str(asked["faces"].num_images)
    assert tab.get_by_label("Prompt", exact=True).input_value() == asked["faces"].prompt


def test_a_face_is_edited_and_restored(open_page, faces_address):
    drawn.clear()
    tab = open_item(open_page, faces_address, "edit", world="faces", prompt="a sad face", seed=4)
    item = tab.locator("#item-edit")
    item.locator(".item[data-answered='2']").wait_for(timeout=60_000)  # along directions, and drawn again
    assert set(drawn.values()) == {1}
    item.get_by_text("moves what its decoder is told, not the random z").wait_for()
    slider = item.get_by_label("Smile (mouth)")
    slider.fill("0.25")
    slider.fill("1")
    item.get_by_text("Asked for: ").nth(1).wait_for(timeout=60_000)
    assert drawn == {"faces/vae": 1, "faces/gan": 1, "faces/autoregressive": 2, "faces/diffusion": 2}
    pictures = "(card) => [...card.querySelectorAll('img')].map((image) => image.src)"
    for title in ("VAE", "GAN", "Diffusion"):
        before, after = item.get_by_role("article", name=title, exact=True).evaluate(pictures)
        assert before != after
    again = open_page(faces_address, query=tab.url.removeprefix(faces_address))
    again.locator("#item-edit .item[data-answered='2']").wait_for(timeout=60_000)
    assert again.locator("#item-edit").get_by_label("Smile (mouth)").input_value() == "1"
    assert drawn["faces/diffusion"] == 2  # the faces are still there


SEEN = """() => {
    const root = document.querySelector("#item-edit .item"), card = root.querySelector("article[aria-label=GAN]");
    const [, after] = card.querySelectorAll("img");
    window.seen = [];
    new MutationObserver((changes) => {
        for (const { target, attributeName } of changes) {
            if (target === after || target.ariaBusy !== null)
                window.seen.push(target === after ? "picture" : `busy ${target.ariaBusy}`);
        }
    }).observe(card, { attributes: true, subtree: true, attributeFilter: ["src", "aria-busy"] });
}"""


def test_pictures_follow_a_slider_before_they_are_read(open_page, faces_address):
    tab = open_item(open_page, faces_address, "edit", world="faces", prompt="a sad face", seed=5)
    item = tab.locator("#item-edit")
    item.locator(".item[data-answered='2']").wait_for(timeout=60_000)
    tab.evaluate(SEEN)
    item.get_by_label("Smile (mouth)").evaluate("(input) => { input.value = 1; input.dispatchEvent(new Event('input')); }")
    tab.wait_for_function("() => window.seen.includes('busy false')", timeout=60_000)
    assert tab.evaluate("window.seen")[:3] == ["busy true", "picture", "busy false"]


def test_a_failed_change_is_explained_and_nothing_stays_busy(open_page, faces_address, monkeypatch):
    tab = open_item(open_page, faces_address, "edit", world="faces", prompt="a sad face", seed=6)
    item = tab.locator("#item-edit")
    item.locator(".item[data-answered='2']").wait_for(timeout=60_000)

    def fail(*args):
        raise ValueError("the judge is out")

    monkeypatch.setattr(edit, "edit", fail)
    item.get_by_label("Smile (mouth)").fill("1")
    item.locator(".item[data-answered='4']").wait_for(timeout=60_000)
    item.get_by_text("the judge is out").wait_for()
    assert item.locator("[aria-busy]").count() == 4
    assert item.locator("[aria-busy='true']").count() == 0


def test_an_amount_that_no_slider_can_stand_at_is_explained(open_page, faces_address):
    tab = open_item(open_page, faces_address, "edit", world="faces", prompt="", seed=4, **{SMILE: 9})
    tab.locator("#item-edit").get_by_text(f"{SMILE} must be a number from -1 to 2, got 9").wait_for()
