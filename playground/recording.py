"""What a visitor can take away from a finished comparison: a picture, a film strip, an animation, a record."""

from __future__ import annotations

import io
import json
import platform
from bisect import bisect
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

import engines
from engines import Frame
from engines.images import enlarge, grid, to_pil
from playground.compare import Comparison, Order, Pane
from playground.film import data_uri, png

PAPER, INK, QUIET = (250, 249, 246), (28, 27, 25), (110, 106, 98)
TILE = 84  # least pixels of an enlarged picture's side
MARGIN, LINE = 16, 20
STRIP_MOMENTS = 12
ANIMATION_FRAMES, ANIMATION_SECONDS = 40, 6.0
LIBRARIES = ("torch", "diffusers", "transformers")


def record(comparison: Comparison) -> dict[str, Any]:
    """Everything needed to make the run again, and its figures, as JSON data."""
    order = comparison.order
    return {
        "world": order.world,
        "prompt": order.prompt,
        "seed": order.seed,
        "num_images": order.num_images,
        **_conditions(order),
        "state": comparison.state,
        "message": comparison.message,
        "reading": asdict(comparison.reading) if comparison.reading else None,
        "supplement": comparison.supplement,
        "engines": {pane.name: _figures(pane, order.settings.get(pane.family, {})) for pane in comparison.panes},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "machine": platform.machine(),
    }


def _conditions(order: Order) -> dict[str, Any]:
    """Known pixels or the far end of a walk, where the order has them."""
    conditions = {}
    if order.known:
        mask = np.where(order.known.mask[0], 255, 0).astype(np.uint8)[..., None]
        conditions["known"] = {name: data_uri(png(x), "image/png") for name, x in (("picture", order.known.images[0]), ("mask", mask))}
    if order.toward:
        conditions["toward"] = asdict(order.toward)
    return conditions


def _figures(pane: Pane, changed: dict[str, Any]) -> dict[str, Any]:
    defaults = asdict(engines.engine_type(pane.name).params_type())
    frame = pane.film.last
    return {
        "state": pane.state,
        "error": pane.error,
        "settings": {**defaults, **changed},
        "seconds": frame.seconds if frame else None,
        "seconds_to_first_frame": pane.film.first_seconds,
        "network_calls": frame.nfe if frame else None,
        "marks": asdict(pane.marks) if pane.marks else None,
    }


def picture_png(comparison: Comparison) -> bytes:
    """The final pictures of all engines side by side; the record is in the file's text chunk "record"."""
    panes = _drawn(comparison)
    columns = int(np.ceil(np.sqrt(comparison.order.num_images)))
    blocks = [_enlarged(grid(pane.film.last.images, columns=columns, gap=1)) for pane in panes]
    text = PngImagePlugin.PngInfo()
    text.add_itxt("record", json.dumps(record(comparison), ensure_ascii=False))
    return _png(_side_by_side(blocks, [_caption(pane, pane.film.last) for pane in panes]), text)


def strip_png(comparison: Comparison) -> bytes:
    """One row per engine: the first picture of the order at up to STRIP_MOMENTS moments, evenly spaced over its frames."""
    panes = _drawn(comparison)
    rows = [_strip(pane.film.frames) for pane in panes]
    width = max(row.shape[1] for row in rows) + 2 * MARGIN
    page = Image.new("RGB", (width, sum(row.shape[0] + LINE + MARGIN for row in rows) + MARGIN), PAPER)
    top = MARGIN
    for pane, row in zip(panes, rows, strict=True):
        _write(page, (MARGIN, top), _caption(pane, pane.film.last))
        page.paste(to_pil(row), (MARGIN, top + LINE))
        top += row.shape[0] + LINE + MARGIN
    return _png(page)


def animation_gif(comparison: Comparison) -> bytes:
    """All engines as if they had started together, slowed down (or sped up) to ANIMATION_SECONDS, one common clock."""
    panes = _drawn(comparison)
    columns = int(np.ceil(np.sqrt(comparison.order.num_images)))
    films = [pane.film.frames for pane in panes]
    longest = max(film[-1].seconds for film in films)
    pages = []
    for now in np.linspace(0, longest, ANIMATION_FRAMES):
        shown = [film[max(bisect([frame.seconds for frame in film], now) - 1, 0)] for film in films]
        blocks = [_enlarged(grid(_at(frame, now), columns=columns, gap=1)) for frame in shown]
        pages.append(_side_by_side(blocks, [_caption(pane, frame) for pane, frame in zip(panes, shown, strict=True)]))
    file = io.BytesIO()
    duration = [int(1000 * ANIMATION_SECONDS / ANIMATION_FRAMES)] * (ANIMATION_FRAMES - 1) + [2000]
    pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], duration=duration, loop=0)
    return file.getvalue()


def record_json(comparison: Comparison) -> bytes:
    return json.dumps(record(comparison), indent=2, ensure_ascii=False).encode()


DOWNLOADS: dict[str, tuple[str, str, Callable[[Comparison], bytes]]] = {  # kind -> file name, media type, maker
    "picture": ("pictures.png", "image/png", picture_png),
    "strip": ("strip.png", "image/png", strip_png),
    "animation": ("animation.gif", "image/gif", animation_gif),
    "record": ("record.json", "application/json", record_json),
}


def _drawn(comparison: Comparison) -> list[Pane]:
    panes = [pane for pane in comparison.panes if pane.film.last]
    if not panes:
        raise ValueError("no engine drew a picture in this run")
    return panes


def _at(frame: Frame, now: float) -> np.ndarray:
    """The frame's pictures, or grey ones when the clock has not reached it."""
    return frame.images if frame.seconds <= now else np.full_like(frame.images, 128)


def _strip(frames: list[Frame]) -> np.ndarray:
    moments = np.unique(np.linspace(0, len(frames) - 1, STRIP_MOMENTS).round().astype(int))
    return _enlarged(grid(np.stack([frames[i].images[0] for i in moments]), columns=len(moments), gap=1), rows=1)


def _enlarged(image: np.ndarray, *, rows: int = 3) -> np.ndarray:
    """Enlarged by a whole factor until it is about `rows` TILEs high."""
    return enlarge(image, max(1, round(rows * TILE / image.shape[0])))


def _caption(pane: Pane, frame: Frame) -> str:
    return f"{pane.family}  {1000 * frame.seconds:,.0f} ms, {frame.nfe:,} call{'s' * (frame.nfe != 1)}"


def _side_by_side(blocks: list[np.ndarray], captions: list[str]) -> Image.Image:
    height, width = blocks[0].shape[:2]
    page = Image.new("RGB", (MARGIN + len(blocks) * (width + MARGIN), height + LINE + 2 * MARGIN), PAPER)
    for i, (block, caption) in enumerate(zip(blocks, captions, strict=True)):
        left = MARGIN + i * (width + MARGIN)
        _write(page, (left, MARGIN), caption)
        page.paste(to_pil(block), (left, MARGIN + LINE))
    return page


def _write(page: Image.Image, where: tuple[int, int], caption: str) -> None:
    name, _, figures = caption.partition("  ")
    font = ImageFont.load_default(12)
    draw = ImageDraw.Draw(page)
    draw.text(where, name, INK, font)
    draw.text((where[0] + draw.textlength(name, font) + 8, where[1]), figures, QUIET, font)


def _png(page: Image.Image, text: PngImagePlugin.PngInfo | None = None) -> bytes:
    file = io.BytesIO()
    page.save(file, "PNG", pnginfo=text)
    return file.getvalue()
