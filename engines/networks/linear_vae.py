"""A VAE of linear layers (Kingma and Welling 2013, arXiv:1312.6114), conditioned on text, and its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn


class LinearVAE(ModelMixin, ConfigMixin):
    """A VAE of linear layers with a vector latent, conditioned on a text embedding."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),  # H, W, C
        latent_dim: int = 24,
        width: int = 640,  # of the hidden layers
        text_dim: int = 256,
    ):
        super().__init__()
        h, w, c = image_shape
        self.encoder = nn.Sequential(
            nn.Linear(h * w * c + text_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2 * latent_dim)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim + text_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, h * w * c)
        )

    def encode(self, x: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures in [-1, 1] -> mean and log variance of the latent, (N, latent_dim) each."""
        hidden = torch.cat([x.flatten(1), text], dim=1)  # (N, H * W * C + D)
        mean, log_var = self.encoder(hidden).chunk(2, dim=1)  # (N, latent_dim) each
        return mean, log_var

    def decode_logits(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents -> logits of the pixels' brightness, (N, C, H, W)."""
        h, w, c = self.config.image_shape
        return self.decoder(torch.cat([z, text], dim=1)).view(-1, c, h, w)

    def decode(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents -> pictures in [-1, 1], (N, C, H, W)."""
        return 2 * self.decode_logits(z, text).sigmoid() - 1


def loss(model: LinearVAE, x: torch.Tensor, text: torch.Tensor, *, beta: float = 1.0) -> dict[str, torch.Tensor]:
    """Negative evidence lower bound in nats per picture (Kingma and Welling 2013, eq. 10), by its terms.

    x: (N, C, H, W) in [-1, 1]; text: (N, D). Pixels are read as the probabilities of a Bernoulli variable; `beta` weighs
    the KL term (Higgins et al. 2017; 1 is the bound itself).
    """
    mean, log_var = (part.float() for part in model.encode(x, text))  # the KL term cancels in half precision
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    reconstruction = F.binary_cross_entropy_with_logits(model.decode_logits(z, text), (x + 1) / 2, reduction="sum") / len(x)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum() / len(x)
    return {"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}
