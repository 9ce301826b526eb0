"""A convolutional VAE with a vector latent beside known attributes: what a picture shows, and how.

The model M2 of Kingma et al. 2014 (Semi-supervised Learning with Deep Generative Models, arXiv:1406.5298), every picture labelled: the
attributes say what is drawn, the latent holds what they leave open, such as pose and light. The loss fits the noise level of the pixels
(Rybkin et al. 2020, arXiv:2006.13202).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.convnext import make_decoder, make_encoder, shrink


class ConvVAE(ModelMixin, ConfigMixin):
    """Convolutions down to a vector and up again; attributes, as one number per value, join both halves."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        num_values: int = 75,  # V, of all attributes together
        latent_dim: int = 64,
        channels: tuple[int, ...] = (64, 192),  # at H / 4, H / 8, ...
        encoder_blocks: tuple[int, ...] = (2, 3),
        decoder_blocks: tuple[int, ...] = (3, 5),
        summary: int = 16,  # channels that the encoder's last map is squeezed to
    ):
        super().__init__()
        h, w, c = image_shape
        self.grid = (channels[-1], h // shrink(channels), w // shrink(channels))
        places = self.grid[1] * self.grid[2]
        self.encoder = make_encoder(c, channels, encoder_blocks, summary)
        self.to_latent = nn.Linear(summary * places + num_values, 2 * latent_dim)
        self.from_latent = nn.Linear(latent_dim + num_values, math.prod(self.grid))
        self.decoder = make_decoder(c, channels, decoder_blocks, channels[-1])

    def encode(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures in [-1, 1] and attributes (N, V) -> mean and log variance of the latent, (N, latent_dim) each."""
        return self.infer(self.look(x), y)

    def look(self, x: torch.Tensor) -> torch.Tensor:
        """What the encoder sees in pictures in [-1, 1] whatever their attributes are, (N, F)."""
        return self.encoder(x).flatten(1)

    def infer(self, seen: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `look` saw and attributes (N, V) -> mean and log variance of the latent, (N, latent_dim) each."""
        mean, log_var = self.to_latent(torch.cat([seen, y], dim=1)).chunk(2, dim=1)
        return mean, log_var

    def decode(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Latents (N, latent_dim) and attributes (N, V) -> pictures in [-1, 1], (N, C, H, W)."""
        return self.decoder(self.from_latent(torch.cat([z, y], dim=1)).view(-1, *self.grid)).tanh()


def loss(model: ConvVAE, x: torch.Tensor, y: torch.Tensor, *, beta: float = 1.0) -> dict[str, torch.Tensor]:
    """Negative evidence lower bound in nats per picture, up to a constant, for Gaussian pixels.

    x: (N, C, H, W) in [-1, 1]; y: (N, V). The noise level of the pixels is the one that fits the batch best, so that nothing has to be
    tuned: its log-likelihood is then -D / 2 log(mean squared error) (Rybkin et al. 2020, section 4.1). `beta` weighs the KL term.
    """
    mean, log_var = (part.float() for part in model.encode(x, y))
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    error = F.mse_loss(model.decode(z, y).float(), x)
    reconstruction = 0.5 * x[0].numel() * error.log()
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum() / len(x)
    return {"loss": reconstruction + beta * kl, "mse": error, "kl": kl}
