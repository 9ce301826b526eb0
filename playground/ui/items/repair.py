"""Complete and repair: a picture, what is missing in it, and what every engine puts there."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import gradio as gr

import engines
from engines import worlds
from engines.base import MAX_SEED
from playground import gallery
from playground.explore import repair, uploads
from playground.machine import Machine
from playground.ui import panes as panes_component
from playground.ui.items import KEPT, about, answered, component, uri, wire
from playground.ui.runs import Runs

MOST_WAYS = 4  # to finish a picture


def build(machine: Machine, world: str) -> gr.HTML:
    runs = Runs(max_bytes=KEPT)

    def picture(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_picture(query.get("picture"), worlds.load(query.get("world"))))

    def upload(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_upload(query.get("content"), worlds.load(query.get("world"))))

    def restore(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_link(query, worlds.load(query.get("world"))))

    start = {"world": world, "prompt": "", "number": 5, "seed": 7, "num_images": MOST_WAYS}
    fixed = {
        "worlds": [
            {**about(name), "presets": [{"name": p, "label": repair.MISSING[p][0]} | {"bits": _bits(name, p)} for p in repair.MISSING]}
            for name in engines.world_names()
        ],
        "start": start,
        "max_bytes": uploads.MAX_BYTES,
        "max_seed": MAX_SEED,
        "most_ways": MOST_WAYS,
        "held_out": gallery.HELD_OUT,
    }
    item = component("repair", [picture, upload, restore], fixed)
    panes = panes_component.build(runs, world, elem_id="repaired")
    wire(item, panes, repair.order, machine, runs, world)
    return item


def pack_picture(code: Any, world: Any) -> dict[str, Any]:
    """A picture by its code, and as a data URI. Raises ValueError."""
    return {"picture": code, "uri": uri(repair.decode_picture(code, world))}


def pack_upload(content: Any, world: Any) -> dict[str, Any]:
    """The picture in a file, given in base64, as its code, a data URI and notes. Raises ValueError."""
    if not isinstance(content, str) or len(content) > 4 * uploads.MAX_BYTES // 3 + 4:
        raise ValueError(f"The file is too large; at most {uploads.MAX_BYTES // 10**6} MB can be read.")
    try:
        image, notes = uploads.read(base64.b64decode(content), world)
    except binascii.Error:
        raise ValueError("The file did not arrive whole; choose it again.") from None
    return {**pack_picture(repair.encode_picture(image), world), "notes": notes}


def pack_link(query: dict[str, Any], world: Any) -> dict[str, Any]:
    """The picture of a link and what is missing in it: bits, and the preset's name where it has one. Raises ValueError."""
    code = query.get("missing")
    missing = repair.encode_missing(repair.decode_missing(code, world))
    return pack_picture(query.get("picture"), world) | {"missing": missing, "preset": code if code in repair.MISSING else ""}


def _bits(world_name: str, name: str) -> str:
    return repair.encode_missing(repair.decode_missing(name, worlds.load(world_name)))
