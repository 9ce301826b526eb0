"""A convolutional generator and discriminator (Radford et al. 2015, arXiv:1511.06434), conditioned on text."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.adversarial import TextDiscriminator


class ConvGenerator(ModelMixin, ConfigMixin):
    """z and text -> picture: a small map from a linear layer, doubled twice by transposed convolutions."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),  # H, W, C; H and W multiples of 4
        latent_dim: int = 64,
        style_dim: int = 256,
        channels: tuple[int, int, int] = (128, 64, 32),  # at H / 4, H / 2 and H
        text_dim: int = 256,
    ):
        super().__init__()
        h, w, c = image_shape
        self.mapping = nn.Sequential(
            nn.Linear(latent_dim + text_dim, style_dim), nn.LeakyReLU(0.2), nn.Linear(style_dim, style_dim), nn.LeakyReLU(0.2)
        )
        self.start = nn.Linear(latent_dim + style_dim, channels[0] * (h // 4) * (w // 4))
        self.blocks = nn.ModuleList(StyledBlock(before, after, style_dim) for before, after in itertools.pairwise(channels))
        self.finish = nn.Conv2d(channels[2], c, 3, padding=1)

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, latent_dim), (N, D) -> (N, C, H, W) in [-1, 1]."""
        h, w, _ = self.config.image_shape
        style = self.mapping(torch.cat([z, text], dim=1))  # (N, style_dim)
        x = self.start(torch.cat([z, style], dim=1)).view(-1, self.config.channels[0], h // 4, w // 4)
        for block in self.blocks:
            x = block(x, style)  # (N, channels[1], H / 2, W / 2), then (N, channels[2], H, W)
        return self.finish(x).tanh()


class StyledBlock(nn.Module):
    """A 3x3 convolution whose normalised input is scaled by the style, then a transposed convolution that doubles the side."""

    def __init__(self, before: int, after: int, style_dim: int):
        super().__init__()
        self.scale = nn.Linear(style_dim, before)
        self.norm = nn.GroupNorm(8, before)
        self.mix = nn.Conv2d(before, before, 3, padding=1)
        self.grow = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        x = F.leaky_relu(self.mix(self.norm(x) * (1 + self.scale(style))[:, :, None, None]), 0.2)
        return F.leaky_relu(self.grow(x), 0.2)


class ConvDiscriminator(TextDiscriminator, ModelMixin, ConfigMixin):
    """Picture and text -> one score: higher means more like a real picture of that text."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),  # H, W, C; H and W multiples of 4
        channels: tuple[int, int] = (64, 128),  # at H / 2 and H / 4
        width: int = 256,  # of the features compared with the text
        text_dim: int = 256,
    ):
        super().__init__()
        h, w, c = image_shape
        self.body = nn.Sequential(
            nn.Conv2d(c, channels[0], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels[0], channels[1], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels[1], channels[1], 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.features = nn.Sequential(nn.Flatten(), nn.Linear((channels[1] + 1) * (h // 4) * (w // 4), width), nn.LeakyReLU(0.2))
        self.text = nn.Linear(text_dim, width)
        self.score = nn.Linear(width, 1)
