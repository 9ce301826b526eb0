"""Recipes of the GANs: generator and discriminator in turn, gradient penalties every few steps."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderDC
from torch import nn

from engines import checkpoint
from engines.base import Engine
from engines.gan import DISCRIMINATOR
from engines.networks.adversarial import PENALTY_EVERY, UNSAID, discriminator_loss, diversity_loss, generator_loss
from engines.networks.conv_gan import ConvDiscriminator, ConvGenerator
from engines.networks.style_gan import StyleDiscriminator, StyleGenerator
from engines.style_gan import StylePainter
from engines.text import TextEncoder
from engines.training import latents
from engines.training.captions import CaptionBank
from engines.training.loop import Recipe, Trainer
from engines.training.machine import as_written, is_compiled


@dataclass(frozen=True)
class GANRecipe(Recipe):
    """gamma: weight of the discriminator's gradient penalties; clipping is left to them. diversity: of the generator's `diversity_loss`.

    edited: share of the pictures whose text the generator meets as an edit leaves it, see `Edits`; only where it is over latents.
    """

    betas: tuple[float, float] = (0.0, 0.99)
    max_grad_norm: float = 1e3
    gamma: float = 1.0
    diversity: float = 1.0
    edited: float = 0.5


RECIPES = {
    "digits": {
        "default": GANRecipe(minutes=24, batch_size=64, learning_rate=3e-4, gamma=0.2),
        "large": GANRecipe(minutes=10, batch_size=256, learning_rate=5e-4, gamma=0.2),
    },
    "faces": {
        "default": GANRecipe(minutes=60, batch_size=16, learning_rate=6e-4, everything=0.6),
        "large": GANRecipe(minutes=6, batch_size=256, learning_rate=8e-4, everything=0.6),
    },
}


class GANTrainer(Trainer):
    """Alternates one discriminator step and one generator step on the same real pictures and texts."""

    def __init__(self, recipe: GANRecipe, generator: nn.Module, discriminator: nn.Module, *, device: str):
        super().__init__(recipe, generator, loss=None, device=device)
        self.discriminator = discriminator.to(self.device, memory_format=torch.channels_last)
        if is_compiled(self.device):
            self.discriminator.body.compile()
        self.optimizers.append(self.optimizer(self.discriminator))
        self.count = 0

    def step(self, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
        penalised = self.count % PENALTY_EVERY == 0
        self.count += 1
        named = self.named(text)
        z = torch.randn(len(x), self.model.config.latent_dim, device=self.device)
        told = self.told(text, named)
        with self.autocast():
            fake = self.model(z, told)
        # The penalty's second derivative is taken in single precision.
        with as_written(self.device) if penalised else self.autocast():
            gamma = self.recipe.gamma * PENALTY_EVERY if penalised else 0.0
            d_terms = discriminator_loss(self.discriminator, x, fake.detach().float(), text, gamma=gamma, named=named)
        self.descend(self.optimizers[1], self.discriminator, d_terms["d_loss"])
        self.discriminator.requires_grad_(False)
        real = {"real_score": d_terms.pop("real_score").detach()}
        if named is not None:
            real |= {"named": named, "real_naming": d_terms["d_naming"].detach()}
        with self.autocast():
            g_terms = generator_loss(self.discriminator, fake=fake, text=text, **real)
            if penalised and named is not None:
                again = self.model(torch.randn_like(z), told)
                g_terms["g_sameness"] = diversity_loss(fake, again, x, named)
                g_terms["g_loss"] = g_terms["g_loss"] + self.recipe.diversity * PENALTY_EVERY * g_terms["g_sameness"]
        self.descend(self.optimizers[0], self.model, g_terms["g_loss"])
        self.discriminator.requires_grad_(True)
        return {key: value.detach() for key, value in {**d_terms, **g_terms}.items()}

    def named(self, text: torch.Tensor) -> torch.Tensor | None:
        """What the discriminator should recognise in pictures of these texts, see `naming_loss`; here nothing."""
        return None

    def told(self, text: torch.Tensor, named: torch.Tensor | None) -> torch.Tensor:
        """What the generator is told, of texts (N, D); here the texts."""
        return text

    def networks(self) -> dict[str, nn.Module]:
        return {**super().networks(), "discriminator": self.discriminator}

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        super().save_model(engine, folder)
        checkpoint.save(self.discriminator, folder / DISCRIMINATOR)

    def load_shipped(self, kind: type[Engine] | None, folder: Path) -> None:
        if not (folder / DISCRIMINATOR).is_dir():
            raise ValueError(f"a GAN cannot be resumed from its generator alone: its {DISCRIMINATOR}/ is missing")
        super().load_shipped(kind, folder)
        self.discriminator.load_state_dict(checkpoint.load(type(self.discriminator), folder / DISCRIMINATOR).state_dict())


class StyleGANTrainer(GANTrainer):
    """Works on the latents that a trained autoencoder makes of pictures; its discriminator also names what a text asks for."""

    def __init__(self, recipe: GANRecipe, vae: AutoencoderDC, generator: nn.Module, discriminator: nn.Module, *, device: str):
        super().__init__(recipe, generator, discriminator, device=device)
        self.vae = vae

    def prepare(self, images: np.ndarray) -> torch.Tensor:
        return latents.encode(self.vae, images)

    def inputs(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.float()

    def engine(self, kind: type[Engine] | None, encoder: TextEncoder) -> Engine:
        return kind(StylePainter(self.average, self.vae), encoder)

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        super().save_model(engine, folder)
        for name in ("README.md", "training.jsonl"):  # so that the folder tells all that its pictures cost
            shutil.copy(latents.autoencoder_folder(engine.world) / name, folder / "vae")

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        return kind.load_model(folder).generator

    def bank(self, encoder: TextEncoder, labels: list[dict[str, str]]) -> CaptionBank:
        self.heads = [encoder.heads[key] for key in encoder.world.attributes]
        bank = super().bank(encoder, labels)
        texts = bank.bank.flatten(0, 1)
        self.edits = Edits(texts, self.named(texts), self.discriminator.config.num_values)
        return bank

    @torch.no_grad()
    def named(self, text: torch.Tensor) -> torch.Tensor:
        answers = [head(text) for head in self.heads]  # (N, values and "not said") each
        values = torch.stack([answer.argmax(1) for answer in answers], dim=1)  # (N, attributes)
        unsaid = torch.tensor([answer.shape[1] - 1 for answer in answers], device=values.device)
        return values.masked_fill(values == unsaid, UNSAID)

    @torch.no_grad()
    def told(self, text: torch.Tensor, named: torch.Tensor) -> torch.Tensor:
        """Texts (N, D), some of them as an edit leaves them."""
        chosen = torch.rand(len(text), device=text.device) < self.recipe.edited
        return torch.where(chosen[:, None], self.edits.arrive(text, named), text)


class Edits:
    """What an edit along a direction leaves of a text, so that a generator can learn to draw what was meant.

    A direction is the mean difference between texts that name one value and texts that name another. Where it is followed for one mean
    difference, both values are there in equal parts and nobody can tell which was meant; edits follow it for `LENGTH`, which leaves the
    new value twice and the old one once.
    """

    LENGTH = 2.0  # of an edit, in mean differences

    def __init__(self, texts: torch.Tensor, named: torch.Tensor, num_values: tuple[int, ...]):
        """texts: (T, D), many, with the values that they name (T, attributes), UNSAID where none. num_values: of each attribute."""
        self.means, self.directions = [], []  # (values, D) per attribute
        for values, count in zip(named.T, num_values, strict=True):
            says = F.one_hot(values + 1, count + 1)[:, 1:].to(texts.dtype)  # (T, values)
            means = (says.T @ texts) / says.sum(0)[:, None].clamp(min=1)
            others = (means.sum(0) - means) / (count - 1)
            self.means.append(means)
            self.directions.append(means - others)

    def arrive(self, text: torch.Tensor, named: torch.Tensor) -> torch.Tensor:
        """Texts (N, D) as if one of the values that each names (N, attributes) had been reached by an edit from another, any other.

        One that names nothing stays.
        """
        chosen = torch.rand(named.shape, device=text.device).masked_fill(named == UNSAID, -1).argmax(1)  # (N,), an attribute of each
        moved = text.clone()
        for attribute, (means, directions) in enumerate(zip(self.means, self.directions, strict=True)):
            value = named[:, attribute].clamp(min=0)
            other = (value + torch.randint(1, len(means), value.shape, device=text.device)) % len(means)
            edited = text - means[value] + means[other] + self.LENGTH * directions[value]
            here = (chosen == attribute) & (named[:, attribute] != UNSAID)
            moved = torch.where(here[:, None], edited, moved)
        return moved


def make_trainer(world: Any, recipe: GANRecipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the GAN of a world."""
    if world.name == "digits":
        networks = (network(world.image_shape, text_dim=text_dim) for network in (ConvGenerator, ConvDiscriminator))
        return GANTrainer(recipe, *networks, device=device)
    vae = latents.load_autoencoder(world, device)
    shape, num_values = latents.latent_shape(vae, world.image_shape), tuple(map(len, world.attributes.values()))
    generator = StyleGenerator(shape, text_dim=text_dim)
    discriminator = StyleDiscriminator(shape, num_values=num_values, text_dim=text_dim)
    return StyleGANTrainer(recipe, vae, generator, discriminator, device=device)
