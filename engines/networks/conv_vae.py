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

from engines.networks.convnext import make_decoder, make_encoder, shrink
from engines.networks.text_flow import TextFlow


class ConvVAE(ModelMixin, ConfigMixin):
    """Convolutions down to a few numbers per place, read as one vector, and up again; a flow from noise and text to such vectors."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        latent_dim: int = 128,  # a multiple of the number of places
        channels: tuple[int, ...] = (64, 192),  # at H / 4, H / 8, ...; the last one's places hold the latents
        encoder_blocks: tuple[int, ...] = (2, 3),
        decoder_blocks: tuple[int, ...] = (3, 5),
        flow_layers: int = 8,
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = image_shape
        places = (h // shrink(channels), w // shrink(channels))
        self.grid = (latent_dim // math.prod(places), *places)
        assert math.prod(self.grid) == latent_dim, f"{latent_dim} latents do not fit {places} places"
        self.encoder = make_encoder(c, channels, encoder_blocks, 2 * self.grid[0])
        self.prior = TextFlow(latent_dim, text_dim, layers=flow_layers)
        self.decoder = make_decoder(c, channels, decoder_blocks, self.grid[0])

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures in [-1, 1] -> mean and log variance of the latent, (N, latent_dim) each."""
        mean, log_var = self.encoder(x).flatten(1).chunk(2, dim=1)
        return mean, log_var

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Latents -> pictures in [-1, 1], (N, C, H, W)."""
        return self.decoder(z.view(-1, *self.grid)).tanh()

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
