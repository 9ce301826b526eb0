"""What can be seen inside engines: codes, pieces, noise levels, nearest training pictures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_engines
import torch

import engines
from engines import Request, vae, worlds
from engines.diffusion import SAMPLERS
from engines.images import to_float, to_uint8
from engines.latent_diffusion import SIGMAS
from engines.networks import pixel_unet
from engines.walk import draw_noise
from playground import gallery, metrics
from playground.compare import Order, compare
from playground.explore import encode, inside, repair
from playground.explore.encode import Blind, Encoded
from playground.machine import Machine
from playground.ui.items import encode as encode_item
from playground.ui.items import inside as inside_item
from playground.ui.items import uri

REBUILDERS = [name for name in tiny_engines.TINY if engines.engine_type(name).rebuilds]
INSPECTED = [name for name in tiny_engines.TINY if engines.engine_type(name).inspects]
DIGITS = worlds.load("digits")


@pytest.fixture(scope="module")
def machine():
    """The shipped engines and judges."""
    return Machine()


def on(machine, job, *args):
    return machine.submit(job, *args).result()


def some_pictures(world, n=2):
    return np.random.default_rng(0).integers(0, 256, (n, *world.image_shape), np.uint8)


# Codes


@pytest.mark.parametrize("name", REBUILDERS)
def test_pictures_go_through_a_code_one_by_one(name):
    engine = tiny_engines.make(name)
    images, prompts = some_pictures(engine.world), tiny_engines.PROMPTS[engine.world.name]
    both, alone = engine.rebuild(images, prompts), engine.rebuild(images[1:], prompts[1:])
    assert (both.images.dtype, both.images.shape) == (np.uint8, images.shape)
    assert np.abs(both.images[1].astype(int) - alone.images[0]).max() <= 1
    assert both.bits.shape == (2,)
    assert (both.bits > 0).all()
    assert both.bits[1] == pytest.approx(alone.bits[0], rel=1e-4)


def test_the_size_of_each_kind_of_code():
    images, prompts = some_pictures(worlds.load("faces"), 1), ("a bald man",)
    assert tiny_engines.make("faces/autoregressive").rebuild(images, prompts).bits[0] == 16 * 16 * math.log2(16)
    assert tiny_engines.make("faces/diffusion").rebuild(images, prompts).bits[0] == 4 * 8 * 8 * 16
    engine = tiny_engines.make("digits/vae")
    images = some_pictures(DIGITS, 1)
    mean, log_var = engine.model.encode(to_float(images), engine.text_encoder.encode(("7",)))
    q, p = (torch.distributions.Normal(m, s) for m, s in ((mean, (0.5 * log_var).exp()), (0.0, 1.0)))
    exact = torch.distributions.kl_divergence(q, p).sum().item() / math.log(2)
    assert engine.rebuild(images, ("7",)).bits[0] == pytest.approx(exact, rel=1e-4)


@torch.inference_mode()
def test_a_vae_makes_out_attributes_that_no_single_change_betters(monkeypatch):
    engine, known = tiny_engines.make("faces/vae"), {"glasses": "round"}
    image = some_pictures(engine.world, 1)[0]
    label = engine.make_out(image, known)
    assert label["glasses"] == "round"
    changes = [label | {key: value} for key, values in engine.world.attributes.items() if key not in known for value in values]
    cost = [conv_vae_cost(engine.model, image, vae.spell(engine.world, [changed])) for changed in changes]
    assert conv_vae_cost(engine.model, image, vae.spell(engine.world, [label])) <= min(cost) + 1e-3
    assert max(cost) > min(cost) + 1

    told = SimpleNamespace(attributes=known)
    monkeypatch.setattr(type(engine.text_encoder), "read_all", lambda self, prompts: [told for _ in prompts])
    untold = [len(values) for key, values in engine.world.attributes.items() if key not in known]
    plain = engine.rebuild_told(image[None], vae.spell(engine.world, [label]))
    rebuilt = engine.rebuild(image[None], ("round glasses",))
    assert rebuilt.bits[0] == pytest.approx(plain.bits[0] + math.log2(math.prod(untold)))
    assert (rebuilt.images == plain.images).all()


def conv_vae_cost(model, image, y):
    """The loss of training without its noise, for one picture."""
    x = to_float(image[None])
    mean, log_var = model.encode(x, y)
    error = torch.nn.functional.mse_loss(model.decode(mean, y), x)
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(mean, (0.5 * log_var).exp()), torch.distributions.Normal(0.0, 1.0))
    return float(0.5 * image.size * error.log() + kl.sum())


@pytest.mark.parametrize("name", sorted(set(tiny_engines.TINY) - set(REBUILDERS)))
def test_engines_without_an_encoder_say_so(name):
    engine = tiny_engines.make(name)
    with pytest.raises(NotImplementedError, match=f"{name} has no encoder"):
        engine.rebuild(some_pictures(engine.world), ("", ""))


def test_psnr_of_a_known_error():
    images = np.full((2, 4, 4, 1), 100, np.uint8)
    others = images.copy()
    others[1] += 5
    exact, off = metrics.psnr(images, others)
    assert exact == np.inf
    assert off == pytest.approx(20 * math.log10(255 / 5))


def test_more_numbers_bring_more_of_the_picture_back(machine):
    image, told = gallery.load("digits").held_out[3], encode.label("held-out-3", DIGITS)
    found = on(machine, encode.encode, machine, "digits", image, told)
    eight, *rest, two = found
    assert isinstance(eight, Encoded)
    assert isinstance(two, Encoded)
    assert eight.psnr > two.psnr > 5
    assert eight.bits > two.bits > 0
    assert [type(one) for one in rest] == [Blind] * 3
    packed = on(machine, encode_item.pack_query, machine, "digits", "held-out-3")
    assert packed["raw"] == 28 * 28 * 8
    assert packed["told"] == told
    assert packed["engines"][0]["psnr"] == pytest.approx(eight.psnr)
    json.dumps(packed)


@pytest.mark.parametrize("world", [DIGITS, worlds.load("faces")], ids=["digits", "faces"])
def test_encoders_are_told_the_data_sets_label(world):
    shown = gallery.shared(world.name)
    for number in (0, 17):
        read = engines.read(world.name, encode.label(f"held-out-{number}", world)).attributes
        expected = {key: values[shown.labels[key][number]] for key, values in world.attributes.items()}
        right = [read[key] == expected[key] for key in read]
        assert len(right) > 2
        assert sum(right) >= len(right) - 1  # the text encoder reads one attribute in a hundred wrongly
    with pytest.raises(ValueError, match="held-out picture must be"):
        encode.label("held-out-500", world)


def test_no_judge_says_what_encoders_are_told(machine, monkeypatch):
    class Nameless:  # compares pictures, names nothing
        features = on(machine, machine.judge, "digits").features

    judge = Nameless()
    monkeypatch.setattr(machine, "judge", lambda world: judge)
    own = repair.encode_picture(gallery.shared("digits").held_out[3])
    packed = on(machine, encode_item.pack_query, machine, "digits", own)
    assert packed["told"] == ""
    assert packed["engines"][0]["psnr"] > 5


def test_any_picture_is_compared_with_training_pictures(machine):
    shown = gallery.shared("digits")
    copied = on(machine, encode_item.pack_query, machine, "digits", repair.encode_picture(shown.training[7]))["relatives"]
    assert copied["nearest"][0] == uri(shown.training[7])
    assert copied["copied"]
    assert (copied["looked_at"], copied["trained_on"]) == (len(shown.training), shown.num_training)
    unseen = on(machine, encode_item.pack_query, machine, "digits", "held-out-3")["relatives"]
    assert not unseen["copied"]
    assert unseen["distances"] == sorted(unseen["distances"])


# Pieces


@pytest.mark.parametrize("name", INSPECTED)
def test_a_piece_is_inspected_with_the_odds_it_was_drawn_by(name):
    engine = tiny_engines.make(name)
    prompt = tiny_engines.PROMPTS[engine.world.name][0]
    frames = list(engine.generate(Request(prompt, 4, params=engine.params_type(guidance_scale=1.0, temperature=1.0))))
    rows, columns = engine.pieces()
    turns = engine.turns().numpy() if name == "faces/autoregressive" else np.arange(rows * columns)
    for frame in frames[:: len(frames) // 3][:3]:
        place = int(np.flatnonzero(turns == frame.step - 1)[0])
        found = engine.inspect(frames[-1], prompt, place)
        drawn_by = np.sort(frame.extra["probabilities"][0])[::-1][: len(found.probabilities)]
        assert np.allclose(found.probabilities, drawn_by, atol=1e-4)
        assert len(found.candidates) == len(found.probabilities)
        if found.said >= 0:
            assert found.said_probability == pytest.approx(found.probabilities[found.said], abs=1e-5)
        assert found.attention.shape == (rows, columns)
        assert found.attention.ravel()[turns >= turns[place]].sum() == 0
        assert found.attention.sum() + sum(share for _, share in found.words) <= 1 + 1e-4
    assert found.attention.sum() > 0
    for wrong in (-1, rows * columns, 1.5, None):
        with pytest.raises(ValueError, match="place must be a whole number"):
            engine.inspect(frames[-1], prompt, wrong)


def test_the_transformers_attention_comes_with_the_usual_logits():
    model = tiny_engines.token_painter().transformer
    torch.manual_seed(0)
    tokens, text, mask = torch.randint(16, (2, 64, 4)), torch.randn(2, 5, 32), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with torch.no_grad():
        logits, attention = model.attend(tokens, text, mask)
        assert torch.allclose(logits, model(tokens, text, mask), atol=1e-4)
    assert torch.allclose(attention.sum(2), torch.ones(2, 64), atol=1e-4)
    assert attention[1, :, 3:5].abs().max() == 0  # padding
    assert attention[:, :, 5:].triu(1).abs().max() == 0  # what comes later


def test_the_rows_attention_comes_with_the_usual_logits():
    model = tiny_engines.row_pixel_cnn().eval()
    canvas, text = torch.rand(2, 28, 28) * 2 - 1, torch.randn(2, 32)
    with torch.no_grad():
        logits, attention = model.attend(canvas, text)
        assert torch.allclose(logits, model(canvas, text), atol=1e-5)
    assert torch.allclose(attention.sum(2), torch.ones(2, 28), atol=1e-5)
    assert attention.triu(1).abs().max() == 0


# Steps


@pytest.mark.parametrize(("name", "first"), [("digits/diffusion", 1.0), ("faces/diffusion", SIGMAS[1] / math.hypot(1, SIGMAS[1]))])
def test_the_noise_that_the_network_is_given_falls_from_all_to_little(name, first):
    engine = tiny_engines.make(name)
    levels = [float(f.extra["noise"]) for f in engine.generate(Request("", 1, params=engine.params_type(num_inference_steps=6)))]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(first, abs=1e-3)
    assert 0 < levels[-1] < 0.5


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_step_shows_what_the_network_was_given_beside_what_it_made_of_it(sampler, monkeypatch):
    engine = tiny_engines.make("digits/diffusion")
    given, made = [], []

    def predict(*args):
        given.append(args[1])
        made.append(predict_x0(*args))
        return made[-1]

    predict_x0 = pixel_unet.predict_x0
    monkeypatch.setattr(pixel_unet, "predict_x0", predict)
    frames = list(engine.generate(Request("", 1, params=engine.params_type(num_inference_steps=4, scheduler=sampler))))
    for frame, x_t in zip(frames, given, strict=True):
        assert np.array_equal(frame.extra["x_t"], to_uint8(pixel_unet.unfold(x_t)))
    for frame, x0 in zip(frames[:-1], made, strict=False):
        assert np.array_equal(frame.images, to_uint8(pixel_unet.unfold(x0)))
    noise = pixel_unet.unfold(draw_noise((4, 14, 14), Request("", 1)))
    assert np.array_equal(frames[0].extra["x_t"], to_uint8(noise))  # the noise that it starts from


@pytest.mark.parametrize("name", ["digits/autoregressive", "digits/diffusion", "faces/autoregressive", "faces/diffusion"])
def test_guidance_of_nothing_does_not_hear_the_text(name):
    engine = tiny_engines.make(name)
    steps = {"num_inference_steps": 3} if "diffusion" in name else {}
    unguided = engine.params_type(guidance_scale=0.0, **steps)
    deaf, other = (list(engine.generate(Request(p, 2, params=unguided)))[-1].images for p in tiny_engines.PROMPTS[engine.world.name])
    assert np.abs(deaf.astype(int) - other).max() <= 1


# Runs


@pytest.fixture(scope="module")
def run(machine):
    *_, comparison = compare(Order("digits", "a bold 7", 7, 1, settings={"diffusion": {"num_inference_steps": 4}}), machine)
    return comparison


def test_a_run_is_opened(machine, run):
    packed = on(machine, inside_item.pack_run, machine, run)
    assert [check["title"] for check in packed["checks"]] == ["VAE", "GAN", "Autoregressive", "Diffusion"]
    assert all(len(check["nearest"]) == inside.NEAREST for check in packed["checks"])
    assert [(one["rows"], one["columns"]) for one in packed["pieces"]] == [(28, 28)]
    assert [one["steps"] for one in packed["steps"]] == [[1, 2, 3, 4]]
    assert [one["noise"][0] for one in packed["steps"]] == [pytest.approx(1, abs=1e-3)]
    json.dumps(packed)
    json.dumps(on(machine, lambda: inside_item.pack_inspection(inside.inspect(machine, run, "digits/autoregressive", 400))))


def test_a_training_picture_is_found_to_be_a_copy(machine, run):
    shown = gallery.load("digits")
    frame = SimpleNamespace(images=shown.training[5:6], step=1, num_steps=1)
    pane = SimpleNamespace(name="digits/gan", film=SimpleNamespace(last=frame))
    (checked,) = on(machine, inside.check, machine, SimpleNamespace(order=run.order, panes=[pane]))
    assert np.array_equal(checked.relatives.nearest[0], shown.training[5])
    assert checked.relatives.distances[0] == pytest.approx(0, abs=0.05)
    assert checked.relatives.copied
    new = [one for one in on(machine, inside.check, machine, run) if not one.relatives.copied]
    assert len(new) >= 3


def test_what_cannot_be_looked_at_is_explained(machine, run):
    for name, message in (
        ("digits/gan", "does not draw piece by piece"),
        ("digits/none", "drew no whole picture"),
        (None, "drew no whole picture"),
    ):
        with pytest.raises(ValueError, match=message):
            on(machine, inside.inspect, machine, run, name, 3)


def test_a_picture_that_was_stopped_is_not_looked_into(machine, run):
    pane = next(pane for pane in run.panes if pane.name == "digits/autoregressive")
    cut = SimpleNamespace(name=pane.name, film=SimpleNamespace(last=replace(pane.film.last, step=300)))
    stopped = SimpleNamespace(order=run.order, panes=[cut])
    assert on(machine, inside.check, machine, stopped) == []
    with pytest.raises(ValueError, match="drew no whole picture"):
        on(machine, inside.inspect, machine, stopped, pane.name, 3)


CELL = {"world": "digits", "prompt": "7", "seed": 1, "engine": "digits/diffusion", "guidance": 0.0, "steps": 2}


def test_a_cell_of_the_grid_is_the_engines_own_picture(machine):
    drawn = on(machine, inside.draw_cell, machine, CELL)
    engine = engines.load("digits/diffusion")
    params = engine.params_type(guidance_scale=0.0, num_inference_steps=2)
    *_, frame = engine.generate(Request("7", 1, params=params))
    assert np.abs(drawn.astype(int) - frame.images[0]).max() <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "faces/diffusion"}, "engine must be one of digits/vae"),
        ({"engine": "digits/vae"}, "has no setting"),
        ({"guidance": "much"}, "guidance must be a number from 0 to 7"),
        ({"guidance": 9}, "guidance must be a number from 0 to 7"),
        ({"steps": 1000}, "num_inference_steps must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_a_wrong_cell_is_explained(machine, change, message):
    with pytest.raises(ValueError, match=message):
        on(machine, inside.draw_cell, machine, CELL | change)
