"""The Learn tab: a page per family, and the reading list. What it says is in `playground/learn`."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

import gradio as gr

import engines
from engines import FAMILIES, CheckpointError, worlds
from playground import figures, learn, table
from playground.figures import Figures
from playground.learn import Formula, Lesson, Link, Paper, Trait
from playground.table import Cell
from playground.ui.panes import title
from playground.ui.table_detail import with_interval
from playground.ui.table_tab import CLAIM, MARKS, VERDICTS, measured_in

SCRIPT = Path(__file__).with_name("learn.js")
PAPERS = "papers"  # the page behind those of the families
TABLE = "?tab=table&world={world}"


def build() -> gr.HTML:
    """All pages, of which the script shows one: that of the address, `?tab=learn&lesson=gan`."""
    return gr.HTML(elem_id="learn", js_on_load=SCRIPT.read_text(), apply_default_css=False)


def show(world: str) -> str:
    """The tab's markup with the verdicts of a world. Nothing in it comes from a visitor, and all but formulas and drawings is escaped."""
    try:
        measured = figures.read(world)
    except CheckpointError as error:
        return f'<p class="problem" role="alert">{escape(str(error))}</p>'
    pages = "".join(_family(world, learn.lesson(family), measured) for family in FAMILIES)
    return f"{_menu()}{pages}{_reading_list()}"


def prose(text: str) -> str:
    """Paragraphs, and code in backticks, as markup."""
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.strip().split("\n\n"))


def _inline(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text.strip()))


def _menu() -> str:
    names = {**{family: title(family) for family in FAMILIES}, PAPERS: "Reading list"}
    pages = "".join(f'<li><a href="?tab=learn&amp;lesson={name}" data-page="{name}">{label}</a></li>' for name, label in names.items())
    walk = '<a class="start" href="?tab=learn&amp;walk=1" data-walk="1">Guided walk in six steps</a>'
    return f'<nav aria-label="Pages of Learn"><ul>{pages}</ul>{walk}</nav>'


def _family(world: str, lesson: Lesson, measured: Figures) -> str:
    cells = {cell.row.key: cell for cell in table.cells(world, measured) if cell.family == lesson.family}
    parts = [
        f'<div class="opening"><div>{_heading(lesson.family, title(lesson.family))}{prose(lesson.idea)}</div>',
        f'<figure class="diagram">{lesson.diagram}</figure></div>',
        f'<div class="pair">{_section("Training", prose(lesson.training))}{_section("Drawing", prose(lesson.drawing))}</div>',
        f'<div class="pair">{_section("Random generation", prose(lesson.random) + _links(lesson, prompted=False))}',
        f"{_section('Text to image', prose(lesson.prompted) + _links(lesson, prompted=True))}</div>",
        _section("The loss", f'<div class="formulas">{"".join(_formula(formula) for formula in lesson.formulas)}</div>'),
        _traits(world, lesson, cells),
        _section("What came after", prose(lesson.after)),
        _section("Papers", _papers([paper for paper in learn.papers() if paper.family == lesson.family])),
    ]
    return _page(lesson.family, "".join(parts), style=f' style="--accent: var(--family-{FAMILIES.index(lesson.family) + 1})"')


def _reading_list() -> str:
    by_year = sorted(learn.papers(), key=lambda paper: paper.year)
    return _page(PAPERS, _heading(PAPERS, "Reading list") + "<p>All papers of the four pages, the oldest first.</p>" + _papers(by_year))


def _page(name: str, content: str, style: str = "") -> str:
    return f'<article data-page="{name}" aria-labelledby="learn-{name}" hidden{style}>{content}</article>'


def _heading(page: str, text: str) -> str:
    return f'<h2 id="learn-{page}" tabindex="-1">{escape(text)}</h2>'


def _section(heading: str, content: str) -> str:
    return f"<section><h3>{escape(heading)}</h3>{content}</section>"


def _links(lesson: Lesson, *, prompted: bool) -> str:
    links = [link for link in lesson.links if link.prompted == prompted and _world(link) in engines.world_names()]
    items = "".join(f'<li><a href="{escape(link.query)}">{escape(link.label)}</a></li>' for link in links)
    return f'<ul class="try" aria-label="Try it">{items}</ul>'


def _world(link: Link) -> str:
    return parse_qs(link.query.removeprefix("?"))["world"][0]


def _formula(formula: Formula) -> str:
    files = ", ".join(f"<code>{escape(name)}</code>" for name in formula.files)
    where = f" <small>In {files}.</small>" if files else ""
    name = escape(formula.name)
    return f"""
        <figure class="formula">
          <figcaption>{name}</figcaption>
          <div class="scroll" tabindex="0" role="group" aria-label="Formula: {name}"><math display="block">{formula.math}</math></div>
          <p>{_inline(formula.words)}{where}</p>
        </figure>
    """


def _traits(world: str, lesson: Lesson, cells: dict[str, Cell]) -> str:
    items = {good: "".join(_trait(world, t, cells.get(t.row)) for t in lesson.traits if t.good == good) for good in (True, False)}
    lists = f"<div><h4>Strengths</h4><ul>{items[True]}</ul></div><div><h4>Weaknesses</h4><ul>{items[False]}</ul></div>"
    source = f"""<p>What one would expect, and below it what the course says and what was measured here in the world
        “{escape(worlds.load(world).title)}”. <a href="{escape(TABLE.format(world=world))}">The table</a> says how. {CLAIM}</p>"""
    return _section("Strengths and weaknesses", f'{source}<div class="pair traits">{lists}</div>')


def _trait(world: str, trait: Trait, cell: Cell | None) -> str:
    row = next(row for row in table.ROWS if row.key == trait.row)
    found = _found(world, cell) if cell else "not asked in this world"
    verdict = f' data-verdict="{escape(cell.verdict)}"' if cell else ""
    address = TABLE.format(world=world) + (f"&cell={cell.row.key}.{cell.family}" if cell else "")
    link = f'<a href="{escape(address)}">{escape(row.title)}</a>'
    return f"<li{verdict}><p><b>{link}.</b> {escape(trait.text)}</p><p>{found}</p></li>"


def _found(world: str, cell: Cell) -> str:
    """The course's word, ours, the figure and the verdict, as one line."""
    course = f"course: <b>{escape(cell.theirs)}</b>"
    if not cell.figure:
        return f"{course} · not measured yet"
    figure = cell.figure
    value = f"{escape(with_interval(figure))}, n = {figure.n:,}{escape(measured_in(world, cell.row))}"
    verdict = f'<span class="verdict">{MARKS[cell.verdict]} {escape(VERDICTS[cell.verdict])}</span>'
    return f"{course} · measured: <b>{escape(cell.ours)}</b> · {value} · {verdict}"


def _papers(papers: list[Paper]) -> str:
    return f'<ol class="papers">{"".join(_paper(paper) for paper in papers)}</ol>'


def _paper(paper: Paper) -> str:
    where = f" Here: <code>{escape(paper.file)}</code>." if paper.file else ""
    link = f'<a href="{escape(paper.address)}" target="_blank" rel="noopener">{escape(paper.title)}</a>'
    what = f"{link} <small>{escape(paper.authors)}</small><br>{escape(paper.gave)}{where}"
    return f'<li><span class="year">{paper.year}</span><p>{what}</p></li>'
