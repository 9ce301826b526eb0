"""The contract of every engine, over tiny random networks and over the shipped ones."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from tiny_engines import PROMPTS, TINY, make, row_pixel_cnn

import engines
from engines import Request, autoregressive, diffusion, worlds
from engines.base import FADING_ROUNDS, MAX_SEED, generators, join, paste
from engines.images import fill_unknown, known_places
from engines.networks import adversarial, linear_vae, pixel_unet, row_pixelcnn, schedule

SHIPPED = [f"digits/{family}" for family in engines.FAMILIES]


@pytest.fixture(scope="module", params=[*TINY, *(f"shipped {name}" for name in SHIPPED)])
def engine(request):
    """An engine over a tiny random network, or one with the weights in this repository."""
    name = request.param.removeprefix("shipped ")
    return make(name) if name == request.param else engines.load(name)


@pytest.fixture(scope="module")
def prompts(engine):
    """Two prompts of the engine's world."""
    return PROMPTS[engine.world.name]


def short(engine, **fields):
    """A request for few steps, where the engine has steps."""
    names = {f.name for f in dataclasses.fields(engine.params_type)}
    return Request(params=engine.params_type(**({"num_inference_steps": 3} if "num_inference_steps" in names else {})), **fields)


def last(frames):
    return list(frames)[-1]


def test_registry_knows_every_family():
    names = engines.world_names()
    assert set(names) <= set(worlds.NAMES)
    assert engines.available() == [f"{world}/{family}" for world in names for family in engines.FAMILIES]
    assert [engines.engine_type(name).family for name in engines.available()] == list(engines.FAMILIES) * len(names)
    with pytest.raises(ValueError, match=r"digits/vae.*got 'digits/flow'"):
        engines.load("digits/flow")


def assert_alike(one, other):
    """Equal up to float rounding, which may move a pixel of an autoregressive picture to its neighbour level."""
    assert (np.abs(one.astype(int) - other) > 8).mean() < 0.01


def test_frames_rise_and_hold_pictures(engine, prompts):
    frames = list(engine.generate(short(engine, prompt=prompts[0], seed=5, num_images=2)))
    assert [f.num_steps for f in frames] == [frames[-1].step] * len(frames)
    for before, after in itertools.pairwise(frames):
        assert before.step < after.step
        assert before.nfe < after.nfe
        assert before.seconds < after.seconds
    for frame in frames:
        assert frame.images.dtype == np.uint8
        assert frame.images.shape == (2, *engine.world.image_shape)


def test_same_request_same_pixels(engine, prompts):
    def picture(prompt, seed):
        return last(engine.generate(short(engine, prompt=prompt, seed=seed))).images

    assert np.array_equal(picture(prompts[0], 11), picture(prompts[0], 11))
    assert not np.array_equal(picture(prompts[0], 11), picture(prompts[0], 12))
    if engine.folder:  # a random network may say the same to both
        assert not np.array_equal(picture(prompts[0], 11), picture(prompts[1], 11))


def test_a_picture_without_previews_is_the_same(engine, prompts):
    request = short(engine, prompt=prompts[0], seed=5, num_images=2)
    shown, drawn = last(engine.generate(request)), engine.draw(request)
    assert np.array_equal(drawn.images, shown.images)
    assert (drawn.step, drawn.nfe) == (shown.step, shown.nfe)
    assert drawn.extra.keys() == shown.extra.keys()


@pytest.mark.parametrize("name", ["faces/autoregressive", "faces/diffusion"])
def test_only_the_picture_itself_is_decoded_without_previews(name, monkeypatch):
    engine, decoded = make(name), []
    part = engine.model.tokenizer if name.endswith("autoregressive") else engine.model
    decode = part.decode
    monkeypatch.setattr(part, "decode", lambda *args, **options: decoded.append(1) or decode(*args, **options))
    request = short(engine)
    frames = list(engine.generate(request))
    assert len(decoded) == len(frames) > 1
    decoded.clear()
    engine.draw(request)
    assert len(decoded) == 1


@pytest.mark.parametrize("asked", [True, False])
def test_image_i_depends_on_seed_plus_i_alone(engine, prompts, asked):
    prompt = prompts[1] if asked else None
    batch = last(engine.generate(short(engine, prompt=prompt, seed=20, num_images=3))).images
    for i in range(3):
        assert_alike(last(engine.generate(short(engine, prompt=prompt, seed=20 + i))).images[0], batch[i])


def test_one_prompt_per_image(engine, prompts):
    mixed = last(engine.generate(short(engine, prompt=(prompts[0], ""), seed=3, num_images=2))).images
    for i, prompt in enumerate((prompts[0], None)):
        assert_alike(last(engine.generate(short(engine, prompt=prompt, seed=3 + i))).images[0], mixed[i])


def test_known_pixels_stay_and_the_rest_is_drawn(engine, prompts):
    h, w, c = engine.world.image_shape
    images = np.random.default_rng(0).integers(0, 256, (1, h, w, c)).astype(np.uint8)
    mask = np.zeros((1, h, w), bool)
    mask[:, : h // 2] = True  # the upper half
    mask[:, -5:, -5:] = True  # and a corner that is drawn last
    known = engines.Known(images, mask)
    request = short(engine, prompt=prompts[0], seed=1, num_images=2, known=known)
    frames = list(engine.generate(request))
    for before, after in itertools.pairwise(frames):
        assert before.step < after.step
        assert before.nfe < after.nfe
        assert before.seconds < after.seconds
    for frame in frames:
        assert frame.images.shape == (2, h, w, c)
        assert (frame.images[:, mask[0]] == images[:, mask[0]]).all()
    assert (frames[-1].images[0] != frames[-1].images[1])[~mask[0]].any()
    assert [frame for frame in frames if "own" in frame.extra] == frames[-1:]
    says_pixels = isinstance(engine, autoregressive.AutoregressiveEngine)  # the known ones too, so that nothing has to fade
    put_back = paste if says_pixels else join
    assert (put_back(frames[-1].extra["own"], request) == frames[-1].images).all()
    alone = last(engine.generate(short(engine, prompt=prompts[0], seed=2, known=known))).images[0]
    assert_alike(alone, frames[-1].images[1])
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_what_differs_at_known_pixels_fades_into_the_rest():
    mask = np.zeros((1, 30, 4), bool)
    mask[:, :5] = True
    drawn = np.full((2, 30, 4, 1), 100, np.uint8)
    known = engines.Known(np.full((1, 30, 4, 1), 180, np.uint8), mask)
    joined = join(drawn, Request(num_images=2, known=known))
    column = joined[1, :, 0, 0].astype(int)
    assert (joined == column[:, None, None]).all()
    assert (column[:5] == 180).all()
    assert 0 < 180 - column[5] < 20
    assert (np.diff(column[4 : 5 + FADING_ROUNDS]) <= 0).all()
    assert (column[5 + FADING_ROUNDS :] == 100).all()
    assert join(drawn, Request(num_images=2)) is drawn


def half_known(name):
    """A tiny engine, a request to draw the lower half of a picture of its own anew, and the picture it draws without knowing it."""
    engine = make(name)
    prompt, other = PROMPTS[engine.world.name]
    h, w, _ = engine.world.image_shape
    mask = np.zeros((1, h, w), bool)
    mask[:, : h // 2] = True
    known = engines.Known(last(engine.generate(short(engine, prompt=other, seed=1))).images, mask)
    free = last(engine.generate(short(engine, prompt=prompt, seed=9))).images
    return engine, short(engine, prompt=prompt, seed=9, known=known), free


def error_at_known(images, known):
    return np.square(images[:, known.mask[0]].astype(float) - known.images[:, known.mask[0]]).mean()


@pytest.mark.parametrize("name", ["digits/autoregressive", "digits/diffusion"])
def test_engines_of_pixels_keep_known_ones_themselves(name):
    engine, request, free = half_known(name)
    own = last(engine.generate(request)).extra["own"]
    assert np.abs(own.astype(int) - request.known.images)[:, request.known.mask[0]].max() <= 1
    assert error_at_known(free, request.known) > 100


@pytest.mark.parametrize("name", ["digits/vae", "digits/gan", "faces/vae", "faces/gan"])
def test_a_search_comes_nearer_to_known_pixels(name):
    engine, request, free = half_known(name)
    own = last(engine.generate(request)).extra["own"]
    assert error_at_known(own, request.known) < 0.9 * error_at_known(free, request.known)


def test_known_places_are_said_in_their_tokens():
    engine, request, _ = half_known("faces/autoregressive")
    x, mask = engine.known(request)
    tokenizer = engine.model.tokenizer
    with torch.no_grad():
        tokens = tokenizer.to_tokens(tokenizer.encode(fill_unknown(x, mask))).numpy()
    kept = known_places(mask, tokenizer.grid)[:, 0].numpy() > 0
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(last(engine.generate(request)).extra["tokens"][kept], tokens[kept])


def test_known_places_keep_their_latents():
    engine, request, _ = half_known("faces/diffusion")
    with torch.no_grad():
        latents, kept = engine.model.encode_known(*engine.known(request))
    kept = kept.expand_as(latents).numpy() > 0
    assert 0 < kept.sum() < kept.size
    assert np.allclose(last(engine.generate(request)).extra["latents"][kept], latents.numpy()[kept], atol=1e-3)


def test_known_pixels_of_another_world_are_refused(engine, prompts):
    known = engines.Known(np.zeros((1, 5, 5, 1), np.uint8), np.ones((1, 5, 5), bool))
    with pytest.raises(ValueError, match=r"known images must be .* got \(5, 5, 1\)"):
        next(engine.generate(short(engine, prompt=prompts[0], known=known)))


@pytest.mark.parametrize(
    ("images", "mask", "message"),
    [
        (np.zeros((1, 4, 4, 1)), np.ones((1, 4, 4), bool), "uint8"),
        ([[0]], np.ones((1, 4, 4), bool), "uint8"),
        (np.zeros((1, 4, 4, 1), np.uint8), np.ones((1, 4, 4)), "bool"),
        (np.zeros((1, 4, 4, 1), np.uint8), np.ones((1, 4, 5), bool), r"bool \(1, 4, 4\)"),
        (np.zeros((3, 4, 4, 1), np.uint8), np.ones((3, 4, 4), bool), "1 or 2 images, got 3"),
    ],
)
def test_wrong_known_pictures_are_refused(images, mask, message):
    with pytest.raises(ValueError, match=message):
        Request(num_images=2, known=engines.Known(images, mask))


def test_latents_are_drawn_again_alike(engine, prompts):
    frame = last(engine.generate(short(engine, prompt=prompts[0], seed=1, num_images=2)))
    if engine.latent is None:
        with pytest.raises(NotImplementedError, match="no latent vector"):
            engine.redraw(np.zeros((2, 4), np.float32), (prompts[0],) * 2, (1, 2))
    else:
        latents = frame.extra[engine.latent]
        assert latents.dtype == np.float32
        assert np.array_equal(engine.redraw(latents, (prompts[0],) * 2, (1, 2)), frame.images)
        assert not np.array_equal(engine.redraw(latents[::-1].copy(), (prompts[0],) * 2, (1, 2)), frame.images)


def test_every_setting_works_at_its_ends(engine, prompts):
    for f in dataclasses.fields(engine.params_type):
        for value in f.metadata.get("options") or (f.metadata["minimum"], f.metadata["maximum"]):
            steps = (
                {"num_inference_steps": 3} if f.name != "num_inference_steps" and hasattr(engine.params_type, "num_inference_steps") else {}
            )
            params = engine.params_type(**{**steps, f.name: value})
            images = last(engine.generate(Request(prompts[0], params=params))).images
            assert images.shape == (1, *engine.world.image_shape)


def test_settings_outside_their_range_are_refused(engine):
    for f in dataclasses.fields(engine.params_type):
        for value in ("nonsense", None, float("nan")) + (
            () if "options" in f.metadata else (f.metadata["maximum"] + 1, f.metadata["minimum"] - 1)
        ):
            with pytest.raises(ValueError, match=f.name):
                engine.params_type(**{f.name: value})


def test_settings_of_another_engine_are_refused(engine):
    class Other(engines.Params):
        pass

    with pytest.raises(ValueError, match=engine.params_type.__name__):
        next(engine.generate(Request(params=Other())))


def test_closing_early_leaves_no_inference_mode_behind(engine, prompts):
    frames = engine.generate(short(engine, prompt=prompts[0]))
    next(frames)
    assert not torch.is_inference_mode_enabled()
    frames.close()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_images": 0}, "num_images must be a whole number from 1 to 256, got 0"),
        ({"num_images": 1000}, "num_images must be a whole number from 1 to 256, got 1000"),
        ({"num_images": True}, "num_images"),
        ({"seed": -1}, "seed must be a whole number from 0 to 2147483647, got -1"),
        ({"seed": 2**31}, "seed .* got 2147483648"),
        ({"seed": 1.5}, "seed .* got 1.5"),
        ({"prompt": "x" * 201}, "at most 200 characters, got 201"),
        ({"prompt": 7}, "prompt must be text, got 7"),
        ({"prompt": 0}, "prompt must be text, got 0"),
        ({"prompt": []}, "prompt must be text, got"),
        ({"prompt": ("a", "b"), "num_images": 3}, "one per image"),
    ],
)
def test_wrong_requests_name_field_value_and_range(fields, message):
    with pytest.raises(ValueError, match=message):
        Request(**fields)


def test_seeds_wrap_at_the_end_of_their_range():
    assert Request(seed=MAX_SEED, num_images=2).seeds == (MAX_SEED, 0)
    first, second = generators(Request(seed=MAX_SEED, num_images=2))
    assert first.initial_seed() == MAX_SEED
    assert second.initial_seed() == 0


# One family's own promises


def test_autoregressive_logits_see_only_pixels_before():
    model = row_pixel_cnn().eval()
    generator = torch.Generator().manual_seed(0)
    canvas, text_embedding = torch.rand(1, 28, 28, generator=generator) * 2 - 1, torch.randn(1, 32, generator=generator)
    before = model(canvas, text_embedding).flatten(1, 2)  # (1, 784, K)
    for j in (0, 27, 28, 400, 783):
        changed = canvas.clone()
        changed.view(-1)[j] += 1.0
        difference = (model(changed, text_embedding).flatten(1, 2) - before).abs().amax((0, 2))  # (784,)
        assert difference[: j + 1].max() < 1e-5
        assert j == 783 or difference[j + 1 :].max() > 1e-4


@torch.inference_mode()
def test_cached_decoding_equals_uncached():
    model = row_pixel_cnn().eval()
    generator = torch.Generator().manual_seed(0)
    canvas, text_embedding = torch.rand(2, 28, 28, generator=generator) * 2 - 1, torch.randn(2, 32, generator=generator)
    whole = model(canvas, text_embedding)
    padded, cache = model.pad(canvas), model.new_cache(2)
    for y in range(28):
        context = model.start_row(text_embedding if y == 0 else canvas[:, y - 1], y, cache)
        for x in range(28):
            assert torch.allclose(model.pixel(padded, y, x, context), whole[:, y, x], atol=1e-4)


def test_autoregressive_shows_the_rest_empty():
    first = next(make("digits/autoregressive").generate(Request("4"))).images[0, ..., 0].ravel()
    assert (first[autoregressive.PIXELS_PER_FRAME :] == 128).all()


def test_quantizing_keeps_levels():
    levels = torch.arange(32)
    assert torch.equal(row_pixelcnn.quantize(row_pixelcnn.dequantize(levels, 32), 32), levels)


@pytest.mark.parametrize("scheduler", diffusion.SAMPLERS)
def test_samplers_follow_the_exact_gaussian_denoiser(scheduler, monkeypatch):
    """For data N(mean, spread²) the best x0 is known; a sampler that uses it must end in that distribution."""
    mean, spread = 0.3, 0.1

    def exact(model, x_t, t, alpha_bar, text, no_text, guidance_scale):
        gain = alpha_bar.sqrt() * spread**2 / (alpha_bar * spread**2 + 1 - alpha_bar)
        return mean + gain * (x_t - alpha_bar.sqrt() * mean)

    monkeypatch.setattr(pixel_unet, "predict_x0", exact)
    monkeypatch.setattr(diffusion, "to_uint8", lambda x: x.numpy())
    monkeypatch.setattr(pixel_unet, "unfold", lambda x: x)
    engine = make("digits/diffusion")
    params = diffusion.DiffusionParams(num_inference_steps=100, scheduler=scheduler)
    x = last(engine.generate(Request(num_images=8, params=params))).images
    assert abs(x.mean() - mean) < 0.01
    assert abs(x.std() - spread) < 0.012


def test_v_and_x0_agree_with_the_schedulers_own_conversion():
    """Our x0 from v equals what a diffusers scheduler with v prediction makes of it."""
    torch.manual_seed(0)
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=True)
    x_t, v = torch.randn(2, 4, 14, 14), torch.randn(2, 4, 14, 14)
    t = torch.tensor(400)

    class Constant(torch.nn.Module):
        def forward(self, x, t, class_labels):
            return type("Output", (), {"sample": v})

    ours = pixel_unet.predict_x0(Constant(), x_t, t, schedule.alphas_bar()[t], None, None, 1)
    scheduler.set_timesteps(10)
    assert torch.allclose(ours, scheduler.step(v, t, x_t).pred_original_sample, atol=1e-5)


def test_guidance_goes_beyond_the_conditional_prediction():
    """v = v_none + guidance_scale (v_text - v_none), so that 1 is plain conditional (Ho and Salimans 2022, eq. 6)."""

    class TextOnly(torch.nn.Module):
        def forward(self, x, t, class_labels):
            return type("Output", (), {"sample": class_labels.mean(1).view(-1, 1, 1, 1).expand_as(x)})

    x_t, alpha_bar = torch.zeros(1, 4, 2, 2), torch.tensor(0.75)
    with_text, without = torch.full((1, 8), 0.2), torch.full((1, 8), 0.1)
    for guidance_scale, v in ((1.0, 0.2), (3.0, 0.4)):
        x0 = pixel_unet.predict_x0(TextOnly(), x_t, torch.tensor(5), alpha_bar, with_text, without, guidance_scale)
        assert torch.allclose(x0, torch.full_like(x0, -0.5 * v))


@pytest.mark.parametrize(("guidance_scale", "nfe"), [(1.0, 3), (3.0, 6)])
def test_a_guided_step_counts_both_of_its_evaluations(guidance_scale, nfe):
    params = diffusion.DiffusionParams(num_inference_steps=3, guidance_scale=guidance_scale)
    assert last(make("digits/diffusion").generate(Request("7", params=params))).nfe == nfe


def test_vae_loss_matches_closed_form():
    """With a decoder that says 0.5 everywhere, reconstruction costs H W ln 2; KL of N(1, 1) is 0.5 per dimension."""
    model = linear_vae.LinearVAE(latent_dim=3, width=8, text_dim=4)
    torch.nn.init.zeros_(model.decoder[-1].weight)
    torch.nn.init.zeros_(model.decoder[-1].bias)
    torch.nn.init.zeros_(model.encoder[-1].weight)
    model.encoder[-1].bias.data = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    terms = linear_vae.loss(model, torch.rand(5, 1, 28, 28) * 2 - 1, torch.zeros(5, 4))
    assert terms["reconstruction"].item() == pytest.approx(784 * np.log(2), rel=1e-5)
    assert terms["kl"].item() == pytest.approx(1.5, rel=1e-5)


class LinearScore(torch.nn.Module):
    """Twice the sum of a picture's pixels, plus the first number of its text."""

    def embed(self, x):
        return 2.0 * x.flatten(1).sum(1)

    def compare(self, features, text):
        return features + text[:, 0]

    def forward(self, x, text):
        return self.compare(self.embed(x), text)


def test_gradient_penalty_of_a_linear_score():
    x = torch.zeros(4, 1, 3, 3)
    terms = adversarial.discriminator_loss(LinearScore(), x, x.clone(), torch.zeros(4, 1), gamma=1.0)
    assert terms["r1"].item() == pytest.approx(4.0 * 9)
    assert terms["d_loss"].item() == pytest.approx(2 * np.log(2) + 36, rel=1e-5)


def test_the_discriminator_is_asked_for_the_right_text():
    x = torch.zeros(2, 1, 3, 3)
    terms = adversarial.discriminator_loss(LinearScore(), x, x.clone(), torch.tensor([[3.0], [1.0]]), gamma=0.0)
    assert terms["d_gap"].item() == 0
    assert terms["d_match"].item() == 0  # 3 - 1 and 1 - 3
    wanted = np.log(2) + (np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 2
    assert terms["d_loss"].item() == pytest.approx(wanted, rel=1e-5)


def test_naming_loss_asks_for_what_a_text_names_and_nothing_else():
    """Even guesses among 2 and among 4 values cost ln 2 and ln 4; what a text leaves open costs nothing."""
    logits = [torch.zeros(3, 2), torch.zeros(3, 4)]
    unsaid = adversarial.UNSAID
    assert adversarial.naming_loss(logits, torch.tensor([[1, unsaid], [unsaid, 3], [0, 0]])).item() == pytest.approx(
        (2 * np.log(2) + 2 * np.log(4)) / 4, rel=1e-5
    )
    assert adversarial.naming_loss(logits, torch.full((3, 2), unsaid)).item() == 0
