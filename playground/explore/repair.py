"""Complete and repair: a picture of which a part must stay, as text that fits into a link, and the order that draws the rest."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from engines import Known, worlds
from engines.base import check_number
from engines.images import to_pil
from playground import gallery
from playground.compare import Order

HELD_OUT = "held-out-"  # and a number: one of the gallery's pictures
MOST_WAYS = 4  # to finish a picture
MAX_CODE = 16_000  # characters of a picture in a link
MAX_LOSSLESS = 3_000  # bytes; larger pictures are stored with a little loss, so that links stay short
QUALITY = 90  # of WebP


def _half(axis: int) -> Callable[[int, int], np.ndarray]:
    def missing(h: int, w: int) -> np.ndarray:
        return np.indices((h, w))[axis] >= (h, w)[axis] // 2

    return missing


def _hole(h: int, w: int) -> np.ndarray:
    y, x = np.indices((h, w))
    return (abs(y - (h - 1) / 2) < h / 5) & (abs(x - (w - 1) / 2) < w / 5)


def _specks(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(0).random((h, w)) < 0.75


MISSING: dict[str, tuple[str, Callable[[int, int], np.ndarray]]] = {  # name -> label, what is missing (H, W)
    "lower-half": ("Lower half", _half(0)),
    "right-half": ("Right half", _half(1)),
    "hole": ("A hole in the middle", _hole),
    "specks": ("Three pixels of four", _specks),
}


def order(query: Mapping[str, Any]) -> Order:
    """The order in a visitor's query: world, picture, missing, prompt, seed, num_images.

    Raises ValueError naming what is wrong; CheckpointError when the gallery cannot be read.
    """
    world = worlds.load(query.get("world"))
    known = known_part(world, query.get("picture"), query.get("missing"))
    check_number("num_images", query.get("num_images"), 1, MOST_WAYS, integer=True)
    return Order(world.name, query.get("prompt"), query.get("seed"), query.get("num_images"), known=known)


def known_part(world: Any, picture: Any, missing: Any) -> Known:
    """A picture and what is missing in it, from their codes. Raises ValueError."""
    gone = decode_missing(missing, world)
    if not gone.any():
        raise ValueError("Nothing is missing: brush over the part that is to be drawn anew.")
    return Known(decode_picture(picture, world)[None], ~gone[None])


def differences(images: np.ndarray, known: Known) -> np.ndarray:
    """How far pictures as engines drew them, uint8 (N, H, W, C), are from the known pixels, 0 where none is known; of the same shape."""
    return (np.abs(images.astype(int) - known.images) * known.mask[..., None]).astype(np.uint8)


def mean_difference(images: np.ndarray, known: Known) -> float:
    """The mean of `differences` over the known pixels, as a share of the way from black to white."""
    count = known.mask.sum() * (len(images) // len(known.mask)) * images.shape[-1]
    return float(differences(images, known).sum() / (255 * max(count, 1)))


def encode_picture(image: np.ndarray) -> str:
    """uint8 (H, W, C) -> text; the picture it stands for may differ a little where it is large."""
    for options in ({"format": "PNG", "optimize": True}, {"format": "WEBP", "quality": QUALITY, "method": 6}):
        file = io.BytesIO()
        to_pil(image).save(file, **options)
        if len(file.getvalue()) <= MAX_LOSSLESS:
            break
    return base64.urlsafe_b64encode(file.getvalue()).decode()


def decode_picture(code: Any, world: Any) -> np.ndarray:
    """Text -> uint8 (H, W, C): "held-out-3" or what `encode_picture` or a browser's canvas wrote. Raises ValueError."""
    if not isinstance(code, str) or len(code) > MAX_CODE:
        raise ValueError("The picture is no short text, as a link holds it.")
    number = held_out_number(code, world)
    if number is not None:
        return gallery.shared(world.name).held_out[number]
    h, w, c = world.image_shape
    try:
        image = Image.open(io.BytesIO(_unpacked(code)), formats=("PNG", "WEBP", "JPEG"))
        if image.size != (w, h):
            raise ValueError(f"The picture must have {w} × {h} pixels, got {image.width} × {image.height}.")
        return np.asarray(image.convert("L" if c == 1 else "RGB")).reshape(world.image_shape)
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError):
        raise ValueError("The picture in this link is damaged.") from None


def held_out_number(code: str, world: Any) -> int | None:
    """Which of the gallery's pictures a code names; None for any other picture. Raises ValueError where there is no such number."""
    if not code.startswith(HELD_OUT):
        return None
    number, count = code.removeprefix(HELD_OUT), len(gallery.shared(world.name).held_out)
    check_number("held-out picture", int(number) if number.isdecimal() else number, 0, count - 1, integer=True)
    return int(number)


def encode_missing(missing: np.ndarray) -> str:
    """bool (H, W) -> text, one bit a pixel."""
    return base64.urlsafe_b64encode(np.packbits(missing).tobytes()).decode()


def decode_missing(code: Any, world: Any) -> np.ndarray:
    """Text -> bool (H, W): a name in `MISSING` or what `encode_missing` wrote. Raises ValueError."""
    h, w, _ = world.image_shape
    if isinstance(code, str) and code in MISSING:
        return MISSING[code][1](h, w)
    bits = np.frombuffer(_unpacked(code) if isinstance(code, str) else b"", np.uint8)
    if len(bits) != -(-h * w // 8):
        raise ValueError(f"What is missing must be {', '.join(MISSING)} or one bit for each of {h} × {w} pixels.")
    return np.unpackbits(bits)[: h * w].astype(bool).reshape(h, w)


def _unpacked(text: str) -> bytes:
    """What a text in a link stands for; nothing where it is damaged."""
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError:
        return b""
