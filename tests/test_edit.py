"""The face editor over tiny engines: directions, sliders, leaks."""

from __future__ import annotations

import json
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_engines

import engines
from engines import CheckpointError, Reading, Request, text, vae, worlds
from playground import directions
from playground.explore import edit
from playground.explore.edit import Edited
from playground.machine import Machine
from playground.measure.manipulation import EDITS, LENGTH, PAIRS, edit_captions, edit_parts, latents_beside
from playground.ui.items import edit as edit_item

FACES = worlds.load("faces")
NAMES = [f"faces/{family}" for family in engines.FAMILIES]
SMILE = "mouth smile"
QUERY = {"world": "faces", "prompt": "a sad face", "seed": 4, "amounts": {SMILE: 1.0}}


class Judge:
    """Reads the first value of every attribute in the first picture that it is shown, the second in the next, and so on."""

    seen = 0

    def attributes(self, images):
        places = np.arange(self.seen, self.seen + len(images))
        self.seen += len(images)
        return dict.fromkeys(FACES.attributes, places % 2)


def brightness(images):
    return images.mean((1, 2, 3))


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(engines, "is_trained", lambda name: True)
    found = {}

    def load(name):
        if name not in found:
            found[name] = directions.find(tiny_engines.make(name), pairs=8, steps=3)
        return found[name]

    monkeypatch.setattr(directions, "shared", load)
    monkeypatch.setattr(engines.style_gan.StyleGANEngine, "score", lambda self, images, prompts: brightness(images))
    return Machine(
        load_engine=tiny_engines.make, load_judge=lambda world: Judge(), read=lambda world, prompt: Reading({"mouth": "sad"}, ())
    )


def on(machine, job, *args):
    return machine.submit(job, *args).result()


def test_the_vaes_direction_moves_the_attribute_and_nothing_random():
    engine = vae.AttributeVAEEngine(tiny_engines.small_vae(), text.load("faces"))  # the text must be read right
    found = directions.find(engine, pairs=30)
    assert found.keys() == {f"{key} {value}" for key, value in EDITS}
    size = engine.model.config.latent_dim
    pairs = [(key, value) for key, values in FACES.attributes.items() for value in values]
    for key, value in EDITS:
        direction = found[f"{key} {value}"]
        assert direction.shape == (size + len(pairs),)
        assert np.abs(direction[:size]).max() == 0
        moved = dict(zip(pairs, direction[size:], strict=True))
        assert moved[key, value] > 0.9
        assert sum(share for (k, _), share in moved.items() if k == key) == pytest.approx(0, abs=1e-5)
        assert max(abs(share) for (k, _), share in moved.items() if k != key) < 0.2


def test_the_vaes_own_latent_is_followed_where_its_encoder_sees_the_change():
    engine = tiny_engines.make("faces/vae")
    found = latents_beside(engine, "mouth", "smile", seed=3, pairs=6)
    captions = edit_captions(engine, "mouth", "smile", seed=3, count=6)
    first, second = (tuple(pair[i].text for pair in captions) for i in (0, 1))
    images = [list(engine.generate(Request(prompts, 3, 6)))[-1].images for prompts in (first, second)]
    before, after = (engine.encode(pictures, first, tuple(range(3, 9))) for pictures in images)
    assert before.shape == (6, engine.model.config.latent_dim)
    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(found, (before, after), strict=True))


def test_what_the_vaes_decoder_is_told_is_moved_beside_the_verdict():
    engine = vae.AttributeVAEEngine(tiny_engines.small_vae(), text.load("faces"))
    bench = SimpleNamespace(few=lambda most, quick: 30 if most == PAIRS else 4, quick=False, seed=3, num_images=50)
    edited = edit_parts(bench, engine, "mouth", "smile")
    starts = [first for first, _ in edit_captions(engine, "mouth", "smile", seed=3, count=4)]
    frame = engine.draw(Request(tuple(caption.text for caption in starts), 3, 4))
    close = partial(np.allclose, rtol=0, atol=1)  # batches of another size may round otherwise
    assert close(edited.before.astype(int), frame.images)
    direction = directions.find(engine, seed=53, pairs=30)["mouth smile"]
    assert close(edited.after.astype(int), engine.draw_moved(engine.moving_parts(frame) + np.float32(LENGTH) * direction))
    assert not close(edited.after.astype(int), edited.before)
    assert edited.how.endswith("what its decoder is told, not the random z")


def test_directions_are_kept_with_the_weights_they_belong_to(tmp_path):
    engine = tiny_engines.make("faces/vae")
    engine.save_model(tmp_path / "faces" / "vae")
    kept = {SMILE: np.arange(3, dtype=np.float32)}
    with pytest.raises(CheckpointError, match=r"vae\.safetensors is missing.*python -m playground\.directions faces"):
        directions.load("faces/vae", root=tmp_path)
    directions.save(kept, "faces/vae", root=tmp_path)
    assert np.array_equal(directions.load("faces/vae", root=tmp_path)[SMILE], kept[SMILE])
    shutil.rmtree(tmp_path / "faces" / "vae")
    with pytest.raises(CheckpointError, match="made for other weights"):
        directions.load("faces/vae", root=tmp_path)


def test_only_what_is_asked_for_is_worded_otherwise():
    """Sentences of up to 200 characters, some of which would become longer by the change."""
    edited, heard = tuple(key == "facial_hair" for key, _ in EDITS), 0
    for seed in range(60):
        wordings = edit._wordings("faces", (), seed)
        assert len(wordings) == 2 ** len(EDITS)
        before, after = (wordings[chosen].split() for chosen in ((False,) * len(EDITS), edited))
        assert len(set(before) ^ set(after)) <= 10, seed
        heard += engines.read("faces", wordings[edited]).attributes.get("facial_hair") == "beard"
        shown = engines.read("faces", wordings[(False,) * len(EDITS)]).attributes
        assert not FACES.hidden_attributes(shown)  # which an edit would uncover
    assert heard >= 57  # the text encoder reads one attribute in a hundred wrongly


def test_what_a_prompt_says_in_vain_is_told(machine, monkeypatch):
    reading = Reading({"mouth": "sad"}, ("unicorn",), overruled={"hair_style": "long"})
    monkeypatch.setattr(machine, "read", lambda world, prompt: reading)
    asked = on(machine, edit.wish, machine, QUERY | {"prompt": "a sad face, bald with long hair on a unicorn"})
    assert on(machine, edit_item.pack_edit, machine, asked, "faces/vae")["unheard"] == ["unicorn", "hair style long"]


def test_sliders_at_nothing_leave_every_face_as_it_is(machine):
    asked = on(machine, edit.wish, machine, QUERY | {"amounts": {SMILE: 0.0}})
    assert asked.before == asked.after
    for name in NAMES:
        found = on(machine, edit.edit, machine, asked, name)
        assert np.abs(found.before.astype(int) - found.after).max() <= 1


def test_a_slider_moves_latents_and_changes_the_sentence_for_the_others(machine):
    asked = on(machine, edit.wish, machine, QUERY)
    assert engines.read("faces", asked.before).attributes["mouth"] == "sad"
    assert engines.read("faces", asked.after).attributes["mouth"] == "smile"
    found = {name: on(machine, edit.edit, machine, asked, name) for name in NAMES}
    assert [found[name].along for name in NAMES] == [True, True, False, False]
    for one in found.values():
        assert not np.array_equal(one.before, one.after)
        assert one.scores == tuple(brightness(np.stack([one.before, one.after])).tolist())
    half = on(machine, edit.wish, machine, QUERY | {"amounts": {SMILE: 0.45}})
    assert half.after == half.before  # not far enough to ask for it
    assert not np.array_equal(on(machine, edit.edit, machine, half, "faces/vae").after, found["faces/vae"].after)


def test_a_moving_slider_gets_pictures_alone(machine):
    asked = on(machine, edit.wish, machine, QUERY)
    packed = on(machine, edit_item.pack_followed, machine, asked)
    assert on(machine, machine.judge, "faces").seen == 0
    assert packed["pictures"].keys() == {"faces/vae", "faces/gan"}
    for name, picture in packed["pictures"].items():
        assert picture == on(machine, edit_item.pack_edit, machine, asked, name)["shown"]["after"]
    with pytest.raises(ValueError, match="faces/diffusion has no directions to follow"):
        on(machine, edit.follow, machine, asked, "faces/diffusion")


def test_what_changed_without_being_asked_has_leaked():
    picture = np.zeros((2, 2, 3), np.uint8)
    readings = ({"mouth": "sad", "eyes": "open", "glasses": "none"}, {"mouth": "smile", "eyes": "wink", "glasses": "none"})
    assert Edited("faces/gan", True, picture, picture, readings, None).leaked({"mouth"}) == {"eyes": ("open", "wink")}


def test_the_page_is_told_before_after_and_leaks(machine):
    asked = on(machine, edit.wish, machine, QUERY)
    first, second = FACES.attributes["mouth"][:2]
    for name in ("faces/vae", "faces/diffusion"):
        packed = on(machine, edit_item.pack_edit, machine, asked, name)
        assert (packed["before"], packed["after"]) == (asked.before, asked.after)
        assert packed["shown"]["wanted"] == [["mouth", first, second]]
        assert len(packed["shown"]["leaked"]) == len(FACES.attributes) - 1
        json.dumps(packed)


def test_an_engine_whose_weights_are_missing_says_so_on_its_card(machine, monkeypatch):
    def missing(name):
        raise CheckpointError(f"{name} cannot be loaded")

    asked = on(machine, edit.wish, machine, QUERY)
    monkeypatch.setattr(machine, "engine", missing)
    assert on(machine, edit_item.pack_edit, machine, asked, "faces/gan")["shown"] == {"error": "faces/gan cannot be loaded"}
    assert on(machine, edit_item.pack_followed, machine, asked) == {"pictures": {}}


@pytest.mark.parametrize("name", NAMES)
def test_a_face_is_drawn_once_however_often_it_is_changed(machine, monkeypatch, name):
    engine = on(machine, machine.engine, name)
    drawn = []
    generate = engine.generate
    monkeypatch.setattr(engine, "generate", lambda request: drawn.append(request.prompt) or generate(request))
    wishes = [on(machine, edit.wish, machine, QUERY | {"amounts": {SMILE: amount}}) for amount in (0.0, 0.3, 1.0, 0.0, 1.2)]
    found = [on(machine, edit.edit, machine, asked, name) for asked in wishes]
    assert drawn == [wishes[0].before, *([] if engine.movable else [wishes[2].after])]
    assert on(machine, machine.judge, "faces").seen == (1 + len(wishes) if engine.movable else 2)
    assert all(np.array_equal(one.before, found[0].before) for one in found)
    assert not np.array_equal(found[4].after, found[0].after)


def test_the_card_of_the_vae_says_what_is_moved():
    assert edit_item._about_engine("faces/vae")["how"] == "moves what its decoder is told, not the random z"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"world": "digits"}, "no directions are known in the world 'digits'"),
        ({"amounts": None}, "amounts must be given for mouth smile"),
        ({"amounts": {"mouth roar": 1}}, "amounts must be given for mouth smile"),
        ({"amounts": {SMILE: 9}}, "mouth smile must be a number from -1 to 2, got 9"),
        ({"amounts": {SMILE: "much"}}, "mouth smile must be a number"),
        ({"seed": -1}, "seed must be"),
        ({"prompt": "x" * 201}, "at most 200"),
    ],
)
def test_wrong_wishes_are_explained(machine, change, message):
    with pytest.raises(ValueError, match=message):
        on(machine, edit.wish, machine, QUERY | change)


def test_engines_of_other_worlds_are_refused(machine):
    asked = on(machine, edit.wish, machine, QUERY)
    with pytest.raises(ValueError, match="engine must be one of faces/vae"):
        on(machine, edit.edit, machine, asked, "digits/vae")
    with pytest.raises(ValueError, match="engine must be one of faces/vae"):
        on(machine, edit_item.pack_edit, machine, asked, ["faces/vae"])
