"""Directions in the latents of a world's engines, each of which changes one thing about a picture, found once and shipped.

    python -m playground.directions faces

writes `checkpoints/<world>/directions/<family>.safetensors` for every engine that has a latent. How a direction is found is told in
`playground.measure.manipulation`, which tests whether it works.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

import engines
from engines import Engine, checkpoint, worlds
from playground.judges import explain_file
from playground.measure.manipulation import EDITS, find_direction

WORLDS = ("faces",)  # whose attributes `EDITS` names
PROGRAM = "directions"
SEED = 5_000_000  # of the first picture that directions are found from


def find(engine: Engine, *, seed: int = SEED, **settings: int) -> dict[str, np.ndarray]:
    """A direction, float32 (D,), for every edit, by "<attribute> <value>"."""
    return {f"{key} {value}": find_direction(engine, key, value, seed=seed, **settings).astype(np.float32) for key, value in EDITS}


def save(directions: dict[str, np.ndarray], name: str, *, root: Path = checkpoint.ROOT) -> None:
    """Keep the directions of an engine, with the fingerprint of the weights that they belong to."""
    path = _path(name, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(directions, path, metadata={"weights": checkpoint.fingerprint(root / name)})


def load(name: str, *, root: Path = checkpoint.ROOT) -> dict[str, np.ndarray]:
    """The directions of an engine. Raises CheckpointError where they are missing, damaged, or of other weights."""
    path = _path(name, root)
    with explain_file(path, name.partition("/")[0], PROGRAM):
        if not path.is_file():
            raise FileNotFoundError(f"{path.name} is missing")
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("weights") != checkpoint.fingerprint(root / name):
                raise ValueError(f"{path.name} was made for other weights of {name}")
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)


def _path(name: str, root: Path) -> Path:
    world, _, family = name.partition("/")
    return root / world / "directions" / f"{family}.safetensors"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m playground.directions", description=__doc__.split("\n")[0])
    parser.add_argument("world", choices=WORLDS)
    world = worlds.load(parser.parse_args(arguments).world)
    for family in engines.FAMILIES:
        name = f"{world.name}/{family}"
        if engines.engine_type(name).latent and engines.is_trained(name):
            save(find(engines.load(name)), name)


if __name__ == "__main__":
    main()
