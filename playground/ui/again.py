"""Measure again here: the table's quick measurement on the visitor's server, beside the figures that are committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

import engines
from engines import FAMILIES, CheckpointError, checkpoint, worlds
from playground import figures, table
from playground.background import Background, Busy, Job
from playground.figures import Figure, Figures
from playground.table import Cell, Row
from playground.ui.compare_tab import RUNS_AT_ONCE
from playground.ui.panes import title
from playground.ui.table_detail import with_interval

SECONDS = 180.0  # that it takes on two cores, until the first figures say otherwise
POLL = 2.0  # seconds
TASK = "measuring"  # and a world: the name of the background's job

EXPLAIN = """<p>Runs the quick form of the measurement on this server, with few pictures, in two to three minutes on two cores, and puts
what it finds beside the committed figures. Speeds differ with the machine, and with what it does besides, and edits of faces are
bettered for 5 steps instead of 300, so they may fail here; the rest should agree within its wider intervals. Where so few pictures
allow several words, the table says so. Training stability is quoted, not measured again.</p>"""


def build(background: Background, folder: Path, world: gr.Dropdown) -> None:
    """A button, progress, and both tables of figures side by side. folder: where the figures go; world: the page's choice."""
    # 1. Components
    with gr.Accordion("Measure again here", open=False):
        gr.HTML(EXPLAIN, js_on_load=None)
        with gr.Row():
            start = gr.Button("Measure again here", variant="primary", scale=0, min_width=220, elem_id="again-start")
            stop = gr.Button("Stop", scale=0, min_width=120, elem_id="again-stop")
        shown = gr.HTML(elem_id="again", js_on_load=None)

    # 2. Handlers
    def measure(world_name: str, request: gr.Request) -> Iterator[str]:
        try:
            job = _start(background, folder, world_name, request.session_hash)
        except (Busy, ValueError) as error:
            yield f'<p class="problem" role="alert">{escape(str(error))}</p>'
            return
        committed = read(world_name, checkpoint.ROOT)
        with background.watching(job):
            while job.running:
                yield progress(world_name, read(world_name, folder), committed, time.time() - job.started)
                time.sleep(POLL)
        if job.stopped:
            ended = f'<p role="status">{_titled(world_name)}: stopped. What it had measured is shown.</p>'
        elif job.failed:
            ended = f'<p class="problem" role="alert">{_titled(world_name)}: the measurement ended early. {escape(job.last_line())}</p>'
        else:
            ended = f'<p role="status">{_titled(world_name)}: done in {_minutes(time.time() - job.started)}.</p>'
        yield ended + side_by_side(world_name, read(world_name, folder), committed)

    def halt(request: gr.Request) -> None:
        job = background.last(TASK)
        background.stop(request.session_hash)
        if job and job.running:
            gr.Info("Only the page that began the measurement can stop it.")

    # 3. Wiring
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    start.click(measure, world, shown, concurrency_id="runs", concurrency_limit=RUNS_AT_ONCE, **options)  # it holds a thread as runs do
    stop.click(halt, None, None, queue=False, **options)


def progress(world_name: str, here: Figures, committed: Figures, seconds: float) -> str:
    """How far the measurement is: cells measured of all cells, and the time left at this pace."""
    done = len(_measured(world_name, here))
    total = len(table.rows(world_name)) * len(_engines(world_name))
    left = seconds * (total - done) / done if done else max(SECONDS - seconds, 0)
    said = f'<span role="status">{_titled(world_name)}: {done} of {total} cells measured</span>, about {_minutes(left)} left'
    bar = f'<progress max="{total}" value="{done}" aria-label="Cells measured"></progress>'
    return f"<p>{said}</p>{bar}{side_by_side(world_name, here, committed)}"


def side_by_side(world_name: str, here: Figures, committed: Figures) -> str:
    """A table of the committed figures beside those found here, cell by cell."""
    kept = {(cell.row.key, cell.family): cell for cell in table.cells(world_name, committed)}
    rows = "".join(_line(kept[cell.row.key, cell.family], cell, here, committed) for cell in _measured(world_name, here))
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("row", "engine", "committed", "here", "agree?", "word here"))
    table_html = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Committed figures and those measured here">{table_html}</div>'


def _start(background: Background, folder: Path, world_name: str, owner: str) -> Job:
    """Begin, or join the same measurement if it is running."""
    if world_name not in engines.world_names():
        raise ValueError(f"world must be one of {', '.join(engines.world_names())}, got {world_name!r}")
    command = ["playground.measure", world_name, "--quick", "--out", str(folder)]
    return background.start_or_join(f"{TASK} {world_name}", command, owner=owner, clear=folder / world_name)


def read(world_name: str, folder: Path) -> Figures:
    """The figures in a folder of checkpoints; nothing where they are damaged."""
    try:
        return figures.read(world_name, root=folder)
    except CheckpointError:
        return {}


def _measured(world_name: str, found: Figures) -> list[Cell]:
    return [cell for cell in table.cells(world_name, found) if cell.figure]


def _engines(world_name: str) -> list[str]:
    return [family for family in FAMILIES if engines.is_trained(f"{world_name}/{family}")]


def _line(committed: Cell, here: Cell, *found: Figures) -> str:
    row, family = here.row, here.family
    mine, theirs = (measured.get(row.key, {}).get(family, {}).get(row.figure) for measured in found)
    agree, words = ("quoted", here.ours) if row.measured_in else (_agreement(row, mine, theirs), _words(committed, here, found[0]))
    shown = ("not measured" if figure is None else with_interval(figure) for figure in (theirs, mine))
    cells = (*shown, agree, words)
    columns = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(row.title)}</th><td>{escape(title(family))}</td>{columns}</tr>'


def _agreement(row: Row, mine: Figure, theirs: Figure | None) -> str:
    return "" if theirs is None else "yes" if table.agree(row, mine, theirs) else "differs"


def _words(committed: Cell, here: Cell, found: Figures) -> str:
    """The word of the figure found here, or between which words its interval leaves it; and the committed one where that differs."""
    figure, named = here.figure, found[here.row.key][here.family]
    ends = [here.row.rule(end, named) for end in (figure.low, figure.high) if end is not None] or [here.ours]
    if len(set(ends)) > 1:
        return f"too few pictures to tell: {ends[0]} to {ends[-1]}"
    return here.ours if committed.ours in (None, here.ours) else f"{committed.ours} → {here.ours}"


def _titled(world_name: str) -> str:
    return escape(worlds.load(world_name).title)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
