"""The plane of a VAE with two latents: where real pictures lie on it, and what every point of it means.

The plane is decoded once, on a grid; a browser that has it shows any point at once, blended from the four decoded ones around, however
many visitors move about and whatever the machine is drawing. The point where the pointer rests is then decoded exactly.

    python -m playground.explore.latent_map

writes where the whole test set lies, since the pictures themselves do not ship. Needs the world's data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import engines
from engines import checkpoint
from engines.base import check_number
from engines.images import grid
from engines.vae import VAEEngine
from engines.worlds.labels import to_indices
from playground.gallery import Gallery

ENGINE = "digits/vae-map"  # trained without text, so that the two numbers say everything
EXTENT = 4.0  # both axes go from -EXTENT to EXTENT: four standard deviations of the prior
POINTS = 49  # of the grid, along each axis
DECODED_AT_ONCE = 245  # pictures
CODES = Path("digits/gallery/map.safetensors")  # where the test set lies, below the folder of the checkpoints


@dataclass(frozen=True)
class LatentMap:
    """The codes of real pictures, float (N, 2), their classes (N,), the classes' names, and the decoded grid, uint8.

    The grid is one picture (POINTS * H, POINTS * W, C): z1 grows to the right, z2 upwards. cloud: (M, 3), codes and classes of the whole
    test set; empty where they are not known of these weights.
    """

    codes: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    sheet: np.ndarray
    cloud: np.ndarray


def engines_beside(world_name: str) -> list[str]:
    """The engines of a world, and the map's after them where it belongs to that world."""
    return [*engines.available(world_name), *([ENGINE] if ENGINE.startswith(f"{world_name}/") else [])]


def make(engine: VAEEngine, shown: Gallery) -> LatentMap:
    """Encode the gallery's held-out pictures and decode the grid."""
    codes = engine.encode(shown.held_out, *_unasked(len(shown.held_out)))
    axis = np.linspace(-EXTENT, EXTENT, POINTS, dtype=np.float32)
    z1, z2 = np.meshgrid(axis, axis[::-1])
    points = np.stack([z1.ravel(), z2.ravel()], axis=1)  # (POINTS ** 2, 2), row by row from the top
    parts = [decode(engine, points[i : i + DECODED_AT_ONCE]) for i in range(0, len(points), DECODED_AT_ONCE)]
    subject = engine.world.subject
    sheet = grid(np.concatenate(parts), columns=POINTS, gap=0)
    return LatentMap(codes, shown.labels[subject], engine.world.attributes[subject], sheet, load_cloud(engine))


def load_cloud(engine: VAEEngine, root: Path = checkpoint.ROOT) -> np.ndarray:
    """Codes and classes of the test set, float32 (M, 3), as they ship; empty where they are of other weights than the engine's."""
    if not engine.folder or not (root / CODES).is_file():
        return np.empty((0, 3), np.float32)
    with safe_open(root / CODES, "np") as file:
        fits = file.metadata()["weights"] == checkpoint.fingerprint(engine.folder)
        return file.get_tensor("cloud").astype(np.float32) if fits else np.empty((0, 3), np.float32)


def save_cloud(engine: VAEEngine, root: Path = checkpoint.ROOT) -> None:
    """Encode the test set and write where it lies. Needs the world's data set."""
    images, labels = engine.world.load_images(split="test")
    classes = to_indices(engine.world, labels)[engine.world.subject]
    cloud = np.column_stack([engine.encode(images, *_unasked(len(images))), classes])
    save_file({"cloud": torch.from_numpy(cloud).half()}, root / CODES, {"weights": checkpoint.fingerprint(engine.folder)})


def decode(engine: VAEEngine, points: np.ndarray) -> np.ndarray:
    """Points of the plane, (N, 2) -> pictures, uint8 (N, H, W, C)."""
    return engine.redraw(points.astype(np.float32), *_unasked(len(points)))


def check_point(z1: Any, z2: Any) -> np.ndarray:
    """A point, (1, 2). Raises ValueError naming the value and the range."""
    for name, value in (("z1", z1), ("z2", z2)):
        check_number(name, value, -EXTENT, EXTENT, integer=False)
    return np.array([[z1, z2]], np.float32)


def _unasked(n: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return ("",) * n, (0,) * n


if __name__ == "__main__":
    save_cloud(engines.load(ENGINE))
