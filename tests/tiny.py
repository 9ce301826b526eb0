"""A tiny stand-in for MNIST, drawn with a font, so that tests train and measure without the data set."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image, ImageDraw, ImageFont


def make_data(folder: Path, *, num_train: int = 600, num_test: int = 240, seed: int = 0) -> Path:
    """Write train.parquet and test.parquet in MNIST's columns; name `folder` in PLAYGROUND_DATA to use them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, count in (("train", num_train), ("test", num_test)):
        digits = rng.permutation(np.arange(count) % 10)
        rows = [{"bytes": _png(draw_digit(int(digit), rng)), "path": None} for digit in digits]
        pyarrow.parquet.write_table(pa.table({"image": rows, "label": digits}), folder / f"{split}.parquet")
    return folder


def draw_digit(digit: int, rng: np.random.Generator) -> np.ndarray:
    """One white digit on black, uint8 (28, 28), its place, weight, slant and width varied."""
    sheet = Image.new("L", (28, 28))
    weight = int(rng.integers(0, 2))
    ImageDraw.Draw(sheet).text((14, 14), str(digit), 255, ImageFont.load_default(20), anchor="mm", stroke_width=weight)
    shear, stretch = rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.3)
    dx, dy = rng.integers(-2, 3, 2)
    # Output (x, y) is read at (a x + b y + c, e y + f): stretched and sheared about the centre, then moved.
    coefficients = (stretch, shear, 14 - 14 * (stretch + shear) + dx, 0, 1, dy)
    return np.asarray(sheet.transform((28, 28), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
