"""A convolutional VAE with a vector latent, conditioned on text, with a prior that depends on it.

The conditional VAE of Sohn, Lee and Yan 2015 (Learning Structured Output Representation using Deep Conditional Generative Models,
NeurIPS); the loss fits the noise level of the pixels (Rybkin et al. 2020, arXiv:2006.13202).
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn


class ConvVAE(ModelMixin, ConfigMixin):
    """Convolutions down to a vector and up again; the text embedding joins both halves and says where latents are to be expected."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C; H and W multiples of 2 ** len(channels)
        latent_dim: int = 128,
        channels: tuple[int, ...] = (32, 64, 128, 192),  # at H / 2, H / 4, ...
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = image_shape
        self.grid = (channels[-1], h >> len(channels), w >> len(channels))
        size = self.grid[0] * self.grid[1] * self.grid[2]
        self.down = nn.Sequential(*(down_block(before, after) for before, after in itertools.pairwise((c, *channels))))
        self.prior_of = nn.Sequential(nn.Linear(text_dim, 2 * latent_dim), nn.SiLU(), nn.Linear(2 * latent_dim, 2 * latent_dim))
        self.to_latent = nn.Linear(size + text_dim, 2 * latent_dim)
        self.from_latent = nn.Sequential(nn.Linear(latent_dim + text_dim, size), nn.SiLU())
        self.up = nn.Sequential(*(up_block(before, after) for before, after in itertools.pairwise((*reversed(channels), channels[0]))))
        self.finish = nn.Conv2d(channels[0], c, 3, padding=1)

    def encode(self, x: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures in [-1, 1] -> mean and log variance of the latent, (N, latent_dim) each."""
        hidden = self.down(x).flatten(1)  # (N, size)
        mean, log_var = self.to_latent(torch.cat([hidden, text], dim=1)).chunk(2, dim=1)  # (N, latent_dim) each
        return mean, log_var

    def prior(self, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of the latents of pictures with this text, (N, latent_dim) each."""
        mean, log_var = self.prior_of(text).chunk(2, dim=1)
        return mean, log_var

    def decode(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents -> pictures in [-1, 1], (N, C, H, W)."""
        hidden = self.from_latent(torch.cat([z, text], dim=1)).view(-1, *self.grid)  # (N, channels[-1], h, w)
        return self.finish(self.up(hidden)).tanh()

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.decode(z, text)


def down_block(before: int, after: int) -> nn.Sequential:
    """Halve the side, then look around."""
    return nn.Sequential(
        nn.Conv2d(before, after, 4, stride=2, padding=1),
        nn.GroupNorm(8, after),
        nn.SiLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.GroupNorm(8, after),
        nn.SiLU(),
    )


def up_block(before: int, after: int) -> nn.Sequential:
    """Look around, then double the side."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, padding=1),
        nn.GroupNorm(8, before),
        nn.SiLU(),
        nn.ConvTranspose2d(before, after, 4, stride=2, padding=1),
        nn.GroupNorm(8, after),
        nn.SiLU(),
    )


def loss(model: ConvVAE, x: torch.Tensor, text: torch.Tensor, *, beta: float = 1.0) -> dict[str, torch.Tensor]:
    """Negative evidence lower bound in nats per picture, up to a constant, for Gaussian pixels.

    x: (N, C, H, W) in [-1, 1]; text: (N, D). The noise level of the pixels is the one that fits the batch best, so that nothing has
    to be tuned: its log-likelihood is then -D / 2 log(mean squared error) (Rybkin et al. 2020, section 4.1).
    """
    mean, log_var = (part.float() for part in model.encode(x, text))
    prior_mean, prior_log_var = (part.float() for part in model.prior(text))
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    error = F.mse_loss(model.decode(z, text).float(), x)
    reconstruction = 0.5 * x[0].numel() * error.log()
    change = log_var - prior_log_var
    kl = 0.5 * ((mean - prior_mean) ** 2 / prior_log_var.exp() + change.exp() - 1 - change).sum() / len(x)
    return {"loss": reconstruction + beta * kl, "mse": error, "kl": kl}
