"""Encoders and decoders of ConvNeXt blocks (Liu et al. 2022, arXiv:2201.03545) over patches of pixels.

A picture is cut into patches of 4x4 pixels, and those are joined two by two for every further level. Nearly all of the work is
matrix products, which processors without a GPU do best. Simplified: kernels of 3x3 pixels instead of 7x7, ReLU instead of GELU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

PATCH = 4  # side, in pixels, of the patches that the first level sees
EXPANSION = 4  # of the channels inside a block


class Block(nn.Module):
    """Look around channel by channel, then mix the channels of each place: x + f(x) for (N, width, h, w); at first f is 0."""

    def __init__(self, width: int):
        super().__init__()
        self.around = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, EXPANSION * width), nn.ReLU(), nn.Linear(EXPANSION * width, width))
        nn.init.zeros_(self.mix[-1].weight)
        nn.init.zeros_(self.mix[-1].bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mix(self.around(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_encoder(colors: int, channels: Sequence[int], blocks: Sequence[int], out: int) -> nn.Sequential:
    """Pictures (N, colors, H, W) -> (N, out, h, w), h = H / `shrink(channels)`. channels, blocks: per level, the finest first."""
    layers: list[nn.Module] = [nn.PixelUnshuffle(PATCH), nn.Conv2d(colors * PATCH**2, channels[0], 3, padding=1)]
    for level, (width, count) in enumerate(zip(channels, blocks, strict=True)):
        if level:
            layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * channels[level - 1], width, 1)]
        layers += [Block(width) for _ in range(count)]
    return nn.Sequential(*layers, nn.GroupNorm(1, channels[-1]), nn.Conv2d(channels[-1], out, 1))


def make_decoder(colors: int, channels: Sequence[int], blocks: Sequence[int], into: int) -> nn.Sequential:
    """The way back: (N, into, h, w) -> pictures (N, colors, H, W). channels, blocks: per level, the finest first, as in an encoder."""
    layers: list[nn.Module] = [nn.Conv2d(into, channels[-1], 3, padding=1)]
    for level in reversed(range(len(channels))):
        layers += [Block(channels[level]) for _ in range(blocks[level])]
        if level:
            layers += [nn.Conv2d(channels[level], 4 * channels[level - 1], 1), nn.PixelShuffle(2)]
    return nn.Sequential(
        *layers, nn.GroupNorm(1, channels[0]), nn.Conv2d(channels[0], colors * PATCH**2, 3, padding=1), nn.PixelShuffle(PATCH)
    )


def shrink(channels: Sequence[int]) -> int:
    """By how much the sides of the smallest maps are shorter than the picture's."""
    return PATCH << (len(channels) - 1)
