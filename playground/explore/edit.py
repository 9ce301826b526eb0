"""The face editor: move one and the same face along directions, and do the nearest thing with engines that have none.

All engines start from one sentence that names every attribute of a face. Engines with moving parts follow directions in them
(`playground.directions`), as far as the sliders say. The others draw again from the same random numbers, with the sentence changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import engines
from engines import Engine, Frame, Request, worlds
from engines.base import check_number
from playground import directions
from playground.explore.inside import check_engine, scores_of
from playground.machine import Machine, threads_for
from playground.measure.manipulation import EDITS, LENGTH

LEAST, MOST, STEP = -1.0, LENGTH, 0.05  # of a slider, in mean differences
KEPT = 64  # faces, so that a face that one goes on changing is drawn once
ON = LENGTH / 2  # amount from which an engine without directions is asked for the change


@dataclass(frozen=True)
class Wish:
    """A face and what is to be changed about it: the sentence before and after, and how far to go along each direction."""

    world: str
    before: str
    after: str
    seed: int
    amounts: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Edited:
    """A face before and after, uint8 (H, W, C), and what the judge reads in each.

    along: whether directions were followed. scores: what the world's discriminator says of the two, None where there is none.
    """

    engine: str
    along: bool
    before: np.ndarray
    after: np.ndarray
    readings: tuple[dict[str, str], dict[str, str]]
    scores: tuple[float, float] | None

    def leaked(self, wanted: set[str]) -> dict[str, tuple[str, str]]:
        """Attributes that changed though they were not among those `wanted`, with their values before and after."""
        first, second = self.readings
        return {key: (first[key], second[key]) for key in first if first[key] != second[key] and key not in wanted}


def wish(machine: Machine, query: Mapping[str, Any]) -> Wish:
    """What a visitor's query asks for: world, prompt, seed, amounts. From within a job on the machine. Raises ValueError."""
    world_name = query.get("world")
    if world_name not in directions.WORLDS or world_name not in engines.world_names():
        raise ValueError(f"no directions are known in the world {world_name!r}")
    request, world = Request(query.get("prompt"), query.get("seed")), worlds.load(world_name)
    amounts = query.get("amounts")
    known = {f"{key} {value}": (key, value) for key, value in EDITS}
    if not isinstance(amounts, Mapping) or not amounts.keys() <= known.keys():
        raise ValueError(f"amounts must be given for {', '.join(known)}, got {amounts!r}")
    for name, amount in amounts.items():
        check_number(name, amount, LEAST, MOST, integer=False)
    reading = machine.read(world_name, request.prompts[0])
    label = world.random_label(np.random.default_rng(request.seed), reading.attributes)
    changed = world.hide(label | {key: value for name, (key, value) in known.items() if amounts.get(name, 0) >= ON})
    before, after = (world.compose(which, np.random.default_rng(request.seed), everything=True).text for which in (label, changed))
    return Wish(world_name, before, after, request.seed, amounts)


def edit(machine: Machine, asked: Wish, name: str) -> Edited:
    """What an engine makes of it. From within a job on the machine. Raises ValueError and CheckpointError."""
    check_engine(name, asked.world)
    engine, judge = machine.engine(name), machine.judge(asked.world)
    frame = face(engine, asked.before, asked.seed)
    with threads_for(engine):
        if engine.movable:
            known = directions.shared(name)
            step = sum(amount * known[key] for key, amount in asked.amounts.items())
            after = engine.draw_moved(engine.moving_parts(frame) + np.float32(step))
        else:  # nothing is drawn where the sentence did not change
            after = face(engine, asked.after, asked.seed).images
    pictures = np.concatenate([frame.images, after])
    found, values = judge.attributes(pictures), worlds.load(asked.world).attributes
    readings = tuple({key: values[key][int(found[key][i])] for key in values} for i in (0, 1))
    return Edited(name, bool(engine.movable), pictures[0], pictures[1], readings, _scores(machine, asked, pictures))


@lru_cache(maxsize=KEPT)
def face(engine: Engine, sentence: str, seed: int) -> Frame:
    """The last frame of an engine's face. From within a job on the machine."""
    with threads_for(engine):
        return engine.draw(Request(sentence, seed))


def _scores(machine: Machine, asked: Wish, pictures: np.ndarray) -> tuple[float, float] | None:
    """What the world's discriminator says of the pictures before and after, each beside its own sentence."""
    for first, second in scores_of(machine, asked.world, pictures, (asked.before, asked.after)).values():
        return float(first), float(second)
    return None
