"""Pictures as latents: what engines share that draw in the small space of an autoencoder (Rombach et al. 2021, arXiv:2112.10752)."""

from __future__ import annotations

import torch
from torch import nn


class Autoencoded(nn.Module):
    """Holds an autoencoder of diffusers, `vae` as it calls them all, for networks that work on its latents."""

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, H, W) in [-1, 1] -> latents (N, c, h, w) of unit variance."""
        return self.vae.encode(x, return_dict=False)[0] * self.vae.config.scaling_factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (N, c, h, w) of unit variance -> pictures (N, C, H, W) in [-1, 1]."""
        return self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]
