"""Walks between two pictures, through what an engine starts from."""

from __future__ import annotations

from typing import Any

import gradio as gr

import engines
from engines import worlds
from engines.base import MAX_SEED
from playground.compare import Comparison
from playground.explore import walk
from playground.film import data_uri
from playground.machine import Machine
from playground.ui.items import KEPT, about, answered, component, wire
from playground.ui.runs import Runs


def build(machine: Machine, world: str) -> gr.HTML:
    runs = Runs(max_bytes=KEPT)

    def download(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_animation(runs.find(query.get("run")), query.get("name")))

    examples = worlds.load(world).examples
    start = {"world": world, "from_prompt": examples[0], "to_prompt": examples[1], "from_seed": 7, "to_seed": 8, "steps": walk.STEPS}
    fixed = {
        "worlds": [
            {
                **about(name),
                "between": {engine: engines.engine_type(engine).between for engine in engines.available(name)},
                "ways": {engine: dict(engines.engine_type(engine).ways) for engine in engines.available(name)},
            }
            for name in engines.world_names()
        ],
        "start": start,
        "limits": {"min_steps": walk.MIN_STEPS, "max_steps": walk.MAX_STEPS, "seed": MAX_SEED},
    }
    item = component("walk", [download], fixed)
    wire(item, item, walk.order, machine, runs, world)
    return item


def pack_animation(comparison: Comparison, name: Any) -> dict[str, Any]:
    """A file's name and its content as a data URI. Raises ValueError for an engine that drew nothing."""
    for pane in comparison.panes:
        if pane.name == name and pane.film.last:
            content = walk.animation(pane.film.last.images)
            return {"name": f"{name.replace('/', '-')}-walk.gif", "uri": data_uri(content, "image/gif")}
    raise ValueError("this engine drew no walk")
