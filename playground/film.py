"""What is kept of an engine's frames, within a fixed amount of memory, and how pictures are packed for the page."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np

from engines import Frame
from engines.images import grid, to_pil

MAX_FRAMES = 60
MAX_BYTES = 2_000_000  # of pixels per engine and run
KEPT_EXTRAS = ("x_t", "noise", "tokens", "own")  # of a frame's arrays: what can be looked at afterwards
WEBP_QUALITY = 80


class Film:
    """The frames of one engine's turn: evenly spaced ones, and always the last.

    When the film is full, every second frame is dropped and from then on only every second one is kept, so a film of any
    length holds between MAX_FRAMES / 2 and MAX_FRAMES of them (fewer where MAX_BYTES asks for it).
    """

    def __init__(self):
        self.last: Frame | None = None
        self.first_seconds: float | None = None  # engine time of the first frame
        self._kept: list[Frame] = []
        self._every = 1
        self._seen = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame; of its extra arrays only `KEPT_EXTRAS` stay."""
        frame = replace(frame, extra={key: value for key, value in frame.extra.items() if key in KEPT_EXTRAS})
        if self.last is None:
            self.first_seconds = frame.seconds
        if self._seen % self._every == 0:
            self._kept.append(frame)
        if len(self._kept) > _capacity(frame):
            self._kept = self._kept[::2]
            self._every *= 2
        self._seen += 1
        self.last = frame

    @property
    def frames(self) -> list[Frame]:
        """Kept frames, oldest first; empty before the first one."""
        return self._kept if self.last is None or self._kept[-1] is self.last else [*self._kept, self.last]

    @property
    def nbytes(self) -> int:
        return sum(_nbytes(frame) for frame in self.frames)


def _nbytes(frame: Frame) -> int:
    return frame.images.nbytes + sum(array.nbytes for array in frame.extra.values())


def _capacity(frame: Frame) -> int:
    return max(2, min(MAX_FRAMES, MAX_BYTES // _nbytes(frame)))


def sheet(rows: list[np.ndarray]) -> np.ndarray:
    """Moments of uint8 (N, H, W, C) each -> one picture with a row per moment and a column per image, without gaps."""
    return grid(np.concatenate(rows), columns=len(rows[0]), gap=0)


def png(image: np.ndarray) -> bytes:
    """uint8 (H, W, C) -> a PNG file, lossless."""
    file = io.BytesIO()
    to_pil(image).save(file, "PNG")
    return file.getvalue()


def webp(image: np.ndarray) -> bytes:
    """uint8 (H, W, C) -> a small WebP file, nearly as it was."""
    file = io.BytesIO()
    to_pil(image).save(file, "WEBP", quality=WEBP_QUALITY)
    return file.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """A file as text that a browser can show without asking for it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
