"""What discriminators teach beside the usual: a decoder to be crisp, and a generator to show an edit instead of what it left behind."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from engines.networks import fsq
from engines.networks.adversarial import UNSAID
from engines.networks.patch_discriminator import PatchDiscriminator, balance, patch_loss
from engines.networks.style_gan import StyleGenerator
from engines.training.autoencoder import AutoencoderRecipe, AutoencoderTrainer
from engines.training.gan import MeanTexts


def blurred(x):
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def test_a_discriminator_of_patches_learns_to_see_blur():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(3, (8, 8, 8))
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3)
    for step in range(60):
        x = torch.rand(8, 3, 32, 32) * 2 - 1
        terms = patch_loss(discriminator, x, 0.9 * x + 0.1 * blurred(x), gamma=0.1 if step % 4 == 0 else 0.0)
        optimizer.zero_grad()
        terms["d_loss"].backward()
        optimizer.step()
    assert terms["d_right"] > 0.95
    assert discriminator(x).shape == (8, 1, 8, 8)


def test_penalties_hold_back_steep_scores():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, (4, 4, 4))
    x = torch.rand(4, 1, 16, 16)
    free, held = (patch_loss(discriminator, x, blurred(x), gamma=gamma)["d_loss"] for gamma in (0.0, 1.0))
    assert held > free


def test_a_discriminators_word_weighs_as_much_as_the_error_and_guesses_weigh_nothing():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    error, word = weight.sum(), 10 * weight.sum()
    assert balance(error, word, weight, right=torch.tensor(1.0)) == pytest.approx(0.1)
    assert balance(error, word, weight, right=torch.tensor(0.75)) == pytest.approx(0.05)
    assert balance(error, word, weight, right=torch.tensor(0.4)) == 0


def test_the_decoder_alone_learns_to_be_crisp_and_codes_stay():
    torch.manual_seed(0)
    recipe = AutoencoderRecipe(minutes=1, batch_size=4, learning_rate=1e-3, crisp_from=0.5)
    model = fsq.FSQAutoencoder((16, 16, 3), (4, 4), (8,), (1,), (1,))
    trainer = AutoencoderTrainer(recipe, model, fsq.loss, SimpleNamespace(image_shape=(16, 16, 3)), device="cpu")
    x, phases = torch.rand(4, 3, 16, 16) * 2 - 1, []
    for progress in (0.3, 0.6):
        before = copy.deepcopy(model.state_dict())
        trainer.set_progress(progress)
        terms = trainer.step(x, None)
        trainer.update_average(100)
        moved = {name.partition(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        phases.append((trainer.phase, moved - {"usage"}, "d_loss" in terms))
    assert phases == [(0, {"encoder", "decoder"}, False), (1, {"decoder"}, True)]
    average = dict(trainer.average.named_parameters())
    assert all(torch.allclose(average[name], value) for name, value in model.named_parameters())  # it began anew with the second part


def test_codes_are_jittered_from_none_to_all_of_it():
    torch.manual_seed(0)
    recipe = AutoencoderRecipe(minutes=1, batch_size=3, learning_rate=1e-3, jitter=0.5)
    model = fsq.FSQAutoencoder((16, 16, 3), (4, 4), (8,), (1,), (1,))
    trainer = AutoencoderTrainer(recipe, model, fsq.loss, SimpleNamespace(image_shape=(16, 16, 3)), device="cpu")
    codes = 2 * torch.randn(3, 8, 20, 20)
    moved = (trainer.jittered(codes) - codes).std((1, 2, 3)) / codes.std()
    assert moved.tolist() == pytest.approx([0, 0.25, 0.5], abs=0.02)


def test_a_text_as_an_edit_leaves_it_names_the_new_value_twice_and_the_old_one_once():
    sizes, dim = (3, 4), 16
    meanings = torch.eye(dim)
    says = [meanings[:3], meanings[3:7]]  # one number of a text per value
    generator = torch.Generator().manual_seed(0)
    means = MeanTexts(sizes, dim, device="cpu")
    for _ in range(40):
        named = torch.stack([torch.randint(size, (500,), generator=generator) for size in sizes], dim=1)
        means.learn(says[0][named[:, 0]] + says[1][named[:, 1]], named)
    torch.manual_seed(1)
    named = torch.tensor([[1, UNSAID]] * 200)
    text = says[0][named[:, 0]]
    moved = means.edited(text, named) - text
    changed = moved.abs().max(1).values > 0.1
    assert 0.3 < changed.float().mean() < 0.7  # where the attribute that was drawn is named
    assert moved[changed][:, 1].numpy() == pytest.approx(1 - 2 / 3, abs=0.05)  # the value named, without both of the attribute's means
    others = moved[changed][:, [0, 2]].sort(1).values.numpy()
    assert others[:, 0] == pytest.approx(-2 / 3, abs=0.05)
    assert others[:, 1] == pytest.approx(1 - 2 / 3, abs=0.05)  # and what stood there before
    assert (moved[~changed] == 0).all()


def test_an_added_text_moves_every_style_alike():
    torch.manual_seed(0)
    z, texts = torch.randn(5, 128), torch.randn(2, 192)
    for additive in (True, False):
        network = StyleGenerator(additive=additive)
        first, second = (network.map(z, text.expand(5, -1)) for text in texts)
        moves = second - first
        assert torch.allclose(moves, moves[:1].expand_as(moves), atol=1e-5) is additive
