"""Figures: measured numbers with everything needed to trust them, kept in `checkpoints/<world>/figures.json`.

The file maps row of the table -> engine -> name -> figure. Rows are measured at different times; writing one keeps the others.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines import CheckpointError, checkpoint, worlds
from engines.images import to_pil

EVIDENCE = "evidence"  # folder beside figures.json
SECOND = "second-seed"  # folder of checkpoints with worlds' figures of a second run, with other captions and seeds


@dataclass(frozen=True)
class Figure:
    """One measured number.

    low, high: its 95 % interval, None where there is none. unit: "" for a plain ratio. n: what it was taken over, images or
    runs as `method` says. seed: of the first image, None where the figure hangs on none. judge: hash of the judge that scored it,
    "" where none did. weights: fingerprint of the engine's weights, "" for real images. resamples: the value in each of the bootstrap's
    resamples, where figures are compared by them: those of equal n and seed took the same prompts and real images. () elsewhere.
    """

    value: float
    unit: str
    n: int
    method: str
    machine: str
    commit: str
    low: float | None = None
    high: float | None = None
    seed: int | None = None
    judge: str = ""
    weights: str = ""
    resamples: tuple[float, ...] = ()


Figures = dict[str, dict[str, dict[str, Figure]]]


def read(world_name: str, *, root: Path = checkpoint.ROOT) -> Figures:
    """All figures of a world: row -> engine -> name -> Figure; empty where nothing was measured.

    Raises ValueError for an unknown world, CheckpointError for a damaged file.
    """
    path = _path(world_name, root)
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text())
        return {
            row: {engine: {name: _figure(fields) for name, fields in named.items()} for engine, named in engines.items()}
            for row, engines in rows.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoints/{world_name}/figures.json is damaged: {error}. Make it with: python -m playground.measure {world_name}"
        ) from error


def read_second(world_name: str, *, root: Path = checkpoint.ROOT) -> Figures:
    """As `read`, of the second run."""
    return read(world_name, root=root / SECOND)


def write(world_name: str, row: str, engine: str, named: dict[str, Figure], *, root: Path = checkpoint.ROOT) -> None:
    """Replace the figures of one engine in one row; those of other rows and engines stay. Numbers keep six digits, resamples a line."""
    rows = read(world_name, root=root)
    rows.setdefault(row, {})[engine] = named
    plain = {
        row: {engine: {n: _plain(f) for n, f in figures.items()} for engine, figures in engines.items()} for row, engines in rows.items()
    }
    path = _path(world_name, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    text = json.dumps(plain, indent=1, sort_keys=True)
    unfinished.write_text(re.sub(r'(?<="resamples": )\[[^]]*\]', lambda numbers: " ".join(numbers[0].split()), text) + "\n")
    unfinished.replace(path)


def write_evidence(world_name: str, row: str, engine: str, sheet: np.ndarray, caption: str, *, root: Path = checkpoint.ROOT) -> None:
    """Keep a picture, uint8 (H, W, C), that shows what a row's figures of one engine mean, and one sentence on it."""
    folder = _path(world_name, root).parent / EVIDENCE
    folder.mkdir(parents=True, exist_ok=True)
    to_pil(sheet).save(folder / f"{row}-{engine}.webp", lossless=True, method=6)
    captions = _captions(folder) | {f"{row}-{engine}": caption}
    (folder / "captions.json").write_text(json.dumps(captions, indent=1, sort_keys=True) + "\n")


def read_evidence(world_name: str, row: str, engine: str, *, root: Path = checkpoint.ROOT) -> tuple[bytes, str] | None:
    """The picture that shows what a row's figures of one engine mean, as a WebP file, and one sentence on it; None where there is none."""
    folder, name = _path(world_name, root).parent / EVIDENCE, f"{row}-{engine}"
    picture, captions = folder / f"{name}.webp", _captions(folder)
    return (picture.read_bytes(), captions[name]) if name in captions and picture.is_file() else None


def read_reasons(world_name: str, *, root: Path = checkpoint.ROOT) -> dict[str, str]:
    """Why claims are not reproduced, in a sentence or two: by a claim's name, or by a row's key for all of its claims, `reasons.json`."""
    path = _path(world_name, root).with_name("reasons.json")
    return json.loads(path.read_text()) if path.is_file() else {}


def read_runs(*, root: Path = checkpoint.ROOT) -> dict[str, list[dict]]:
    """What became of the short trainings of the stability row, family -> runs, as the measuring command left them."""
    folders = sorted((root / "digits" / "stability").glob("*"))
    return {folder.name: [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))] for folder in folders}


def _captions(folder: Path) -> dict[str, str]:
    path = folder / "captions.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _figure(fields: dict) -> Figure:
    return Figure(**fields | {"resamples": tuple(fields.get("resamples", ()))})


def _plain(figure: Figure) -> dict:
    fields = {key: _rounded(value) for key, value in dataclasses.asdict(figure).items()}
    resamples = list(map(_rounded, fields.pop("resamples")))
    return fields | ({"resamples": resamples} if resamples else {})


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _path(world_name: str, root: Path) -> Path:
    worlds.load(world_name)
    return root / world_name / "figures.json"
