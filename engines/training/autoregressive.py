"""Recipes of the autoregressive engines: the likelihood of every pixel or token, teacher-forced; and the tokenizer of faces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engines import checkpoint, text
from engines.base import Engine
from engines.images import to_float
from engines.networks import fsq, row_pixelcnn, token_transformer
from engines.tokens import TokenPainter
from engines.training.autoencoder import AutoencoderRecipe, AutoencoderTrainer
from engines.training.captions import WordBank
from engines.training.loop import Recipe, Trainer

TOKENIZER = "tokenizer"  # variant, and folder beside the Transformer


@dataclass(frozen=True)
class TokenRecipe(Recipe):
    """hidden: share of a picture's patches hidden from later ones, at most and at the start of the run; it falls to none at 70 % of it."""

    everything: float = 0.6
    hidden: float = 1.0

    def hidden_at(self, progress: float) -> float:
        """The largest share hidden at `progress` 0 ... 1 of the run; it falls linearly."""
        return self.hidden * max(0.0, 1 - progress / 0.7)


RECIPES = {
    "digits": {
        "default": Recipe(minutes=36, batch_size=32, learning_rate=1.5e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        "large": Recipe(minutes=10, batch_size=256, learning_rate=2e-3, weight_decay=0.05, betas=(0.9, 0.98)),
    },
    "faces": {
        "default": TokenRecipe(minutes=75, batch_size=12, learning_rate=2.5e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        "large": TokenRecipe(minutes=6, batch_size=128, learning_rate=2e-3, weight_decay=0.05, betas=(0.9, 0.98)),
    },
    "faces-tokenizer": {
        "default": AutoencoderRecipe(minutes=43, batch_size=8, learning_rate=2e-3),
        "large": AutoencoderRecipe(minutes=8, batch_size=64, learning_rate=1e-3),
    },
}


class TokenTrainer(Trainer):
    """Teaches a Transformer the tokens that a trained tokenizer makes of the pictures."""

    bank_type = WordBank

    def __init__(self, recipe: TokenRecipe, tokenizer: fsq.FSQAutoencoder, *, text_dim: int, device: str):
        self.tokenizer = tokenizer.to(device).eval().requires_grad_(False)
        model = token_transformer.TokenTransformer(tokenizer.codebook_size, tokenizer.grid, text_dim=text_dim)
        super().__init__(recipe, model, token_transformer.loss, device=device)

    def set_progress(self, progress: float) -> None:
        super().set_progress(progress)
        self.loss = partial(token_transformer.loss, hidden=self.recipe.hidden_at(progress))

    @torch.no_grad()
    def prepare(self, images: np.ndarray) -> torch.Tensor:
        parts = (images[i : i + 256] for i in range(0, len(images), 256))
        codes = (self.tokenizer.encode(to_float(part).to(self.device)) for part in parts)
        return torch.cat([self.model.to_patches(self.tokenizer.to_tokens(code)).short().cpu() for code in codes])  # (N, P, S)

    def inputs(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.long()

    def engine(self, kind: type[Engine] | None, encoder: text.TextEncoder) -> Engine:
        return kind(TokenPainter(self.average, self.tokenizer), encoder)

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        return kind.load_model(folder).transformer


class TokenizerTrainer(AutoencoderTrainer):
    """Trains the discrete autoencoder."""

    def measure(self) -> dict[str, float]:
        """Beside `psnr` the share of the codebook's tokens that unseen pictures use."""
        with torch.no_grad():
            parts = [self.average.to_tokens(self.average.encode(part)) for part in self.unseen().split(100)]
        return {**super().measure(), "codebook use": len(torch.cat(parts).unique()) / self.average.codebook_size}


def make_trainer(world: Any, recipe: Recipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the autoregressive engine of a world, or for the tokenizer of faces (`variant` "tokenizer")."""
    if world.name == "digits":
        return Trainer(recipe, row_pixelcnn.RowPixelCNN(world.image_shape, text_dim=text_dim), row_pixelcnn.loss, device=device)
    if variant == TOKENIZER:
        return TokenizerTrainer(recipe, fsq.FSQAutoencoder(world.image_shape), fsq.loss, world, device=device)
    folder = checkpoint.ROOT / world.name / "autoregressive" / TOKENIZER
    with checkpoint.explain(folder, f"{world.name}/autoregressive-{TOKENIZER}"):
        tokenizer = checkpoint.load(fsq.FSQAutoencoder, folder)
    return TokenTrainer(recipe, tokenizer, text_dim=text_dim, device=device)
