"""Autoregression: draw one pixel after another, each from a distribution that depends on all pixels before it.

A PixelCNN (van den Oord et al. 2016, arXiv:1601.06759 and arXiv:1606.05328) whose memory of the rows above is a small
Transformer over rows (in the spirit of the Image Transformer, Parmar et al. 2018, arXiv:1802.05751): the rows, with the text in
front, give a context for each pixel of the next row; a masked convolution looks at the pixels around; a residual network of 1x1
convolutions turns both into a distribution over grey levels. Simplified: 32 grey levels instead of 256.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Request, Stopwatch, generators, slider
from engines.images import to_uint8

PIXELS_PER_FRAME = 7
EMPTY = 0.0  # brightness, in [-1, 1], at which pixels not drawn yet are shown


class RowPixelCNN(ModelMixin, ConfigMixin):
    """Distribution of every grey pixel given the text and all pixels before it in raster order."""

    @register_to_config
    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),  # H, W, C; C = 1
        levels: int = 32,  # K, grey levels
        row_dim: int = 256,  # width of the Transformer over rows
        row_layers: int = 4,
        row_heads: int = 4,
        context_dim: int = 32,  # what a pixel hears from the rows above
        pixel_dim: int = 192,  # width of the pixel network
        num_pixel_blocks: int = 3,
        rows_above: int = 6,  # seen directly by the masked convolution
        columns_beside: int = 13,  # seen directly, to each side
        text_dim: int = 256,
    ):
        super().__init__()
        h, w, c = image_shape
        assert c == 1, f"grey pictures only, got {c} channels"
        self.text = nn.Linear(text_dim, row_dim)
        self.row = nn.Linear(w, row_dim)
        self.row_position = nn.Parameter(0.02 * torch.randn(h, row_dim))
        self.row_blocks = nn.ModuleList(CausalBlock(row_dim, row_heads) for _ in range(row_layers))
        self.context = nn.Sequential(nn.LayerNorm(row_dim), nn.Linear(row_dim, w * context_dim))
        self.neighbours = nn.Linear((rows_above + 1) * (2 * columns_beside + 1), pixel_dim)
        self.mix = nn.Linear(context_dim, pixel_dim, bias=False)
        self.pixel_blocks = nn.ModuleList(PixelBlock(pixel_dim) for _ in range(num_pixel_blocks))
        self.head = nn.Linear(pixel_dim, levels)
        past = torch.ones(rows_above + 1, 2 * columns_beside + 1)
        past[-1, columns_beside:] = 0  # this pixel and those to its right are not drawn yet
        self.register_buffer("past", past.flatten(), persistent=False)

    def pad(self, canvas: torch.Tensor) -> torch.Tensor:
        """(N, H, W) -> (N, H + rows_above, W + 2 columns_beside), with black around."""
        return F.pad(canvas, (self.config.columns_beside, self.config.columns_beside, self.config.rows_above, 0), value=-1.0)

    def forward(self, canvas: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """All pixels at once, for training: (N, H, W) in [-1, 1] and (N, D) -> logits (N, H, W, K)."""
        h, w, _ = self.config.image_shape
        rows = torch.cat([self.text(text)[:, None], self.row(canvas[:, :-1])], dim=1) + self.row_position  # (N, H, row_dim)
        for block in self.row_blocks:
            rows = block(rows)
        context = self.context(rows).view(-1, h, w, self.config.context_dim)  # (N, H, W, context_dim)
        kernel = (self.neighbours.weight * self.past).view(-1, 1, self.config.rows_above + 1, 2 * self.config.columns_beside + 1)
        around = F.conv2d(self.pad(canvas)[:, None], kernel, self.neighbours.bias).permute(0, 2, 3, 1)  # (N, H, W, pixel_dim)
        return self.pixel_logits(around, context)

    def start_row(self, before: torch.Tensor, index: int, cache: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Context of row `index` (N, W, context_dim) from its predecessor alone: the text (N, D), then rows (N, W).

        `cache` holds keys and values of the rows so far, one pair of (N, heads, H, row_dim / heads) per layer, and is filled in.
        """
        row = (self.text(before) if index == 0 else self.row(before)) + self.row_position[index]  # (N, row_dim)
        for block, (keys, values) in zip(self.row_blocks, cache, strict=True):
            row = block.step(row, index, keys, values)
        return self.context(row).view(len(row), -1, self.config.context_dim)

    def pixel(self, padded: torch.Tensor, y: int, x: int, context: torch.Tensor) -> torch.Tensor:
        """One position: logits (N, K) of pixel (y, x), from the padded canvas and its row's context (N, W, context_dim)."""
        window = padded[:, y : y + self.config.rows_above + 1, x : x + 2 * self.config.columns_beside + 1].flatten(1)
        return self.pixel_logits(self.neighbours(window * self.past), context[:, x])

    def pixel_logits(self, around: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """(..., pixel_dim), (..., context_dim) -> (..., K)."""
        hidden = around + self.mix(context)
        for block in self.pixel_blocks:
            hidden = block(hidden)
        return self.head(hidden)

    def new_cache(self, num_images: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Empty keys and values for `start_row`."""
        heads, size = self.config.row_heads, self.config.row_dim // self.config.row_heads
        shape = (2, num_images, heads, self.config.image_shape[0], size)
        return [tuple(torch.zeros(shape, device=self.device)) for _ in self.row_blocks]


class CausalBlock(nn.Module):
    """A Transformer layer in which a row attends to itself and the rows above."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, H, D) -> (N, H, D)."""
        n, h, d = rows.shape
        q, k, v = self.qkv(self.norm_attention(rows)).view(n, h, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (N, heads, H, D / heads)
        rows = rows + self.out(attended.transpose(1, 2).reshape(n, h, d))
        return rows + self.mlp(self.norm_mlp(rows))

    def step(self, row: torch.Tensor, index: int, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The same for row `index` alone, (N, D) -> (N, D); its key and value are written into the cache."""
        n, d = row.shape
        q, k, v = self.qkv(self.norm_attention(row)).view(n, 3, self.heads, d // self.heads).unbind(1)  # (N, heads, D / heads)
        keys[:, :, index], values[:, :, index] = k, v
        attended = F.scaled_dot_product_attention(q[:, :, None], keys[:, :, : index + 1], values[:, :, : index + 1])
        row = row + self.out(attended.reshape(n, d))
        return row + self.mlp(self.norm_mlp(row))


class PixelBlock(nn.Module):
    """A residual pair of 1x1 convolutions, written as linear layers on the last axis."""

    def __init__(self, dim: int):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.body(hidden)


def quantize(x: torch.Tensor, levels: int) -> torch.Tensor:
    """Brightness in [-1, 1] -> level 0 ... levels - 1 (int64)."""
    return ((x + 1) / 2 * (levels - 1)).round().long()


def dequantize(indices: torch.Tensor, levels: int) -> torch.Tensor:
    """Level -> brightness in [-1, 1]."""
    return indices.float() / (levels - 1) * 2 - 1


def loss(model: RowPixelCNN, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
    """Negative log-likelihood per pixel in bits (van den Oord et al. 2016, eq. 1). x: (N, 1, H, W) in [-1, 1]; text: (N, D)."""
    indices = quantize(x[:, 0], model.config.levels)  # (N, H, W)
    logits = model(dequantize(indices, model.config.levels), text)  # (N, H, W, K)
    return {"loss": F.cross_entropy(logits.float().flatten(0, 2), indices.flatten()) / np.log(2)}


@dataclass(frozen=True)
class AutoregressiveParams(Params):
    """Settings of an autoregressive engine."""

    temperature: float = slider(
        1.0, 0.5, 1.5, 0.05, label="Temperature", hint="Spread of each pixel's distribution: 1 as learnt, lower is safer, higher is wilder."
    )
    guidance_scale: float = slider(
        1.5, 1.0, 5.0, 0.25, label="Guidance", hint="How hard the text pulls: 1 is plain conditional, high is exaggerated."
    )


class AutoregressiveEngine(Engine):
    """Draws pixel after pixel in raster order; pixels not drawn yet are shown grey."""

    family = "autoregressive"
    params_type = AutoregressiveParams

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        return checkpoint.load(RowPixelCNN, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        h, w, _ = self.model.config.image_shape
        watch = Stopwatch(self.device)
        canvas = torch.full((request.num_images, h, w), EMPTY)
        probabilities = torch.zeros(request.num_images, self.model.config.levels)
        pixels = self._pixels(request, params)
        for position in range(1, h * w + 1):
            with watch():
                value, probabilities = next(pixels)
            canvas.view(-1, h * w)[:, position - 1] = value
            if position % PIXELS_PER_FRAME == 0 or position == h * w:
                yield Frame(
                    to_uint8(canvas[:, None]),
                    step=position,
                    num_steps=h * w,
                    nfe=position * (1 if params.guidance_scale == 1 else 2),
                    seconds=watch.seconds,
                    extra={"probabilities": probabilities.cpu().numpy()},
                )

    def _pixels(self, request: Request, params: AutoregressiveParams) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Brightness (N,) in [-1, 1] and probabilities (N, K) of one pixel after another, in raster order."""
        model, n = self.model, request.num_images
        h, w, _ = model.config.image_shape
        guided = params.guidance_scale != 1
        # 1. Text (doubled by "no text" when guided), random numbers, empty canvas and cache
        text = self.text_encoder.encode(request.prompts)  # (N, D)
        if guided:
            text = torch.cat([text, self.text_encoder.encode(("",)).expand_as(text)])  # (2 N, D)
        uniform = torch.stack([torch.rand(h * w, generator=rng) for rng in generators(request)]).to(self.device)  # (N, H * W)
        padded = model.pad(torch.full((len(text), h, w), -1.0, device=self.device))
        rows, columns = model.config.rows_above, model.config.columns_beside
        drawn = padded[:, rows:, columns : columns + w]  # a view
        cache = model.new_cache(len(text))
        # 2. One row context per row, one position per pixel
        for y in range(h):
            context = model.start_row(text if y == 0 else drawn[:, y - 1], y, cache)
            for x in range(w):
                logits = model.pixel(padded, y, x, context)  # (N or 2 N, K)
                if guided:
                    with_text, without = logits.log_softmax(1).chunk(2)
                    logits = without + params.guidance_scale * (with_text - without)
                probabilities = (logits / params.temperature).softmax(1)
                index = (probabilities.cumsum(1) < uniform[:, y * w + x, None]).sum(1).clamp(max=model.config.levels - 1)
                value = dequantize(index, model.config.levels)
                drawn[:, y, x] = value.repeat(len(text) // n)
                yield value, probabilities


ENGINE = AutoregressiveEngine
