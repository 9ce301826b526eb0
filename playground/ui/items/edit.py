"""The face editor: sliders for the directions found, on every engine side by side."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr

import engines
from engines import CheckpointError
from engines.base import MAX_SEED
from playground import directions
from playground.explore import edit
from playground.explore.edit import Edited, Wish
from playground.machine import Machine
from playground.measure.manipulation import EDITS
from playground.ui.items import about, answered_by, component, uri
from playground.ui.panes import title


def build(machine: Machine, world: str) -> gr.HTML:
    """The item. world: the one that is chosen at first, where it has directions."""

    async def change(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, lambda: pack_edit(machine, edit.wish(machine, query), query.get("engine")))

    async def follow(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, lambda: pack_followed(machine, edit.wish(machine, query)))

    known = [name for name in directions.WORLDS if name in engines.world_names()]
    fixed = {
        "worlds": [about(name) | {"engines": [_about_engine(engine) for engine in engines.available(name)]} for name in known],
        "edits": [{"name": f"{key} {value}", "label": f"{value.capitalize()} ({key.replace('_', ' ')})"} for key, value in EDITS],
        "start": {"world": world if world in known else next(iter(known), ""), "prompt": "", "seed": 7},
        "limits": {"least": edit.LEAST, "most": edit.MOST, "step": edit.STEP, "on": edit.ON, "seed": MAX_SEED},
    }
    return component("edit", [change, follow], fixed)


def pack_followed(machine: Machine, asked: Wish) -> dict[str, Any]:
    """The face moved along directions, by engine, as JSON data: what a slider shows while it moves. Raises ValueError."""
    pictures = {}
    for name in engines.available(asked.world):
        if engines.engine_type(name).movable:
            with suppress(CheckpointError):  # `pack_edit` says so
                pictures[name] = uri(edit.follow(machine, asked, name))
    return {"pictures": pictures}


def pack_edit(machine: Machine, asked: Wish, name: Any) -> dict[str, Any]:
    """Before and after with one engine, as JSON data. Raises ValueError."""
    wanted = {name.partition(" ")[0] for name, amount in asked.amounts.items() if amount}
    try:
        shown = _shown(edit.edit(machine, asked, name), wanted)
    except CheckpointError as error:
        shown = {"error": str(error)}
    unheard = [*asked.ignored, *(f"{key.replace('_', ' ')} {value}" for key, value in asked.overruled.items())]
    return {"before": asked.before, "after": asked.after, "unheard": unheard, "shown": shown}


def _shown(found: Edited, wanted: set[str]) -> dict[str, Any]:
    first, second = found.readings
    return {
        "before": uri(found.before),
        "after": uri(found.after),
        "wanted": [[key.replace("_", " "), first[key], second[key]] for key in first if key in wanted],
        "leaked": [[key.replace("_", " "), *values] for key, values in found.leaked(wanted).items()],
        "scores": found.scores,
    }


def _about_engine(name: str) -> dict[str, Any]:
    kind = engines.engine_type(name)
    how = f"moves {kind.movable}" if kind.movable else "has nothing to move along: it draws again, with the sentence changed"
    return {"name": name, "title": title(kind.family), "along": bool(kind.movable), "how": how}
