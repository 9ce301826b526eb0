"""Pictures from visitors: any file in, a picture of the world's size and kind out, or a clear message, within bounded memory.

The header is read first; nothing is decoded before its size is known and allowed, and one file at a time is.
"""

from __future__ import annotations

import io
import struct
import threading
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 8_000_000
MAX_PIXELS = 16_000_000
MIN_SIDE = 8  # pixels
INK = 0.3  # share of the strongest stroke's brightness above the ground, from which a pixel counts as a stroke
FAINT = 16  # of 255: strokes that stand out less are none
STROKES = 20 / 28  # share of the picture's height that strokes fill, as in MNIST

_one_at_a_time = threading.Lock()


def read(content: bytes, world: Any) -> tuple[np.ndarray, list[str]]:
    """A file's picture as one of the world, uint8 (H, W, C), and sentences that say what was done to it.

    Raises ValueError with a message for the visitor.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"The file has {len(content) / 1e6:,.1f} MB; at most {MAX_BYTES // 10**6} MB can be read.")
    with _one_at_a_time:
        picture, notes = _decode(content)
        if world.light_on_dark:
            pixels, more = _fit_strokes(picture, world.image_shape)
        else:
            pixels, more = _fit_square(picture, world.image_shape)
    return pixels, notes + more


def _decode(content: bytes) -> tuple[Image.Image, list[str]]:
    """The file as an upright "L" or "RGB" picture without transparency."""
    notes = []
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        _check_size(*image.size)
        image.draft("RGB", (1024, 1024))  # a JPEG is decoded no larger than needed; others are not changed
        upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ValueError(f"This is no picture that can be read; it may be {', '.join(FORMATS)}.") from None
    except Image.DecompressionBombError:
        raise ValueError(f"The picture is too large; it may have {MAX_PIXELS // 10**6} million pixels.") from None
    except (OSError, SyntaxError, EOFError, struct.error, TypeError, OverflowError):
        raise ValueError("The file is damaged: its picture cannot be decoded.") from None
    if image.getexif().get(0x0112, 1) != 1:
        notes.append("Turned upright, as the camera noted.")
    if upright.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel
        values = np.asarray(upright, np.float32)
        upright = Image.fromarray((255 * values / max(values.max(), 1)).astype(np.uint8))
    if upright.has_transparency_data:
        upright, note = _flatten(upright.convert("RGBA"))
        notes.append(note)
    return upright.convert("L" if upright.mode in ("1", "L") else "RGB"), notes


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"The picture has {width:,} × {height:,} pixels; at most {MAX_PIXELS // 10**6} million can be read.")
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"The picture has {width} × {height} pixels; at least {MIN_SIDE} × {MIN_SIDE} are needed.")


def _flatten(image: Image.Image) -> tuple[Image.Image, str]:
    """An RGBA picture on white, or on black where what it shows is light."""
    small = np.asarray(image.resize((64, 64), Image.Resampling.BOX), np.float32)
    alpha = small[..., 3]
    light = (small[..., :3].mean(2) * alpha).sum() > 128 * alpha.sum()
    ground = Image.new("RGB", image.size, "black" if light else "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground, f"Transparent parts were filled with {'black' if light else 'white'}."


def _fit_square(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, list[str]]:
    """The middle of a picture, cut to the world's proportions and made as large as its pictures."""
    h, w, c = shape
    notes = [] if picture.width * h == picture.height * w else ["Cut to the middle."]
    fitted = ImageOps.fit(picture.convert("L" if c == 1 else "RGB"), (w, h), Image.Resampling.LANCZOS)
    return np.asarray(fitted).reshape(shape), notes


def _fit_strokes(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, list[str]]:
    """A drawing as the world has them: light strokes on black, as large and as centred as MNIST's (LeCun et al. 1998)."""
    h, w, _ = shape
    exact = picture.size == (w, h)
    picture = picture.convert("L")
    if not exact:
        picture.thumbnail((16 * w, 16 * h), Image.Resampling.BOX)
    grey, notes = np.asarray(picture), []
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > 127:
        grey, border = 255 - grey, 255 - border
        notes.append("Dark on light was turned into light on dark, as this world's pictures are.")
    if exact:
        return grey.reshape(shape), notes
    above = grey.astype(np.float32) - np.median(border)
    strongest = np.percentile(above, 99.9)
    if strongest < FAINT:
        raise ValueError("The picture shows no strokes: it is nearly the same all over.")
    strokes = np.clip((above / strongest - INK / 2) / (1 - INK), 0, 1)
    rows, columns = (np.flatnonzero((strokes > INK / 2).any(axis)) for axis in (1, 0))
    cut = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = STROKES * min(h / cut.shape[0], w / cut.shape[1])
    size = [max(1, round(scale * side)) for side in cut.shape]
    small = np.asarray(
        Image.fromarray(np.uint8(255 * cut)).resize(size[::-1], Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    )
    return _centre(small, h, w)[..., None], [*notes, "Cut to its strokes and centred, as in MNIST."]


def _centre(small: np.ndarray, h: int, w: int) -> np.ndarray:
    """A grey picture on black (h, w), its centre of mass as near to the middle as it fits."""
    mass = small.sum() or 1
    top = round(h / 2 - (small.sum(1) * (np.arange(small.shape[0]) + 0.5)).sum() / mass)
    left = round(w / 2 - (small.sum(0) * (np.arange(small.shape[1]) + 0.5)).sum() / mass)
    top, left = min(max(top, 0), h - small.shape[0]), min(max(left, 0), w - small.shape[1])
    page = np.zeros((h, w), np.uint8)
    page[top : top + small.shape[0], left : left + small.shape[1]] = small
    return page
