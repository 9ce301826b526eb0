"""Every recipe takes a step and leaves a folder that loads; runs resume; a batch can be learnt by heart."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import make_data

import engines
from engines import CheckpointError, checkpoint, text, worlds
from engines.networks import adversarial, conv_vae, fsq, latent_diffusion, token_transformer
from engines.networks.linear_vae import LinearVAE
from engines.networks.linear_vae import loss as vae_loss
from engines.networks.pixel_unet import loss as diffusion_loss
from engines.networks.pixel_unet import make_unet
from engines.networks.row_pixelcnn import RowPixelCNN
from engines.networks.row_pixelcnn import loss as autoregressive_loss
from engines.training import __main__ as training
from engines.training import autoencoder, autoregressive, captions, loop, snapshots
from engines.training import text as text_recipe
from engines.training import vae as vae_recipes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), num_train=120, num_test=30)


@pytest.fixture(autouse=True)
def small_runs(data, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DATA", str(data))
    monkeypatch.setattr(snapshots, "SNAPSHOT_SIZE", 4)
    monkeypatch.setattr(snapshots, "SNAPSHOT_MOMENTS", (0.5, 1.0))


@pytest.mark.parametrize("name", [*(f"digits/{family}" for family in engines.FAMILIES), "digits/vae-map"])
def test_two_steps_leave_a_folder_that_draws(name, tmp_path):
    root = tmp_path / "checkpoints"
    shutil.copytree(checkpoint.ROOT / "digits" / "text", root / "digits" / "text")
    training.main([name, "--steps", "2", "--device", "cpu", "--out", str(root / name)])
    engine = engines.load(name, root=root)
    frame = next(engine.generate(engines.Request("a bold 7")))
    assert frame.images.shape == (1, 28, 28, 1)
    assert f"python -m engines.training {name} --steps 2 --device cpu" in engine.card
    lines = [json.loads(line) for line in (root / name / "training.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 2
    assert lines[-1]["flops"] > 0
    with np.load(root / name / "progress.npz") as progress:
        assert progress["images"].shape == (2, 4, 28, 28, 1)
        assert list(progress["steps"]) == [1, 2]
    for path in (root / name).glob("*.safetensors"):
        assert path.stat().st_size < 9.5e6


def test_a_resumed_run_continues_where_it_stopped(tmp_path):
    out = tmp_path / "vae"
    training.main(["digits/vae", "--steps", "2", "--device", "cpu", "--out", str(out)])
    training.main(["digits/vae", "--steps", "4", "--device", "cpu", "--out", str(out), "--resume"])
    steps = [json.loads(line)["step"] for line in (out / "training.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 4]
    saved = torch.load(out / "state" / "state.pt", weights_only=True)["trainer"]
    assert saved["optimizers"][0]["state"][0]["step"] == 4
    assert list(np.load(out / "progress.npz")["steps"]) == [2, 4]  # at half and at the end of the larger budget
    training.main(["digits/vae", "--steps", "2", "--device", "cpu", "--out", str(out)])
    assert [json.loads(line)["step"] for line in (out / "training.jsonl").read_text().splitlines()] == [1, 2]


def test_a_run_that_diverges_ends_with_its_step_and_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Trainer, "step", lambda self, x, words: {"loss": torch.tensor(float("nan"))})
    with pytest.raises(FloatingPointError, match="step 1"):
        training.main(["digits/vae", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "vae")])
    assert not list((tmp_path / "vae").glob("*.safetensors"))


def test_a_run_without_state_continues_from_its_weights_and_log(tmp_path):
    out = tmp_path / "vae"
    training.main(["digits/vae", "--steps", "2", "--device", "cpu", "--out", str(out)])
    shipped = checkpoint.load(LinearVAE, out).state_dict()
    shutil.rmtree(out / "state")
    changed = ["--learning-rate-scale", "0", "--set", "batch_size=64"]
    training.main(["digits/vae", "--steps", "5", "--device", "cpu", "--out", str(out), "--resume", *changed])
    lines = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 5]
    batch_size = vae_recipes.RECIPES["digits"]["default"].batch_size
    assert [line["images"] for line in lines[1::2]] == [2 * batch_size, 2 * batch_size + 3 * 64]
    assert lines[-1]["flops"] == pytest.approx(lines[1]["flops"] * (1 + 3 * 64 / (2 * batch_size)))
    assert lines[-1]["seconds"] >= lines[1]["seconds"]
    again = checkpoint.load(LinearVAE, out).state_dict()
    assert all(torch.allclose(shipped[key], again[key], atol=1e-3) for key in shipped)
    card = (out / "README.md").read_text()
    assert "--steps 2" in card
    assert ", then `python -m engines.training digits/vae --steps 5" in card


def test_a_gan_without_its_discriminator_is_not_resumed(tmp_path):
    out = tmp_path / "gan"
    training.main(["digits/gan", "--steps", "1", "--device", "cpu", "--out", str(out)])
    shutil.rmtree(out / "state")
    training.main(["digits/gan", "--steps", "2", "--device", "cpu", "--out", str(out), "--resume"])
    shutil.rmtree(out / "state")
    shutil.rmtree(out / "discriminator")
    with pytest.raises(ValueError, match="discriminator"):
        training.main(["digits/gan", "--steps", "3", "--device", "cpu", "--out", str(out), "--resume"])


@pytest.mark.parametrize("fast", [True, False])
def test_bfloat16_is_left_to_processors_that_have_it(fast, monkeypatch):
    monkeypatch.setattr(loop, "bf16_is_fast", lambda device: fast)
    trainer = loop.Trainer(loop.Recipe(1, 2, 1e-3), LinearVAE(width=8, text_dim=4), vae_loss, device="cpu")
    with trainer.autocast():
        assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == (torch.bfloat16 if fast else torch.float32)


def test_the_recipe_for_a_gpu_takes_a_step(tmp_path):
    training.main(["digits/vae", "--scale", "large", "--steps", "1", "--device", "cpu", "--out", str(tmp_path)])
    assert "| recipe (large) | minutes 4, batch_size 1024" in (tmp_path / "README.md").read_text()


def test_equal_seeds_train_equal_weights(tmp_path):
    weights = []
    for run in ("one", "two"):
        training.main(["digits/vae", "--steps", "3", "--device", "cpu", "--seed", "5", "--out", str(tmp_path / run)])
        weights.append(checkpoint.load(LinearVAE, tmp_path / run).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize(
    ("model", "loss", "below"),
    [
        (lambda: LinearVAE(width=128, text_dim=8), vae_loss, 0.6),
        (
            lambda: RowPixelCNN(row_dim=32, row_layers=1, row_heads=2, pixel_dim=48, num_pixel_blocks=2, text_dim=8),
            autoregressive_loss,
            0.2,
        ),
        (lambda: make_unet(channels=(32, 32), text_dim=128), diffusion_loss, 0.4),
    ],
)
def test_one_batch_is_learnt_by_heart(model, loss, below):
    torch.manual_seed(0)
    images, _ = worlds.load("digits").load_images(split="train", num_images=8)
    x, network = loop.to_float(images), model()
    embeddings = torch.randn(8, 128 if loss is diffusion_loss else 8)
    values = learn_by_heart(network, loss, x, embeddings, steps=120)
    assert np.mean(values[-20:]) < below * np.mean(values[:5])


def learn_by_heart(network, loss, x, text, *, steps: int) -> list[float]:
    """The loss on one batch, step after step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    values = []
    for _ in range(steps):
        value = loss(network, x, text)["loss"]
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


WORDS = (torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(0)), torch.ones(4, 5, dtype=torch.long))
SMALL = {"channels": (32, 32), "encoder_blocks": (1, 1), "decoder_blocks": (1, 1)}  # ConvNeXt networks for 16x16 pixels


@pytest.mark.parametrize(
    ("model", "loss", "x", "words", "falls"),
    [
        (
            lambda: token_transformer.TokenTransformer(16, (4, 2), width=32, layers=1, heads=2, text_dim=16),
            token_transformer.loss,
            torch.arange(32).view(4, 2, 4) * 7 % 16,
            WORDS,
            lambda before, after: after < 0.1 * before,
        ),
        (
            lambda: latent_diffusion.make_transformer((4, 4, 4), heads=2, head_dim=16, layers=1, text_dim=16),
            latent_diffusion.loss,
            torch.randn(4, 4, 4, 4, generator=torch.Generator().manual_seed(1)),
            WORDS,
            lambda before, after: after < 0.6 * before,
        ),
        (
            lambda: conv_vae.ConvVAE((16, 16, 3), num_values=16, latent_dim=8, **SMALL),
            conv_vae.loss,
            torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1,
            WORDS[0][:, 0],
            lambda before, after: after < before - 384,  # half of the 768 numbers, in nats: the mean squared error fell to 1 / e
        ),
        (
            lambda: fsq.FSQAutoencoder((16, 16, 3), levels=(8, 8, 8, 8), **SMALL),
            fsq.loss,
            torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1,
            None,
            lambda before, after: after < 0.5 * before,
        ),
    ],
)
def test_networks_for_faces_learn_one_batch_by_heart(model, loss, x, words, falls):
    torch.manual_seed(0)
    values = learn_by_heart(model(), loss, x, words, steps=200)
    assert falls(np.mean(values[:5]), np.mean(values[-20:]))


def test_conv_vae_loss_matches_closed_form():
    """Grey pictures drawn for black ones: mean squared error 1, so D / 2 log 1 = 0; KL of N(1, 1) from N(0, 1)."""
    model = conv_vae.ConvVAE((16, 16, 3), num_values=2, latent_dim=4, **SMALL)
    for layer, bias in ((model.decoder[-2], torch.zeros(48)), (model.to_latent, torch.tensor([1.0] * 4 + [0.0] * 4))):
        torch.nn.init.zeros_(layer.weight)
        layer.bias.data = bias
    terms = conv_vae.loss(model, -torch.ones(3, 3, 16, 16), torch.zeros(3, 2), beta=1.0)
    assert terms["mse"].item() == pytest.approx(1)
    assert terms["kl"].item() == pytest.approx(4 * 0.5)
    assert terms["loss"].item() == pytest.approx(2, abs=1e-4)


def test_gan_step_moves_both_networks():
    from engines.training import gan

    torch.manual_seed(0)
    trainer = gan.make_trainer(worlds.load("digits"), gan.RECIPES["digits"]["default"], variant="", text_dim=8, device="cpu")
    before = {name: [p.clone() for p in network.parameters()] for name, network in trainer.networks().items()}
    trainer.set_progress(0.1)
    terms = trainer.step(torch.rand(4, 1, 28, 28) * 2 - 1, torch.randn(4, 8))
    assert {"d_loss", "g_loss", "r1", "r2"} <= terms.keys()
    for name in ("model", "discriminator"):
        assert any(not torch.equal(a, b) for a, b in zip(before[name], trainer.networks()[name].parameters(), strict=True))


def test_pictures_of_one_text_should_differ_by_what_it_leaves_open():
    real = torch.randn(64, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    one, other = torch.randn(2, 64, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    all_named, half_named = torch.zeros(64, 10, dtype=torch.long), torch.zeros(64, 10, dtype=torch.long)
    half_named[:, :5] = adversarial.UNSAID
    assert adversarial.diversity_loss(one, one, real, half_named).item() == pytest.approx(1)
    assert adversarial.diversity_loss(one, one, real, all_named).item() == 0
    assert adversarial.diversity_loss(one, other, real, half_named).item() == 0
    nearer = one + 0.25 * (other - one)  # a sixteenth of the squared difference of two, where ENOUGH of half of it is wanted
    wanted = 1 - 1 / 16 / (adversarial.ENOUGH / 2)
    assert adversarial.diversity_loss(one, nearer, real, half_named).item() == pytest.approx(wanted, abs=0.05)


def test_text_recipe_learns_and_saves(tmp_path):
    encoder = text_recipe.train(worlds.load("digits"), steps=4, out=tmp_path / "digits" / "text", device="cpu", command="test")
    again = text.load("digits", root=tmp_path)
    assert torch.allclose(encoder.encode(("thin 7",)), again.encode(("thin 7",)), atol=0.02)
    card = (tmp_path / "digits" / "text" / "README.md").read_text()
    assert "2,000 fresh captions" in card
    assert "| steps | 4 |" in card


def test_text_recipe_goes_on_from_a_trained_encoder(tmp_path):
    digits, out = worlds.load("digits"), tmp_path / "digits" / "text"
    settings = {"out": out, "device": "cpu", "command": "test", "root": tmp_path}
    encoders = [text_recipe.train(digits, steps=30, resume=resume, **settings) for resume in (False, True)]
    captions = text_recipe.with_targets(digits, text_recipe.random_captions(digits, 200, np.random.default_rng(5)))
    with torch.no_grad():
        before, after = (text_recipe.loss(encoder, *captions)["loss"].item() for encoder in encoders)
    assert after < before
    assert "| steps | 30, then 30 |" in (out / "README.md").read_text()


def test_learning_rate_rises_then_falls_to_zero():
    trainer = loop.Trainer(loop.Recipe(1, 2, 1e-3), LinearVAE(width=8, text_dim=4), vae_loss, device="cpu")
    rates = []
    for progress in (0.0, 0.01, loop.WARMUP, 0.5, 1.0):
        trainer.set_progress(progress)
        rates.append(trainer.optimizers[0].param_groups[0]["lr"])
    assert rates == pytest.approx([0, 5e-4, 1e-3, 5e-4, 0], abs=2e-5)


def test_the_weight_of_the_kl_term_falls_in_the_first_half():
    recipe = vae_recipes.VAERecipe(1, 1, 1e-3, beta=5.0, fall=100.0)
    assert [recipe.beta_at(progress) for progress in (0, 0.25, 0.5, 1)] == pytest.approx([500, 50, 5, 5])
    trainer = vae_recipes.VAETrainer(recipe, LinearVAE(width=8, text_dim=4), vae_loss, device="cpu")
    x, words, losses = torch.zeros(2, 1, 28, 28), torch.zeros(2, 4), []
    for progress in (0.0, 1.0):
        trainer.set_progress(progress)
        torch.manual_seed(0)
        terms = trainer.loss(trainer.model, x, words)
        losses.append((terms["loss"] - terms["reconstruction"]) / terms["kl"])
    assert [weight.item() for weight in losses] == pytest.approx([500, 5], rel=1e-2)
    with pytest.raises(ValueError, match="beta and fall must be positive"):
        vae_recipes.VAERecipe(1, 1, 1e-3, beta=0.0)


def test_tokens_are_hidden_at_first_and_not_at_the_end():
    recipe = autoregressive.RECIPES["faces"]["default"]
    assert [recipe.hidden_at(progress) for progress in (0, 0.35, 0.7, 1)] == pytest.approx([1, 0.5, 0, 0])
    model = token_transformer.TokenTransformer(16, (4, 2), width=32, layers=1, heads=2, text_dim=16)
    tokens = torch.randint(16, (4, 2, 4), generator=torch.Generator().manual_seed(0))
    text = torch.randn(4, 3, 16), torch.ones(4, 3, dtype=torch.long)
    torch.manual_seed(0)
    hidden, whole = (token_transformer.loss(model, tokens, text, hidden=share)["loss"] for share in (1.0, 0.0))
    assert torch.equal(whole, token_transformer.loss(model, tokens, text)["loss"])
    assert not torch.equal(hidden, whole)


def test_average_remembers_a_fixed_share_of_the_run():
    """Weights that equal the step t average to t (gamma + 1) / (gamma + 2) under a power function of gamma."""
    trainer = loop.Trainer(loop.Recipe(1, 2, 1e-3), LinearVAE(width=8, text_dim=4), vae_loss, device="cpu")
    for step in range(1, 501):
        with torch.no_grad():
            next(trainer.model.parameters()).fill_(float(step))
        trainer.update_average(step)
    average = next(trainer.average.parameters()).flatten()[0].item()
    assert average == pytest.approx(500 * (loop.EMA_GAMMA + 1) / (loop.EMA_GAMMA + 2), rel=0.01)


@pytest.mark.parametrize("damage", ["missing", "truncated", "mismatched", "other", "cut config", "odd config", "wrong config"])
def test_damaged_weights_name_the_file_and_the_command(damage, tmp_path):
    shutil.copytree(checkpoint.ROOT / "digits" / "text", tmp_path / "digits" / "text")
    folder = tmp_path / "digits" / "vae"
    checkpoint.save(LinearVAE(width=16), folder)
    weights = folder / checkpoint.WEIGHTS
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "mismatched":
        checkpoint.save(LinearVAE(width=24), tmp_path / "wider")
        shutil.copy(tmp_path / "wider" / checkpoint.WEIGHTS, weights)
    else:
        config = json.loads((folder / "config.json").read_text())
        texts = {
            "other": json.dumps({**config, "_class_name": "SomethingElse"}),
            "cut config": json.dumps(config)[:40],
            "odd config": "[]",
            "wrong config": json.dumps({**config, "width": "wide"}),
        }
        (folder / "config.json").write_text(texts[damage])
    with pytest.raises(
        CheckpointError, match=r"digits.vae cannot be loaded: .*(safetensors|config\.json).*python -m engines.training digits/vae"
    ):
        engines.load("digits/vae", root=tmp_path)


@pytest.fixture
def faces_root(tmp_path, monkeypatch):
    """A folder of checkpoints with an untrained text encoder of faces, few faces and short sample sheets."""
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    monkeypatch.setenv("PLAYGROUND_CACHE", str(tmp_path / "cache"))
    for split, size in (("train", 40), ("validation", 20)):
        monkeypatch.setitem(worlds.load("faces").SPLIT_SIZES, split, size)
    monkeypatch.setattr(autoencoder, "UNSEEN", 20)
    monkeypatch.setattr("engines.training.diffusion.LATENTS_MEASURED", 20)
    monkeypatch.setattr(autoencoder, "SHEET_SIZE", 4)
    monkeypatch.setattr(loop, "sample_sheet", lambda engine: snapshots.final_images(engine, engines.Request("bald"))[0])
    torch.manual_seed(0)
    folder = tmp_path / "faces" / "text"
    folder.mkdir(parents=True)
    text.build(worlds.load("faces"), layers=1).save(folder)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("faces/vae", None),
        ("faces/gan", "faces/diffusion-autoencoder"),
        ("faces/autoregressive", "faces/autoregressive-tokenizer"),
        ("faces/diffusion", "faces/diffusion-autoencoder"),
    ],
)
def test_every_recipe_for_faces_leaves_a_folder_that_draws(name, part, faces_root):
    second_part = ["--set", "crisp_from=0.4"]  # of an autoencoder's training, which its second step is
    for run in filter(None, (part, name)):
        training.main([run, "--steps", "2", "--device", "cpu", *(second_part if run == part else [])])
    engine = engines.load(name, root=faces_root)
    assert snapshots.final_images(engine, engines.Request("a bald man", num_images=2)).shape == (2, 64, 64, 3)
    assert f"python -m engines.training {name} --steps 2" in engine.card
    if part:
        first, second = map(json.loads, (faces_root / training.PARTS[part] / "training.jsonl").read_text().splitlines())
        assert ("d_loss" in first, "d_loss" in second) == (False, True)
        assert second["flops"] != 2 * first["flops"]  # steps of another kind are counted anew
        card = (faces_root / training.PARTS[part] / "README.md").read_text()
        assert "| psnr on unseen pictures |" in card
    assert (name != "faces/gan") or (faces_root / name / "vae" / "training.jsonl").is_file()  # what its autoencoder cost
    files = list((faces_root / name).rglob("*.safetensors"))
    assert files
    assert all(path.stat().st_size < 9.5e6 for path in files)
    for run in filter(None, (part, name)):
        folder = faces_root / training.PARTS.get(run, run)
        shutil.rmtree(folder / "state")
        before = all_weights(folder)
        kept = ["--learning-rate-scale", "0", *(second_part if run == part else [])]
        training.main([run, "--steps", "3", "--device", "cpu", "--resume", *kept])
        assert json.loads((folder / "training.jsonl").read_text().splitlines()[-1])["step"] == 3
        after = all_weights(folder)
        assert before.keys() == after.keys()
        assert all(torch.allclose(before[key], after[key], atol=2e-3) for key in before if "usual_spread" not in key)


def all_weights(folder):
    """Every tensor in a folder's safetensors files, by file and name."""
    files = folder.rglob("*.safetensors")
    return {f"{path.relative_to(folder)} {key}": value.float() for path in files for key, value in load_file(path).items()}


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match=r"faces/diffusion-autoencoder.*got 'faces/diffusion-autoencodr'"):
        training.main(["faces/diffusion-autoencodr", "--steps", "1"])


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("faces/autoregressive", "faces/autoregressive-tokenizer"),
        ("faces/diffusion", "faces/diffusion-autoencoder"),
        ("faces/gan", "faces/diffusion-autoencoder"),
    ],
)
def test_a_missing_part_is_named_with_its_command(name, part, faces_root):
    with pytest.raises(CheckpointError, match=rf"python -m engines\.training {part}"):
        training.main([name, "--steps", "1", "--device", "cpu"])


def test_words_reach_the_network_as_the_encoder_reads_them(faces_root):
    encoder = text.load("faces", root=faces_root)
    labels = [worlds.load("faces").sample_label("train", i) for i in range(3)]
    bank = captions.WordBank(encoder, labels, no_text=0.0)
    chosen, rng = torch.tensor([2, 0, 1]), torch.Generator().manual_seed(0)
    words, mask = bank.draw(chosen, rng)
    for i, row in enumerate(chosen):
        own = bank.tokens[row].long()  # the captions of this picture
        lengths = (own != encoder.tokenizer.pad_token_id).sum(1)
        length = mask[i].sum()
        candidates = [encoder.hidden(ids[None, :length], torch.ones(1, length, dtype=torch.long))[0] for ids in own[lengths == length]]
        assert any(torch.allclose(candidate, words[i, :length], atol=1e-5) for candidate in candidates)
    _, mask = captions.WordBank(encoder, labels, no_text=1.0).draw(chosen, rng)
    assert mask.tolist() == [[1, 1]] * 3


def test_captions_can_name_every_attribute(faces_root):
    encoder, world = text.load("faces", root=faces_root), worlds.load("faces")
    labels = [world.sample_label("train", i) for i in range(3)]
    shorts, longs = (captions.WordBank(encoder, labels, no_text=0.0, everything=share).tokens for share in (0.0, 1.0))
    lengths = [(tokens != encoder.tokenizer.pad_token_id).sum(2).float().mean() for tokens in (shorts, longs)]
    assert lengths[1] > 1.3 * lengths[0]
    whole = {len(world.compose(label, np.random.default_rng(0), everything=True).named) for label in labels}
    assert min(whole) >= len(world.attributes) - 2  # glasses may hide the eyes, and a bald head the colour of its hair


def test_captions_of_many_processes_are_those_of_one(monkeypatch):
    world = worlds.load("digits")
    labels = [{key: values[i % len(values)] for key, values in world.attributes.items()} for i in range(50)]
    monkeypatch.setattr(captions, "COMPOSED_AT_ONCE", 20)
    alone = captions.compose_all(world, labels, everything=0.5, seed=3)
    monkeypatch.setattr(captions, "COMPOSED_ALONE", 0)
    assert captions.compose_all(world, labels, everything=0.5, seed=3) == alone
    assert len(alone) == 50
    assert len(set(alone)) > 10
