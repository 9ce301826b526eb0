"""Trainers of autoencoders, which are parts of engines: pictures in, the same pictures out, no text."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engines import checkpoint, text
from engines.base import Engine
from engines.images import grid, to_float, to_uint8
from engines.networks.adversarial import PENALTY_EVERY
from engines.networks.fsq import picture_error, psnr
from engines.networks.patch_discriminator import PatchDiscriminator, balance, patch_loss
from engines.training.loop import Recipe, Trainer

SHEET_SIZE = 32  # pictures on a sheet, each beside what came out
GAMMA = 0.1  # weight of the discriminator's penalties
UNSEEN = 1000  # pictures of the validation split on which the network is measured


@dataclass(frozen=True)
class AutoencoderRecipe(Recipe):
    """A run of two parts: all of the network learns, then the decoder alone, of which a discriminator of patches asks crisp pictures.

    crisp_from: share of the run at which the second part begins. crispness: weight of the discriminator's word, 1 where it counts as much
    as the error of the picture. jitter: largest deviation of the noise that the decoder meets in that part, in codes of unit variance,
    since those of a generator are never quite right; a batch's pictures have from none to all of it.
    """

    crisp_from: float = 0.7
    crispness: float = 1.0
    jitter: float = 0.0


class AutoencoderTrainer(Trainer):
    """Minimises a reconstruction loss, then teaches the decoder to draw crisply.

    Codes stay what they were when the second part began, and there is no way back into the first.
    """

    bank_type = None

    def __init__(self, recipe: AutoencoderRecipe, model: nn.Module, loss: Any, world: Any, *, device: str):
        super().__init__(recipe, model, loss, device=device)
        self.world = world
        self.discriminator = PatchDiscriminator(world.image_shape[2]).to(self.device, memory_format=torch.channels_last)
        self.optimizers.append(self.optimizer(self.discriminator))
        self.count = 0

    def encode(self, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, H, W) in [-1, 1] -> codes (N, c, h, w)."""
        return model.encode(x)

    def decode(self, model: nn.Module, codes: torch.Tensor) -> torch.Tensor:
        """Codes -> pictures."""
        return model.decode(codes)

    def set_progress(self, progress: float) -> None:
        super().set_progress(progress)
        if not self.phase and progress >= self.recipe.crisp_from:
            self.phase = 1
            self.model.load_state_dict(self.average.state_dict())  # what shipped so far is what codes are made by
        self.model.encoder.requires_grad_(not self.phase)

    def update_average(self, step: int) -> None:
        """The average's memory is a share of the second part alone, once that has begun."""
        super().update_average(self.count if self.phase else step)

    def step(self, x: torch.Tensor, text: None) -> dict[str, torch.Tensor]:
        return self.crisp_step(x) if self.phase else super().step(x, text)

    def crisp_step(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """One update of the discriminator and one of the decoder."""
        penalised = self.count % PENALTY_EVERY == 0
        self.count += 1
        with self.autocast():
            with torch.no_grad():
                codes = self.jittered(self.encode(self.model, x))
            y = self.decode(self.model, codes).float()
        with nullcontext() if penalised else self.autocast():
            d_terms = patch_loss(self.discriminator, x, y.detach(), gamma=GAMMA * PENALTY_EVERY if penalised else 0.0)
        self.descend(self.optimizers[1], self.discriminator, d_terms["d_loss"])
        self.discriminator.requires_grad_(False)
        with self.autocast():
            word = F.softplus((self.discriminator(x) - self.discriminator(y)).float()).mean()
        self.discriminator.requires_grad_(True)
        error, mse = picture_error(y, x)
        last = [weight for name, weight in self.model.decoder.named_parameters() if name.endswith("weight")][-1]
        loss = error + self.recipe.crispness * balance(error, word, last, right=d_terms["d_right"]) * word
        self.descend(self.optimizers[0], self.model, loss)
        return {key: value.detach() for key, value in {"loss": loss, "psnr": psnr(mse), **d_terms}.items()}

    def jittered(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes with noise, from none in the first of a batch to `jitter` of their deviation in the last."""
        amounts = torch.linspace(0, self.recipe.jitter, len(codes), device=codes.device)[:, None, None, None]
        return codes + amounts * codes.std() * torch.randn_like(codes)

    def state(self) -> dict[str, Any]:
        return super().state() | {"phase": self.phase, "count": self.count}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.phase, self.count = state["phase"], state["count"]

    def networks(self) -> dict[str, nn.Module]:
        return {**super().networks(), "discriminator": self.discriminator}

    def engine(self, kind: type[Engine] | None, encoder: text.TextEncoder) -> None:
        return None

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        checkpoint.save(self.average, folder)

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        return checkpoint.load(type(self.model), folder)

    @torch.no_grad()
    def restore(self, x: torch.Tensor) -> torch.Tensor:
        """What the average weights make of pictures (N, C, H, W) in [-1, 1]."""
        return self.decode(self.average, self.encode(self.average, x))

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
