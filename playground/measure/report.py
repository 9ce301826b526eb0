"""Puts the figures of a world between the markers of its model cards, so that no card quotes a number by hand."""

from __future__ import annotations

import json
from pathlib import Path

from engines import FAMILIES, worlds
from engines.training.cards import FIGURES_END, FIGURES_START
from playground import figures
from playground.figures import Figure, Figures
from playground.measure.speed import STEPS

SUMMARY = (  # row of the table, figure, how the README calls it
    ("quality", "adherence_{subject}", "{subject} read by the judge is the {subject} asked"),
    ("quality", "adherence", "attributes read by the judge as asked"),
    ("quality", "fd_ratio_classifier", "FD / floor, classifier's features"),
    ("quality", "fd_ratio_encoder", "FD / floor, autoencoder's features"),
    ("quality", "sharpness", "sharpness"),
    ("speed", "seconds", "median time of one picture"),
    ("speed", "nfe", "network calls"),
    ("resources", "training_hours", "training"),
    ("resources", "file_size", "weights"),
)


def write_cards(world_name: str, *, root: Path) -> None:
    """Rewrite the figures in `<root>/<world>/<engine>/README.md` of every engine that was measured and has a card."""
    measured = figures.read(world_name, root=root)
    for engine in FAMILIES:
        card = root / world_name / engine / "README.md"
        if card.is_file():
            card.write_text(between_markers(card.read_text(), table(measured, engine) + not_passed(measured, engine)))


def write_summary(world_name: str, readme: Path, *, root: Path) -> None:
    """Rewrite the short table of a world's engines in the project's README."""
    measured = figures.read(world_name, root=root)
    lines = [f"| {world_name} | {' | '.join(FAMILIES)} |", "|---|---|---|---|---|"]
    subject = worlds.load(world_name).subject
    for row, name, label in SUMMARY:
        name, label = name.format(subject=subject), label.format(subject=subject.replace("_", " "))
        found = [measured.get(row, {}).get(engine, {}) for engine in FAMILIES]
        cells = [cell(of[name]) + steps(of) if name in of else "not measured" for of in found]
        if name == "training_hours":
            cells = [text + parts(root / world_name / engine) for text, engine in zip(cells, FAMILIES, strict=True)]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    start = FIGURES_START.replace("figures", f"figures of {world_name}")
    readme.write_text(between_markers(readme.read_text(), "\n".join(lines), start=start))


def table(measured: Figures, engine: str) -> str:
    """A Markdown table of all figures of one engine, with interval, sample count and method."""
    lines = ["| row | figure | value | interval | n | how |", "|---|---|---|---|---|---|"]
    for row, by_engine in measured.items():
        for name, figure in by_engine.get(engine, {}).items():
            cells = (row, name.replace("_", " "), f"{shown(figure.value)} {figure.unit}", interval(figure), f"{figure.n:,}", figure.method)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def not_passed(measured: Figures, engine: str) -> str:
    """A paragraph that names the tests of control that an engine fails; nothing where it fails none or was not measured."""
    named = measured.get("control", {}).get(engine, {})
    failed = [name.removesuffix(": passes") for name, figure in named.items() if name.endswith(": passes") and not figure.value]
    return f"\n\nTests of control that it does not pass: {', '.join(failed)}." if failed else ""


def parts(folder: Path) -> str:
    """How many of an engine's hours of training went into its parts, of which each has a log of its own."""
    ends = [json.loads(log.read_text().splitlines()[-1]) for log in folder.rglob("training.jsonl") if log.parent != folder]
    return f", {shown(sum(end['seconds'] for end in ends) / 3600)} h of it the autoencoder" if ends else ""


def cell(figure: Figure) -> str:
    """Value and unit, with the interval in brackets where there is one."""
    around = f" ({interval(figure)})" if interval(figure) else ""
    return f"{shown(figure.value)} {figure.unit}".strip() + around


def steps(named: dict[str, Figure]) -> str:
    """At how many steps the figures of a row were taken that chooses their number."""
    return f" at {named[STEPS].value:.0f} steps" if STEPS in named else ""


def shown(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def interval(figure: Figure) -> str:
    """Low to high, or nothing."""
    return "" if figure.low is None else f"{shown(figure.low)} to {shown(figure.high)}"


def between_markers(text: str, content: str, *, start: str = FIGURES_START) -> str:
    """`text` with whatever stood between the markers replaced. Raises ValueError where a marker is missing."""
    before, found, rest = text.partition(start)
    _, end, after = rest.partition(FIGURES_END)
    if not found or not end:
        raise ValueError(f"the text must hold {start} and {FIGURES_END}")
    return f"{before}{start}\n{content}\n{end}{after}"
