"""The face editor: move one and the same face along directions, and do the nearest thing with engines that have none.

All engines start from one sentence that names every attribute of a face. Engines with moving parts follow directions in them
(`playground.directions`), as far as the sliders say. The others draw again from the same random numbers, with the sentence changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

import engines
from engines import Frame, Reading, Request, worlds
from engines.base import check_number
from engines.worlds.labels import to_words
from playground import directions
from playground.explore.inside import check_engine, scores_of
from playground.machine import Machine, threads_for
from playground.measure.manipulation import EDITS, LENGTH

LEAST, MOST, STEP = -1.0, LENGTH, 0.05  # of a slider, in directions
KEPT = 512  # faces, so that one that a visitor goes on changing is drawn once: eight or so for each of a class
TRIES = 20  # at a face that shows every attribute, and at wordings that change by no more than what is asked for
ON = LENGTH / 2  # amount from which an engine without directions is asked for the change


@dataclass(frozen=True)
class Wish:
    """A face and what is to be changed about it: the sentence before and after, and how far to go along each direction.

    ignored, overruled: of the prompt, as in a `Reading`.
    """

    world: str
    before: str
    after: str
    seed: int
    amounts: Mapping[str, float]
    ignored: tuple[str, ...] = ()
    overruled: Mapping[str, str] = field(default_factory=dict)


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
    request = Request(query.get("prompt"), query.get("seed"))
    amounts = query.get("amounts")
    known = {f"{key} {value}": (key, value) for key, value in EDITS}
    if not isinstance(amounts, Mapping) or not amounts.keys() <= known.keys():
        raise ValueError(f"amounts must be given for {', '.join(known)}, got {amounts!r}")
    for name, amount in amounts.items():
        check_number(name, amount, LEAST, MOST, integer=False)
    reading = _read(machine, world_name, request.prompts[0])
    wordings = _wordings(world_name, tuple(reading.attributes.items()), request.seed)
    after = wordings[tuple(amounts.get(name, 0) >= ON for name in known)]
    return Wish(world_name, wordings[(False,) * len(known)], after, request.seed, amounts, reading.ignored, reading.overruled)


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
def _read(machine: Machine, world_name: str, prompt: str) -> Reading:
    return machine.read(world_name, prompt)


@lru_cache(maxsize=KEPT)
def _wordings(world_name: str, named: tuple[tuple[str, str], ...], seed: int) -> dict[tuple[bool, ...], str]:
    """Sentences for a face with what is named and each choice of `EDITS`, worded alike: so only what is asked for changes.

    Where the prompt allows it, the face hides no attribute: an edit would uncover it. Where sentences become too long and have to be
    worded anew, all are.
    """
    world, rng = worlds.load(world_name), np.random.default_rng(seed)
    labels = [world.random_label(rng, dict(named)) for _ in range(TRIES)]
    label = next((label for label in labels if not world.hidden_attributes(label)), labels[0])
    choices = {
        chosen: world.hide(label | {key: value for on, (key, value) in zip(chosen, EDITS, strict=True) if on})
        for chosen in product((False, True), repeat=len(EDITS))
    }
    for attempt in range(TRIES):
        sentences, states = {}, []
        for chosen, changed in choices.items():
            rng = np.random.default_rng([seed, attempt])
            sentences[chosen] = world.compose(changed, rng, everything=True).text
            states.append(rng.bit_generator.state)
        if all(state == states[0] for state in states):  # worded from as many random numbers
            break
    return sentences


def _see(machine: Machine, world_name: str, picture: np.ndarray, sentence: str) -> Seen:
    """What the judge and the world's discriminator say of a picture."""
    [found] = to_words(worlds.load(world_name), machine.judge(world_name).attributes(picture[None]))
    scores = scores_of(machine, world_name, picture[None], (sentence,)).values()
    return Seen(picture, found, next((float(score[0]) for score in scores), None))
