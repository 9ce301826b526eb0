"""Checks: figures with a threshold that they must reach, of pictures drawn from captions, as the judge reads them.

Rows that ask engines for something share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines import Known, Params
from engines.worlds.captions import Caption
from engines.worlds.labels import to_matrix
from playground import metrics
from playground.figures import Figure
from playground.measure.bench import Bench, draw_with

MOST_IMAGES, QUICK_IMAGES = 500, 32  # per test
ADHERENCE = 0.9  # share of what is asked that must be found


@dataclass(frozen=True)
class Check:
    """One figure of a test and what it must reach: at least (or at most) `threshold`; `strict` leaves out equality."""

    figure: Figure
    threshold: float
    at_least: bool = True
    strict: bool = False

    def passes(self, value: float) -> bool:
        if self.strict and value == self.threshold:
            return False
        return value >= self.threshold if self.at_least else value <= self.threshold

    @property
    def value(self) -> float:
        return self.figure.value

    @property
    def worst(self) -> float:
        return self._end(self.figure.low if self.at_least else self.figure.high)

    @property
    def best(self) -> float:
        return self._end(self.figure.high if self.at_least else self.figure.low)

    def _end(self, end: float | None) -> float:
        """A figure without an interval counts as exact."""
        return self.value if end is None else end


Test = dict[str, Check]  # by the name of the figure


def passed(checks: Test) -> tuple[bool, bool, bool]:
    """Whether a test passes, as measured and at the worst and the best ends of the intervals."""
    kinds = ([getattr(c, end) for c in checks.values()] for end in ("value", "worst", "best"))
    return tuple(all(c.passes(value) for c, value in zip(checks.values(), values, strict=True)) for values in kinds)


def fewest(checks: Test) -> int:
    """The smallest N among the figures of a test."""
    return min(check.figure.n for check in checks.values())


def rule(checks: Test) -> str:
    """What a test asks, in words."""
    ways = {(True, False): "at least", (True, True): "above", (False, False): "at most", (False, True): "below"}
    asks = (f"{key} {ways[check.at_least, check.strict]} {check.threshold:g}" for key, check in checks.items())
    return f"1 if every figure of the test reaches its threshold: {'; '.join(asks)}"


def adherence_check(bench: Bench, wanted: np.ndarray, found: np.ndarray, method: str) -> Check:
    """At least `ADHERENCE` of what is wanted (N, A), -1 where open, is found (N, A)."""
    some = (wanted >= 0).any(1)
    wanted, found = wanted[some], found[some]
    figure = resampled(bench, lambda chosen: metrics.adherence(wanted[chosen], found[chosen]), len(wanted), method, share=True)
    return Check(figure, ADHERENCE)


def resampled(
    bench: Bench, statistic: Callable[[np.ndarray], float], n: int, method: str, *, unit: str = "", share: bool = False
) -> Figure:
    """A figure with the bootstrap interval of `statistic(indices)` over n images or prompts. share: whether it is one, from 0 to 1."""
    interval = (metrics.share_interval if share else metrics.bootstrap_interval)(statistic, n, rng=bench.rng())
    return bench.figure(statistic(np.arange(n)), unit, n=n, method=method, interval=interval, judged=True)


def most_images(bench: Bench) -> int:
    """N of a test."""
    return bench.few(MOST_IMAGES, QUICK_IMAGES)


def draw(
    bench: Bench, name: str, prompts: list[str], params: Params | None = None, *, known: Known | None = None, seed: int | None = None
) -> np.ndarray:
    """Pictures of one of the bench's engines, uint8 (N, H, W, C), one per prompt."""
    seed = bench.seed if seed is None else seed
    return draw_with(bench.engines[name], prompts, params, known=known, seed=seed, cache=bench.cache)


def answers(bench: Bench, images: np.ndarray) -> np.ndarray:
    """What the judge reads: value indices (N, A)."""
    return to_matrix(bench.world, bench.judge.attributes(images))


def caption_pair(world: Any, label: dict[str, str], key: str, value: str, *, seed: int) -> tuple[Caption, Caption] | None:
    """Captions that name everything, before and after one attribute becomes `value`.

    None if that would hide or uncover another, or would need other words for the rest.
    """
    rngs = [np.random.default_rng(seed) for _ in range(2)]
    first, second = (world.compose(label | change, rng, everything=True) for change, rng in zip(({}, {key: value}), rngs, strict=True))
    unsaid = {other: values[0] for other, values in world.attributes.items() if other not in first.named}  # the others hide these
    alone = (
        second.named == {**first.named, key: value}
        and key in first.named
        and world.reconcile(second.named | unsaid)[1].keys() == unsaid.keys()
    )
    alike = rngs[0].bit_generator.state == rngs[1].bit_generator.state  # neither had to be worded again, to be shorter
    return (first, second) if alone and alike else None
