"""A StyleGAN-like generator (Karras et al. 2019 and 2020, arXiv:1912.04958) that takes text, and its discriminator, both over latents.

They work on the latents that an autoencoder makes of pictures: an eighth of the side, so that what is drawn are things, not pixels.
Simplified: one resolution, no noise inputs, no style mixing, no equalised learning rates; the text enters the mapping network beside z.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.adversarial import TextDiscriminator

BRANCH = 0.3  # of what a residual branch adds, before training


class StyleGenerator(ModelMixin, ConfigMixin):
    """z and text -> style w (mapping network) -> latents of a picture (modulated convolutions on a learnt constant)."""

    @register_to_config
    def __init__(
        self,
        latent_shape: tuple[int, int, int] = (8, 8, 16),  # h, w, C of what is drawn
        latent_dim: int = 128,  # of z
        style_dim: int = 192,
        mapping_layers: int = 4,
        channels: int = 128,
        num_blocks: int = 3,
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = latent_shape
        widths = [latent_dim + text_dim, *[style_dim] * mapping_layers]
        self.mapping = nn.Sequential(
            *(layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.LeakyReLU(0.2))), nn.LayerNorm(style_dim)
        )
        self.constant = nn.Parameter(torch.randn(1, channels, h, w))
        self.blocks = nn.ModuleList(StyledBlock(channels, style_dim) for _ in range(num_blocks))
        self.to_latents = ModulatedConv(channels, c, style_dim, size=1, demodulate=False)
        nn.init.normal_(self.to_latents.conv.weight, std=0.5 / channels**0.5)

    def map(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, latent_dim), (N, D) -> styles w (N, style_dim)."""
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return self.mapping(torch.cat([z, text], dim=1))

    @property
    def num_layers(self) -> int:
        """Convolutions that a style scales."""
        return 2 * len(self.blocks) + 1

    def synthesize(self, w: torch.Tensor) -> torch.Tensor:
        """Styles, one for all layers (N, style_dim) or (N, 1, style_dim), or one for each (N, layers, style_dim) -> latents (N, C, h, w).

        Latents have unit variance.
        """
        if w.ndim == 2:
            w = w[:, None]
        *pairs, last = w.expand(-1, self.num_layers, -1).split(2, dim=1)  # (N, 2, style_dim) for each block, (N, 1, style_dim)
        x = self.constant.expand(len(w), -1, -1, -1)
        for block, pair in zip(self.blocks, pairs, strict=True):
            x = block(x, pair)
        return self.to_latents(x, last[:, 0])

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.synthesize(self.map(z, text))


class StyledBlock(nn.Module):
    """Two modulated convolutions whose result is added to what came in."""

    def __init__(self, channels: int, style_dim: int):
        super().__init__()
        self.first = ModulatedConv(channels, channels, style_dim)
        self.second = ModulatedConv(channels, channels, style_dim)
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), BRANCH))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w), a style for each convolution (N, 2, style_dim) -> the same shape as x."""
        y = 2**0.5 * F.leaky_relu(self.first(x, w[:, 0]), 0.2)  # the factor keeps the variance
        return x + self.gain * self.second(y, w[:, 1])


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by the style and whose output is brought back to unit variance.

    Scaling inputs and outputs is the same as scaling the weights per image (Karras et al. 2020, equations 1 to 3), and quicker.
    """

    def __init__(self, before: int, after: int, style_dim: int, *, size: int = 3, demodulate: bool = True):
        super().__init__()
        self.scale = nn.Linear(style_dim, before)
        nn.init.ones_(self.scale.bias)
        self.conv, self.demodulate = nn.Conv2d(before, after, size, padding=size // 2), demodulate

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W), styles (N, style_dim) -> (N, after, H, W)."""
        s = self.scale(w)  # (N, before)
        weight = self.conv.weight
        y = F.conv2d(x * s[:, :, None, None], weight, padding=self.conv.padding)
        if self.demodulate:
            power = weight.square().sum((2, 3)).T  # (before, after)
            y = y * (s.square() @ power + 1e-8).rsqrt()[:, :, None, None]
        return y + self.conv.bias[:, None, None]


class StyleDiscriminator(TextDiscriminator, ModelMixin, ConfigMixin):
    """Latents and text -> one score: higher means more like a real picture of that text. It also names what a picture shows."""

    @register_to_config
    def __init__(
        self,
        latent_shape: tuple[int, int, int] = (8, 8, 16),  # h, w, C; h and w even
        channels: int = 128,
        num_blocks: int = 2,  # at h, w; one more follows at half of it
        width: int = 256,  # of the features compared with the text
        num_values: tuple[int, ...] = (),  # of each attribute that it names
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = latent_shape
        self.body = nn.Sequential(
            nn.Conv2d(c, channels, 3, padding=1),
            *(ResidualBlock(channels) for _ in range(num_blocks)),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 4, stride=2, padding=1),
            ResidualBlock(channels),
            nn.LeakyReLU(0.2),
        )
        self.features = nn.Sequential(nn.Flatten(), nn.Linear((channels + 1) * (h // 2) * (w // 2), width), nn.LeakyReLU(0.2))
        self.text = nn.Linear(text_dim, width)
        self.score = nn.Linear(width, 1)
        self.answers = nn.Linear(width, sum(num_values))
        nn.init.kaiming_normal_(self.features[1].weight, a=0.2)  # torch's own choice would let the signal fade

    def name(self, features: torch.Tensor) -> list[torch.Tensor]:
        """What `embed` makes of latents, (N, width) -> logits (N, values) for each attribute."""
        return list(self.answers(features).split(self.config.num_values, dim=1))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what came in."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), BRANCH))
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight, a=0.2)
            nn.init.zeros_(conv.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) -> the same shape."""
        return x + self.gain * self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))
