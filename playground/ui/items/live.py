"""Train live: a short training in a process of its own, watched while it runs."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

import engines
from playground.background import Background, Busy, Job
from playground.film import data_uri
from playground.trainings import live
from playground.ui.items import component
from playground.ui.panes import title

POLL = 1.0  # seconds


def build(background: Background, folder: Path) -> gr.HTML:
    """The item. folder: where trainings are written."""
    known = [{"name": name, "title": title(engines.engine_type(name).family)} for name in live.choices()]
    item = component("live", [], {"engines": known, "minutes": live.MINUTES}, tab="training")

    def train(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        try:
            name = event.order["engine"]
            job = begin(background, folder, name, request.session_hash)
        except (AttributeError, KeyError, TypeError):
            yield {"state": "failed", "message": "The page sent no engine to train; load it again."}
            return
        except (Busy, ValueError) as error:
            yield {"state": "failed", "message": str(error)}
            return
        while job.running:
            yield pack(name, job, folder / name)
            time.sleep(POLL)
        yield pack(name, job, folder / name)

    def halt(request: gr.Request) -> None:
        background.stop(request.session_hash)

    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    item.submit(train, None, item, concurrency_limit=40, trigger_mode="multiple", **options)
    item.clear(halt, None, None, queue=False, **options)
    return item


def begin(background: Background, folder: Path, name: str, owner: str) -> Job:
    """Start a training, or join the same one if it is running. Raises Busy, or ValueError for an unknown engine."""
    command = live.command(name, folder / name)
    task = f"training {name}"
    if background.job and background.job.running and background.job.name == task:
        return background.job
    job = background.start(task, command, owner=owner)
    shutil.rmtree(folder / name, ignore_errors=True)  # of an earlier training; the new one still loads its libraries
    return job


def pack(name: str, job: Job, out: Path) -> dict[str, Any]:
    """What the item shows of a training, as JSON data."""
    state = "training" if job.running else "stopped" if job.stopped else "failed" if job.failed else "done"
    view = {"state": state, "engine": name, "message": job.last_line() if state == "failed" else ""}
    seen = live.look(name, out)
    if seen is None:
        return view
    return view | {
        "seconds": seen.seconds,
        "steps": seen.steps,
        "images": seen.images,
        "curves": [dataclasses.asdict(curve) for curve in seen.curves],
        "picture": data_uri(seen.picture, "image/png") if seen.picture else "",
    }
