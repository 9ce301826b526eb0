"""The failure shelf: how each family goes wrong, in recorded runs."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr

from playground.film import data_uri
from playground.trainings import shelf
from playground.trainings.shelf import SHELF, Exhibit, Recording
from playground.ui.items import answered, component
from playground.ui.panes import title

LEAD = """<p class="lead">Every family has its own way to go wrong. Here are recorded runs of this project's own code,
each with the command that makes it again.</p>"""


def build() -> gr.HTML:
    """The item."""

    def open(_: str) -> dict[str, str]:
        return answered(lambda: {"html": show()})

    return component("failures", [open], tab="training", main="document")


def show(folder: Path = SHELF) -> str:
    """The shelf's markup. Nothing in it comes from a visitor, and all of it is escaped."""
    return LEAD + "".join(map(_exhibit, shelf.load(folder)))


def _exhibit(exhibit: Exhibit) -> str:
    heading = f"<h2>{escape(exhibit.title)} <small>{escape(title(exhibit.family))}</small></h2>"
    recordings = "".join(map(_recording, exhibit.recordings))
    return f'<section class="card exhibit">{heading}<p>{escape(exhibit.text)}</p><div class="recordings">{recordings}</div></section>'


def _recording(recording: Recording) -> str:
    if recording.picture:
        uri = data_uri(recording.picture, "image/webp")
        shown, made = f'<img src="{uri}" alt="Pictures drawn: {escape(recording.label)}">', f"<small>{escape(recording.made)}</small>"
    else:
        shown, made = '<p class="quiet">not recorded yet</p>', ""
    caption = f"<b>{escape(recording.label)}</b><code>{escape(recording.command)}</code>{made}"
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"
