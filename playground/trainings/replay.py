"""A training run as it went: its curves, and the same pictures drawn again and again on the way.

Everything is read from what training leaves in an engine's folder, `training.jsonl` and `progress.npz`; nothing is drawn anew.
"""

from __future__ import annotations

import json
import math
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engines import checkpoint

PICTURES = 16  # of each moment
POINTS = 150  # of a curve, at most


@dataclass(frozen=True)
class Curve:
    """One line of a log. means: what it measures. points: (seconds of training, value), in order of time."""

    name: str
    unit: str
    means: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Moment:
    """When a set of pictures was drawn: seconds of training, steps, and training pictures seen."""

    seconds: float
    step: int
    images: int


@dataclass(frozen=True)
class Replay:
    """The training of one engine.

    reads: how the curves of its family are to be read. pictures: uint8 (M, PICTURES, H, W, C), a row for each moment.
    """

    engine: str
    reads: str
    seconds: float
    curves: tuple[Curve, ...]
    moments: tuple[Moment, ...]
    pictures: np.ndarray
    captions: tuple[str, ...]


def load(name: str, *, root: Path = checkpoint.ROOT) -> Replay:
    """The training of an engine such as "digits/gan". Raises CheckpointError naming the folder and the command that makes it."""
    folder, family = root / name, name.partition("/")[2].partition("-")[0]
    with checkpoint.explain(folder, name):
        try:
            lines = read_log(folder / "training.jsonl")
            with np.load(folder / "progress.npz") as saved:
                pictures, captions = saved["images"][:, :PICTURES], saved["captions"][:PICTURES]
                seconds, steps = saved["seconds"], saved["steps"]
        except zipfile.BadZipFile as error:
            raise ValueError(f"progress.npz is damaged ({error})") from error
    seen = np.interp(steps, *([line[key] for line in lines] for key in ("step", "images")))  # batches may change where a run is resumed
    moments = tuple(Moment(float(s), int(n), round(i)) for s, n, i in zip(seconds, steps, seen, strict=True))
    return Replay(
        engine=name,
        reads=_meanings()["families"][family]["reads"],
        seconds=lines[-1]["seconds"],
        curves=tuple(read_curves(name, lines)),
        moments=moments,
        pictures=pictures,
        captions=tuple(map(str, captions)),
    )


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a training log that has at least one.

    Left out are a last line that is still being written, and what a run had done that was stopped and went on from an earlier moment.
    """
    lines = path.read_text().splitlines(keepends=True)
    kept: list[dict[str, Any]] = []
    for line in reversed([json.loads(line) for line in lines if line.endswith("\n")]):
        if not kept or line["seconds"] < kept[-1]["seconds"]:
            kept.append(line)
    if not kept:
        raise ValueError(f"{path.name} is empty")
    return kept[::-1]


def read_curves(name: str, lines: list[dict[str, Any]]) -> list[Curve]:
    """The curves of an engine's log, each thinned to `POINTS` means of neighbouring lines."""
    curves = []
    for entry in _meanings()["curves"]:
        if name not in entry["engines"]:
            continue
        points = [(line["seconds"], line[entry["key"]]) for line in lines if entry["key"] in line]
        if not points:
            continue
        size = math.ceil(len(points) / POINTS) or 1
        thinned = [tuple(map(float, np.mean(points[i : i + size], axis=0))) for i in range(0, len(points), size)]
        curves.append(Curve(entry["name"], entry["unit"], entry["means"], tuple(thinned)))
    return curves


@cache
def _meanings() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("curves.toml").read_text())
