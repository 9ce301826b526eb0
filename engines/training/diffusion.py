"""Recipes of the diffusion engines: predict v at random noise levels; and the autoencoder whose latents are denoised for faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderDC
from torch import nn

from engines import text
from engines.base import Engine
from engines.images import to_float
from engines.latent_diffusion import LatentDenoiser
from engines.networks import latent_diffusion, pixel_unet
from engines.training import latents
from engines.training.autoencoder import AutoencoderRecipe, AutoencoderTrainer
from engines.training.captions import WordBank
from engines.training.loop import Recipe, Trainer

AUTOENCODER = "autoencoder"  # variant; its folder is called "vae", as diffusers does
LATENTS_MEASURED = 200  # pictures whose latents tell their scale
RECIPES = {
    "digits": {
        "default": Recipe(minutes=40, batch_size=64, learning_rate=1e-3),
        "large": Recipe(minutes=10, batch_size=512, learning_rate=2e-3),
    },
    "faces": {
        "default": Recipe(minutes=90, batch_size=16, learning_rate=8e-4, weight_decay=0.01, everything=0.6),
        "large": Recipe(minutes=6, batch_size=256, learning_rate=1e-3, weight_decay=0.01, everything=0.6),
    },
    "faces-autoencoder": {
        "default": AutoencoderRecipe(minutes=67, batch_size=8, learning_rate=2e-3, jitter=0.1),
        "large": AutoencoderRecipe(minutes=10, batch_size=64, learning_rate=1e-3, jitter=0.1),
    },
}


class LatentTrainer(Trainer):
    """Teaches a Transformer that attends to the words of the text to denoise the latents that a trained autoencoder makes of pictures."""

    bank_type = WordBank

    def __init__(self, recipe: Recipe, vae: AutoencoderDC, model: nn.Module, *, device: str):
        self.vae = vae
        super().__init__(recipe, model, latent_diffusion.loss, device=device)

    def prepare(self, images: np.ndarray) -> torch.Tensor:
        return latents.encode(self.vae, images)

    def inputs(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.float()

    def engine(self, kind: type[Engine] | None, encoder: text.TextEncoder) -> Engine:
        return kind(LatentDenoiser(self.average, self.vae), encoder)

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        return kind.load_model(folder).transformer


class LatentAutoencoderTrainer(AutoencoderTrainer):
    """Trains the continuous autoencoder; the scale of its latents is measured and shipped with it."""

    def encode(self, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return model.encode(x).latent

    def decode(self, model: nn.Module, codes: torch.Tensor) -> torch.Tensor:
        return model.decode(codes).sample

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        images, _ = self.world.load_images(split="validation", num_images=LATENTS_MEASURED)
        with torch.no_grad():
            found = self.average.encode(to_float(images).to(self.device)).latent
        self.average.register_to_config(scaling_factor=1 / found.std().item())
        super().save_model(engine, folder)


def make_trainer(world: Any, recipe: Recipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the diffusion engine of a world, or for the autoencoder of faces (`variant` "autoencoder")."""
    if world.name == "digits":
        return Trainer(recipe, pixel_unet.make_unet(world.image_shape, text_dim=text_dim), pixel_unet.loss, device=device)
    if variant == AUTOENCODER:
        vae = latent_diffusion.make_autoencoder(world.image_shape)
        return LatentAutoencoderTrainer(recipe, vae, latent_diffusion.autoencoder_loss, world, device=device)
    vae = latents.load_autoencoder(world, device)
    model = latent_diffusion.make_transformer(latents.latent_shape(vae, world.image_shape), text_dim=text_dim)
    return LatentTrainer(recipe, vae, model, device=device)
