"""The stability study as small multiples: nine short trainings of every family, what they drew and how their loss went."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from engines import FAMILIES, checkpoint
from playground import figures
from playground.film import data_uri
from playground.measure import stability
from playground.ui.items import answered, component
from playground.ui.panes import title

COMMAND = f"python -m playground.measure {stability.STUDIED} --rows {stability.ROW}"
RATES = {0: "a third of the rate", 1: "the recipe's rate", 2: "three times the rate"}  # by place among the study's rates
LINE = (120, 30)  # pixels of a curve

LEAD = f"""<p class="lead">Would another throw of the dice, or another learning rate, have ruined it? Each family is trained
{len(stability.SEEDS) * len(stability.RATES)} times with {stability.SHARE:.3g} of the steps of an engine that shipped:
{len(stability.SEEDS)} seeds in each row, at {len(stability.RATES)} learning rates. A run counts as failed if its numbers run away, if
its pictures are {stability.WORSE:g} times as far from real ones as the family's best run, or if more than a fifth of the digits hardly
occur.</p>"""


def build() -> gr.HTML:
    """The item."""

    def open(_: str) -> dict[str, str]:
        return answered(lambda: {"html": show()})

    return component("stability", [open], tab="training", main="document")


def show(root: Path = checkpoint.ROOT) -> str:
    """The study's markup. Nothing in it comes from a visitor, and all of it is escaped."""
    runs = figures.read_runs(root=root)
    folder = root / stability.STUDIED / stability.ROW
    parts = [_family(family, runs[family], folder / family) for family in FAMILIES if runs.get(family)]
    missing = [title(family) for family in FAMILIES if not runs.get(family)]
    note = f'<p class="quiet">Not run yet: {", ".join(missing)}. <code>{escape(COMMAND)}</code></p>' if missing else ""
    return LEAD + "".join(parts) + note


def _family(family: str, runs: list[dict[str, Any]], folder: Path) -> str:
    failed = stability.failures(runs)
    rows = []
    for place, rate in enumerate(stability.RATES):
        chosen = [(run, lost) for run, lost in zip(runs, failed, strict=True) if np.isclose(run["rate"], rate)]
        tiles = "".join(_run(run, bool(lost), folder) for run, lost in chosen)
        rows.append(f'<div class="multiples"><h3>{RATES[place]}</h3>{tiles}</div>')
    name, count = escape(title(family)), f"{int(failed.sum())} of {len(runs)} runs failed"
    return f'<section class="card study" aria-label="{name}"><h2>{name}</h2><p>{count}</p>{"".join(rows)}</section>'


def _run(run: dict[str, Any], lost: bool, folder: Path) -> str:
    name = stability.run_name(run["seed"], run["rate"])
    picture = folder / f"{name}.webp"
    verdict = "failed" if lost else "fine"
    outcome = "numbers ran away" if run["diverged"] else f"distance {run['fd']:.3g}, {run['missing']:.0%} of digits missing"
    alt = f"What the run with seed {run['seed']} drew: {outcome}"
    shown = f'<img src="{data_uri(picture.read_bytes(), "image/webp")}" alt="{escape(alt)}">' if picture.is_file() else ""
    caption = f"<figcaption><b>{verdict}</b> {escape(outcome)}</figcaption>"
    return f'<figure data-verdict="{verdict}">{shown}{_curve(run["curve"][1:])}{caption}</figure>'


def _curve(lines: list[dict[str, float]]) -> str:
    """A run's loss over its time, as a line without axes."""
    losses = np.array([line.get("loss", line.get("g_loss")) for line in lines], float)
    if len(losses) < 2 or not np.isfinite(losses).all():
        return ""
    width, height = LINE
    spread = np.ptp(losses) or 1.0
    points = zip(np.linspace(0, width, len(losses)), height * (1 - (losses - losses.min()) / spread), strict=True)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<svg viewBox="-1 -1 {width + 2} {height + 2}" aria-hidden="true"><polyline points="{path}"/></svg>'
