"""Directions along which the face editor moves what an engine draws from, each of which changes one thing; found once and shipped.

    python -m playground.directions faces

writes `checkpoints/<world>/directions/<family>.safetensors` for every engine with `moving_parts`. A direction is the mean difference that
one word of the prompt makes to them, for pictures drawn from the same random numbers, bettered by what the engine itself knows.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

import engines
from engines import Engine, checkpoint, worlds
from engines.steering import STEPS
from playground.judges import explain_file
from playground.measure.manipulation import EDITS, PAIRS, direction_of_parts

WORLDS = ("faces",)  # whose attributes `EDITS` names
PROGRAM = "directions"
SEED = 5_000_000  # of the first picture that directions are found from


def find(engine: Engine, *, seed: int = SEED, pairs: int = PAIRS, steps: int = STEPS) -> dict[str, np.ndarray]:
    """A direction in `moving_parts`, float32, for every edit, by "<attribute> <value>"; followed `LENGTH` times it is mostly there."""
    return {f"{key} {value}": direction_of_parts(engine, key, value, seed=seed, pairs=pairs, steps=steps) for key, value in EDITS}


def save(directions: dict[str, np.ndarray], name: str, *, root: Path = checkpoint.ROOT) -> None:
    """Keep the directions of an engine, with the fingerprint of the weights that they belong to."""
    path = _path(name, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(directions, path, metadata={"weights": checkpoint.fingerprint(root / name)})


@lru_cache(maxsize=8)
def shared(name: str) -> dict[str, np.ndarray]:
    """The directions of an engine as they ship, loaded once. Raises as `load` does."""
    return load(name)


def load(name: str, *, root: Path = checkpoint.ROOT) -> dict[str, np.ndarray]:
    """The directions of an engine. Raises CheckpointError where they are missing, damaged, or of other weights."""
    path = _path(name, root)
    with explain_file(path, name.partition("/")[0], PROGRAM):
        if not path.is_file():
            raise FileNotFoundError(f"{path.name} is missing")
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("weights") != checkpoint.fingerprint(root / name):
                raise ValueError(f"{path.name} was made for other weights of {name}")
            return {key: file.get_tensor(key) for key in sorted(file.keys())}


def _path(name: str, root: Path) -> Path:
    world, _, family = name.partition("/")
    return root / world / "directions" / f"{family}.safetensors"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m playground.directions", description=__doc__.split("\n")[0])
    parser.add_argument("world", choices=WORLDS)
    world = worlds.load(parser.parse_args(arguments).world)
    for family in engines.FAMILIES:
        name = f"{world.name}/{family}"
        if engines.engine_type(name).movable and engines.is_trained(name):
            save(find(engines.load(name)), name)


if __name__ == "__main__":
    main()
