"""How the trained text encoder of faces reads prompts that its grammar did not make."""

import json
from pathlib import Path

import numpy as np
import pytest

import engines
from engines.worlds import faces

PROMPTS = [json.loads(line) for line in Path(__file__).with_name("faces_prompts.jsonl").read_text().splitlines()]


def test_ordinary_peoples_prompts_are_read():
    """At least 97 % of the attributes that a prompt names, and of all, those that it leaves open among them."""
    readings = [engines.read("faces", prompt["prompt"]).attributes for prompt in PROMPTS]
    right = [
        [reading.get(key) == prompt["attributes"].get(key) for key in faces.attributes]
        for reading, prompt in zip(readings, PROMPTS, strict=True)
    ]
    named = [reading.get(key) == value for reading, p in zip(readings, PROMPTS, strict=True) for key, value in p["attributes"].items()]
    assert np.mean(right) >= 0.97
    assert np.mean(named) >= 0.97


@pytest.mark.parametrize(
    ("prompt", "attributes", "overruled"),
    [
        ("bald with long red hair", {"hair_style": "bald"}, {"hair_style": "straight", "hair_color": "red"}),
        (
            "bald guy with long ginger hair and glasses",
            {"hair_style": "bald", "glasses": "square"},
            {"hair_style": "straight", "hair_color": "red"},
        ),
        ("bald with red hair", {"hair_style": "bald"}, {"hair_color": "red"}),
        ("bob cut, blonde or brown hair", {"hair_style": "bob", "hair_color": "blonde"}, {"hair_color": "brown"}),
        ("short curly red hair, blue hair", {"hair_style": "curly", "hair_color": "red"}, {"hair_color": "blue"}),
        ("bald with long hair", {"hair_style": "bald"}, {"hair_style": "straight"}),
        ("a bald woman with curly black hair", {"hair_style": "bald"}, {"hair_style": "curly", "hair_color": "black"}),
        ("red hair, blue hair", {"hair_color": "red"}, {"hair_color": "blue"}),
        ("afro and a mohawk", {"hair_style": "afro"}, {"hair_style": "mohawk"}),
        ("sunglasses, heart eyes", {"glasses": "sunglasses"}, {"eyes": "hearts"}),
        ("a bald man with a red beard", {"hair_style": "bald", "hair_color": "red", "facial_hair": "beard"}, {}),
    ],
)
def test_contradictions_are_read_by_the_stated_rule(prompt, attributes, overruled):
    reading = engines.read("faces", prompt)
    assert (reading.attributes, reading.overruled) == (attributes, overruled)


NEITHER = {"glasses": "none", "facial_hair": "none"}


@pytest.mark.parametrize(
    ("prompt", "attributes"),
    [
        ("he hasn't got a beard", {"facial_hair": "none"}),
        ("he lacks a moustache", {"facial_hair": "none"}),
        ("a man who has not got any glasses", {"glasses": "none"}),
        ("He doesn’t have any hair", {"hair_style": "bald"}),
        ("neither glasses nor a beard", NEITHER),
        ("Neither beard nor glasses", NEITHER),
        ("a face without glasses or a moustache", NEITHER),
        ("no glasses or beard", NEITHER),
        ("no beard nor glasses", NEITHER),
        ("a woman who isn't wearing glasses", {"glasses": "none"}),
        ("no beard or moustache, red hair", {"facial_hair": "none", "hair_color": "red"}),
        ("no glasses or any hat, but a beard", {"glasses": "none", "facial_hair": "beard"}),
    ],
)
def test_denials_are_read(prompt, attributes):
    reading = engines.read("faces", prompt)
    assert reading.attributes == attributes
    assert not {"hasn't", "lacks", "neither", "nor"} & set(reading.ignored)


def test_captions_are_plain():
    for i in range(2000):
        text = faces.caption(faces.sample_label("train", i), np.random.default_rng(i))
        assert faces.plainly(text) == text.lower()


@pytest.mark.parametrize(
    "prompt", ["七つの顔", "🧔‍♂️🕶️", "<script>alert(1)</script>", "лицо с бородой", "a" * 200, "\x00\ufeff", "\ud800", ".,;!?"]
)
def test_strange_prompts_are_read_as_far_as_understood(prompt):
    reading = engines.read("faces", prompt)
    assert reading.attributes == {}
    assert reading.refusal is None
