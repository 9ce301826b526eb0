"""A PixelCNN (van den Oord et al. 2016, arXiv:1606.05328) whose memory of the rows above is a Transformer, and its loss."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn


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
        rows = self._rows(canvas, text)
        for block in self.row_blocks:
            rows = block(rows)
        return self._score(canvas, rows)

    def attend(self, canvas: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `forward`, and where every row looks: (N, H, H), the mean over layers and heads; column 0 is the text, i the row i - 1."""
        rows, looked = self._rows(canvas, text), []
        for block in self.row_blocks:
            looked.append(block.attention(rows).mean(1))
            rows = block(rows)
        return self._score(canvas, rows), torch.stack(looked).mean(0)

    def _rows(self, canvas: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """What the Transformer over rows begins with: the text, then all rows but the last, (N, H, row_dim)."""
        return torch.cat([self.text(text)[:, None], self.row(canvas[:, :-1])], dim=1) + self.row_position

    def _score(self, canvas: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Logits (N, H, W, K) from the canvas and what the rows have become."""
        h, w, _ = self.config.image_shape
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

    def attention(self, rows: torch.Tensor) -> torch.Tensor:
        """Where each row looks: (N, H, D) -> (N, heads, H, H)."""
        n, h, d = rows.shape
        q, k, _ = self.qkv(self.norm_attention(rows)).view(n, h, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        ahead = torch.ones(h, h, dtype=torch.bool, device=rows.device).triu(1)
        return (q @ k.transpose(2, 3) / (d // self.heads) ** 0.5).masked_fill(ahead, -torch.inf).softmax(3)

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
