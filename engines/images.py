"""Pictures: the only conversion between uint8 and float, grids, enlarging.

Models speak float in [-1, 1], NCHW; everybody else uint8, NHWC.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def to_float(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [-1, 1]."""
    assert (images.dtype, images.ndim) == (np.uint8, 4), f"want uint8 NHWC, got {images.dtype} {images.shape}"
    writable = np.require(images, requirements=("C", "W"))  # copied only where torch would warn
    return torch.from_numpy(writable).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(x: torch.Tensor) -> np.ndarray:
    """float (N, C, H, W) -> uint8 (N, H, W, C); values outside [-1, 1] are clipped, the rest rounded."""
    x = (x.detach().float().clamp(-1, 1) + 1) * 127.5
    return x.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def fill_unknown(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) with the mean colour of what is known, where the mask (N, 1, H, W) is 1, everywhere else."""
    mean = (x * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, x, mean)


def known_places(mask: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Which places (N, 1, h, w) of a smaller grid are known whole, 1 or 0, for a mask (N, 1, H, W) of pixels."""
    return 1 - F.adaptive_max_pool2d(1 - mask, grid)


def blurred(x: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W), each pixel the mean of the 3x3 around it; beyond the border the picture goes on as it ends."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def to_pil(image: np.ndarray) -> Image.Image:
    """uint8 (H, W, C) with 1 or 3 channels -> a PIL picture."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def grid(images: np.ndarray, *, columns: int, gap: int = 1) -> np.ndarray:
    """uint8 (N, H, W, C) -> one uint8 picture (rows * H, columns * W, C) with white gaps, row by row."""
    n, h, w, c = images.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), 255, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        sheet[y : y + h, x : x + w] = image
    return sheet


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """uint8 (H, W, C) -> (factor * H, factor * W, C), each pixel a square."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
