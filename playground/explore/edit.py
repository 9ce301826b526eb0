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
from engines import Frame, Request, worlds
from engines.base import check_number
from playground import directions
from playground.explore.inside import check_engine, scores_of
from playground.machine import Machine, threads_for
from playground.measure.manipulation import EDITS, LENGTH

LEAST, MOST, STEP = -1.0, LENGTH, 0.05  # of a slider, in directions
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
    label = world.random_label(np.random.default_rng(request.seed), _named(machine, world_name, request.prompts[0]))
    changed = world.hide(label | {key: value for name, (key, value) in known.items() if amounts.get(name, 0) >= ON})
    before, after = (world.compose(which, np.random.default_rng(request.seed), everything=True).text for which in (label, changed))
    return Wish(world_name, before, after, request.seed, amounts)


def follow(machine: Machine, asked: Wish, name: str) -> np.ndarray:
    """The face, moved along an engine's directions: uint8 (H, W, C). From within a job on the machine. Raises as `edit`."""
    check_engine(name, asked.world)
    engine = machine.engine(name)
    if not engine.movable:
        raise ValueError(f"{name} has no directions to follow")
    frame, known = face(machine, name, asked.before, asked.seed), directions.shared(name)
    step = sum(amount * known[key] for key, amount in asked.amounts.items())
    with threads_for(engine):
        return engine.draw_moved(engine.moving_parts(frame) + np.float32(step))[0]


def edit(machine: Machine, asked: Wish, name: str) -> Edited:
    """What an engine makes of it. From within a job on the machine. Raises ValueError and CheckpointError."""
    check_engine(name, asked.world)
    before = seen(machine, name, asked.before, asked.seed)
    along = bool(machine.engine(name).movable)
    if along:
        picture = follow(machine, asked, name)
        after = _see(machine, asked.world, picture, asked.after)
    else:  # nothing is drawn where the sentence did not change
        after = seen(machine, name, asked.after, asked.seed)
    scores = None if before.score is None or after.score is None else (before.score, after.score)
    return Edited(name, along, before.picture, after.picture, (before.reading, after.reading), scores)


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture, uint8 (H, W, C), what the judge reads in it, and the discriminator's score beside its sentence, if there is one."""

    picture: np.ndarray
    reading: dict[str, str]
    score: float | None


@lru_cache(maxsize=KEPT)
def face(machine: Machine, name: str, sentence: str, seed: int) -> Frame:
    """The last frame of an engine's face. From within a job on the machine."""
    engine = machine.engine(name)
    with threads_for(engine):
        return engine.draw(Request(sentence, seed))


@lru_cache(maxsize=KEPT)
def seen(machine: Machine, name: str, sentence: str, seed: int) -> Seen:
    """What is seen in an engine's face. From within a job on the machine."""
    return _see(machine, name.partition("/")[0], face(machine, name, sentence, seed).images[0], sentence)


@lru_cache(maxsize=KEPT)
def _named(machine: Machine, world_name: str, prompt: str) -> dict[str, str]:
    """What a prompt names."""
    return machine.read(world_name, prompt).attributes


def _see(machine: Machine, world_name: str, picture: np.ndarray, sentence: str) -> Seen:
    """What the judge and the world's discriminator say of a picture."""
    found, values = machine.judge(world_name).attributes(picture[None]), worlds.load(world_name).attributes
    scores = scores_of(machine, world_name, picture[None], (sentence,)).values()
    return Seen(picture, {key: values[key][int(found[key][0])] for key in values}, next((float(score[0]) for score in scores), None))
