"""A StyleGAN-like generator (Karras et al. 2019 and 2020, arXiv:1912.04958) that takes text, and its discriminator.

Simplified: no noise inputs, no style mixing, no equalised learning rates; the text enters the mapping network beside z.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.adversarial import TextDiscriminator

GAIN = 2**0.5  # keeps the variance through a leaky ReLU
PATCH = 2  # side, in pixels, of what one place of the widest maps stands for; maps as wide as the picture cost most and say least


class StyleGenerator(ModelMixin, ConfigMixin):
    """z and text -> style w (mapping network) -> picture (modulated convolutions on a learnt constant)."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C; side = 4 * PATCH * 2 ** (len(channels) - 1)
        latent_dim: int = 128,
        style_dim: int = 192,
        mapping_layers: int = 4,
        channels: tuple[int, ...] = (192, 128, 96, 48),  # at sides 4, 8, 16, ...
        text_dim: int = 192,
    ):
        super().__init__()
        levels = len(channels)
        assert image_shape[0] == image_shape[1] == 4 * PATCH << (levels - 1), f"{image_shape} does not fit {levels} levels"
        widths = [latent_dim + text_dim, *[style_dim] * mapping_layers]
        self.mapping = nn.Sequential(
            *(layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), nn.LeakyReLU(0.2))), nn.LayerNorm(style_dim)
        )
        self.constant = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.blocks = nn.ModuleList(
            SynthesisBlock(before, after, style_dim, image_shape[2], grow=i > 0)
            for i, (before, after) in enumerate(itertools.pairwise((channels[0], *channels)))
        )

    def map(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, latent_dim), (N, D) -> styles w (N, style_dim)."""
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return self.mapping(torch.cat([z, text], dim=1))

    def synthesize(self, w: torch.Tensor) -> torch.Tensor:
        """Styles (N, style_dim) -> pictures (N, C, H, W) in [-1, 1]."""
        x, picture = self.constant.expand(len(w), -1, -1, -1), None
        for block in self.blocks:
            x, picture = block(x, picture, w)
        return picture.tanh()

    def forward(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.synthesize(self.map(z, text))


class SynthesisBlock(nn.Module):
    """Double the side (unless it is the first), convolve, and add to the picture that the blocks before have built up.

    The picture is PATCH times as wide as the map: each place of the map says the colours of a patch of pixels.
    """

    def __init__(self, before: int, after: int, style_dim: int, colors: int, *, grow: bool):
        super().__init__()
        self.grow = ModulatedConv(before, after, style_dim, doubles=True) if grow else None
        self.mix = ModulatedConv(after, after, style_dim)
        self.to_color = ModulatedConv(after, colors * PATCH**2, style_dim, size=1, demodulate=False)
        nn.init.normal_(self.to_color.conv.weight, std=0.1 / after**0.5)  # the first pictures are grey, not noise

    def forward(self, x: torch.Tensor, picture: torch.Tensor | None, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, before, h, w), the picture so far, styles -> (N, after, H, W) and the picture, (N, C, PATCH * H, PATCH * W)."""
        if self.grow is not None:
            x = GAIN * F.leaky_relu(self.grow(x, w), 0.2)
            picture = F.interpolate(picture, scale_factor=2.0, mode="bilinear")
        x = GAIN * F.leaky_relu(self.mix(x, w), 0.2)
        color = F.pixel_shuffle(self.to_color(x, w), PATCH)
        return x, color if picture is None else picture + color


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by the style and whose output is brought back to unit variance.

    Scaling inputs and outputs is the same as scaling the weights per image (Karras et al. 2020, equations 1 to 3), and quicker.
    """

    def __init__(self, before: int, after: int, style_dim: int, *, size: int = 3, doubles: bool = False, demodulate: bool = True):
        """doubles: double the side, by a transposed convolution."""
        super().__init__()
        self.scale = nn.Linear(style_dim, before)
        nn.init.ones_(self.scale.bias)
        kind = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1) if doubles else nn.Conv2d(before, after, size, padding=size // 2)
        self.conv, self.doubles, self.demodulate = kind, doubles, demodulate

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W), styles (N, style_dim) -> (N, after, H, W), or twice the side."""
        s = self.scale(w)  # (N, before)
        x = x * s[:, :, None, None]
        weight, bias = self.conv.weight, self.conv.bias[:, None, None]
        if self.doubles:
            y = F.conv_transpose2d(x, weight, stride=2, padding=1)
            power = weight.square().sum((2, 3)) / 4  # (before, after); each output pixel meets a quarter of the kernel
        else:
            y = F.conv2d(x, weight, padding=self.conv.padding)
            power = weight.square().sum((2, 3)).T  # (before, after)
        if self.demodulate:
            y = y * (s.square() @ power + 1e-8).rsqrt()[:, :, None, None]
        return y + bias


class StyleDiscriminator(TextDiscriminator, ModelMixin, ConfigMixin):
    """Picture and text -> one score: higher means more like a real picture of that text. It also names what a picture shows."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        channels: tuple[int, ...] = (32, 80, 128, 192),  # at H / PATCH, H / PATCH / 2, ...
        width: int = 256,  # of the features compared with the text
        num_values: tuple[int, ...] = (),  # of each attribute that it names
        text_dim: int = 192,
    ):
        super().__init__()
        h, w, c = image_shape
        layers: list[nn.Module] = [nn.PixelUnshuffle(PATCH), nn.Conv2d(c * PATCH**2, channels[0], 3, padding=1), nn.LeakyReLU(0.2)]
        for before, after in itertools.pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            layers += [nn.Conv2d(after, after, 3, padding=1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        shrink = PATCH << (len(channels) - 1)
        self.features = nn.Sequential(nn.Flatten(), nn.Linear((channels[-1] + 1) * (h // shrink) * (w // shrink), width), nn.LeakyReLU(0.2))
        self.text = nn.Linear(text_dim, width)
        self.score = nn.Linear(width, 1)
        self.answers = nn.Linear(width, sum(num_values))
        for layer in [*self.body, *self.features]:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=0.2)  # torch's own choice lets a signal fade through so many layers
                nn.init.zeros_(layer.bias)

    def name(self, features: torch.Tensor) -> list[torch.Tensor]:
        """What `embed` makes of pictures, (N, width) -> logits (N, values) for each attribute."""
        return list(self.answers(features).split(self.config.num_values, dim=1))
