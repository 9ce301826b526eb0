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

from engines.networks.convnext import make_decoder, make_encoder, shrink

SOFTNESS = 0.25  # squared distance, in levels, at which a token counts 1 / e
CROWDING_WEIGHT = 4e-3  # per nat


class FSQAutoencoder(ModelMixin, ConfigMixin):
    """Pictures (N, C, H, W) in [-1, 1] <-> tokens (N, h, w), a quarter of the sides, from 0 to codebook_size - 1."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),  # H, W, C
        levels: tuple[int, ...] = (8, 8, 8),  # of each number of a token
        channels: tuple[int, ...] = (128,),  # of each level, the finest first
        encoder_blocks: tuple[int, ...] = (5,),
        decoder_blocks: tuple[int, ...] = (8,),
    ):
        super().__init__()
        h, w, c = image_shape
        self.grid = (h // shrink(channels), w // shrink(channels))
        self.codebook_size = math.prod(levels)
        self.encoder = make_encoder(c, channels, encoder_blocks, len(levels))
        self.decoder = make_decoder(c, channels, decoder_blocks, len(levels))
        self.register_buffer("sizes", torch.tensor(levels), persistent=False)
        self.register_buffer("usage", torch.full((self.codebook_size,), 1 / self.codebook_size), persistent=False)
        self.register_buffer("basis", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]), persistent=False)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> codes (N, len(levels), h, w) in [-1, 1], rounded to the levels; gradients pass through the rounding."""
        return self.quantize(self.bound(self.encoder(x)))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes -> (N, C, H, W) in [-1, 1]."""
        return self.decoder(codes)

    def bound(self, z: torch.Tensor) -> torch.Tensor:
        """Numbers -> between the outermost of their levels, which are one apart and include 0 (Mentzer et al. 2023, section 3.1).

        An even number of levels is shifted by half a step.
        """
        levels = self.sizes.view(1, -1, 1, 1)
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        return (z + (offset / half).atanh()).tanh() * half - offset

    def quantize(self, bounded: torch.Tensor) -> torch.Tensor:
        """What `bound` gives, rounded to the levels -> codes in [-1, 1]; gradients pass through the rounding."""
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / (self.sizes // 2).view(1, -1, 1, 1)

    def crowding(self, bounded: torch.Tensor) -> torch.Tensor:
        """How unevenly the vocabulary is used, in nats: 0 when pictures need all tokens alike; differentiable.

        The mean, over the places of (N, len(levels), h, w), of how common the tokens nearby are; how common a token is, is an average
        over the last hundred batches. The place's own token counts as softly as its distance says. After the entropy term of
        Yu et al. 2023, arXiv:2310.05737, equation 5, for small batches.
        """
        joint = bounded.new_ones(bounded.shape[0] * bounded.shape[2] * bounded.shape[3], 1)
        for digit, size in zip(bounded.unbind(1), self.config.levels, strict=True):
            values = torch.arange(size, device=bounded.device) - size // 2
            near = (-((digit.reshape(-1, 1) - values) ** 2) / SOFTNESS).softmax(1)  # (places, size)
            joint = (near[:, :, None] * joint[:, None]).flatten(1)  # the first digit varies fastest, as in `to_tokens`
        self.usage.lerp_(joint.detach().mean(0), 0.01)
        return (joint @ (self.usage + 1e-6).log()).mean() + math.log(self.codebook_size)

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


def loss(model: FSQAutoencoder, x: torch.Tensor, text: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Mean squared and mean absolute error of the picture put back together, and how unevenly tokens are used; `psnr` in dB.

    x: (N, C, H, W) in [-1, 1].
    """
    bounded = model.bound(model.encoder(x)).float()
    y = model.decode(model.quantize(bounded)).float()
    (error, mse), crowding = picture_error(y, x), model.crowding(bounded)
    return {"loss": error + CROWDING_WEIGHT * crowding, "psnr": psnr(mse), "crowding": crowding}


def picture_error(y: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What autoencoders minimise: the mean squared and a tenth of the mean absolute error of y for x; and the first of the two alone."""
    mse = F.mse_loss(y, x)
    return mse + 0.1 * F.l1_loss(y, x), mse


def psnr(mse: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB for pictures in [-1, 1]."""
    return 10 * torch.log10(4 / mse.detach())
