"""A normalizing flow that turns normal noise into the latents that a text lets expect (RealNVP, Dinh et al. 2016, arXiv:1605.08803)."""

from __future__ import annotations

import math

import torch
from torch import nn

MAX_LOG_SCALE = 2.0  # of one coupling


class TextFlow(nn.Module):
    """Noise (N, dim) <-> latents (N, dim), given a text (N, D); invertible, so that latents have a density."""

    def __init__(self, dim: int, text_dim: int, *, layers: int = 8, width: int = 384):
        super().__init__()
        assert dim % 2 == 0, f"couplings need an even number of latents, got {dim}"
        self.dim = dim
        self.couplings = nn.ModuleList(Coupling(dim, text_dim, width) for _ in range(layers))

    def forward(self, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, dim), (N, D) -> latents (N, dim)."""
        x = noise
        for coupling in self.couplings:
            x = riffle(coupling(x, text))
        return x

    def log_prob(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Log density (N,), in nats, of latents (N, dim)."""
        log_det = z.new_zeros(len(z))
        for coupling in reversed(self.couplings):
            z, change = coupling.inverse(unriffle(z), text)
            log_det = log_det + change
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + log_det


class Coupling(nn.Module):
    """Moves and scales one half of the numbers by what the other half and the text say; at first it does nothing."""

    def __init__(self, dim: int, text_dim: int, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dim // 2 + text_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, dim)
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        kept, moved = x.chunk(2, dim=1)
        shift, log_scale = self._affine(kept, text)
        return torch.cat([kept, moved * log_scale.exp() + shift], dim=1)

    def inverse(self, y: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `forward` made y (N, dim) from, and the log determinant (N,) of going back."""
        kept, moved = y.chunk(2, dim=1)
        shift, log_scale = self._affine(kept, text)
        return torch.cat([kept, (moved - shift) * (-log_scale).exp()], dim=1), -log_scale.sum(1)

    def _affine(self, kept: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shift, log_scale = self.net(torch.cat([kept, text], dim=1)).chunk(2, dim=1)
        return shift, MAX_LOG_SCALE * (log_scale / MAX_LOG_SCALE).tanh()


def riffle(x: torch.Tensor) -> torch.Tensor:
    """Interleave the halves of (N, dim), so that the next coupling splits them anew."""
    return x.view(len(x), 2, -1).mT.reshape(len(x), -1)


def unriffle(x: torch.Tensor) -> torch.Tensor:
    """The inverse of `riffle`."""
    return x.view(len(x), -1, 2).mT.reshape(len(x), -1)
