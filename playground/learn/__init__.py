"""What the tab Learn says, apart from how it looks: a lesson per family, the reading list, a guided walk.

Beside this file lie `<family>.toml` and `<family>.svg` for each family, `papers.toml` and `walk.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Formula:
    """math: the inside of MathML's <math>. words: what its letters mean. files: where this repository computes it."""

    name: str
    math: str
    words: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Trait:
    """Why a family should be good or bad at what a row of the table (`table.Row.key`) asks."""

    row: str
    good: bool
    text: str


@dataclass(frozen=True)
class Link:
    """A query string of this page that shows what is meant. prompted: whether it asks for something in words."""

    label: str
    query: str
    prompted: bool


@dataclass(frozen=True)
class Paper:
    """gave: what it brought, in one sentence. file: where this repository follows it, "" if nowhere."""

    family: str
    title: str
    authors: str
    year: int
    gave: str
    arxiv: str = ""
    url: str = ""
    file: str = ""

    @property
    def address(self) -> str:
        return self.url or f"https://arxiv.org/abs/{self.arxiv}"


@dataclass(frozen=True)
class Lesson:
    """The page on one family. Texts: an empty line starts a paragraph, backticks hold code. diagram: an SVG drawing."""

    family: str
    idea: str
    training: str
    drawing: str
    random: str
    prompted: str
    after: str
    links: tuple[Link, ...]
    formulas: tuple[Formula, ...]
    traits: tuple[Trait, ...]
    diagram: str


@dataclass(frozen=True)
class Step:
    """One step of the walk. look: what to look at. link, query: what brings the page there."""

    title: str
    look: str
    link: str
    query: str


@cache
def lesson(family: str) -> Lesson:
    """The lesson on a family, from its two files."""
    content = _read(family)
    return Lesson(
        family=family,
        links=tuple(Link(**link) for link in content.pop("links")),
        formulas=tuple(Formula(**formula | {"files": tuple(formula["files"])}) for formula in content.pop("formulas")),
        traits=tuple(Trait(**trait) for trait in content.pop("traits")),
        diagram=(FOLDER / f"{family}.svg").read_text(),
        **content,
    )


@cache
def papers() -> tuple[Paper, ...]:
    """The reading list, family by family and by year."""
    return tuple(Paper(**paper) for paper in _read("papers")["papers"])


@cache
def steps() -> tuple[Step, ...]:
    """The steps of the guided walk."""
    return tuple(Step(**step) for step in _read("walk")["steps"])


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())
