"""The table tab: the course's comparison, cell by cell beside what was measured here."""

from __future__ import annotations

import csv
import io
from html import escape

import gradio as gr

import engines
from engines import FAMILIES, CheckpointError, worlds
from playground import figures, table
from playground.figures import Figures
from playground.references import SOURCES
from playground.table import CONTRADICTED, NOT_MEASURED, REPRODUCED, UNDECIDED, Cell, Row
from playground.ui import table_detail
from playground.ui.panes import script, title
from playground.ui.table_detail import with_interval

MARKS = {REPRODUCED: "✓", CONTRADICTED: "✗", UNDECIDED: "≈", NOT_MEASURED: "…"}
CLAIM = """A claim of the course is an order of two engines in a row, such as “GAN above VAE”: marks say whether the figures have it too.
A cell bears the least favourable mark of the claims about its engine."""
VERDICTS = {**{verdict: verdict for verdict in MARKS}, NOT_MEASURED: "not measured yet"}


CSV_COLUMNS = (
    *("world", "row", "engine", "course", "measured", "value", "low", "high", "unit", "n"),
    *("verdict", "method", "seed", "machine", "commit", "judge", "weights", "reference"),
)


def choose_world(start: str) -> gr.Radio:
    """The choice of a world, where there is one."""
    names = engines.world_names()
    titles = [(worlds.load(name).title, name) for name in names]
    return gr.Radio(titles, value=start, label="World", visible=len(names) > 1, elem_id="table-world")


def build() -> gr.HTML:
    """The table of a world, whose cells open what stands behind them."""

    def detail(query: dict[str, str]) -> str:
        try:
            return table_detail.show(query)
        except (ValueError, CheckpointError) as error:
            return f'<p class="problem" role="alert" tabindex="-1">{escape(str(error))}</p>'

    def as_csv(world: str) -> str:
        return to_csv(world, figures.read(world))

    return gr.HTML(elem_id="table", js_on_load=script("table.js"), server_functions=[detail, as_csv])


def show(world: str) -> str:
    """The tab's markup for a world. Nothing in it comes from a visitor, and all of it is escaped."""
    try:
        measured = figures.read(world)
    except CheckpointError as error:
        return f'<p class="problem" role="alert">{escape(str(error))}</p>'
    cells = {(cell.row.key, cell.family): cell for cell in table.cells(world, measured)}
    counts = table.tally(world, measured)
    others = ", ".join(f"{count} {VERDICTS[verdict]}" for verdict, count in counts.items() if verdict != REPRODUCED)
    where = f"in the world “{escape(worlds.load(world).title)}”"
    rows = "".join(_row(world, row, [cells.get((row.key, family)) for family in FAMILIES]) for row in table.ROWS)
    heads = "".join(f'<th scope="col">{escape(title(family))}</th>' for family in FAMILIES)
    return f"""
        <p class="count"><b>{counts[REPRODUCED]} of {sum(counts.values())}</b> claims reproduced {where}; {others}.</p>
        <p class="key">{_key()}</p>
        <p class="quiet">{CLAIM} Which word of ours a figure earns is a matter of fixed limits, and is not judged.</p>
        <p class="actions">{_action("csv", "Download as CSV", world=world)}{_action("print", "Print")}</p>
        <div class="scroll" tabindex="0" role="region" aria-label="Comparison table">
          <table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>
        </div>
        <section class="detail" id="table-detail" aria-label="What stands behind a cell"></section>
    """


def to_csv(world_name: str, measured: Figures) -> str:
    """All cells of a world's table as comma-separated values, one line each."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for cell in table.cells(world_name, measured):
        f = cell.figure
        numbers = (f.value, f.low, f.high, f.unit, f.n) if f else (None,) * 5
        stamp = (f.method, f.seed, f.machine, f.commit, f.judge, f.weights) if f else (None,) * 6
        words = (world_name, cell.row.title, cell.family, cell.theirs, cell.ours)
        writer.writerow("" if x is None else x for x in (*words, *numbers, cell.verdict, *stamp, cell.reference))
    return lines.getvalue()


def with_links(text: str) -> str:
    """A reference as markup, its sources as links."""
    marked = escape(text)
    for name, address in SOURCES.items():
        marked = marked.replace(escape(name), f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(name)}</a>')
    return marked


def measured_in(world_name: str, row: Row) -> str:
    """Where a row was measured, if not in the world that it stands in."""
    return f", measured in {worlds.load(row.measured_in).title}" if row.measured_in not in ("", world_name) else ""


def _key() -> str:
    return "".join(f'<span data-verdict="{escape(name)}">{mark} {escape(VERDICTS[name])}</span>' for name, mark in MARKS.items())


def _row(world: str, row: Row, cells: list[Cell | None]) -> str:
    rule = f"<small>{escape(row.rule_text)}</small>"
    columns = "".join(_cell(world, cell) if cell else _untested(row.words[family]) for family, cell in zip(FAMILIES, cells, strict=True))
    return f'<tr><th scope="row">{escape(row.title)}{rule}</th>{columns}</tr>'


def _untested(word: str) -> str:
    return f'<td>{_course(word)}<p class="ours">not asked in this world</p></td>'


def _course(word: str) -> str:
    return f'<p class="course">course: <b>{escape(word)}</b></p>'


def _cell(world: str, cell: Cell) -> str:
    what = f"Look behind it: {cell.row.title}, {title(cell.family)}"
    names = {"world": world, "row": cell.row.key, "family": cell.family}
    behind = _action("detail", "Look behind it", aria_label=what, aria_expanded="false", aria_controls="table-detail", **names)
    published = f'<p class="reference">published: {with_links(cell.reference)}</p>'
    return f'<td data-verdict="{escape(cell.verdict)}">{_course(cell.theirs)}{_measured(world, cell)}{published}{behind}</td>'


def _measured(world: str, cell: Cell) -> str:
    if not cell.figure:
        return '<p class="ours">not measured yet</p>'
    figure = cell.figure
    count = f"n = {figure.n:,}{escape(measured_in(world, cell.row))}"
    verdict = f'<span class="verdict">{MARKS[cell.verdict]} {escape(VERDICTS[cell.verdict])}</span>'
    return f"""
        <p class="ours">measured: <b>{escape(cell.ours)}</b> {verdict}</p>
        <p class="figure">{escape(with_interval(figure))} <small>{count}</small></p>
    """


def _action(action: str, label: str, **attributes: str) -> str:
    """A button that the script understands; names with an underscore are aria attributes, others are passed on to the server."""
    names = {(name.replace("_", "-") if name.startswith("aria_") else f"data-{name}"): value for name, value in attributes.items()}
    written = "".join(f' {name}="{escape(value)}"' for name, value in names.items())
    return f'<button type="button" data-action="{action}"{written}>{escape(label)}</button>'
