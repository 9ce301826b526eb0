"""Look inside: piece by piece, step by step, and what the pictures are compared with."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

import engines
from engines import Inspection
from engines.base import MAX_SEED
from engines.images import enlarge
from playground.compare import Comparison, Pane
from playground.explore import inside
from playground.explore.inside import Checked
from playground.film import data_uri, png, sheet
from playground.machine import Machine
from playground.ui.items import KEPT, about, answered_by, component, pack_relatives, uri, wire
from playground.ui.panes import title
from playground.ui.runs import Runs


def build(machine: Machine, world: str) -> gr.HTML:
    """The item. world: the one that is chosen at first."""
    runs = Runs(max_bytes=KEPT)

    async def look(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, lambda: pack_run(machine, runs.find(query.get("run"))))

    async def inspect(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(
            machine, lambda: pack_inspection(inside.inspect(machine, runs.find(query.get("run")), query.get("engine"), query.get("place")))
        )

    async def cell(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, lambda: {"picture": uri(inside.draw_cell(machine, query))})

    first = about(world)["examples"][0]
    fixed = {
        "worlds": [about(name) | {"engines": engines.available(name)} for name in engines.world_names()],
        "start": {"world": world, "prompt": first, "seed": 7},
        "max_seed": MAX_SEED,
        "guidance": inside.GUIDANCE,
        "steps": inside.STEPS,
    }
    item = component("inside", [look, inspect, cell], fixed)
    wire(item, item, inside.order, machine, runs, world)
    return item


def pack_run(machine: Machine, comparison: Comparison) -> dict[str, Any]:
    """What can be looked at in a finished run, as JSON data: the check for copies, and per engine its pieces or its steps."""
    return {
        "checks": [_pack_check(checked) for checked in inside.check(machine, comparison)],
        "pieces": [_pack_pieces(machine, pane) for pane in _drawn(comparison) if engines.engine_type(pane.name).inspects],
        "steps": [_pack_steps(pane) for pane in _drawn(comparison) if "noise" in pane.film.last.extra],
    }


def pack_inspection(found: Inspection) -> dict[str, Any]:
    """One piece as JSON data. The attention is a grey picture, a dot per piece, brightest where it looks most."""
    brightest = found.attention.max() or 1.0
    return {
        "candidates": [uri(enlarge(image, max(1, 24 // image.shape[0]))) for image in found.candidates],
        "probabilities": [round(float(p), 5) for p in found.probabilities],
        "said": found.said,
        "said_probability": found.said_probability,
        "attention": [round(float(share), 4) for share in (found.attention / brightest).ravel()],
        "pictures": float(found.attention.sum()),
        "words": [[word, round(share, 4)] for word, share in found.words],
    }


def _drawn(comparison: Comparison) -> list[Pane]:
    return [pane for pane in comparison.panes if inside.is_whole(pane)]


def _pack_check(checked: Checked) -> dict[str, Any]:
    return {
        "title": title(engines.engine_type(checked.engine).family),
        "engine": checked.engine,
        **pack_relatives(checked.relatives),
        "scores": [[title(engines.engine_type(name).family), score] for name, score in checked.scores.items()],
    }


def _pack_pieces(machine: Machine, pane: Pane) -> dict[str, Any]:
    rows, columns = machine.engine(pane.name).pieces()
    return {"engine": pane.name, "title": title(pane.family), "picture": uri(pane.film.last.images[0]), "rows": rows, "columns": columns}


def _pack_steps(pane: Pane) -> dict[str, Any]:
    frames = pane.film.frames
    noisy = [frame.extra["x_t"][:1] for frame in frames]
    return {
        "engine": pane.name,
        "title": title(pane.family),
        "predicted": data_uri(png(sheet([frame.images[:1] for frame in frames])), "image/png"),
        "noisy": data_uri(png(sheet(noisy)), "image/png"),
        "noise": [round(float(np.asarray(frame.extra["noise"])), 4) for frame in frames],
        "steps": [frame.step for frame in frames],
        "total": frames[-1].num_steps,
    }
