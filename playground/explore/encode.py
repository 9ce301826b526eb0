"""Encode a picture: what every engine that can look makes of it, and how little it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import engines
from engines import CheckpointError
from engines.worlds.labels import to_words
from playground import gallery, metrics
from playground.explore import repair
from playground.explore.latent_map import ENGINE as MAP_ENGINE
from playground.explore.latent_map import engines_beside
from playground.machine import Machine


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture as one engine put it together again, uint8 (H, W, C). code: what it kept of it, in words; psnr in dB."""

    engine: str
    image: np.ndarray
    code: str
    bits: float
    psnr: float


@dataclass(frozen=True)
class Blind:
    """An engine that showed nothing, and why."""

    engine: str
    reason: str


def encode(machine: Machine, world_name: str, image: np.ndarray, told: str = "") -> list[Encoded | Blind]:
    """What the engines of a world keep of a picture, uint8 (H, W, C), of which they are told in words; "" for nothing.

    To be called from within a job on the machine.
    """
    return [
        _encode(machine, name, image[None], "" if name == MAP_ENGINE else told) for name in engines_beside(world_name)
    ]  # it hears no text


def label(code: str, world: Any) -> str:
    """What the data set says of the picture in a link, as a sentence; "" for a picture that is not of the gallery. Raises ValueError."""
    number = repair.held_out_number(code, world)
    if number is None:
        return ""
    labels = gallery.shared(world.name).labels
    [shown] = to_words(world, {key: indices[[number]] for key, indices in labels.items()})
    return world.compose(shown, np.random.default_rng(0), everything=True).text


def raw_bits(world: Any) -> int:
    """Bits of a picture of the world as it is stored without any squeezing."""
    h, w, c = world.image_shape
    return 8 * h * w * c


def _encode(machine: Machine, name: str, images: np.ndarray, told: str) -> Encoded | Blind:
    if not engines.engine_type(name).rebuilds:
        return Blind(name, "What draws its pictures has no way back: it can draw, but not look.")
    try:
        rebuilt = machine.engine(name).rebuild(images, (told,))
    except CheckpointError as error:
        return Blind(name, str(error))
    return Encoded(name, rebuilt.images[0], rebuilt.code, float(rebuilt.bits[0]), float(metrics.psnr(images, rebuilt.images)[0]))
