"""A discrete autoencoder: pictures to a grid of tokens and back, by finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505).

Each place of the grid holds a few numbers, each rounded to one of a few levels; the combination is the token. Nothing has to be
learnt or kept alive, as in vector quantization. Encoder and decoder are those of diffusers' AutoencoderKL, over 2x2 blocks of pixels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import Decoder, Encoder
from torch import nn

BLOCK = 2  # pixels are folded into blocks of this side


class FSQAutoencoder(ModelMixin, ConfigMixin):
    """Pictures (N, C, H, W) in [-1, 1] <-> tokens (N, H / 8, W / 8) from 0 to codebook_size - 1."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        levels: tuple[int, ...] = (8, 8, 8, 8),  # of each number of a token
        channels: tuple[int, ...] = (48, 96, 128),  # at H / 2, H / 4, H / 8
        layers_per_block: int = 1,
    ):
        super().__init__()
        h, w, c = image_shape
        shrink = BLOCK << (len(channels) - 1)
        self.grid = (h // shrink, w // shrink)
        self.codebook_size = math.prod(levels)
        blocks = {
            "block_out_channels": channels,
            "layers_per_block": layers_per_block,
            "norm_num_groups": 16,
            "mid_block_add_attention": True,
        }
        self.encoder = Encoder(
            c * BLOCK**2, len(levels), down_block_types=("DownEncoderBlock2D",) * len(channels), double_z=False, **blocks
        )
        self.decoder = Decoder(len(levels), c * BLOCK**2, up_block_types=("UpDecoderBlock2D",) * len(channels), **blocks)
        self.register_buffer("sizes", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]), persistent=False)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> codes (N, len(levels), h, w) in [-1, 1], rounded to the levels; gradients pass through the rounding."""
        return self.quantize(self.encoder(F.pixel_unshuffle(x, BLOCK)))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes -> (N, C, H, W) in [-1, 1]."""
        return F.pixel_shuffle(self.decoder(codes), BLOCK)

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
