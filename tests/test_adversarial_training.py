"""A discriminator of patches teaches a decoder to be crisp, in the second part of an autoencoder's training."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch

from engines.images import blurred
from engines.networks import fsq
from engines.networks.patch_discriminator import PatchDiscriminator, balance, patch_loss
from engines.training import loop
from engines.training.autoencoder import AutoencoderRecipe, AutoencoderTrainer


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
