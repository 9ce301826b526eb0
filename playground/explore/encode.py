"""Encode a picture: what every engine that can look makes of it, and how little it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import engines
from engines import CheckpointError, worlds
from playground import metrics
from playground.explore.latent_map import ENGINE as MAP_ENGINE
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


def encode(machine: Machine, world_name: str, image: np.ndarray) -> tuple[list[Encoded | Blind], str]:
    """What the engines of a world keep of a picture, uint8 (H, W, C), and what the judge saw in it, which they were told.

    To be called from within a job on the machine.
    """
    world, images = worlds.load(world_name), image[None]
    seen = {key: world.attributes[key][int(found[0])] for key, found in machine.judge(world_name).attributes(images).items()}
    told = world.compose(seen, np.random.default_rng(0), everything=True).text
    names = engines.available(world_name)
    if MAP_ENGINE.startswith(f"{world_name}/"):
        names.append(MAP_ENGINE)
    return [
        _encode(machine, name, images, "" if name == MAP_ENGINE else told) for name in names
    ], told  # the map's was trained without text


def raw_bits(world: Any) -> int:
    """Bits of a picture of the world as it is stored without any squeezing."""
    h, w, c = world.image_shape
    return 8 * h * w * c


def _encode(machine: Machine, name: str, images: np.ndarray, told: str) -> Encoded | Blind:
    if not engines.engine_type(name).rebuilds:
        return Blind(name, "It has no encoder: it can draw, but not look.")
    try:
        rebuilt = machine.engine(name).rebuild(images, (told,))
    except CheckpointError as error:
        return Blind(name, str(error))
    return Encoded(name, rebuilt.images[0], rebuilt.code, float(rebuilt.bits[0]), float(metrics.psnr(images, rebuilt.images)[0]))
