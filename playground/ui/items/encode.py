"""Encode your own: a picture through every engine's encoder and back."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

import engines
from engines import worlds
from playground.explore import encode, inside, repair
from playground.explore.encode import Blind, Encoded
from playground.machine import Machine
from playground.ui.items import about, answered_by, board, component, engine_title, pack_relatives, uri


def build(machine: Machine, world: str) -> gr.HTML:
    """The item. world: the one that is chosen at first."""

    async def squeeze(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, lambda: pack_query(machine, query.get("world"), query.get("picture")))

    fixed = {"worlds": [about(name) for name in engines.world_names()], "start": {"world": world, "number": 3}, **board.LIMITS}
    return component("encode", [*board.functions(), squeeze], fixed, scripts=("board",))


def pack_query(machine: Machine, world_name: Any, code: Any) -> dict[str, Any]:
    """`pack_encoded` of the picture in a link, with its label where it has one. Raises ValueError."""
    world = worlds.load(world_name)
    image = repair.decode_picture(code, world)
    return pack_encoded(machine, world_name, image, encode.label(code, world))


def pack_encoded(machine: Machine, world_name: str, image: np.ndarray, told: str = "") -> dict[str, Any]:
    """What every engine kept of a picture, as JSON data. told: what encoders are told of it."""
    return {
        "told": told,
        "raw": encode.raw_bits(worlds.load(world_name)),
        "picture": uri(image),
        "engines": [_pack(one, image) for one in encode.encode(machine, world_name, image, told)],
        "relatives": pack_relatives(inside.relatives(machine, world_name, image)),
    }


def _pack(one: Encoded | Blind, image: np.ndarray) -> dict[str, Any]:
    name = engine_title(one.engine)
    if isinstance(one, Blind):
        return {"title": name, "error": one.reason}
    difference = np.abs(one.image.astype(int) - image).astype(np.uint8)
    return {
        "title": name,
        "picture": uri(one.image),
        "difference": uri(difference),
        "code": one.code,
        "bits": one.bits,
        "psnr": one.psnr if np.isfinite(one.psnr) else None,
    }
