"""Items of the tabs Explore and Training: each is one custom component, a Python file and the script beside it. Here is what they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

import engines
from engines import CheckpointError, worlds
from playground.compare import Order, contained
from playground.explore.inside import Relatives
from playground.explore.latent_map import ENGINE as MAP_ENGINE
from playground.film import data_uri, png
from playground.machine import Machine
from playground.ui.compare_tab import RUNS_AT_ONCE, refused
from playground.ui.panes import script, title, watch
from playground.ui.runs import Runs

ROOT = '<div class="item"></div>'
KEPT = 72_000_000  # bytes of finished runs, of each item that keeps them
MOST_PENDING = 200  # jobs of all visitors; thirty that move a slider at once ask for 150


def component(
    name: str,
    functions: list[Callable[..., Any]],
    fixed: dict[str, Any] | None = None,
    *,
    tab: str = "explore",
    scripts: tuple[str, ...] = (),
    main: str = "",
) -> gr.HTML:
    """An item of a tab: a custom component.

    fixed: data its script needs from the start. scripts: names of more files that it shares with others. main: name of its own file,
    by default the item's.
    """
    files = ("shared", *scripts, main or name)
    return gr.HTML(
        value=None,
        html_template=ROOT,
        js_on_load=script(*(f"items/{file}.js" for file in files)),
        server_functions=functions,
        apply_default_css=False,
        elem_id=f"item-{name}",
        fixed={"tab": tab, "item": name, **(fixed or {})},
    )


def remember_item(tab: str, item: str) -> str:
    """Script that writes an item that a visitor turned to into the address, without what the address said of another one.

    Gradio selects items too, while a page opens: then nobody has pressed anything yet.
    """
    return f"""() => {{
        const said = new URLSearchParams(location.search);
        const shown = said.get("tab") === "{tab}" && said.get("item") === "{item}";
        if (navigator.userActivation?.isActive && !shown) writeAddress({{ tab: "{tab}", item: "{item}" }});
    }}"""


def wire(item: gr.HTML, shown: gr.HTML, read: Callable[[dict[str, Any]], Order], machine: Machine, runs: Runs, world: str) -> None:
    """Draw what an item orders, and stop when it says so. read: its query -> an order, or ValueError."""

    def carry_out(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        started = time.time()
        try:
            order = read(event.order)
        except (AttributeError, ValueError, CheckpointError) as error:
            runs.stop(request.session_hash)
            yield refused(world, str(error), started)
            return
        yield from watch(order, machine, runs, request.session_hash, started, linked=False)

    def halt(request: gr.Request) -> None:
        runs.stop(request.session_hash)

    item.submit(
        carry_out,
        None,
        shown,
        concurrency_id="runs",
        concurrency_limit=RUNS_AT_ONCE,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
    item.clear(halt, None, None, queue=False, show_progress="hidden", api_visibility="private")


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
        if machine.pending >= MOST_PENDING:
            raise ValueError(f"the server has {machine.pending} questions to answer before this one; try again in a moment")
        answer.update(await asyncio.wrap_future(machine.submit(job, *args)))
    return answer


def about(world_name: str) -> dict[str, Any]:
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


def engine_title(name: str) -> str:
    """How an engine is called among those of its world."""
    return title(engines.engine_type(name).family) + (", two numbers, no words" if name == MAP_ENGINE else "")


def pack_relatives(found: Relatives) -> dict[str, Any]:
    """The training pictures nearest to a picture, as JSON data."""
    return {
        "nearest": [uri(image) for image in found.nearest],
        "distances": [round(float(distance), 2) for distance in found.distances],
        "copied": found.copied,
        "looked_at": found.looked_at,
        "trained_on": found.num_training,
    }


def uri(image: Any) -> str:
    return data_uri(png(image), "image/png")
