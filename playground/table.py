"""The course's table, the orderings it claims, and the rules by which figures confirm or refute them.

Words, limits and verdicts were fixed before any engine was trained; what a row had to settle later it says in `settled`.
Pure: words and figures in, words and verdicts out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from engines import FAMILIES
from playground import metrics
from playground.figures import Figure, Figures
from playground.references import REFERENCES

REPRODUCED, CONTRADICTED, UNDECIDED, NOT_MEASURED = "reproduced", "contradicted", "undecided", "not measured"

Named = Mapping[str, Figure]  # figures of one engine in one row, by name


@dataclass(frozen=True)
class Row:
    """One row of the table.

    scale: the course's words, from least to most. words: the course's word per family. figure: name of the figure shown in
    the cell. compared: figures whose orderings must agree for a verdict. rising: whether a larger figure means a word
    further up the scale. ratio: whether figures are compared by ratio (else by difference). relative: whether the cell shows
    the figure divided by the smallest among the engines. rule: from the cell's number and the engine's figures to our word.
    unit: of the cell's number. faces_only: whether the row needs faces. measured_in: the one world that is measured for all, "" where
    each is. settled: what of the measurement was made precise or replaced once engines were there, "" where nothing was.
    """

    key: str
    title: str
    scale: tuple[str, ...]
    words: Mapping[str, str]
    figure: str
    compared: tuple[str, ...]
    rising: bool
    ratio: bool
    relative: bool
    rule: Callable[[float, Named], str]
    rule_text: str
    unit: str
    references: Mapping[str, str]
    faces_only: bool = False
    measured_in: str = ""
    settled: str = ""


def thresholds(*steps: tuple[float, str], above: str) -> Callable[[float, Named], str]:
    """The first word whose limit the number does not pass, else `above`."""
    return lambda value, _: next((word for limit, word in steps if value <= limit), above)


def stability_word(failures: float, named: Named) -> str:
    """Stable: at most one failed run, and a coefficient of variation over seeds below 0.25."""
    return "Stable" if failures <= 1 and named["variation"].value < 0.25 else "Unstable"


def speed_word(ratio: float, _: Named) -> str:
    """Fast up to 5 times the fastest, Slow from 10 times."""
    return "Fast" if ratio <= 5 else "Slow" if ratio >= 10 else "Medium"


def _words(*words: str) -> dict[str, str]:
    return dict(zip(FAMILIES, words, strict=True))


ROWS = (
    Row(
        key="quality",
        title="Quality",
        scale=("Low", "Moderate", "High", "Exceptional"),
        words=_words("Low", "Moderate", "High", "Exceptional"),
        figure="fd_ratio",
        compared=("fd_ratio_classifier", "fd_ratio_encoder"),
        rising=False,
        ratio=True,
        relative=False,
        rule=thresholds((4, "Exceptional"), (16, "High"), (64, "Moderate"), above="Low"),
        rule_text="Fréchet distance over that of as many real images, geometric mean of two judges: "
        "up to 4 Exceptional, 16 High, 64 Moderate, above Low",
        unit="× real",
        references=REFERENCES["quality"],
    ),
    Row(
        key="speed",
        title="Speed",
        scale=("Slow", "Fast"),
        words=_words("Fast", "Fast", "Slow", "Slow"),
        figure="seconds",
        compared=("seconds",),
        rising=False,
        ratio=True,
        relative=True,
        rule=speed_word,
        rule_text="median seconds per image, one at a time, over the fastest engine's: up to 5 Fast, from 10 Slow, between Medium",
        unit="× fastest",
        references=REFERENCES["speed"],
        settled="an engine runs on as many threads as it gains from, one or two; distances at a number of steps are those of 250 pictures, "
        "less what as many real ones show more than 5,000",
    ),
    Row(
        key="stability",
        title="Training stability",
        scale=("Unstable", "Stable"),
        words=_words("Stable", "Unstable", "Stable", "Stable"),
        figure="failures",
        compared=("failures",),
        rising=False,
        ratio=False,
        relative=False,
        rule=stability_word,
        rule_text="failures in nine short trainings: at most 1, and FD varying over seeds by less than 25 %, Stable, else Unstable",
        unit="of 9 failed",
        references=REFERENCES["stability"],
        measured_in="digits",
        settled="1,000 pictures of each run are judged; a class is missing below a tenth of its real share; the interval is the "
        "binomial one of nine runs (Clopper and Pearson 1934), since runs at three learning rates are not drawn from one lot",
    ),
    Row(
        key="control",
        title="Control over generation",
        scale=("Limited", "Moderate", "Flexible"),
        words=_words("Limited", "Limited", "Flexible", "Moderate"),
        figure="controls",
        compared=("controls",),
        rising=True,
        ratio=False,
        relative=False,
        rule=thresholds((2, "Limited"), (4, "Moderate"), above="Flexible"),
        rule_text="passes of six tests of control without retraining: up to 2 Limited, 3 or 4 Moderate, 5 or 6 Flexible",
        unit="of 6 passed",
        references=REFERENCES["control"],
        settled="what a prompt leaves open must vary half as much as in real images; of a hidden part those attributes are asked that the "
        "judge misreads once it is grey; the step across the border of given pixels may be 1.5 times that of real images; one changed "
        "attribute may change half of what another seed changes; a test takes up to 500 pictures; the interval of the count goes from what "
        "passes at the worst ends of all figures' intervals to what passes at their best ends",
    ),
    Row(
        key="faces",
        title="Facial manipulation",
        scale=("No", "Yes"),
        words=_words("No", "Yes", "No", "No"),
        figure="edits",
        compared=("edits",),
        rising=True,
        ratio=False,
        relative=False,
        rule=thresholds((0, "No"), above="Yes"),
        rule_text="1 if moving along one fixed latent direction edits a face and passes every test, else 0",
        unit="of 1 passed",
        references=REFERENCES["faces"],
        settled="moved are the z of the VAE, which is told no text, and the w of the GAN, a style made of z and text; a direction is "
        "the mean difference that a changed word makes to samples, and the GAN betters its own with its discriminator, a part "
        "for each layer, in 300 steps whose weights were chosen by what the judge read of other faces (what the mean difference "
        "alone does stands beside); an edit goes as far as two mean differences; realism compares edited faces with real ones "
        "that show what they should, over unedited faces with real ones that show what they do; sharpness is taken against real "
        "faces; 1,000 faces an edit; the interval goes from the worst ends of all figures' intervals to the best",
        faces_only=True,
    ),
    Row(
        key="novelty",
        title="Novelty",
        scale=("Limited", "High"),
        words=_words("Limited", "Limited", "High", "High"),
        figure="novelty",
        compared=("novelty_classifier", "novelty_encoder"),
        rising=True,
        ratio=False,
        relative=False,
        rule=lambda value, _: "High" if value >= 0.7 else "Limited",
        rule_text="coverage × (1 − copy rate), over that of real unseen images: from 0.7 High, below Limited",
        unit="of real",
        references=REFERENCES["novelty"],
    ),
    Row(
        key="resources",
        title="Resource intensity",
        scale=("Moderate", "High"),
        words=_words("Moderate", "Moderate", "High", "High"),
        figure="cost",
        compared=("cost_classifier", "cost_encoder"),
        rising=True,
        ratio=True,
        relative=True,
        rule=thresholds((10, "Moderate"), above="High"),
        rule_text="geometric mean of FLOPs to train to 110 % of its best FD and FLOPs per image, over the cheapest engine's: "
        "up to 10 Moderate, above High",
        unit="× cheapest",
        references=REFERENCES["resources"],
        settled="the best is sought among sets of pictures drawn now and then during the training, and the interval reaches down to the "
        "set before, as nothing was seen between; engines trained on latents pay for the autoencoder as well",
    ),
)


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
    shows it. reference: published numbers, "" where the table names none. verdict: over the claims about this engine in this row.
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
    return Cell(row, family, row.words[family], ours, figure, row.references.get(family, ""), _cell_verdict(about))


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
