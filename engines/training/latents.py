"""What networks learn from that work on an autoencoder's latents: every picture is encoded once, before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderDC

from engines import checkpoint
from engines.autoencoder import Autoencoded
from engines.images import to_float

ENCODED_AT_ONCE = 128


def autoencoder_folder(world: Any) -> Path:
    """Where the trained autoencoder of a world lies."""
    return checkpoint.ROOT / world.name / "diffusion" / "vae"


def load_autoencoder(world: Any, device: str) -> AutoencoderDC:
    """The trained autoencoder of a world, which learns no more. Raises CheckpointError where it is missing or damaged."""
    folder = autoencoder_folder(world)
    with checkpoint.explain(folder, f"{world.name}/diffusion-autoencoder"):
        return checkpoint.load(AutoencoderDC, folder).to(device).eval().requires_grad_(False)


@torch.no_grad()
def encode(vae: AutoencoderDC, images: np.ndarray) -> torch.Tensor:
    """Latents of unit variance, float16 (N, C, h, w) on the CPU, of pictures, uint8 (N, H, W, C)."""
    model, parts = Autoencoded(vae), (images[i : i + ENCODED_AT_ONCE] for i in range(0, len(images), ENCODED_AT_ONCE))
    return torch.cat([model.encode(to_float(part).to(vae.device)).half().cpu() for part in parts])


def latent_shape(vae: AutoencoderDC, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(h, w, C) of the latents of pictures (H, W, C)."""
    shrink = len(vae.config.block_out_channels) - 1
    return image_shape[0] >> shrink, image_shape[1] >> shrink, vae.config.latent_channels
