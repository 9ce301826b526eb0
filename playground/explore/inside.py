"""Look inside: how each engine came to its picture, and whether the picture is a copy."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import engines
from engines import CheckpointError, Inspection
from engines.base import check_number
from playground import gallery, metrics
from playground.compare import Comparison, Order, Pane, make_params
from playground.machine import Machine, threads_for

GUIDANCE = (0.0, 1.0, 3.0, 7.0)  # rows of the grid
STEPS = (2, 5, 20, 100)  # its columns
NEAREST = 3  # training pictures shown beside each picture
SPACE = "encoder"  # of the judge, in which pictures are compared
COPY_PERCENTILE = 1.0  # of real pictures that nobody trained on: nearer to a training picture than these, a picture counts as a copy

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Relatives:
    """The training pictures nearest to a picture.

    nearest: uint8 (NEAREST, H, W, C), and their distances (NEAREST,) between the judge's features, in units of the distance below which a
    picture counts as a copy. looked_at: how many training pictures were compared, of num_training.
    """

    nearest: np.ndarray
    distances: np.ndarray
    looked_at: int
    num_training: int

    @property
    def copied(self) -> bool:
        return bool(self.distances[0] < 1)


@dataclass(frozen=True, eq=False)
class Checked:
    """An engine's picture beside its relatives. scores: what each discriminator of the world makes of it, by the engine that holds it."""

    engine: str
    relatives: Relatives
    scores: dict[str, float]


def order(query: Mapping[str, Any]) -> Order:
    """The order in a visitor's query: world, prompt, seed. One picture of each engine. Raises ValueError naming what is wrong."""
    return Order(query.get("world"), query.get("prompt"), query.get("seed"), 1)


def is_whole(pane: Pane) -> bool:
    """Whether an engine drew its picture to the end."""
    return pane.film.last is not None and pane.film.last.step == pane.film.last.num_steps


def find_pane(comparison: Comparison, name: Any) -> Pane:
    """The pane of an engine that drew a whole picture. Raises ValueError."""
    for pane in comparison.panes:
        if pane.name == name and is_whole(pane):
            return pane
    raise ValueError("this engine drew no whole picture")


def inspect(machine: Machine, comparison: Comparison, name: Any, place: Any) -> Inspection:
    """How an engine came to one piece of its picture. To be called from within a job on the machine. Raises ValueError."""
    pane = find_pane(comparison, name)
    engine = machine.engine(pane.name)
    if not engine.inspects:
        raise ValueError(f"{pane.name} does not draw piece by piece")
    return engine.inspect(pane.film.last, engine.told(comparison.order.request())[0], place)


def check(machine: Machine, comparison: Comparison) -> list[Checked]:
    """The nearest training pictures to every picture drawn, and the discriminators' scores. From within a job on the machine."""
    world_name, checked = comparison.order.world, []
    for pane in comparison.panes:
        if not is_whole(pane):
            continue
        images = pane.film.last.images[:1]
        scores = {name: float(found[0]) for name, found in scores_of(machine, world_name, images, (comparison.order.prompt,)).items()}
        checked.append(Checked(pane.name, relatives(machine, world_name, images[0]), scores))
    return checked


def relatives(machine: Machine, world_name: str, image: np.ndarray) -> Relatives:
    """The nearest training pictures to any picture, uint8 (H, W, C). From within a job on the machine."""
    shown, judge = gallery.shared(world_name), machine.judge(world_name)
    indices, distances = shown.nearest(image[None], judge, count=NEAREST, space=SPACE)
    unit = copy_distance(world_name, judge)
    return Relatives(shown.training[indices[0]], distances[0] / unit, len(shown.training), shown.num_training)


def scores_of(machine: Machine, world_name: str, images: np.ndarray, prompts: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What the world's discriminators say of pictures, float32 (N,) by the engine that keeps one. From within a job on the machine."""
    scores = {}
    for name in (name for name in engines.available(world_name) if engines.engine_type(name).scores):
        try:
            scores[name] = machine.engine(name).score(images, prompts)
        except CheckpointError as error:  # a GAN whose discriminator was not kept
            log.info("%s", error)
    return scores


@lru_cache(maxsize=4)
def copy_distance(world_name: str, judge: Any) -> float:
    """The distance to the nearest training picture of the gallery below which only `COPY_PERCENTILE` of held-out pictures lie."""
    shown = gallery.shared(world_name)
    distances = metrics.nearest_distances(judge.features(shown.held_out, space=SPACE), shown.features[SPACE])
    return float(np.percentile(distances, COPY_PERCENTILE))


def check_engine(name: Any, world_name: str) -> None:
    """Raises ValueError when no engine of that name is in the world."""
    if name not in engines.available(world_name):
        raise ValueError(f"engine must be one of {', '.join(engines.available(world_name))}, got {name!r}")


def draw_cell(machine: Machine, query: Mapping[str, Any]) -> np.ndarray:
    """One cell of the grid: the picture of a prompt and a seed with a guidance and a number of steps, uint8 (H, W, C).

    From within a job on the machine. Raises ValueError naming what is wrong.
    """
    asked, name = order(query), query.get("engine")
    check_engine(name, asked.world)
    values = {"guidance_scale": query.get("guidance"), "num_inference_steps": query.get("steps")}
    check_number("guidance", values["guidance_scale"], GUIDANCE[0], GUIDANCE[-1], integer=False)
    params = make_params(engines.engine_type(name).params_type, name, values)
    engine = machine.engine(name)
    with threads_for(engine):
        return engine.draw(asked.request(params)).images[0]
