"""The Explore tab: a latent map, walks between pictures, the repair of a picture."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

import engines
from engines import CheckpointError, worlds
from engines.base import MAX_SEED
from playground import gallery
from playground.compare import Comparison, Order, contained
from playground.explore import latent_map, repair, uploads, walk
from playground.film import data_uri, png
from playground.machine import Machine
from playground.ui import panes as panes_component
from playground.ui.compare_tab import RUNS_AT_ONCE, refused
from playground.ui.panes import script, watch
from playground.ui.runs import Runs

ITEMS = ("map", "walk", "repair")
MOST_WAYS = 4  # to finish a picture
KEPT = 24_000_000  # bytes of finished runs, of walks and of repairs
ROOT = '<div class="explore"></div>'


def build(machine: Machine, world: str) -> gr.Tabs:
    """The three items, each in a tab of its own that a link can open. world: the one that is chosen at first."""
    with gr.Tabs(elem_id="items") as items:
        with gr.Tab("Latent map", id=ITEMS[0]):
            _build_map(machine)
        with gr.Tab("Walk", id=ITEMS[1]):
            _build_walk(machine, world)
        with gr.Tab("Repair", id=ITEMS[2]):
            _build_repair(machine, world)
    return items


# The latent map


def _build_map(machine: Machine) -> None:
    made: list[dict[str, Any]] = []  # what every visitor gets, once it is made

    async def open(_: str) -> dict[str, Any]:
        return await answered_by(machine, prepare)

    async def decode(query: dict[str, Any]) -> dict[str, Any]:
        return await answered_by(machine, decoded, query)

    def prepare() -> dict[str, Any]:
        if not made:
            shown = gallery.load(latent_map.ENGINE.partition("/")[0])
            made.append(pack_map(latent_map.make(machine.engine(latent_map.ENGINE), shown)))
        return made[0]

    def decoded(query: dict[str, Any]) -> dict[str, Any]:
        point = latent_map.check_point(query.get("z1"), query.get("z2"))
        return {"picture": _uri(latent_map.decode(machine.engine(latent_map.ENGINE), point)[0])}

    _component("map", [open, decode])


def pack_map(shown: latent_map.LatentMap) -> dict[str, Any]:
    """The map as JSON data: codes with the index of their class, the classes' names, the decoded grid."""
    return {
        "extent": latent_map.EXTENT,
        "points": latent_map.POINTS,
        "names": list(shown.names),
        "codes": [[round(float(z1), 3), round(float(z2), 3), int(i)] for (z1, z2), i in zip(shown.codes, shown.classes, strict=True)],
        "sheet": data_uri(latent_map.webp(shown.sheet), "image/webp"),
    }


# Walks


def _build_walk(machine: Machine, world: str) -> None:
    runs = Runs(max_bytes=KEPT)

    def download(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack_animation(runs.find(query.get("run")), query.get("name")))

    examples = worlds.load(world).examples
    start = {"world": world, "from_prompt": examples[0], "to_prompt": examples[1], "from_seed": 7, "to_seed": 8, "steps": walk.STEPS}
    fixed = {
        "worlds": [
            {**_about(name), "between": {engine: engines.engine_type(engine).between for engine in _engines(name)}}
            for name in engines.world_names()
        ],
        "start": start,
        "limits": {"min_steps": walk.MIN_STEPS, "max_steps": walk.MAX_STEPS, "seed": MAX_SEED},
    }
    component = _component("walk", [download], fixed)
    _wire(component, component, walk.order, machine, runs, world)


def pack_animation(comparison: Comparison, name: Any) -> dict[str, Any]:
    """A file's name and its content as a data URI. Raises ValueError for an engine that drew nothing."""
    for pane in comparison.panes:
        if pane.name == name and pane.film.last:
            content = walk.animation(pane.film.last.images)
            return {"name": f"{name.replace('/', '-')}-walk.gif", "uri": data_uri(content, "image/gif")}
    raise ValueError("this engine drew no walk")


# Complete and repair


def _build_repair(machine: Machine, world: str) -> None:
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
            {**_about(name), "presets": [{"name": p, "label": repair.MISSING[p][0]} | {"bits": _bits(name, p)} for p in repair.MISSING]}
            for name in engines.world_names()
        ],
        "start": start,
        "max_bytes": uploads.MAX_BYTES,
        "max_seed": MAX_SEED,
        "most_ways": MOST_WAYS,
        "held_out": gallery.HELD_OUT,
    }
    component = _component("repair", [picture, upload, restore], fixed)
    panes = panes_component.build(runs, world, elem_id="repaired")
    _wire(component, panes, repair.order, machine, runs, world)


def pack_picture(code: Any, world: Any) -> dict[str, Any]:
    """A picture by its code, and as a data URI. Raises ValueError."""
    return {"picture": code, "uri": _uri(repair.decode_picture(code, world))}


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


# Shared


def _component(name: str, functions: list[Callable[..., Any]], fixed: dict[str, Any] | None = None) -> gr.HTML:
    """A custom component: <name>.js after the scripts it shares with others. fixed: data it needs from the start."""
    return gr.HTML(
        value=None,
        html_template=ROOT,
        js_on_load=script("explore.js", f"{name}.js"),
        server_functions=functions,
        apply_default_css=False,
        elem_id=f"explore-{name}",
        fixed=fixed or {},
    )


def _wire(component: gr.HTML, shown: gr.HTML, read: Callable[[dict[str, Any]], Order], machine: Machine, runs: Runs, world: str) -> None:
    """Draw what the component orders, and stop when it says so. read: its query -> an order, or ValueError."""

    def carry_out(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        started = time.time()
        try:
            order = read(event.order)
        except (AttributeError, ValueError, CheckpointError) as error:
            yield refused(world, str(error), started)
            return
        yield from watch(order, machine, runs, request.session_hash, started, linked=False)

    def halt(request: gr.Request) -> None:
        runs.stop(request.session_hash)

    component.submit(
        carry_out,
        None,
        shown,
        concurrency_id="runs",
        concurrency_limit=RUNS_AT_ONCE,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
    component.clear(halt, None, None, queue=False, show_progress="hidden", api_visibility="private")


def answered(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, or its message to the visitor."""
    answer: dict[str, Any] = {}
    with contained(lambda message: answer.update(error=message)):
        answer.update(make())
    return answer


async def answered_by(machine: Machine, job: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """What a job on the machine gives, or its message; while it waits for its turn it holds none of Gradio's threads."""
    answer: dict[str, Any] = {}
    with contained(lambda message: answer.update(error=message)):
        answer.update(await asyncio.wrap_future(machine.submit(job, *args)))
    return answer


def _about(world_name: str) -> dict[str, Any]:
    """What the scripts need to know of a world."""
    world = worlds.load(world_name)
    h, w, c = world.image_shape
    return {
        "name": world_name,
        "title": world.title,
        "examples": list(world.examples),
        "height": h,
        "width": w,
        "channels": c,
        "light_on_dark": world.light_on_dark,
    }


def _engines(world_name: str) -> list[str]:
    return [name for name in engines.available() if name.startswith(f"{world_name}/")]


def _uri(image: Any) -> str:
    return data_uri(png(image), "image/png")
