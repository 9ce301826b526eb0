"""Recipes of the GANs: generator and discriminator in turn, gradient penalties every few steps."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
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


@dataclass(frozen=True)
class GANRecipe(Recipe):
    """gamma: weight of the discriminator's gradient penalties; clipping is left to them. diversity: of the generator's `diversity_loss`."""

    betas: tuple[float, float] = (0.0, 0.99)
    max_grad_norm: float = 1e3
    gamma: float = 1.0
    diversity: float = 1.0


RECIPES = {
    "digits": {
        "default": GANRecipe(minutes=24, batch_size=64, learning_rate=3e-4, gamma=0.2),
        "large": GANRecipe(minutes=10, batch_size=256, learning_rate=5e-4, gamma=0.2),
    },
    "faces": {
        "default": GANRecipe(minutes=60, batch_size=16, learning_rate=6e-4, everything=0.6),
        "large": GANRecipe(minutes=6, batch_size=128, learning_rate=8e-4, everything=0.6),
    },
}


class GANTrainer(Trainer):
    """Alternates one discriminator step and one generator step on the same real pictures and texts."""

    def __init__(self, recipe: GANRecipe, generator: nn.Module, discriminator: nn.Module, *, device: str):
        super().__init__(recipe, generator, loss=None, device=device)
        self.discriminator = discriminator.to(self.device, memory_format=torch.channels_last)
        self.optimizers.append(self.optimizer(self.discriminator))
        self.count = 0

    def step(self, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
        penalised = self.count % PENALTY_EVERY == 0
        self.count += 1
        named = self.named(text)
        z = torch.randn(len(x), self.model.config.latent_dim, device=self.device)
        with self.autocast():
            fake = self.model(z, text)
        # The penalty's second derivative is taken in single precision.
        with nullcontext() if penalised else self.autocast():
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
                again = self.model(torch.randn_like(z), text)
                g_terms["g_sameness"] = diversity_loss(fake, again, x, named)
                g_terms["g_loss"] = g_terms["g_loss"] + self.recipe.diversity * PENALTY_EVERY * g_terms["g_sameness"]
        self.descend(self.optimizers[0], self.model, g_terms["g_loss"])
        self.discriminator.requires_grad_(True)
        return {key: value.detach() for key, value in {**d_terms, **g_terms}.items()}

    def named(self, text: torch.Tensor) -> torch.Tensor | None:
        """What the discriminator should recognise in pictures of these texts, see `naming_loss`; here nothing."""
        return None

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
        return super().bank(encoder, labels)

    @torch.no_grad()
    def named(self, text: torch.Tensor) -> torch.Tensor:
        answers = [head(text) for head in self.heads]  # (N, values and "not said") each
        values = torch.stack([answer.argmax(1) for answer in answers], dim=1)  # (N, attributes)
        unsaid = torch.tensor([answer.shape[1] - 1 for answer in answers], device=values.device)
        return values.masked_fill(values == unsaid, UNSAID)


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
