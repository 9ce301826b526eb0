"""Complete and repair: a picture, what is missing in it, and what every engine puts there."""

from __future__ import annotations

from typing import Any

import gradio as gr

import engines
from engines import worlds
from engines.base import MAX_SEED
from playground.explore import repair
from playground.machine import Machine
from playground.ui import panes as panes_component
from playground.ui.items import KEPT, about, answered, board, component, wire
from playground.ui.runs import Runs


def build(machine: Machine, world: str) -> gr.HTML:
    runs = Runs(max_bytes=KEPT)

    def restore(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_link(query, worlds.load(query.get("world"))))

    start = {"world": world, "prompt": "", "number": 5, "seed": 7, "num_images": repair.MOST_WAYS}
    fixed = {
        "worlds": [
            {**about(name), "presets": [{"name": p, "label": repair.MISSING[p][0]} | {"bits": _bits(name, p)} for p in repair.MISSING]}
            for name in engines.world_names()
        ],
        "start": start,
        **board.LIMITS,
        "max_seed": MAX_SEED,
        "most_ways": repair.MOST_WAYS,
    }
    item = component("repair", [*board.functions(), restore], fixed, scripts=("board",))
    panes = panes_component.build(runs, world, elem_id="repaired")
    wire(item, panes, repair.order, machine, runs, world)
    return item


def pack_link(query: dict[str, Any], world: Any) -> dict[str, Any]:
    """The picture of a link and what is missing in it: bits, and the preset's name where it has one. Raises ValueError."""
    code = query.get("missing")
    missing = repair.encode_missing(repair.decode_missing(code, world))
    return board.pack_picture(query.get("picture"), world) | {"missing": missing, "preset": code if code in repair.MISSING else ""}


def _bits(world_name: str, name: str) -> str:
    return repair.encode_missing(repair.decode_missing(name, worlds.load(world_name)))
