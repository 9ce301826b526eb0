"""The course's table, the orderings it claims, and the rules by which figures confirm or refute them.

Pure: words and figures in, words and verdicts out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from engines import FAMILIES
from playground import metrics
from playground.figures import Figure, Figures
from playground.rows import ROWS, Named, Row

REPRODUCED, CONTRADICTED, UNDECIDED, NOT_MEASURED = "reproduced", "contradicted", "undecided", "not measured"


@dataclass(frozen=True)
class Claim:
    """One ordering that the table asserts: in `row`, the word of `upper` stands above that of `lower`."""

    row: Row
    upper: str
    lower: str

    @property
    def name(self) -> str:
        return f"{self.row.key}: {self.upper} above {self.lower}"

    @property
    def text(self) -> str:
        return f"{self.row.title}: {self.upper} {self.row.words[self.upper]} above {self.lower} {self.row.words[self.lower]}"


@dataclass(frozen=True)
class Contrast:
    """One figure by which a claim is judged, of both its engines.

    name: of the figure. value, low, high: the upper engine's over the lower's, or less the lower's, with its 95 % interval.
    sign: 1 where the interval says what is claimed, -1 where it says the opposite, 0 where it leaves that open.
    """

    name: str
    upper: Figure
    lower: Figure
    value: float
    low: float
    high: float
    sign: int


@dataclass(frozen=True)
class Cell:
    """One cell of the page's table.

    theirs: the course's word. ours: the word of our rule, None where not measured. figure: the number behind it, as the row
    shows it. reference: what was published of it. verdict: over the claims about this engine in this row.
    """

    row: Row
    family: str
    theirs: str
    ours: str | None
    figure: Figure | None
    reference: str
    verdict: str


def rows(world_name: str) -> tuple[Row, ...]:
    """The rows that a world can test."""
    return tuple(row for row in ROWS if world_name == "faces" or not row.faces_only)


def claims(world_name: str) -> tuple[Claim, ...]:
    """Every pair of engines whose words differ, row by row: 29 for faces, 26 for worlds without."""
    return tuple(
        Claim(row, upper, lower)
        for row in rows(world_name)
        for upper, lower in permutations(FAMILIES, 2)
        if row.scale.index(row.words[upper]) > row.scale.index(row.words[lower])
    )


def difference_interval(a: Figure, b: Figure) -> tuple[float, float]:
    """95 % interval of a - b: over their resamples, where both kept them and were resampled alike, else as of independent figures.

    That is the method of variance estimates recovery, Zou & Donner 2008, doi:10.1002/sim.3095, equation 4. A figure without an
    interval counts as exact.
    """
    if len(a.resamples) == len(b.resamples) > 0 and (a.n, a.seed) == (b.n, b.seed):
        draws = np.subtract(a.resamples, b.resamples)
        return metrics.interval(draws - draws.mean() + a.value - b.value)
    (a_low, a_high), (b_low, b_high) = _bounds(a), _bounds(b)
    d = a.value - b.value
    return d - math.hypot(a.value - a_low, b_high - b.value), d + math.hypot(a_high - a.value, b.value - b_low)


def agree(row: Row, a: Figure, b: Figure) -> bool:
    """Whether two figures of a row agree within the interval of their difference, or of their ratio where the row takes that."""
    low, high = difference_interval(*((log_figure(a), log_figure(b)) if row.ratio else (a, b)))
    return low <= 0 <= high


def log_figure(figure: Figure) -> Figure:
    """The figure on a logarithmic scale, on which a ratio is a difference; an end of the interval at or below 0 becomes minus infinity."""
    value, low, high = (math.log(x) if x > 0 else -math.inf for x in (figure.value, *_bounds(figure)))
    resamples = tuple(map(math.log, figure.resamples)) if min(figure.resamples, default=0) > 0 else ()
    return replace(figure, value=value, unit="", low=low, high=high, resamples=resamples)


def verdict(claim: Claim, figures: Figures) -> str:
    """What the figures say about one claim: reproduced, contradicted, undecided or not measured.

    Decided when the interval of the difference (of the ratio, for rows compared so) excludes zero (one), in every
    compared figure and in the same direction.
    """
    compared = contrasts(claim, figures)
    if not compared:
        return NOT_MEASURED
    return {frozenset({1}): REPRODUCED, frozenset({-1}): CONTRADICTED}.get(frozenset(c.sign for c in compared), UNDECIDED)


def contrasts(claim: Claim, figures: Figures) -> list[Contrast]:
    """What a claim's verdict rests on; empty where one of its figures was not measured, or where two judges scored them."""
    row = claim.row
    measured = figures.get(row.key, {})
    upper, lower = measured.get(claim.upper, {}), measured.get(claim.lower, {})
    if any(name not in upper or name not in lower for name in row.compared):
        return []
    judges = {named[name].judge for named in (upper, lower) for name in row.compared} - {""}  # some figures need none
    return [_compare(row, name, upper[name], lower[name]) for name in row.compared] if len(judges) < 2 else []


def cells(world_name: str, figures: Figures) -> list[Cell]:
    """All cells of a world's table, row by row, in the order of the families."""
    verdicts = [(claim, verdict(claim, figures)) for claim in claims(world_name)]
    return [_cell(row, family, figures.get(row.key, {}), verdicts) for row in rows(world_name) for family in FAMILIES]


def tally(world_name: str, figures: Figures) -> dict[str, int]:
    """How many of a world's claims are reproduced, contradicted, undecided and not measured."""
    results = [verdict(claim, figures) for claim in claims(world_name)]
    return {name: results.count(name) for name in (REPRODUCED, CONTRADICTED, UNDECIDED, NOT_MEASURED)}


def _cell(row: Row, family: str, measured: Mapping[str, Named], verdicts: list[tuple[Claim, str]]) -> Cell:
    about = [v for claim, v in verdicts if claim.row is row and family in (claim.upper, claim.lower)]
    figure = shown_figure(row, family, measured)
    ours = row.rule(figure.value, measured[family]) if figure else None
    return Cell(row, family, row.words[family], ours, figure, row.references[family], _cell_verdict(about))


def shown_figure(row: Row, family: str, measured: Mapping[str, Named]) -> Figure | None:
    """The number of a cell: the engine's figure, divided by the smallest among the families where the row is relative.

    The interval is that of the ratio, and the smallest has none.
    """
    values = {name: named[row.figure] for name, named in measured.items() if name in FAMILIES and row.figure in named}
    if family not in values:
        return None
    figure = values[family]
    if not row.relative:
        return replace(figure, unit=row.unit)
    smallest = min(values.values(), key=lambda other: other.value)
    low, high = (None, None) if figure is smallest else map(math.exp, difference_interval(log_figure(figure), log_figure(smallest)))
    return replace(figure, value=figure.value / smallest.value, unit=row.unit, low=low, high=high)


def ruler(real: Named, space: str = "") -> dict[str, Figure]:
    """Distances of spoilt real images, in one of the judge's spaces or in all, over the floor where it is known: the unit of the cells."""
    found = {name: figure for name, figure in real.items() if name.startswith(f"ruler_{space}")}
    floors = {name: real.get(f"floor_{name.removeprefix('ruler_').split()[0]}") for name in found}
    method = "{}, over the floor"
    return {
        name: replace(figure, value=figure.value / floors[name].value, unit="× real", method=method.format(figure.method))
        for name, figure in found.items()
        if floors[name]
    }


def _cell_verdict(about: list[str]) -> str:
    """The least favourable verdict about the cell's word, a claim that was not measured after one that is contradicted."""
    return next(v for v in (CONTRADICTED, NOT_MEASURED, UNDECIDED, REPRODUCED) if v in about)


def _compare(row: Row, name: str, upper: Figure, lower: Figure) -> Contrast:
    first, second = (log_figure(upper), log_figure(lower)) if row.ratio else (upper, lower)
    low, high = difference_interval(first, second)
    sign = 1 if low > 0 else -1 if high < 0 else 0
    ends = (first.value - second.value, low, high)
    return Contrast(name, upper, lower, *(map(math.exp, ends) if row.ratio else ends), sign if row.rising else -sign)


def _bounds(figure: Figure) -> tuple[float, float]:
    return figure.value if figure.low is None else figure.low, figure.value if figure.high is None else figure.high
