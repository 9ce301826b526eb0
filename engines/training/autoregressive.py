"""Recipe of the autoregressive engine: the likelihood of every pixel, teacher-forced."""

from __future__ import annotations

from typing import Any

from engines.networks.row_pixelcnn import RowPixelCNN, loss
from engines.training.loop import Recipe, Trainer

RECIPES = {
    "default": Recipe(minutes=36, batch_size=32, learning_rate=1.5e-3, weight_decay=0.05, betas=(0.9, 0.98)),
    "large": Recipe(minutes=10, batch_size=256, learning_rate=2e-3, weight_decay=0.05, betas=(0.9, 0.98)),
}


def make_trainer(world: Any, recipe: Recipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the pixel-by-pixel network of a world."""
    return Trainer(recipe, RowPixelCNN(world.image_shape, text_dim=text_dim), loss, device=device)
