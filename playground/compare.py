"""Run the engines of a world in turn on one order: clock them, show them at the visitor's pace, contain their failures."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

import engines
from engines import CheckpointError, Frame, Known, Params, Reading, Request, Toward, worlds
from engines.base import check_number
from playground import metrics
from playground.film import Film, data_uri, png, sheet
from playground.machine import Machine, threads_for

MAX_PICTURES = 16
TICK = 0.1  # seconds between two looks at a working engine
TURN_LIMIT = 60.0  # seconds after which an engine must hand back the machine

REAL_TIME, SLOW_MOTION, STEP_BY_STEP = PACES = ("real time", "slow motion", "step by step")
SLOWDOWN = 10
STEP_SECONDS = 0.3
LONGEST_REPLAY = 60.0  # seconds

log = logging.getLogger(__name__)


class State(StrEnum):
    IDLE = "idle"
    WAITING = "waiting"
    DRAWING = "drawing"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Order:
    """What a visitor asks of all engines of a world.

    prompt: text; None or "" for any picture of the world. settings: per family the fields of its Params that differ from the
    defaults, {"diffusion": {"guidance_scale": 3.0}}; they are checked when that engine's turn comes, so that a bad one fails its
    own pane only. pace: one of `PACES`. known, toward: a picture of which a part must stay, or the far end of a walk, as in `Request`.

    Raises ValueError naming the field, the value and what is allowed.
    """

    world: str
    prompt: str | None = ""
    seed: int = 0
    num_images: int = 1
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pace: str = REAL_TIME
    known: Known | None = None
    toward: Toward | None = None

    def __post_init__(self):
        if self.world not in engines.world_names():
            raise ValueError(f"world must be one of {', '.join(engines.world_names())}, got {self.world!r}")
        check_number("num_images", self.num_images, 1, MAX_PICTURES, integer=True)
        self.request()
        object.__setattr__(self, "prompt", (self.prompt or "").encode(errors="ignore").decode())  # no halves of characters: JSON has none
        if self.pace not in PACES:
            raise ValueError(f"pace must be one of {', '.join(PACES)}, got {self.pace!r}")
        if not isinstance(self.settings, Mapping):
            raise ValueError(f"settings must map families to their settings, got {self.settings!r}")
        for family, values in self.settings.items():
            if family not in engines.FAMILIES or not isinstance(values, Mapping):
                raise ValueError(f"settings must map {', '.join(engines.FAMILIES)} to their settings, got {family!r}: {values!r}")

    def request(self, params: Params | None = None) -> Request:
        """What an engine is asked."""
        return Request(self.prompt, self.seed, self.num_images, params, self.known, self.toward)


def first_order(name: str) -> Order:
    """What the engines of a world are asked before a visitor asks anything."""
    world = worlds.load(name)
    return Order(name, prompt=world.examples[0], seed=7, num_images=world.first_pictures)


@dataclass(frozen=True)
class Marks:
    """What the judge says of an engine's pictures.

    found: share of the pictures that show the requested value, per requested attribute. match: share of all requested
    attributes found, None when nothing was requested. sharpness: mean variance of the Laplacian relative to real pictures.
    """

    found: dict[str, float]
    match: float | None
    sharpness: float


@dataclass
class Pane:
    """What one engine has to show so far. `shown` is the frame the page is to show now."""

    name: str
    state: State = State.IDLE
    shown: Frame | None = None
    film: Film = field(default_factory=Film)
    marks: Marks | None = None
    error: str = ""
    note: str = ""  # why there are no marks
    _encoded: tuple[Frame | None, str] = (None, "")

    @property
    def family(self) -> str:
        return self.name.partition("/")[2]

    @property
    def picture(self) -> str:
        """`shown` as a data URI of its pictures side by side, encoded once; "" before there is one."""
        if self._encoded[0] is not self.shown:
            self._encoded = (self.shown, data_uri(png(sheet([self.shown.images])), "image/png") if self.shown else "")
        return self._encoded[1]


class Comparison:
    """An order on its way through the engines.

    supplement: what the first picture's seed decided of what the prompt leaves open. message: why nothing was drawn.
    """

    def __init__(self, order: Order):
        self.order = order
        self.state = State.IDLE
        self.reading: Reading | None = None
        self.supplement = self.message = ""
        self.panes = [Pane(name) for name in engines.available(order.world)]

    @property
    def nbytes(self) -> int:
        return sum(pane.film.nbytes for pane in self.panes)


def compare(order: Order, machine: Machine, *, stop: threading.Event | None = None) -> Iterator[Comparison]:
    """Yield one and the same Comparison whenever it is worth showing, at least every TICK seconds.

    Setting `stop` ends the run after the engine's current frame, keeping what was drawn. Closing the generator does too.
    """
    stop = stop or threading.Event()
    comparison = Comparison(order)
    comparison.state = State.WAITING
    try:
        reading = machine.submit(_read, comparison, machine)
        yield from _ticks(reading, comparison, stop)
        if comparison.message:
            comparison.state = State.FAILED
        else:
            comparison.state = State.DRAWING
            for pane in comparison.panes:
                yield from _turn(comparison, pane, machine, stop)
            comparison.state = State.STOPPED if stop.is_set() else State.DONE
        yield comparison
    finally:
        stop.set()


def warm_up(machine: Machine) -> None:
    """Load every engine and judge and draw one picture with each, in the background."""

    def run():
        for world in engines.world_names():
            for _ in compare(Order(world, prompt=worlds.load(world).examples[0]), machine):
                pass

    threading.Thread(target=run, name="warm-up", daemon=True).start()


def _ticks(job: Future, comparison: Comparison, stop: threading.Event) -> Iterator[Comparison]:
    """Yield every TICK seconds until the job is done, or cancelled because `stop` came before its turn."""
    while not wait([job], TICK).done and not job.cancelled():
        if stop.is_set():
            job.cancel()
        yield comparison


def _turn(comparison: Comparison, pane: Pane, machine: Machine, stop: threading.Event) -> Iterator[Comparison]:
    """One engine's turn: at the real pace its latest frame is shown, at the others the kept frames follow afterwards."""
    pace = comparison.order.pace
    job = machine.submit(_work, comparison, pane, machine, stop)
    for _ in _ticks(job, comparison, stop):
        if pace == REAL_TIME:
            pane.shown = pane.film.last
        yield comparison
    if pace != REAL_TIME and pane.film.last:
        for frame in _replay(pane.film.frames, pace, stop):
            pane.shown = frame
            yield comparison
    if pace == REAL_TIME or not stop.is_set():
        pane.shown = pane.film.last
    pane.state = State.STOPPED if job.cancelled() else job.result()
    yield comparison


def _replay(frames: list[Frame], pace: str, stop: threading.Event) -> Iterator[Frame]:
    """The frame to show now, every TICK seconds, until the last one's time has come."""
    times = show_times(frames, pace)
    start = time.monotonic()
    while (now := time.monotonic() - start) < times[-1] and not stop.is_set():
        yield frames[max(bisect(times, now) - 1, 0)]
        time.sleep(TICK)


def show_times(frames: list[Frame], pace: str) -> list[float]:
    """Seconds after the start of a turn at which the page shows each frame, for one of the two slower paces."""
    times = [SLOWDOWN * frame.seconds if pace == SLOW_MOTION else STEP_SECONDS * i for i, frame in enumerate(frames)]
    faster = max(1.0, times[-1] / LONGEST_REPLAY)
    return [t / faster for t in times]


# On the machine's thread


@contextmanager
def contained(report: Callable[[str], None]) -> Iterator[None]:
    """Hand any error's message to `report` and go on; those that are not about input or files are logged and paraphrased."""
    try:
        yield
    except (ValueError, CheckpointError) as error:
        report(str(error))
    except Exception:
        log.exception("unexpected error")
        report("Something went wrong here; the server's log has the details.")


def _read(comparison: Comparison, machine: Machine) -> None:
    with contained(lambda message: setattr(comparison, "message", message)):
        order = comparison.order
        comparison.reading = machine.read(order.world, order.prompt)
        comparison.message = comparison.reading.refusal or ""
        if not (comparison.message or order.known):  # pixels that must stay decide
            comparison.supplement = machine.complete(order.world, order.prompt, order.seed).removeprefix(order.prompt).removeprefix(", ")


def _work(comparison: Comparison, pane: Pane, machine: Machine, stop: threading.Event) -> State:
    """Draw and judge; the state in which the pane ends."""
    if stop.is_set():
        return State.STOPPED
    pane.state = State.DRAWING
    with contained(lambda message: setattr(pane, "error", message)):
        _draw(comparison.order, pane, machine, stop)
    if pane.error:
        return State.FAILED
    if stop.is_set():
        return State.STOPPED
    with contained(lambda message: setattr(pane, "note", message)):
        pane.marks = mark(machine.judge(comparison.order.world), pane.film.last.images, comparison)
    return State.DONE


def _draw(order: Order, pane: Pane, machine: Machine, stop: threading.Event) -> None:
    """Fill the pane's film. The clock is the engine's own, `frame.seconds`."""
    params = make_params(engines.engine_type(pane.name).params_type, pane.family, order.settings.get(pane.family, {}))
    engine = machine.engine(pane.name)
    deadline = time.monotonic() + TURN_LIMIT
    with threads_for(engine), closing(engine.generate(order.request(params))) as frames:
        for frame in frames:
            pane.film.add(frame)
            if stop.is_set():
                return
            if time.monotonic() > deadline and frame.step < frame.num_steps:
                raise ValueError(f"{pane.family} was stopped after {TURN_LIMIT:g} s; ask for fewer pictures or steps")


def make_params(params_type: type[Params], family: str, values: Mapping[str, Any]) -> Params:
    """Settings from names and values. Raises ValueError for an unknown name or a value that is not allowed."""
    known = [f.name for f in dataclasses.fields(params_type)]
    for name in values:
        if name not in known:
            raise ValueError(f"{family} has no setting {name!r}; it has {', '.join(known)}")
    return params_type(**values)


def mark(judge: Any, images: np.ndarray, comparison: Comparison) -> Marks:
    """Marks for uint8 (N, H, W, C)."""
    values = worlds.load(comparison.order.world).attributes
    answers = judge.attributes(images)
    said = {} if comparison.order.toward else comparison.reading.attributes  # a walk leaves what its first prompt says
    asked = {key: values[key].index(value) for key, value in said.items()}
    found = {key: float((answers[key] == index).mean()) for key, index in asked.items()}
    return Marks(
        found=found,
        match=float(np.mean(list(found.values()))) if found else None,
        sharpness=float(metrics.sharpness(images).mean() / judge.reference.figures["sharpness"]),
    )
