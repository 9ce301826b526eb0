"""The Explore tab: what one can do with engines beyond drawing from a prompt, each in an item of its own."""

from __future__ import annotations

import gradio as gr

from playground.machine import Machine
from playground.ui.items import edit, encode, inside, remember_item, repair, walk
from playground.ui.items import map as map_item

ITEMS = {
    "map": ("Latent map", map_item.build),
    "walk": ("Walk", walk.build),
    "edit": ("Face editor", edit.build),
    "repair": ("Repair", repair.build),
    "encode": ("Encode", encode.build),
    "inside": ("Look inside", inside.build),
}


def build(machine: Machine, world: str) -> gr.Tabs:
    """The items, each in a tab that a link can open. world: the one that is chosen at first."""
    parts = {}
    with gr.Tabs(elem_id="items") as items:
        for name, (label, build_item) in ITEMS.items():
            with gr.Tab(label, id=name) as parts[name]:
                build_item(machine, world)
    for name, part in parts.items():
        part.select(None, None, None, js=remember_item("explore", name), api_visibility="private")
    return items
