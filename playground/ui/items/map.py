"""The latent map: a plane that the pointer moves over."""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground import gallery
from playground.explore import latent_map
from playground.film import data_uri, webp
from playground.machine import Machine
from playground.ui.items import answered_by, component, uri


def build(machine: Machine, world: str) -> gr.HTML:
    made: list[dict[str, Any]] = []  # what every visitor gets, once it is made

    async def open(_: str) -> dict[str, Any]:
        return await answered_by(machine, prepare)

    async def decode(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, decoded, query)

    def prepare() -> dict[str, Any]:
        if not made:
            shown = gallery.shared(latent_map.ENGINE.partition("/")[0])
            made.append(pack_map(latent_map.make(machine.engine(latent_map.ENGINE), shown)))
        return made[0]

    def decoded(query: dict[str, Any]) -> dict[str, Any]:
        point = latent_map.check_point(query.get("z1"), query.get("z2"))
        return {"picture": uri(latent_map.decode(machine.engine(latent_map.ENGINE), point)[0])}

    return component("map", [open, decode])


def pack_map(shown: latent_map.LatentMap) -> dict[str, Any]:
    """The map as JSON data: codes with the index of their class, the classes' names, the decoded grid."""
    return {
        "extent": latent_map.EXTENT,
        "points": latent_map.POINTS,
        "names": list(shown.names),
        "codes": [[round(float(z1), 3), round(float(z2), 3), int(i)] for (z1, z2), i in zip(shown.codes, shown.classes, strict=True)],
        "cloud": [[round(float(z1), 2), round(float(z2), 2), int(i)] for z1, z2, i in shown.cloud],
        "sheet": data_uri(webp(shown.sheet), "image/webp"),
    }
