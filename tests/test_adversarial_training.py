"""What discriminators teach beside the usual: a decoder to be crisp, and a generator to draw what an edit meant."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch

from engines.images import blurred
from engines.networks import fsq
from engines.networks.adversarial import UNSAID
from engines.networks.patch_discriminator import PatchDiscriminator, balance, patch_loss
from engines.training import loop
from engines.training.autoencoder import AutoencoderRecipe, AutoencoderTrainer
from engines.training.gan import Edits
from playground.measure import manipulation
from tests import tiny_engines


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


def test_penalties_are_squared_gradients_per_patch():
    scale = torch.tensor(3.0)
    x, gamma = torch.rand(4, 1, 8, 8), 0.5
    y = x - 0.1
    free, held = (patch_loss(lambda images: scale * images, x, y, gamma=g)["d_loss"].item() for g in (0.0, gamma))
    assert free == pytest.approx(math.log(1 + math.exp(-0.3)), abs=1e-5)
    assert held - free == pytest.approx(gamma / 2 * 2 * 9, rel=1e-4)  # 64 patches, each with the gradient 3, for both pictures


def test_a_discriminators_word_weighs_as_much_as_the_error_and_guesses_weigh_nothing():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    error, word = weight.sum(), 10 * weight.sum()
    assert balance(error, word, weight, right=torch.tensor(1.0)) == pytest.approx(0.1)
    assert balance(error, word, weight, right=torch.tensor(0.75)) == pytest.approx(0.05)
    assert balance(error, word, weight, right=torch.tensor(0.4)) == 0


def tiny_trainer(**settings):
    recipe = AutoencoderRecipe(minutes=1, batch_size=4, learning_rate=1e-3, **settings)
    model = fsq.FSQAutoencoder((16, 16, 3), (4, 4), (8,), (1,), (1,))
    return AutoencoderTrainer(recipe, model, fsq.loss, SimpleNamespace(image_shape=(16, 16, 3)), device="cpu")


def test_the_decoder_alone_learns_to_be_crisp_and_codes_stay():
    torch.manual_seed(0)
    trainer, x, phases = tiny_trainer(crisp_from=0.5), torch.rand(4, 3, 16, 16) * 2 - 1, []
    for step, progress in enumerate((0.3, 0.3, 0.6, 0.3), start=1):
        encoder, decoder = (copy.deepcopy(part.state_dict()) for part in (trainer.average.encoder, trainer.average.decoder))
        trainer.set_progress(progress)
        terms = trainer.step(x, None)
        trainer.update_average(step)
        moved = [
            any(not torch.equal(value, before[name]) for name, value in part.state_dict().items())
            for part, before in ((trainer.average.encoder, encoder), (trainer.average.decoder, decoder))
        ]
        phases.append((trainer.phase, *moved, "d_loss" in terms))
    assert phases == [(0, True, True, False), (0, True, True, False), (1, False, True, True), (1, False, True, True)]  # and no way back


def test_a_run_resumed_in_its_second_part_stays_there():
    torch.manual_seed(0)
    trainer, x = tiny_trainer(crisp_from=0.5), torch.rand(4, 3, 16, 16) * 2 - 1
    for step in range(1, 4):
        trainer.set_progress(0.6)
        trainer.step(x, None)
        trainer.update_average(step)
    again = tiny_trainer(crisp_from=0.5)
    again.load_state(copy.deepcopy(trainer.state()))
    again.set_progress(0.4)
    assert (again.phase, again.count) == (1, 3)
    before = copy.deepcopy(again.average.state_dict())
    again.optimizers[0].param_groups[0]["lr"] = 0.0
    again.step(x, None)
    again.update_average(4)
    model = again.model.state_dict()
    assert any(not torch.equal(before[name], model[name]) for name in before)
    moved = {name: again.average.state_dict()[name] for name in before}
    share = 1 - (1 - 1 / 4) ** (loop.EMA_GAMMA + 1)
    assert all(torch.allclose(moved[name], before[name].lerp(model[name], share), atol=1e-6) for name, _ in again.model.named_parameters())


def test_codes_are_jittered_from_none_to_all_of_it():
    torch.manual_seed(0)
    trainer = tiny_trainer(jitter=0.5)
    codes = 2 * torch.randn(3, 8, 20, 20)
    moved = (trainer.jittered(codes) - codes).std((1, 2, 3)) / codes.std()
    assert moved.tolist() == pytest.approx([0, 0.25, 0.5], abs=0.02)


def test_a_text_is_left_by_an_edit_with_the_new_value_twice_and_the_old_one_once():
    generator = torch.Generator().manual_seed(0)
    named = torch.stack([torch.randint(size, (3000,), generator=generator) for size in (3, 4)], dim=1)
    meanings = torch.randn(7, 8, generator=generator)

    def say(named):
        return meanings[:3][named[:, 0]] + meanings[3:][named[:, 1]]

    edits = Edits(say(named), named, (3, 4))
    means, directions = edits.means[0], edits.directions[0]
    assert directions.shape == (3, 8)
    assert torch.allclose(directions[1], means[1] - (means[0] + means[2]) / 2, atol=1e-5)
    assert torch.allclose(directions[1], meanings[1] - (meanings[0] + meanings[2]) / 2, atol=0.1)  # what goes with it by chance is little
    torch.manual_seed(1)
    only_first = torch.tensor([[1, UNSAID]] * 200)
    text = meanings[only_first[:, 0]]
    arrived = edits.arrive(text, only_first)
    starts = torch.stack([text[0] - means[1] + means[old] for old in (0, 2)])
    expected = starts + manipulation.LENGTH * directions[1]  # from one of the others, as far as edits are measured
    distances = torch.cdist(arrived, expected)
    assert distances.min(1).values.max() < 1e-2
    assert 0.3 < (distances.argmin(1) == 0).float().mean() < 0.7
    moved = (edits.arrive(say(named), named) - say(named)) @ torch.linalg.pinv(meanings)
    touched = torch.stack([moved[:, :3].abs().max(1).values, moved[:, 3:].abs().max(1).values], dim=1) > 0.3
    assert (touched.sum(1) == 1).float().mean() > 0.95  # one attribute of each
    assert 0.4 < touched[:, 0].float().mean() < 0.6
    silent = torch.full((5, 2), UNSAID)
    assert torch.equal(edits.arrive(text[:5], silent), text[:5])


def test_a_word_moves_every_style_along_the_same_line():
    torch.manual_seed(0)
    network = tiny_engines.style_painter().generator
    z, texts = torch.randn(5, network.config.latent_dim), torch.randn(2, network.config.text_dim)
    first, second = (network.map(z, text.expand(5, -1)) for text in texts)
    moves = second - first
    assert torch.allclose(moves, moves[:1].expand_as(moves), atol=1e-5)
    assert moves[0].norm() > 0.1
    assert (first - first[:1]).norm() > 1  # and z decides the rest
