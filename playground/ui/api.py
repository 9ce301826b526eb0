"""The public API: one call that draws and answers with pictures and figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from playground.compare import Comparison, Order, compare
from playground.film import data_uri, png
from playground.machine import Machine
from playground.recording import record


def build(machine: Machine) -> None:
    """Add the endpoint /draw to the page."""

    def draw(
        world: str, prompt: str | None = "", seed: int = 0, num_images: int = 1, settings: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Draw one order with every engine of a world, in turn. It stops when the caller hangs up.

        settings: per family the settings to change, {"diffusion": {"guidance_scale": 3.0}}. Returns the record of the run;
        each entry of "engines" has "pictures", a list of PNG data URIs, its figures, and "error" where it failed. Until then a
        caller that listens hears its "state" alone.
        """
        try:
            order = Order(world, prompt, seed, num_images, settings or {})
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        with closing(compare(order, machine)) as steps:
            for comparison in steps:
                yield {"state": comparison.state.value}
        if comparison.message:
            raise gr.Error(comparison.message, print_exception=False)
        yield answer(comparison)

    gr.api(draw, api_name="draw", concurrency_limit=8)


def answer(comparison: Comparison) -> dict[str, Any]:
    """The record of a finished comparison, with the pictures."""
    result = record(comparison)
    for pane in comparison.panes:
        images = pane.film.last.images if pane.film.last else []
        result["engines"][pane.name]["pictures"] = [data_uri(png(image), "image/png") for image in images]
    return result
