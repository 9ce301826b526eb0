"""The world of faces: exact attributes, held-out pairs, captions that name what they say, and how prompts are read."""

import difflib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from engines import text, worlds
from engines.worlds import avatars, faces, faces_language
from playground.measure.checks import caption_pair

PROMPTS = [json.loads(line) for line in Path(__file__).with_name("faces_prompts.jsonl").read_text().splitlines()]


def label(**changes):
    plain = {key: values[0] for key, values in faces.attributes.items()}
    plain |= {"hair_style": "short", "eyes": "open", "glasses": "none", "facial_hair": "none"}
    return faces.hide(plain | changes)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_CACHE", str(tmp_path / "cache"))


def test_the_world_is_rich_enough():
    sizes = {key: len(values) for key, values in faces.attributes.items()}
    least = {"hair_style": 12, "hair_color": 8, "skin_tone": 6, "eyes": 5, "eyebrows": 4, "mouth": 5, "glasses": 4, "facial_hair": 3}
    least |= {"clothes": 6, "clothes_color": 6, "background": 5}
    assert sizes.keys() == least.keys()
    assert all(sizes[key] >= number for key, number in least.items())
    assert len(faces.HELD_OUT_PAIRS) == 10


def test_an_image_depends_on_its_split_and_number_alone():
    images, labels = faces.load_images(split="test", num_images=6, seed=3)
    again, same = faces.load_images(split="test", num_images=6, seed=3)
    assert images.shape == (6, 64, 64, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, again)
    assert labels == same
    other, _ = faces.load_images(split="validation", num_images=6, seed=3)
    assert not np.array_equal(images, other)


def test_a_drawn_split_is_kept(monkeypatch):
    monkeypatch.setitem(faces.SPLIT_SIZES, "test", 8)
    images, labels = faces.load_images(split="test")
    monkeypatch.setattr(avatars, "draw", lambda *_: pytest.fail("drawn again"))
    again, same = faces.load_images(split="test")
    assert np.array_equal(images, again)
    assert labels == same
    some, _ = faces.load_images(split="test", num_images=3, seed=1)
    assert np.array_equal(some, images[np.random.default_rng(1).permutation(8)[:3]])


@pytest.mark.parametrize(("split", "n", "message"), [("holiday", 1, "holiday"), ("test", 0, "got 0"), ("test", 10**6, "from 1 to 10000")])
def test_bad_requests_for_images_name_the_value(split, n, message):
    with pytest.raises(ValueError, match=message):
        faces.load_images(split=split, num_images=n)


def test_held_out_pairs_stay_out_of_training():
    assert not any(faces.is_held_out(faces.sample_label(split, i)) for split in ("train", "validation", "test") for i in range(2000))
    held_out = [faces.sample_label("held_out", i) for i in range(50)]
    for first, second in faces.HELD_OUT_PAIRS:
        assert any((first | second).items() <= found.items() for found in held_out)


def test_every_value_shows_in_the_picture():
    variation = avatars.vary(np.random.default_rng(0))
    for key, values in faces.attributes.items():
        pictures = [avatars.draw(label(**{key: value}), variation).astype(int) for value in values if (key, value) not in faces.INVISIBLE]
        for i, one in enumerate(pictures):
            assert all(np.abs(one - other).max() > 20 for other in pictures[:i]), key


def test_what_cannot_be_seen_is_not_labelled():
    bald = faces.hide(label(hair_style="bald", hair_color="red"))
    assert bald["hair_color"] == "none"
    assert faces.hide(label(hair_style="bald", hair_color="red", facial_hair="beard"))["hair_color"] == "red"
    assert faces.hide(label(glasses="sunglasses", eyes="wide"))["eyes"] == "hidden"
    variation = avatars.vary(np.random.default_rng(0))
    assert np.array_equal(avatars.draw(bald, variation), avatars.draw(faces.hide(label(hair_style="bald", hair_color="blue")), variation))


def test_variation_keeps_pictures_from_repeating():
    rng = np.random.default_rng(0)
    one, two = (avatars.draw(label(), avatars.vary(rng)).astype(int) for _ in range(2))
    assert 2 < np.abs(one - two).mean() < 60


def test_captions_name_what_they_say():
    rng = np.random.default_rng(0)
    vocabulary, named, overruled = set(faces.vocabulary()), set(), 0
    for _ in range(3000):
        truth = faces.random_label(rng)
        caption = faces.compose(truth, rng)
        assert caption.named.items() <= truth.items()
        assert not set(caption.named.items()) & set(faces_language.INVISIBLE)
        assert not caption.named.items() & caption.overruled.items()
        assert faces.reconcile(caption.named) == (caption.named, {})
        if truth["hair_style"] == "bald" and "hair_color" in caption.named:
            assert caption.named.keys() >= {"hair_style", "facial_hair"}
        assert len(caption.text) <= 200
        assert set(text.split_words(caption.text)) <= vocabulary | {faces_language.UNKNOWN}
        named |= set(caption.named.items())
        overruled += bool(caption.overruled)
    assert named == {(key, value) for key, values in faces.attributes.items() for value in values} - set(faces_language.INVISIBLE)
    assert 60 < overruled < 250


def test_no_mark_of_the_grammar_is_left_in_captions():
    rng = np.random.default_rng(1)
    for i in range(3000):
        caption = faces.compose(faces.random_label(rng), rng, everything=i % 2 == 0).text
        assert not re.search(r"\+\w|\b[A-Z]\b", caption), caption


def test_one_seed_describes_two_faces_alike_but_for_what_differs():
    rng, shares = np.random.default_rng(2), []
    for seed in range(500):
        key = str(rng.choice(list(faces.attributes)))
        label, value = faces.random_label(rng), str(rng.choice(faces.attributes[key]))
        if pair := caption_pair(faces, label, key, value, seed=seed):
            one, other = (caption.text.split() for caption in pair)
            shares.append(difflib.SequenceMatcher(None, one, other, autojunk=False).ratio())
    assert len(shares) > 200
    assert np.mean(np.array(shares) > 0.7) > 0.95


@pytest.mark.parametrize(
    ("seen", "key", "value", "alone"),
    [
        ({"glasses": "sunglasses"}, "glasses", "round", False),  # would uncover the eyes
        ({"glasses": "square"}, "glasses", "sunglasses", False),
        ({"hair_style": "bald"}, "facial_hair", "beard", False),  # would bring a colour
        ({"hair_style": "bald"}, "hair_style", "straight", False),
        ({"hair_style": "bald"}, "mouth", "sad", True),
        ({"glasses": "sunglasses"}, "facial_hair", "beard", True),
        ({"glasses": "square"}, "glasses", "round", True),
    ],
)
def test_a_change_alone_hides_and_uncovers_nothing(seen, key, value, alone):
    assert any(caption_pair(faces, label(**seen), key, value, seed=seed) for seed in range(20)) == alone


def test_tables_speak_of_the_worlds_values():
    for key, values in faces.attributes.items():
        assert set(faces_language.VALUES[key]) == {value for value in values if (key, value) not in faces_language.INVISIBLE}


@pytest.mark.parametrize(
    ("named", "kept", "aside"),
    [
        ({"hair_style": "bald", "hair_color": "red"}, {"hair_style": "bald"}, {"hair_color": "red"}),
        ({"hair_style": "bald", "hair_color": "red", "facial_hair": "beard"}, None, {}),
        ({"glasses": "sunglasses", "eyes": "wide"}, {"glasses": "sunglasses"}, {"eyes": "wide"}),
        ({"glasses": "round", "eyes": "wide"}, None, {}),
    ],
)
def test_hidden_things_are_set_aside(named, kept, aside):
    assert faces.reconcile(named) == (named if kept is None else kept, aside)


def test_prompts_cover_every_value():
    assert len(PROMPTS) >= 500
    named = {item for prompt in PROMPTS for item in prompt["attributes"].items()}
    assert named == {(key, value) for key in faces.attributes for value in faces_language.VALUES[key]}


def test_the_world_is_found_by_name():
    assert worlds.load("faces") is faces


def test_what_the_seed_adds_is_no_pair_that_is_held_out():
    """Unless it was named: pictures are compared with real ones that never show such a pair."""
    pair = {"clothes": "hoodie", "clothes_color": "pink"}
    completed = [faces.random_label(np.random.default_rng(seed), {"hair_style": "mohawk"}) for seed in range(1000)]
    assert not any(map(faces.is_held_out, completed))
    assert {label["glasses"] for label in completed} == set(faces.attributes["glasses"]) - {"round"}
    assert all(map(faces.is_held_out, (faces.random_label(np.random.default_rng(seed), pair) for seed in range(20))))
    free = [faces.random_label(np.random.default_rng(seed)) for seed in range(1000)]
    assert 0.1 < np.mean(list(map(faces.is_held_out, free))) < 0.25
