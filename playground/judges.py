"""Judges: two frozen networks per world that score engines and never train or guide one.

The classifier reads the attributes of a picture; the encoder, trained without labels, only learned to put pictures back
together. A finding counts when both feature spaces agree. Trained on real images alone by `playground.train_judges`. What they read
did lead to changes of recipes and settings (guidance, truncation, temperature) and to the choice of weights: `checkpoints/LOG.md`
says where.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from engines import CheckpointError, checkpoint, worlds
from engines import images as pictures

SPACES = ("classifier", "encoder")
BATCH = 250
SPLIT_SEED = 0  # of the permutation that halves the test split, whose two halves were written by different people
PROGRAM = "train_judges"  # makes the files of a judge


@dataclass(frozen=True)
class JudgeConfig:
    """Architecture of both networks of a judge.

    world: whose images it was trained on. image_shape: H, W, C. attributes: number of values of each. dim: width of the
    features. width: channels of the first level, doubled at each of the `levels`, which halve the picture.
    """

    world: str
    image_shape: tuple[int, int, int]
    attributes: dict[str, int]
    dim: int = 96
    width: int = 32
    levels: int = 3

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(self.width * 2**level for level in range(self.levels))

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width after the last level."""
        h, w, _ = self.image_shape
        for _ in range(self.levels):
            h, w = -(-h // 2), -(-w // 2)
        return h, w


def conv(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Trunk(nn.Module):
    """Picture -> features of mean 0 and variance 1 over the training images."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        inputs, blocks = config.image_shape[2], []
        for outputs in config.channels:
            blocks += [conv(inputs, outputs), conv(outputs, outputs, stride=2)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(0.2)
        h, w = config.grid
        self.project = nn.Linear(inputs * h * w, config.dim, bias=False)
        self.norm = nn.BatchNorm1d(config.dim, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(x)  # (N, C, h, w)
        return self.norm(self.project(self.dropout(x.flatten(1))))  # (N, D)


class Classifier(nn.Module):
    """Picture -> logits per attribute, {"digit": (N, 10), ...}; its features are what the heads read."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.trunk = Trunk(config)
        self.heads = nn.ModuleDict({key: nn.Linear(config.dim, n) for key, n in config.attributes.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.trunk(x)
        return {key: head(features) for key, head in self.heads.items()}


class Autoencoder(nn.Module):
    """Picture -> the same picture through a narrow bottleneck, its features."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.trunk = Trunk(config)
        self.trunk.dropout.p = 0.0
        self.shape = config.image_shape[:2]
        self.grid = (config.channels[-1], *config.grid)
        self.expand = nn.Linear(config.dim, int(np.prod(self.grid)))
        widths = (*reversed(config.channels), config.width // 2)
        self.blocks = nn.ModuleList(conv(a, b) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], config.image_shape[2], 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.expand(self.trunk(x)).unflatten(1, self.grid)  # (N, C, h, w)
        for block in self.blocks:
            x = block(F.interpolate(x, scale_factor=2.0))
        h, w = self.shape
        return self.last(x)[:, :, :h, :w]  # (N, C, H, W)


@dataclass(frozen=True)
class Reference:
    """Real held-out images as the judge sees them: what engines are compared with, shipped so that no data set is needed.

    features: float32 (N, D) per space. labels: value indices (N,) per attribute, from the data set. figures: reference.json:
    floor and ruler of the Fréchet distance per space, sharpness, the judge's own accuracy.
    """

    features: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    figures: dict[str, Any]


def test_halves(num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (N,) each, N up to 5,000, of the images of a test split that are the reference, and of the others."""
    order = np.random.default_rng(SPLIT_SEED).permutation(num_images)
    n = min(5000, num_images // 2)
    return order[:n], order[n : 2 * n]


class Judge:
    """The two networks of one world. `hash`: sha256 of their weights. `reference`: real images as they see them."""

    def __init__(self, config: JudgeConfig, networks: dict[str, nn.Module], *, hash: str, reference: Reference | None = None):
        self.config = config
        self.networks = {space: network.eval().requires_grad_(False) for space, network in networks.items()}
        self.hash = hash
        self.reference = reference

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        return next(self.networks["classifier"].parameters()).device

    @torch.inference_mode()
    def features(self, images: np.ndarray, *, space: str = "classifier") -> np.ndarray:
        """uint8 (N, H, W, C) -> float32 (N, D) in one of `SPACES`. Raises ValueError for another space or shape."""
        if space not in SPACES:
            raise ValueError(f"space must be one of {', '.join(SPACES)}, got {space!r}")
        trunk = self.networks[space].trunk
        return np.concatenate([trunk(x).cpu().numpy() for x in self._batches(images)])

    @torch.inference_mode()
    def attributes(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 (N, H, W, C) -> index (N,) of the likeliest value of each attribute of the world."""
        classifier = self.networks["classifier"]
        answers = [{key: logits.argmax(1).cpu().numpy() for key, logits in classifier(x).items()} for x in self._batches(images)]
        return {key: np.concatenate([answer[key] for answer in answers]) for key in self.config.attributes}

    def _batches(self, images: np.ndarray) -> Iterator[torch.Tensor]:
        if images.dtype != np.uint8 or images.shape[1:] != tuple(self.config.image_shape) or len(images) == 0:
            raise ValueError(f"images must be uint8 (N, {', '.join(map(str, self.config.image_shape))}), got {images.dtype} {images.shape}")
        for start in range(0, len(images), BATCH):
            yield pictures.to_float(images[start : start + BATCH]).to(self.device)


def build(config: JudgeConfig) -> dict[str, nn.Module]:
    """Both networks, untrained."""
    return {"classifier": Classifier(config), "encoder": Autoencoder(config)}


def new_config(world: Any, **sizes: int) -> JudgeConfig:
    """The architecture for a world module of `engines.worlds`."""
    return JudgeConfig(world.name, tuple(world.image_shape), {key: len(values) for key, values in world.attributes.items()}, **sizes)


def save(config: JudgeConfig, networks: dict[str, nn.Module], folder: Path) -> None:
    """Write config.json and both networks in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    for space, network in networks.items():
        weights = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
        save_file({key: value.cpu().contiguous() for key, value in weights.items()}, folder / f"{space}.safetensors")


def save_reference(reference: Reference, folder: Path) -> None:
    """Write reference.safetensors (features in half precision, labels as bytes) and reference.json."""
    tensors = {f"features.{space}": torch.from_numpy(x).half() for space, x in reference.features.items()}
    tensors |= {f"labels.{key}": torch.from_numpy(x.astype(np.uint8)) for key, x in reference.labels.items()}
    save_file(tensors, folder / "reference.safetensors")
    (folder / "reference.json").write_text(json.dumps(reference.figures, indent=2) + "\n")


def load(world_name: str, *, device: str = "cpu", root: Path = checkpoint.ROOT) -> Judge:
    """The judge of a world with its reference, from `<root>/<world>/judge`.

    Raises ValueError for an unknown world, CheckpointError naming the file and the command for a missing or damaged one.
    """
    worlds.load(world_name)
    folder = root / world_name / "judge"
    judge = load_networks(folder, device=device)
    with explain_file(folder / "reference.json", world_name, PROGRAM):
        figures = json.loads((folder / "reference.json").read_text())
    with explain_file(folder / "reference.safetensors", world_name, PROGRAM):
        tensors = load_file(folder / "reference.safetensors")
        features = {space: tensors[f"features.{space}"].float().numpy() for space in SPACES}
        labels = {key: tensors[f"labels.{key}"].numpy().astype(np.int64) for key in judge.config.attributes}
    judge.reference = Reference(features, labels, figures)
    return judge


def load_networks(folder: Path, *, device: str = "cpu") -> Judge:
    """The two networks of a judge folder, without a reference. Raises CheckpointError like `load`."""
    world_name = folder.parent.name
    with explain_file(folder / "config.json", world_name, PROGRAM):
        settings = checkpoint.read_config(folder)
        config = JudgeConfig(**{**settings, "image_shape": tuple(settings["image_shape"])})
        networks = build(config)
    digest = hashlib.sha256()
    for space, network in networks.items():
        path = folder / f"{space}.safetensors"
        with explain_file(path, world_name, PROGRAM):
            checkpoint.load_weights(network, path)
            digest.update(path.read_bytes())
    return Judge(config, {space: network.to(device) for space, network in networks.items()}, hash=digest.hexdigest())


@contextmanager
def explain_file(path: Path, world_name: str, program: str) -> Iterator[None]:
    """Turn a missing or damaged file of a world into a CheckpointError that names it and the program that makes it."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        shown = f"checkpoints/{world_name}/{path.parent.name}/{path.name}"
        raise CheckpointError(f"{shown} cannot be loaded: {reason}. Make it with: python -m playground.{program} {world_name}") from error
