"""The panes: a custom component that shows a comparison while it runs and lets the visitor look back through it.

The page's value is plain data (`view`); panes.js turns it into elements, always as text, never as markup. When a run has ended the
script asks once for the kept frames (`film`), so scrubbing costs no call; downloads are made when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

import engines
from playground.compare import Comparison, Order, Pane, State, compare
from playground.explore.repair import differences, mean_difference
from playground.film import data_uri, png, sheet
from playground.machine import Machine
from playground.recording import DOWNLOADS
from playground.ui import link
from playground.ui.runs import Runs

SCRIPTS = Path(__file__).parent


def build(runs: Runs, world: str, *, elem_id: str = "panes") -> gr.HTML:
    """Four panes, the words understood, the strip chart, scrubbing, link and downloads."""

    def film(run: str) -> dict[str, Any]:
        return _answer(lambda: pack_films(runs.find(run)))

    def download(query: dict[str, str]) -> dict[str, Any]:
        return _answer(lambda: pack_download(runs.find(query["run"]), query["kind"]))

    return gr.HTML(
        value=view(Comparison(Order(world))),
        html_template='<div class="stage"></div>',
        js_on_load=script("panes.js"),
        server_functions=[film, download],
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="panes",
    )


def script(*names: str) -> str:
    """The script of a custom component: its files, after what all of them share."""
    return "\n".join((SCRIPTS / name).read_text() for name in ("parts.js", *names))


def watch(order: Order, machine: Machine, runs: Runs, session: str, started: float, *, linked: bool = True) -> Iterator[dict[str, Any]]:
    """Views of an order while its engines draw, until a newer one of the session takes its place.

    linked: whether the page's address is to become a link to the order; where not, the component that ordered has seen to it.
    """
    signal = runs.begin(session)
    try:
        for comparison in compare(order, machine, stop=signal):
            if not runs.is_current(session, signal):
                return
            ended = comparison.state in (State.DONE, State.STOPPED)
            yield view(comparison, run=runs.keep(comparison) if ended else "", started=started, linked=linked)
    finally:
        signal.set()
        runs.end(session, signal)


def title(family: str) -> str:
    """How a family is called on the page: short names are abbreviations."""
    return family.upper() if len(family) <= 3 else family.capitalize()


def view(comparison: Comparison, *, run: str = "", started: float = 0.0, linked: bool = True) -> dict[str, Any]:
    """What the page shows of a comparison now, as JSON data.

    run: the name under which its frames are kept, once it has ended. started: seconds, the order of a session's runs. linked: whether
    the page's address is to become a link to the order.
    """
    order, reading = comparison.order, comparison.reading
    return {
        "run": run,
        "started": started,
        "state": comparison.state,
        "message": comparison.message,
        "prompt": order.prompt,
        "understood": reading.attributes if reading else {},
        "ignored": list(reading.ignored) if reading else [],
        "overruled": reading.overruled if reading else {},
        "supplement": comparison.supplement,
        "columns": order.num_images,
        "link": link.write(order) if linked else "",
        "panes": [{**_view_pane(pane), "kept": _kept(pane, order)} for pane in comparison.panes],
    }


def _view_pane(pane: Pane) -> dict[str, Any]:
    kind, frame, marks = engines.engine_type(pane.name), pane.shown, pane.marks if pane.state == State.DONE else None
    return {
        "name": pane.name,
        "title": title(pane.family),
        "how": kind.__doc__.strip().splitlines()[0],
        "state": pane.state,
        "error": pane.error,
        "note": pane.note,
        "picture": pane.picture,
        "step": frame.step if frame else 0,
        "steps": frame.num_steps if frame else 1,
        "seconds": frame.seconds if frame else None,
        "calls": frame.nfe if frame else None,
        "first": pane.film.first_seconds,
        "match": marks.match if marks else None,
        "found": marks.found if marks else {},
        "sharpness": marks.sharpness if marks else None,
    }


def _kept(pane: Pane, order: Order) -> str:
    """How near the engine itself came to the known pixels, in words; "" where none were given or its picture is not done."""
    if not order.known or not pane.shown or "own" not in pane.shown.extra:
        return ""
    return f"its own picture is {100 * mean_difference(pane.shown.extra['own'], order.known):.1f} % off at the known pixels"


def pack_films(comparison: Comparison) -> dict[str, Any]:
    """The kept frames of every engine as sheets: a row per frame, a column per image."""
    return {pane.name: _pack_film(pane, comparison.order) for pane in comparison.panes if pane.film.last}


def _pack_film(pane: Pane, order: Order) -> dict[str, Any]:
    frames, own = pane.film.frames, pane.film.last.extra.get("own")
    noisy = [frame.extra["x_t"] for frame in frames if "x_t" in frame.extra]
    return {
        "predicted": data_uri(png(sheet([frame.images for frame in frames])), "image/png"),
        "noisy": data_uri(png(sheet(noisy)), "image/png") if len(noisy) == len(frames) else "",
        "difference": "" if own is None else data_uri(png(sheet([differences(own, order.known)])), "image/png"),
        "total": frames[-1].num_steps,
        "steps": [frame.step for frame in frames],
        "seconds": [frame.seconds for frame in frames],
        "calls": [frame.nfe for frame in frames],
    }


def pack_download(comparison: Comparison, kind: str) -> dict[str, Any]:
    """A file's name and its content as a data URI. Raises ValueError for an unknown kind."""
    if kind not in DOWNLOADS:
        raise ValueError(f"kind must be one of {', '.join(DOWNLOADS)}, got {kind!r}")
    suffix, media_type, make = DOWNLOADS[kind]
    return {"name": f"{comparison.order.world}-seed{comparison.order.seed}-{suffix}", "uri": data_uri(make(comparison), media_type)}


def _answer(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return make()
    except ValueError as error:
        return {"error": str(error)}
