"""A few real images of a world, shipped with it, so that pages and measurements can show and use them without the data set.

    python -m playground.gallery digits

writes `checkpoints/<world>/gallery/`: held-out images, which no engine has seen, and a sample of the training images with the
judge's features, in which the nearest to any picture can be found.
"""

from __future__ import annotations

import argparse
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engines import checkpoint, worlds
from engines.images import grid, to_pil
from engines.worlds.labels import to_indices
from playground import judges
from playground.judges import SPACES, Judge, explain_file

HELD_OUT = 500
TRAINING = {"digits": 10_000, "faces": 4_000}  # at most; so that no file is larger than 9.5 MB
COLUMNS = 50  # of a sheet
SEED = 0
PROGRAM = "gallery"  # makes the files


@dataclass(frozen=True)
class Gallery:
    """Real images, uint8 (N, H, W, C), and their labels as value indices (N,) per attribute.

    held_out, labels: of the test split. training, training_labels, features: a sample of the training split, with its features
    (M, D) in each of the judge's spaces. num_training: how many images the whole training split holds. judge: its hash.
    """

    held_out: np.ndarray
    labels: dict[str, np.ndarray]
    training: np.ndarray
    training_labels: dict[str, np.ndarray]
    features: dict[str, np.ndarray]
    num_training: int
    judge: str = ""

    def nearest(self, images: np.ndarray, judge: Judge, *, count: int = 3, space: str = "encoder") -> tuple[np.ndarray, np.ndarray]:
        """The training images in the gallery that are nearest to pictures, uint8 (N, H, W, C), the nearest first.

        Returns indices (N, count) into `training` and distances (N, count) between features.
        """
        wanted, known = judge.features(images, space=space), self.features[space]
        distances = np.stack([np.linalg.norm(known - one, axis=1) for one in wanted])  # (N, M)
        order = np.argsort(distances, axis=1)[:, :count]
        return order, np.take_along_axis(distances, order, axis=1)


def make(world: Any, judge: Judge) -> Gallery:
    """Choose the images and let the judge see them. Needs the world's data set."""
    held_out, labels = world.load_images(split="test", num_images=min(HELD_OUT, len(world.load_images(split="test")[0])), seed=SEED)
    images, training_labels = world.load_images(split="train")
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(images))[: TRAINING[world.name]])
    training = images[chosen]
    return Gallery(
        held_out,
        to_indices(world, labels),
        training,
        to_indices(world, [training_labels[i] for i in chosen]),
        {space: judge.features(training, space=space) for space in SPACES},
        len(images),
        judge.hash,
    )


def save(gallery: Gallery, folder: Path, judge: Judge) -> None:
    """Write sheets (held-out images without loss, colour training images nearly so), labels and features."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in (("held_out", gallery.held_out), ("training", gallery.training)):
        lossless = name == "held_out" or images.shape[-1] == 1
        to_pil(grid(images, columns=COLUMNS, gap=0)).save(folder / f"{name}.webp", lossless=lossless, quality=90, method=6)
    tensors = {f"features.{space}": torch.from_numpy(x).half() for space, x in gallery.features.items()}
    for name, labels in (("labels", gallery.labels), ("training_labels", gallery.training_labels)):
        tensors |= {f"{name}.{key}": torch.from_numpy(x.astype(np.uint8)) for key, x in labels.items()}
    save_file(tensors, folder / "gallery.safetensors")
    counts = {"held_out": len(gallery.held_out), "training": len(gallery.training), "num_training": gallery.num_training}
    (folder / "config.json").write_text(json.dumps({**counts, "seed": SEED, "judge": judge.hash}, indent=2) + "\n")


def load(world_name: str, *, root: Path = checkpoint.ROOT) -> Gallery:
    """The gallery of a world, from `<root>/<world>/gallery`.

    Raises ValueError for an unknown world, CheckpointError naming the file and the command for a missing or damaged one.
    """
    world, folder = worlds.load(world_name), root / world_name / "gallery"
    with explain_file(folder / "config.json", world_name, PROGRAM):
        config = json.loads((folder / "config.json").read_text())
        counts = {name: config[name] for name in ("held_out", "training", "num_training")}
    sheets = {}
    for name in ("held_out", "training"):
        with explain_file(folder / f"{name}.webp", world_name, PROGRAM):
            sheets[name] = _cut(Image.open(folder / f"{name}.webp"), world.image_shape, counts[name])
    with explain_file(folder / "gallery.safetensors", world_name, PROGRAM):
        tensors = load_file(folder / "gallery.safetensors")
        features = {space: tensors[f"features.{space}"].float().numpy() for space in SPACES}
        labels, training_labels = (
            {key: tensors[f"{name}.{key}"].numpy().astype(np.int64) for key in world.attributes} for name in ("labels", "training_labels")
        )
    return Gallery(sheets["held_out"], labels, sheets["training"], training_labels, features, counts["num_training"], config["judge"])


def shared(world_name: str) -> Gallery:
    """The gallery of a world as it ships, loaded once for all who only look at it, on whatever thread. Raises as `load` does."""
    with _loading:
        return _kept(world_name)


_loading = threading.Lock()  # `lru_cache` alone would let everybody load who asks before the first has loaded
_kept = lru_cache(maxsize=4)(lambda world_name: load(world_name))


def _cut(sheet: Image.Image, shape: tuple[int, int, int], count: int) -> np.ndarray:
    """The pictures of a sheet, uint8 (count, H, W, C)."""
    h, w, c = shape
    pixels = np.asarray(sheet.convert("L" if c == 1 else "RGB")).reshape(sheet.height, sheet.width, c)
    tiles = pixels.reshape(sheet.height // h, h, sheet.width // w, w, c).swapaxes(1, 2).reshape(-1, h, w, c)
    return np.ascontiguousarray(tiles[:count])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m playground.gallery", description=__doc__.split("\n")[0])
    parser.add_argument("world", choices=worlds.NAMES)
    parser.add_argument("--out", type=Path, default=checkpoint.ROOT, help="folder that holds <world>/gallery")
    options = parser.parse_args(arguments)
    judge = judges.load_networks(checkpoint.ROOT / options.world / "judge")
    save(make(worlds.load(options.world), judge), options.out / options.world / "gallery", judge)


if __name__ == "__main__":
    main()
