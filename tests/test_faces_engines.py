"""What is special to each of the engines for faces; test_engines.py holds what all engines promise."""

import numpy as np
import pytest
import torch
from tiny_engines import PROMPTS, TINY, faces_encoder, fsq_autoencoder, make, token_painter

import engines
from engines import CheckpointError, Request, checkpoint, gan, latent_diffusion, steering, tokens, vae, worlds
from engines.networks import fsq, style_gan
from engines.networks.schedule import make_scheduler

PROMPT = PROMPTS["faces"][0]


def ask(engine, **fields):
    steps = {"num_inference_steps": 3} if hasattr(engine.params_type, "num_inference_steps") else {}
    params = engine.params_type(**{**steps, **fields.pop("params", {})})
    return Request(PROMPTS[engine.world.name][0], params=params, **fields)


def last(frames):
    return list(frames)[-1]


@pytest.mark.parametrize("name", TINY)
def test_saved_engines_load_and_draw_the_same(name, tmp_path):
    engine = make(name)
    for weights in engine.model.state_dict().values():  # what ships is in half precision
        if weights.is_floating_point():
            weights.copy_(weights.half())
    engine.save_model(tmp_path)
    again = type(engine)(type(engine).load_model(tmp_path), engine.text_encoder)
    assert np.array_equal(last(again.generate(ask(again, seed=3))).images, last(engine.generate(ask(engine, seed=3))).images)


# VAE


def test_attributes_that_no_prompt_names_come_by_chance_and_hide_none_that_it_names():
    world = worlds.load("faces")
    labels = [world.random_label(np.random.default_rng(seed), {"hair_color": "red", "eyes": "winking"}) for seed in range(200)]
    assert {(label["hair_color"], label["eyes"]) for label in labels} == {("red", "winking")}
    assert {label["hair_style"] for label in labels} == set(world.attributes["hair_style"]) - {"bald"}  # a colour is asked for
    seen = [world.random_label(np.random.default_rng(seed), {"glasses": "round", "hair_style": "bun"}) for seed in range(200)]
    assert not {"hidden", "none"} & {label[key] for label in seen for key in ("eyes", "hair_color")}
    assert all(world.hide(label) == label for label in labels + seen)
    y = vae.spell(world, labels)
    assert y.shape == (200, sum(map(len, world.attributes.values())))
    assert (y.sum(1) == len(world.attributes)).all()
    names = [(key, value) for key, values in world.attributes.items() for value in values]
    assert [dict(pair for pair, on in zip(names, row, strict=True) if on) for row in y] == labels


# GAN


def test_scaling_inputs_and_outputs_is_modulating_the_weights():
    conv = style_gan.ModulatedConv(5, 7, 4)
    x, w = torch.randn(2, 5, 8, 8), torch.randn(2, 4)
    for i, s in enumerate(conv.scale(w)):
        weight = conv.conv.weight * s[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        wanted = torch.nn.functional.conv2d(x[i : i + 1], weight, conv.conv.bias, padding=1)
        assert torch.allclose(wanted, conv(x, w)[i : i + 1], atol=1e-5)


def test_modulated_convolutions_keep_the_variance():
    torch.manual_seed(0)
    conv = style_gan.ModulatedConv(64, 48, 16)
    with torch.no_grad():
        inside = conv(torch.randn(8, 64, 16, 16), torch.randn(8, 16))[:, :, 4:-4, 4:-4]  # away from the border, which meets zeros
    assert inside.std().item() == pytest.approx(1, abs=0.1)


def test_truncation_pulls_styles_to_their_prompts_average():
    engine = make("faces/gan")
    z, prompts = torch.randn(4, 8), (PROMPT, PROMPT, "bald", "bald")
    full, half, none = (engine.map(z, prompts, truncation_psi=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.allclose(half, (full + none) / 2, atol=1e-6)
    assert torch.equal(none[0], none[1])
    assert not torch.allclose(none[0], none[2])
    frame = last(engine.generate(ask(engine, seed=4)))
    assert np.array_equal(engine.synthesize(torch.from_numpy(frame.extra["w"])), frame.images)


def test_the_discriminator_scores_any_picture(tmp_path):
    engine = make("faces/gan")
    del engine.discriminator
    engine.folder = tmp_path
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    with pytest.raises(CheckpointError, match=r"engines\.training faces/gan"):
        engine.score(images, (PROMPT,) * 3)
    checkpoint.save(style_gan.StyleDiscriminator((8, 8, 4), channels=8, num_blocks=1, text_dim=32), tmp_path / gan.DISCRIMINATOR)
    scores = engine.score(images, (PROMPT,) * 3)
    assert scores.shape == (3,)
    assert engine.score(images[1:2], (PROMPT,)) == pytest.approx(scores[1:2], abs=1e-5)
    assert not any(weight.is_inference() for weight in engine.discriminator.parameters())  # a direction may be found afterwards


def test_a_style_for_each_layer_draws_as_one_for_all():
    engine = make("faces/gan")
    w = torch.randn(3, 16)
    layers = engine.model.generator.num_layers
    assert layers == 5
    one = engine.synthesize(w)
    assert np.array_equal(engine.synthesize(w[:, None].repeat(1, layers, 1)), one)
    for layer in range(layers):
        styles = w[:, None].repeat(1, layers, 1)
        styles[:, layer] += 1
        assert not np.array_equal(engine.synthesize(styles), one)


def test_a_direction_goes_where_the_discriminator_is_sure_and_else_where_the_prompt_goes(monkeypatch):
    engine = make("faces/gan")
    torch.manual_seed(0)
    torch.nn.init.normal_(engine.discriminator.answers.weight)  # a fresh one finds everything equally likely
    key, value, generator = "mouth", "smile", engine.model.generator
    attribute, target = list(engine.world.attributes).index(key), engine.world.attributes[key].index(value)
    styles, first = torch.randn(64, 1, 16), torch.randn(1, 16)
    prompted = styles + first + 0.3 * torch.randn(64, 1, 16)

    @torch.no_grad()
    def drawn(direction):
        x = generator.synthesize(styles + torch.from_numpy(direction))
        shares = [logits.softmax(1) for logits in engine.discriminator.name(engine.discriminator.embed(x))]
        return shares.pop(attribute)[:, target].mean(), torch.cat(shares, 1), x

    def find(steps=steering.STEPS):
        return engine.refine_direction(first.numpy(), styles.numpy(), prompted.numpy(), key, value, steps=steps)

    found = find()
    assert found.shape == (generator.num_layers, 16)
    assert np.array_equal(find(5), find(5))
    before, asked, careful = map(drawn, (np.zeros((1, 16), np.float32), (prompted - styles).numpy(), found))
    assert before[0] < 0.1
    assert careful[0] > 0.9
    monkeypatch.setattr(steering, "NEAR", 0.0)
    free = drawn(find())
    monkeypatch.setattr(steering, "OTHERS", 0.0)
    careless = drawn(find())
    assert min(free[0], careless[0]) > 0.9
    named = [(one[1] - before[1]).abs().mean() for one in (free, careless)]
    moved = [(one[2] - asked[2]).abs().mean() for one in (careful, free)]
    assert named[0] < 0.67 * named[1]  # what else is named stays
    assert moved[0] < 0.67 * moved[1]  # and latents come near those of the prompt


# Autoregression


def test_tokens_and_codes_are_one_to_one():
    model = fsq_autoencoder(levels=(8, 5, 4))
    tokens_in = torch.arange(160).view(1, 10, 16)
    codes = model.to_codes(tokens_in)
    assert torch.equal(model.to_tokens(codes), tokens_in)
    assert codes.abs().max() <= 1
    rounded = model.quantize(model.bound(3 * torch.randn(2, 3, 4, 4)))
    assert torch.allclose(model.to_codes(model.to_tokens(rounded)), rounded, atol=1e-5)
    z = torch.linspace(-9, 9, 300).view(1, 1, 1, 300).expand(1, 3, 1, 300)
    assert [len(values.unique()) for values in model.quantize(model.bound(z))[0]] == [8, 5, 4]


def test_crowding_tells_even_from_uneven_use_of_the_vocabulary():
    model = fsq_autoencoder(levels=(4, 3))
    everything = torch.cartesian_prod(torch.arange(-2.0, 2), torch.arange(-1.0, 2)).T.view(1, 2, 4, 3)  # each token once
    one = torch.zeros(1, 2, 4, 3)
    for bounded, low, high in ((everything, -0.05, 0.05), (one, 0.9, 2.5)):
        model.usage.fill_(1 / 12)
        for _ in range(500):
            crowding = model.crowding(bounded.requires_grad_())
        assert low < crowding.item() < high
    assert model.usage.sum().item() == pytest.approx(1, abs=1e-4)
    token = int(model.to_tokens(model.quantize(one))[0, 0, 0])
    assert model.usage.argmax().item() == token


def test_gradients_pass_through_the_rounding():
    model = fsq_autoencoder(levels=(4, 4))
    fsq.loss(model, torch.rand(2, 3, 64, 64) * 2 - 1)["loss"].backward()
    assert next(model.encoder.parameters()).grad.abs().max() > 0


def test_patches_are_said_row_by_row_and_so_are_their_tokens():
    transformer = token_painter().transformer
    grid = torch.arange(256).view(1, 16, 16)
    patches = transformer.to_patches(grid)
    assert patches[0, :2].tolist() == [[0, 1, 16, 17], [2, 3, 18, 19]]
    assert patches[0, 8].tolist() == [32, 33, 48, 49]
    assert torch.equal(transformer.to_grid(patches), grid)


def test_a_token_hears_only_what_came_before():
    transformer = token_painter().transformer
    words, mask, said = torch.randn(1, 6, 32), torch.ones(1, 6, dtype=torch.long), torch.randint(16, (1, 64, 4))
    changed = said.clone()
    changed[0, 20, 2] = (changed[0, 20, 2] + 1) % 16
    difference = (transformer(said, words, mask) - transformer(changed, words, mask)).abs().amax((0, 3)).flatten()  # in their order
    assert difference[:83].max() == 0
    assert difference[83:].min() > 0


@torch.no_grad()
def test_a_hidden_patch_is_heard_by_no_token():
    transformer = token_painter().transformer
    words, mask, said = torch.randn(1, 6, 32), torch.ones(1, 6, dtype=torch.long), torch.randint(16, (1, 64, 4))
    changed, seen = said.clone(), torch.ones(1, 64)
    changed[0, 20] = (changed[0, 20] + 1) % 16
    seen[0, 20] = 0
    assert torch.equal(transformer(said, words, mask, seen), transformer(changed, words, mask, seen))
    assert torch.equal(transformer(said, words, mask, torch.ones(1, 64)), transformer(said, words, mask))


@torch.no_grad()
def test_cached_decoding_equals_uncached_and_padding_changes_nothing():
    transformer = token_painter().transformer
    words, said = torch.randn(2, 6, 32), torch.randint(16, (2, 64, 4))
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    whole = transformer(said, words, mask)
    hidden, cache = transformer.begin(words, mask)
    patches = [hidden, *(transformer.advance(said[:, i - 1], i, cache) for i in range(1, 64))]
    speller, told = transformer.speller, cache.told
    steps = [torch.stack([speller.next(patch, said[:, i, :j], told) for j in range(4)], 1) for i, patch in enumerate(patches)]
    assert torch.allclose(torch.stack(steps, 1), whole, atol=1e-4)
    assert torch.allclose(transformer(said[1:], words[1:, :4], mask[1:, :4]), whole[1:], atol=1e-4)


def test_frames_tell_the_tokens_so_far():
    engine = make("faces/autoregressive")
    frames = list(engine.generate(ask(engine, num_images=2)))
    assert len(frames) == 256 // tokens.TOKENS_PER_FRAME
    first = frames[0]
    said = np.zeros((16, 16), dtype=bool)
    said[:2, : tokens.TOKENS_PER_FRAME // 2] = True  # patches of two rows
    assert ((first.extra["tokens"] >= 0) == said).all()
    assert (first.images[:, 8:] == 128).all()
    assert (frames[-1].extra["tokens"] >= 0).all()
    assert [frame.nfe for frame in (first, frames[-1])] == [2 * tokens.TOKENS_PER_FRAME // 4, 2 * 64]
    assert first.extra["probabilities"].shape == (2, 16)
    assert first.extra["probabilities"].sum(1) == pytest.approx(1, abs=1e-5)


def test_top_k_and_top_p_leave_the_likeliest():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    assert torch.allclose(tokens.restrict(logits), logits.exp())
    assert torch.allclose(tokens.restrict(logits, top_k=2), torch.tensor([[0, 2 / 3, 0, 1 / 3]]))
    assert torch.allclose(tokens.restrict(logits, top_p=0.6), torch.tensor([[0, 2 / 3, 0, 1 / 3]]))
    assert torch.allclose(tokens.restrict(logits, top_p=0.5), torch.tensor([[0, 1.0, 0, 0]]))
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    drawn = tokens.draw(logits.exp().expand(20_000, -1), uniform)
    assert torch.bincount(drawn, minlength=4) / 20_000 == pytest.approx(logits.exp()[0], abs=0.02)


# Diffusion


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_diffusers_opens_the_folder_and_draws_the_same_picture(guidance_scale, tmp_path):
    from diffusers import DiffusionPipeline, PixArtAlphaPipeline

    engine = make("faces/diffusion")
    engine.text_encoder = faces_encoder.__wrapped__()  # its own, to be rounded below
    engine.save_model(tmp_path)
    engine.model = engine.load_model(tmp_path).eval()  # both from half precision
    pipeline = DiffusionPipeline.from_pretrained(tmp_path)
    assert isinstance(pipeline, PixArtAlphaPipeline)
    engine.text_encoder.model.load_state_dict(pipeline.text_encoder.state_dict())
    assert farthest(engine, pipeline, num_inference_steps=4, guidance_scale=guidance_scale) <= 2


@pytest.mark.parametrize("sampler", ["DPM-Solver++", "DDIM"])
def test_diffusers_draws_the_same_picture_with_the_shipped_weights(sampler):
    from diffusers import DiffusionPipeline

    engine = engines.load("faces/diffusion")
    pipeline = DiffusionPipeline.from_pretrained(engine.folder)
    if sampler != "DPM-Solver++":  # the one in the folder
        pipeline.scheduler = make_scheduler(sampler, prediction_type="v_prediction")
    assert farthest(engine, pipeline, num_inference_steps=10, guidance_scale=3.5, scheduler=sampler) <= 2


def farthest(engine, pipeline, *, num_inference_steps, guidance_scale, scheduler="DPM-Solver++"):
    """How far a pipeline of diffusers draws from an engine at most, of 255."""
    params = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale, "scheduler": scheduler}
    frame = last(engine.generate(ask(engine, seed=9, num_images=2, params=params)))
    latents = torch.stack([torch.randn(frame.extra["latents"].shape[1:], generator=torch.Generator().manual_seed(s)) for s in (9, 10)])
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        list(engine.told(ask(engine, seed=9, num_images=2))),
        latents=latents,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        use_resolution_binning=False,
        clean_caption=False,
        max_sequence_length=48,
        output_type="np",
    ).images
    return np.abs((theirs * 255).round() - frame.images).max()


def test_noisy_latents_can_be_shown_and_decoded():
    engine = make("faces/diffusion")
    frames = list(engine.generate(ask(engine, num_images=2)))
    assert all(frame.extra["x_t"].shape == (2, 64, 64, 3) for frame in frames)
    assert frames[-1].extra["latents"].shape == (2, 4, 8, 8)
    with torch.inference_mode():
        decoded = engine.model.decode(torch.from_numpy(frames[-1].extra["latents"]))
    assert np.abs(latent_diffusion.to_uint8(decoded).astype(int) - frames[-1].images).max() <= 1
