"""A short training while one watches, on the training pictures that ship with a world.

    python -m playground.trainings.live digits/gan --minutes 2 --out folder

It is the shipped recipe (`engines/training`) with a budget of minutes, on one thread, so that the page beside it keeps half of a
processor with two cores. What it learns from are the pictures of the gallery, a sixth of the data set: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

import engines
from engines import CheckpointError, checkpoint, text
from engines.training import loop
from engines.worlds.labels import to_words
from playground import gallery
from playground.trainings.replay import Curve, read_curves, read_log

WORLD = "digits"  # whose engines learn something within minutes
MINUTES = 2.0
LOG_EVERY = 1.0  # seconds
SNAPSHOT_SIZE = 16  # pictures in each set drawn on the way
THREADS = 1


@dataclass(frozen=True)
class Live:
    """What a training has done so far.

    picture: its latest sheet of samples, a PNG file; None before the first. drawn: seconds of training after which that was drawn.
    """

    seconds: float
    steps: int
    images: int
    curves: tuple[Curve, ...]
    picture: bytes | None
    drawn: float


def choices() -> list[str]:
    """The engines that can be trained while one watches."""
    return [f"{WORLD}/{family}" for family in engines.FAMILIES]


def command(name: str, out: Path, minutes: float = MINUTES) -> list[str]:
    """What follows `python -m`. Raises ValueError for an engine that is not among `choices`."""
    if name not in choices():
        raise ValueError(f"engine must be one of {', '.join(choices())}, got {name!r}")
    return [__name__, name, "--minutes", f"{minutes:g}", "--out", str(out)]


def look(name: str, out: Path) -> Live | None:
    """How far a training is that writes into `out`; None before its first step."""
    try:
        lines = read_log(out / "training.jsonl")
    except (OSError, ValueError):  # not begun
        return None
    last, picture = lines[-1], read_whole(out / "samples.png")
    drawn = max((line["seconds"] for line in lines if line.get("saved")), default=0.0) if picture else 0.0
    return Live(last["seconds"], last["step"], last["images"], tuple(read_curves(name, lines)), picture, drawn)


def read_whole(picture: Path) -> bytes | None:
    """A PNG file; None where there is none, or none that is written to its end."""
    content = picture.read_bytes() if picture.is_file() else b""
    return content if content.endswith(b"IEND\xaeB`\x82") else None


def train(name: str, *, minutes: float, out: Path, root: Path = checkpoint.ROOT) -> None:
    """Train an engine anew and leave weights, log and samples in `out`."""
    world_name, _, family = name.partition("/")
    torch.manual_seed(0)
    encoder = text.load(world_name, device="cpu", root=root)
    module = import_module(f"engines.training.{family}")
    recipe = module.RECIPES[world_name]["default"]
    trainer = module.make_trainer(encoder.world, recipe, variant="", text_dim=encoder.dim, device="cpu")
    shown = gallery.load(world_name, root=root)
    loop.fit(
        trainer,
        engines.engine_type(name),
        encoder,
        shown.training,
        to_words(encoder.world, shown.training_labels),
        out=out,
        minutes=minutes,
        steps=None,
        resume=False,
        log_every=LOG_EVERY,
        snapshot_size=SNAPSHOT_SIZE,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__.split("\n")[0])
    parser.add_argument("engine", choices=choices())
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(THREADS)
    try:
        train(options.engine, minutes=options.minutes, out=options.out)
    except (CheckpointError, FloatingPointError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
