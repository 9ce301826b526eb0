"""The Training tab: how the engines came to draw, what else might have come of it, and a training to watch."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from playground.background import Background
from playground.ui.items import failures, live, remember_item, replay, stability

ITEMS = {"replay": "Replay", "stability": "Stability study", "failures": "Failure shelf", "live": "Train live"}


def build(background: Background, folder: Path, world: str) -> gr.Tabs:
    """The items, each in a tab that a link can open. folder: where trainings are written; world: the one that is chosen at first."""
    builders = (lambda: replay.build(world), stability.build, failures.build, lambda: live.build(background, folder))
    parts = {}
    with gr.Tabs(elem_id="training-items") as items:
        for (name, label), build_item in zip(ITEMS.items(), builders, strict=True):
            with gr.Tab(label, id=name) as parts[name]:
                build_item()
    for name, part in parts.items():
        part.select(None, None, None, js=remember_item("training", name), api_visibility="private")
    return items
