"""A shelf of failures: real runs that went wrong in the way their family does, each with the command that makes it again.

    python -m playground.trainings.shelf

runs every command of `shelf.toml` that was not recorded yet, or with other weights, and keeps the pictures in `checkpoints/digits/shelf/`.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from engines import checkpoint
from engines.training import cards
from engines.training.machine import device_name

SHELF = checkpoint.ROOT / "digits" / "shelf"
WORKPLACE = Path("runs/shelf")  # of what is not kept, seen from the repository; ignored by git
RECORDS = "records.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """One run. command: as typed. picture: what came out, a WebP file; None while it was not run. made: commit and machine."""

    label: str
    command: str
    picture: bytes | None
    made: str


@dataclass(frozen=True)
class Exhibit:
    """A failure and what to compare it with."""

    name: str
    family: str
    title: str
    text: str
    recordings: tuple[Recording, ...]


def load(folder: Path = SHELF) -> list[Exhibit]:
    """The shelf, with what was recorded in `folder`. A recording of another command, or of other weights, does not count."""
    records = _records(folder)
    shelf = []
    for exhibit in _described():
        recordings = []
        for key, label, command in _runs(exhibit):
            record, picture = records.get(key, {}), folder / f"{key}.webp"
            if (record.get("command"), record.get("weights")) == (command, weights(command)) and picture.is_file():
                recordings.append(Recording(label, command, picture.read_bytes(), f"{record['commit']}, {record['machine']}"))
            else:
                recordings.append(Recording(label, command, None, ""))
        texts = {name: exhibit[name] for name in ("name", "family", "title", "text")}
        shelf.append(Exhibit(**texts, recordings=tuple(recordings)))
    return shelf


def record(folder: Path = SHELF) -> None:
    """Run what is missing in `folder`. Raises FileNotFoundError when a command leaves no picture."""
    folder.mkdir(parents=True, exist_ok=True)
    recorded = {recording.command for exhibit in load(folder) for recording in exhibit.recordings if recording.picture}
    for exhibit in _described():
        for key, _, command in _runs(exhibit):
            if command in recorded:
                continue
            log.info("%s", command)
            (checkpoint.ROOT.parent / WORKPLACE).mkdir(parents=True, exist_ok=True)
            try:
                run(shlex.split(command)[1:])
            except subprocess.CalledProcessError as error:  # numbers that run away are a failure to show, if it drew before
                log.info("%s", error)
            out = checkpoint.ROOT.parent / WORKPLACE / key
            drawn = out / "samples.png" if out.is_dir() else out.with_suffix(".png")
            Image.open(drawn).save(folder / f"{key}.webp", lossless=True, method=6)
            made = {"command": command, "weights": weights(command), "commit": cards.commit(), "machine": device_name(torch.device("cpu"))}
            (folder / RECORDS).write_text(json.dumps(_records(folder) | {key: made}, indent=1, sort_keys=True) + "\n")


def run(arguments: list[str]) -> None:
    """Run Python on a command's arguments, from the repository's folder. Raises subprocess.CalledProcessError when it fails."""
    subprocess.run([sys.executable, *arguments], cwd=checkpoint.ROOT.parent, check=True)


def weights(command: str) -> str:
    """Fingerprint of the weights that a command draws with; "" for a training, which begins without any."""
    _, _, program, engine, *_ = shlex.split(command)
    return checkpoint.fingerprint(checkpoint.ROOT / engine) if program == "engines" else ""


def _runs(exhibit: dict) -> Iterator[tuple[str, str, str]]:
    """Key, label and command of each recording of an exhibit."""
    for i, described in enumerate(exhibit["recordings"], start=1):
        key = f"{exhibit['name']}-{i}"
        yield key, described["label"], described["command"].format(out=WORKPLACE / key)


@cache
def _described() -> list[dict]:
    return tomllib.loads(Path(__file__).with_name("shelf.toml").read_text())["exhibits"]


def _records(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / RECORDS
    return json.loads(path.read_text()) if path.is_file() else {}


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__.split("\n")[0]).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    record()


if __name__ == "__main__":
    main()
