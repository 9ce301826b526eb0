"""The Compare tab: one order, four engines at work."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

import engines
from engines import worlds
from engines.base import MAX_PROMPT_LENGTH, MAX_SEED
from playground.compare import MAX_PICTURES, PACES, REAL_TIME, Comparison, Order, State, first_order
from playground.machine import Machine
from playground.ui import panes as panes_component
from playground.ui import settings as settings_panel
from playground.ui.panes import view, watch
from playground.ui.runs import Runs
from playground.ui.settings import Settings

NUM_EXAMPLES = 5
RUNS_AT_ONCE = 90  # of all visitors, most of them waiting for the machine


@dataclass(frozen=True)
class CompareTab:
    """The components that make up an order, for restoring one from a link; and the order of a first visit."""

    start: Order
    world: gr.Dropdown
    prompt: gr.Textbox
    examples: list[gr.Button]
    seed: gr.Number
    num_images: gr.Slider
    pace: gr.Radio
    settings: Settings
    panes: gr.HTML
    linked: gr.State  # counts the orders that came by link and are to be drawn at once
    choose: Callable[[str, gr.Request], dict[Any, Any]]  # a world -> updates of the components `chosen`; the visitor's run ends
    chosen: list[gr.components.Component]

    @property
    def inputs(self) -> set[gr.components.Component]:
        controls = {setting.control for setting in self.settings.controls}
        return {self.world, self.prompt, self.seed, self.num_images, self.pace, *controls}

    def order(self, values: dict[Any, Any]) -> Order:
        """Raises ValueError naming the field, the value and what is allowed."""
        prompt = values[self.prompt]
        return Order(
            world=values[self.world],
            prompt=prompt.strip() if isinstance(prompt, str) else prompt,
            seed=values[self.seed],
            num_images=values[self.num_images],
            settings=self.settings.read(values, values[self.world]),
            pace=values[self.pace],
        )

    def show_order(self, order: Order) -> dict[Any, Any]:
        """Updates that put an order into the controls, and its world's examples beside them."""
        return {
            **_show_examples(self.examples, order.world),
            self.world: order.world,
            self.prompt: order.prompt,
            self.seed: order.seed,
            self.num_images: order.num_images,
            self.pace: order.pace,
            **self.settings.write(order.settings, order.world),
        }


def default_order() -> Order:
    """What a first visit shows: the newest world."""
    return first_order(engines.world_names()[-1])


def build(machine: Machine, runs: Runs, start: Order) -> CompareTab:
    # 1. Components
    with gr.Column(elem_id="order"):
        with gr.Row(elem_id="ask"):
            prompt = gr.Textbox(
                start.prompt,
                label="Prompt",
                placeholder="empty: anything",
                max_length=MAX_PROMPT_LENGTH,
                max_lines=1,
                scale=1,
                min_width=260,
                elem_id="prompt",
            )
            draw = gr.Button("Draw", variant="primary", scale=0, min_width=130, elem_id="draw")
            stop = gr.Button("Stop", scale=0, min_width=90, elem_id="stop")
        with gr.Row(elem_id="examples"):
            examples = [gr.Button(size="sm", min_width=60, scale=0, **_example(start.world, i)) for i in range(NUM_EXAMPLES)]
        with gr.Row(elem_id="choices"):
            titles = [(worlds.load(name).title, name) for name in engines.world_names()]
            world = gr.Dropdown(titles, value=start.world, label="World", scale=2, min_width=170)
            with gr.Row(elem_id="seed"):
                seed = gr.Number(start.seed, label="Seed", min_width=110)
                dice = gr.Button("⚄ Roll", scale=0, min_width=100, elem_id="dice")
            num_images = gr.Slider(1, MAX_PICTURES, start.num_images, step=1, label="Pictures", buttons=[], scale=2, min_width=170)
            pace = gr.Radio(list(PACES), value=REAL_TIME, label="Pace of the page (never of the clocks)", scale=3, min_width=320)
    panes = panes_component.build(runs, start.world)
    with gr.Accordion("Advanced settings", open=False, elem_id="settings"):
        settings = settings_panel.build(start.world)
    linked = gr.State(0)

    # 2. Handlers
    def draw_order(values: dict[Any, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        started = time.time()
        try:
            order = tab.order(values)
        except ValueError as error:
            runs.stop(request.session_hash)
            yield refused(values[world] if values[world] in engines.world_names() else start.world, str(error), started)
            return
        yield from watch(order, machine, runs, request.session_hash, started)

    def stop_run(request: gr.Request) -> None:
        runs.stop(request.session_hash)

    def choose_world(name: str, request: gr.Request) -> dict[Any, Any]:
        runs.stop(request.session_hash)
        first = first_order(name)
        return {
            **_show_examples(examples, name),
            **settings.show(name),
            prompt: first.prompt,
            num_images: first.num_images,
            panes: view(Comparison(Order(name)), started=time.time()),
        }

    chosen = [*examples, *settings.groups.values(), prompt, num_images, panes]
    tab = CompareTab(start, world, prompt, examples, seed, num_images, pace, settings, panes, linked, choose_world, chosen)

    # 3. Wiring
    draw_now = {
        "fn": draw_order,
        "inputs": tab.inputs,
        "outputs": panes,
        "concurrency_id": "runs",
        "concurrency_limit": RUNS_AT_ONCE,
        "show_progress": "hidden",
        "show_progress_on": linked,
        "trigger_mode": "multiple",  # a new order takes the place of the one in flight
        "preprocess": False,  # values out of range reach the engines, whose own messages the panes show
        "api_visibility": "private",
    }
    quick = {"queue": False, "show_progress": "hidden", "show_progress_on": linked, "api_visibility": "private"}
    gr.on([draw.click, prompt.submit, tab.linked.change], **draw_now)
    for button in examples:
        button.click(lambda text: text, button, prompt, **quick).then(**draw_now)
    dice.click(lambda: random.randint(0, MAX_SEED), None, seed, **quick).then(**draw_now)
    stop.click(stop_run, None, None, **quick)
    world.input(choose_world, world, chosen, **quick)
    return tab


def refused(world: str, message: str, started: float) -> dict[str, Any]:
    """The view of an order that cannot be drawn."""
    comparison = Comparison(Order(world))
    comparison.state, comparison.message = State.FAILED, message
    return view(comparison, started=started)


def _show_examples(buttons: list[gr.Button], world: str) -> dict[Any, Any]:
    return {button: gr.update(**_example(world, i)) for i, button in enumerate(buttons)}


def _example(world: str, index: int) -> dict[str, Any]:
    examples = worlds.load(world).examples
    return {"value": examples[index] if index < len(examples) else "", "visible": index < len(examples)}
