"""Trainers of autoencoders, which are parts of engines: pictures in, the same pictures out, no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engines import checkpoint, text
from engines.base import Engine
from engines.images import grid, to_float, to_uint8
from engines.networks.fsq import psnr
from engines.training.loop import Recipe, Trainer

SHEET_SIZE = 32  # pictures on a sheet, each beside what came out
UNSEEN = 1000  # pictures of the validation split on which the network is measured


class AutoencoderTrainer(Trainer):
    """Minimises a reconstruction loss; `restore` of pictures (N, C, H, W) gives what comes out."""

    bank_type = None

    def __init__(self, recipe: Recipe, model: nn.Module, loss: Any, world: Any, *, device: str):
        super().__init__(recipe, model, loss, device=device)
        self.world = world

    def engine(self, kind: type[Engine] | None, encoder: text.TextEncoder) -> None:
        return None

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        checkpoint.save(self.average, folder)

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        return checkpoint.load(type(self.model), folder)

    @torch.no_grad()
    def restore(self, x: torch.Tensor) -> torch.Tensor:
        """What the average weights make of pictures (N, C, H, W) in [-1, 1]."""
        return self.average(x)

    def sheet(self, engine: Engine | None) -> np.ndarray:
        images, _ = self.world.load_images(split="validation", num_images=SHEET_SIZE)
        restored = to_uint8(self.restore(to_float(images).to(self.device)))
        return grid(np.stack([images, restored], axis=1).reshape(-1, *images.shape[1:]), columns=8)

    def measure(self) -> dict[str, float]:
        """Figures on unseen pictures: `psnr` in dB, of the mean squared error over all of them."""
        x = self.unseen()
        errors = [(self.restore(part).clamp(-1, 1) - part).square().mean((1, 2, 3)) for part in x.split(100)]
        return {"psnr": psnr(torch.cat(errors).mean()).item()}

    def unseen(self) -> torch.Tensor:
        """Pictures (N, C, H, W) in [-1, 1] that no training has seen."""
        return to_float(self.world.load_images(split="validation", num_images=UNSEEN)[0]).to(self.device)
