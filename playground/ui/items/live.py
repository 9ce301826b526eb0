"""Train live: a short training in a process of its own, watched while it runs.

The script asks how far it is every second, so that nobody who watches holds one of the server's threads.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gradio as gr

import engines
from playground.background import Background, Busy
from playground.film import data_uri
from playground.trainings import live
from playground.ui.items import answered, component
from playground.ui.panes import title

TASK = "training"  # and the engine's name: what the server's background task is called


def build(background: Background, folder: Path) -> gr.HTML:
    """The item. folder: where trainings are written."""

    def start(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: begin(background, folder, query.get("engine"), query.get("owner")))

    def stop(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: end(background, query.get("owner")))

    def look(query: dict[str, Any]) -> dict[str, Any]:
        return answered(lambda: pack(background, folder, seen=query.get("seen")))

    known = [{"name": name, "title": title(engines.engine_type(name).family)} for name in live.choices()]
    return component("live", [start, stop, look], {"engines": known, "minutes": live.MINUTES}, tab="training")


def begin(background: Background, folder: Path, name: Any, owner: Any) -> dict[str, Any]:
    """Start a training, or watch the same one if it is running.

    owner: a word that only this visitor knows. Raises ValueError for an unknown engine, no owner, and when the server is busy.
    """
    if not isinstance(owner, str) or not owner:
        raise ValueError(f"owner must be text, got {owner!r}")
    command = live.command(name, folder / str(name))
    try:
        background.start_or_join(f"{TASK} {name}", command, owner=owner, clear=folder / name)
    except Busy as error:
        raise ValueError(str(error)) from None
    return {}


def end(background: Background, owner: Any) -> dict[str, Any]:
    """Stop the training that `owner` began. Raises ValueError for others' trainings."""
    job = background.last(TASK)
    if not job or not job.running:
        return {}
    if job.owner != owner:
        raise ValueError(f"“{job.name}” was begun by another visitor, who alone may stop it.")
    background.stop(owner)
    return {}


def pack(background: Background, folder: Path, *, seen: Any = None) -> dict[str, Any]:
    """What the item shows of the last training, as JSON data. seen: `drawn` of the sheet that the visitor has, which is not sent again."""
    job = background.last(TASK)
    if not job:
        return {"state": "idle"}
    name = job.name.split()[1]
    state = "training" if job.running else "stopped" if job.stopped else "failed" if job.failed else "done"
    view = {"state": state, "engine": name, "message": job.last_line() if state == "failed" else ""}
    found = live.look(name, folder / name)
    if found is None:
        return view
    return view | {
        "seconds": found.seconds,
        "steps": found.steps,
        "images": found.images,
        "curves": [dataclasses.asdict(curve) for curve in found.curves],
        "drawn": found.drawn,
        "picture": data_uri(found.picture, "image/png") if found.picture and found.drawn != seen else "",
    }
