"""Recipe of the diffusion engine: predict v at random noise levels."""

from __future__ import annotations

from typing import Any

from engines.networks.pixel_unet import loss, make_unet
from engines.training.loop import Recipe, Trainer

RECIPES = {
    "default": Recipe(minutes=40, batch_size=64, learning_rate=1e-3),
    "large": Recipe(minutes=10, batch_size=512, learning_rate=2e-3),
}


def make_trainer(world: Any, recipe: Recipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the denoising U-Net of a world."""
    return Trainer(recipe, make_unet(world.image_shape, text_dim=text_dim), loss, device=device)
