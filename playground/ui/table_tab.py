"""The table tab: the course's comparison, cell by cell beside what was measured here."""

from __future__ import annotations

from html import escape

import gradio as gr

from engines import FAMILIES, CheckpointError, worlds
from playground import figures, table
from playground.table import CONTRADICTED, NOT_MEASURED, REPRODUCED, UNDECIDED, Cell, Row
from playground.ui.panes import title

MARKS = {REPRODUCED: "✓", CONTRADICTED: "✗", UNDECIDED: "≈", NOT_MEASURED: "…"}
VERDICTS = {**{verdict: verdict for verdict in MARKS}, NOT_MEASURED: "not measured yet"}


def build() -> gr.HTML:
    return gr.HTML(elem_id="table", js_on_load=None)


def show(world: str) -> str:
    """The tab's markup for a world. Nothing in it comes from a visitor, and all of it is escaped."""
    try:
        measured = figures.read(world)
    except CheckpointError as error:
        return f'<p class="problem" role="alert">{escape(str(error))}</p>'
    cells = {(cell.row.key, cell.family): cell for cell in table.cells(world, measured)}
    reproduced, total = table.count_reproduced(world, measured)
    rows = "".join(_row(row, [cells.get((row.key, family)) for family in FAMILIES]) for row in table.ROWS)
    heads = "".join(f'<th scope="col">{escape(title(family))}</th>' for family in FAMILIES)
    return f"""
        <p class="count"><b>{reproduced} of {total}</b> claims reproduced in the world “{escape(worlds.load(world).title)}”.</p>
        <p class="key">{_key()}</p>
        <div class="scroll" tabindex="0" role="region" aria-label="Comparison table">
          <table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>
        </div>
    """


def _key() -> str:
    return "".join(f'<span data-verdict="{escape(name)}">{mark} {escape(VERDICTS[name])}</span>' for name, mark in MARKS.items())


def _row(row: Row, cells: list[Cell | None]) -> str:
    rule = f"<small>{escape(row.rule_text)}</small>"
    columns = "".join(_cell(cell) if cell else _untested(row.words[family]) for family, cell in zip(FAMILIES, cells, strict=True))
    return f'<tr><th scope="row">{escape(row.title)}{rule}</th>{columns}</tr>'


def _untested(word: str) -> str:
    return f'<td>{_course(word)}<p class="ours">not asked in this world</p></td>'


def _course(word: str) -> str:
    return f'<p class="course">course: <b>{escape(word)}</b></p>'


def _cell(cell: Cell) -> str:
    reference = f'<p class="reference">{escape(cell.reference)}</p>' if cell.reference else ""
    return f'<td data-verdict="{escape(cell.verdict)}">{_course(cell.theirs)}{_measured(cell)}{reference}</td>'


def _measured(cell: Cell) -> str:
    if not cell.figure:
        return '<p class="ours">not measured yet</p>'
    figure = cell.figure
    interval = "" if figure.low is None else f" [{_number(figure.low)}, {_number(figure.high)}]"
    seed = "" if figure.seed is None else f", seed {figure.seed}"
    how = f"{figure.method}; n = {figure.n:,}{seed}; {figure.machine}; commit {figure.commit}"
    verdict = f'<span class="verdict">{MARKS[cell.verdict]} {escape(VERDICTS[cell.verdict])}</span>'
    return f"""
        <p class="ours">measured: <b>{escape(cell.ours)}</b> {verdict}</p>
        <p class="figure">{_number(figure.value)} {escape(figure.unit)}<small>{interval} n = {figure.n:,}</small></p>
        <details><summary>how measured</summary><p>{escape(how)}</p></details>
    """


def _number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
