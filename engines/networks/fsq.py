"""A discrete autoencoder: pictures to a grid of tokens and back, by finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505).

Each place of the grid holds a few numbers, each rounded to one of a few levels; the combination is the token. Nothing has to be
learnt or kept alive, as in vector quantization.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines.networks.convnext import make_decoder, make_encoder, shrink


class FSQAutoencoder(ModelMixin, ConfigMixin):
    """Pictures (N, C, H, W) in [-1, 1] <-> tokens (N, H / 8, W / 8) from 0 to codebook_size - 1."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        levels: tuple[int, ...] = (7, 5, 5, 5, 5),  # of each number of a token; as Mentzer et al. recommend for about 2**12 tokens
        channels: tuple[int, ...] = (96, 256),  # at H / 4, H / 8
        encoder_blocks: tuple[int, ...] = (2, 4),
        decoder_blocks: tuple[int, ...] = (4, 4),
    ):
        super().__init__()
        h, w, c = image_shape
        self.grid = (h // shrink(channels), w // shrink(channels))
        self.codebook_size = math.prod(levels)
        self.encoder = make_encoder(c, channels, encoder_blocks, len(levels))
        self.decoder = make_decoder(c, channels, decoder_blocks, len(levels))
        self.register_buffer("sizes", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]), persistent=False)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> codes (N, len(levels), h, w) in [-1, 1], rounded to the levels; gradients pass through the rounding."""
        return self.quantize(self.encoder(x))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes -> (N, C, H, W) in [-1, 1]."""
        return self.decoder(codes)

    def quantize(self, z: torch.Tensor) -> torch.Tensor:
        """Bound each number and round it (Mentzer et al. 2023, section 3.1); an even number of levels is shifted by half a step."""
        levels = self.sizes.view(1, -1, 1, 1)
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        bounded = (z + (offset / half).atanh()).tanh() * half - offset
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / (levels // 2)

    def to_tokens(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (N, len(levels), h, w) -> tokens (N, h, w), int64."""
        half = (self.sizes // 2).view(1, -1, 1, 1)
        digits = (codes * half + half).round().long()  # 0 ... level - 1
        return (digits * self.basis.view(1, -1, 1, 1)).sum(1)

    def to_codes(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (N, h, w) -> codes (N, len(levels), h, w)."""
        digits = tokens[:, None] // self.basis.view(1, -1, 1, 1) % self.sizes.view(1, -1, 1, 1)
        half = (self.sizes // 2).view(1, -1, 1, 1)
        return (digits - half) / half

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


def loss(model: nn.Module, x: torch.Tensor, text: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Mean squared and mean absolute error of the picture put back together; `psnr` in dB. x: (N, C, H, W) in [-1, 1]."""
    y = model(x).float()
    mse = F.mse_loss(y, x)
    return {"loss": mse + 0.1 * F.l1_loss(y, x), "psnr": psnr(mse)}


def psnr(mse: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB for pictures in [-1, 1]."""
    return 10 * torch.log10(4 / mse.detach())
