"""Pictures drawn in the course of a training run: sets for curves over training time, and a sheet to look at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from engines import text
from engines.base import Engine, Request
from engines.images import grid
from engines.training.clock import Clock

SNAPSHOT_MOMENTS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # of the budget, when sample sets are drawn and saved
SNAPSHOT_SIZE = 400  # images in each, fewer where they are large
SNAPSHOT_PIXELS = 1_500_000  # at most in each, colours counted, so that all of them stay in one small file


class Snapshots:
    """Sets of pictures drawn from the average weights at a few moments of a run, for curves over training time."""

    def __init__(self, path: Path, encoder: text.TextEncoder, labels: list[dict[str, str]], *, size: int | None = None):
        """size: pictures in each set, by default as many as figures need."""
        self.path = path
        rng = np.random.default_rng(1)
        size = size or min(SNAPSHOT_SIZE, SNAPSHOT_PIXELS // math.prod(encoder.world.image_shape))
        chosen = rng.integers(len(labels), size=size)
        self.captions = tuple(encoder.world.caption(labels[i], rng) for i in chosen)
        self.passed = 0  # moments behind us
        self.taken: dict[str, list] = {"images": [], "flops": [], "seconds": [], "steps": []}

    def due(self, progress: float) -> bool:
        """Whether a snapshot's moment has come since the last one."""
        passed = sum(progress >= moment for moment in SNAPSHOT_MOMENTS)
        due, self.passed = passed > self.passed, passed
        return due

    def load(self, clock: Clock) -> None:
        """Continue after an earlier session. Of what it took with a smaller budget those stay that are nearest to this one's moments."""
        behind = [moment for moment in SNAPSHOT_MOMENTS if clock.progress >= moment]
        self.passed = len(behind)
        if self.path.is_file():
            with np.load(self.path) as saved:
                shares = clock.progress * saved["steps"] / max(clock.step, 1)
                kept = sorted({int(np.abs(shares - moment).argmin()) for moment in behind})
                self.captions = tuple(saved["captions"].tolist())
                self.taken = {key: list(saved[key][kept]) for key in self.taken}

    def take(self, engine: Engine, clock: Clock) -> None:
        """Draw one set and write all of them."""
        half = -(-len(self.captions) // 2)
        halves = (self.captions[:half], self.captions[half:])
        parts = [final_images(engine, Request(part, seed=i * half, num_images=len(part))) for i, part in enumerate(halves)]
        for key, value in (("images", np.concatenate(parts)), ("flops", clock.flops), ("seconds", clock.seconds), ("steps", clock.step)):
            self.taken[key].append(value)
        np.savez_compressed(self.path, captions=np.array(self.captions), **{key: np.array(value) for key, value in self.taken.items()})


def sample_sheet(engine: Engine, *, rows: int = 4) -> np.ndarray:
    """A fixed-seed sheet: each value of the world's subject in a column, the last row without a prompt."""
    values = engine.world.attributes[engine.world.subject]
    prompts = values * rows + ("",) * len(values)
    return grid(final_images(engine, Request(prompts, seed=0, num_images=len(prompts))), columns=len(values))


def final_images(engine: Engine, request: Request) -> np.ndarray:
    """The picture(s) of a request, uint8 (N, H, W, C)."""
    return engine.draw(request).images
