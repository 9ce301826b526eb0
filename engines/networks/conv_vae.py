"""A convolutional VAE with a vector latent and a prior that depends on the text.

The text says where in the latent space to look, the decoder draws what lies there: a conditional prior (Sohn, Lee and Yan 2015,
Learning Structured Output Representation using Deep Conditional Generative Models, NeurIPS), here a normalizing flow (Chen et al. 2016,
arXiv:1611.02731), since "red hair" leaves open many kinds of faces that no single Gaussian holds. The loss fits the noise level of the
pixels (Rybkin et al. 2020, arXiv:2006.13202).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.convnext import make_decoder, make_encoder, shrink
from engines.networks.text_flow import TextFlow


class ConvVAE(ModelMixin, ConfigMixin):
    """Convolutions down to a vector and up again; a flow from noise and text to such vectors."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        latent_dim: int = 128,
        channels: tuple[int, ...] = (64, 192, 256),  # at H / 4, H / 8, ...
        encoder_blocks: tuple[int, ...] = (2, 2, 1),
        decoder_blocks: tuple[int, ...] = (3, 3, 2),
        flow_layers: int = 8,
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = image_shape
        self.grid = (channels[-1], h // shrink(channels), w // shrink(channels))
        size = math.prod(self.grid)
        self.encoder = make_encoder(c, channels, encoder_blocks, channels[-1])
        self.to_latent = nn.Linear(size, 2 * latent_dim)
        self.prior = TextFlow(latent_dim, text_dim, layers=flow_layers)
        self.from_latent = nn.Linear(latent_dim, size)
        self.decoder = make_decoder(c, channels, decoder_blocks, channels[-1])

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures in [-1, 1] -> mean and log variance of the latent, (N, latent_dim) each."""
        mean, log_var = self.to_latent(self.encoder(x).flatten(1)).chunk(2, dim=1)
        return mean, log_var

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Latents -> pictures in [-1, 1], (N, C, H, W)."""
        return self.decoder(self.from_latent(z).view(-1, *self.grid)).tanh()

    def forward(self, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Noise (N, latent_dim) and text (N, D) -> pictures in [-1, 1], (N, C, H, W)."""
        return self.decode(self.prior(noise, text))


def loss(model: ConvVAE, x: torch.Tensor, text: torch.Tensor, *, beta: float = 1.0) -> dict[str, torch.Tensor]:
    """Negative evidence lower bound in nats per picture, up to a constant, for Gaussian pixels.

    x: (N, C, H, W) in [-1, 1]; text: (K N, D), K captions of each picture, all first ones first, over which the bound is averaged.
    The noise level of the pixels is the one that fits the batch best, so that nothing has to be tuned: its log-likelihood is then
    -D / 2 log(mean squared error) (Rybkin et al. 2020, section 4.1). The KL term is estimated at the latents that are drawn.
    """
    mean, log_var = (part.float() for part in model.encode(x))
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    error = F.mse_loss(model.decode(z).float(), x)
    reconstruction = 0.5 * x[0].numel() * error.log()
    entropy = 0.5 * (log_var + math.log(2 * math.pi) + 1).sum(1).mean()
    kl = -entropy - model.prior.log_prob(z.repeat(len(text) // len(x), 1), text).mean()
    return {"loss": reconstruction + beta * kl, "mse": error, "kl": kl}
