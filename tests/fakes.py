"""Engines, judge and reader that need no weights, for testing what stands around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np

import engines
from engines import Frame, Reading, Request
from engines.base import own_pictures, paste
from playground.machine import Machine

WORLD = "digits"
NAMES = [name for name in engines.available() if name.startswith(f"{WORLD}/")]


class Fake:
    """An engine of a few grey frames whose clock claims 10 ms a frame, whatever the time of day."""

    max_threads = 64

    def __init__(self, name: str, *, num_steps: int = 3, before_frame: Callable[[int], None] = lambda step: None):
        self.name, self.num_steps, self.before_frame = name, num_steps, before_frame
        self.requests: list[Request] = []
        self.closed = threading.Event()

    def generate(self, request: Request) -> Iterator[Frame]:
        self.requests.append(request)
        try:
            for step in range(1, self.num_steps + 1):
                self.before_frame(step)
                if step < self.num_steps and not request.previews:
                    continue
                images = np.full((request.num_images, 28, 28, 1), step, np.uint8)
                images[:, 0, 0, 0] = [seed % 256 for seed in request.seeds]
                own = own_pictures(images, request) if step == self.num_steps else {}
                images = paste(images, request)
                yield Frame(images, step, self.num_steps, step, 0.01 * step, {"x_t": 255 - images, "other": images, **own})
        finally:
            self.closed.set()


class FakeJudge:
    """Reads a 7 in every picture, bold in none."""

    reference = SimpleNamespace(figures={"sharpness": 0.5})

    def attributes(self, images: np.ndarray) -> dict[str, np.ndarray]:
        n = len(images)
        return {"digit": np.full(n, 7), "thickness": np.zeros(n, int), "slant": np.zeros(n, int), "width": np.zeros(n, int)}


def fake_read(world: str, prompt: str) -> Reading:
    refusal = "digits draws one digit, 0 to 9; the prompt asks for 42" if "42" in prompt else None
    return Reading({"digit": "7", "thickness": "bold"} if prompt else {}, ("unicorn",) if "unicorn" in prompt else (), refusal)


def fake_complete(world: str, prompt: str, seed: int) -> str:
    return f"{prompt}, number {seed}" if prompt else f"number {seed}"


def make_machine(load_engine: Callable = Fake, load_judge: Callable = lambda world: FakeJudge()) -> Machine:
    return Machine(load_engine=load_engine, load_judge=load_judge, read=fake_read, complete=fake_complete)
