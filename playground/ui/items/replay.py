"""Replay: how each engine of a world was trained, its curves and its pictures under one slider."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import gradio as gr

import engines
from engines import CheckpointError, worlds
from playground.explore import latent_map
from playground.film import data_uri, sheet, webp
from playground.trainings import replay
from playground.trainings.replay import Replay
from playground.ui.items import answered, component, engine_title


def build(world: str) -> gr.HTML:
    """The item. world: the one that is chosen at first."""
    packed: dict[str, dict[str, Any]] = {}  # what every visitor gets, by world
    packing = threading.Lock()  # so that a class that opens the page at once does not pack it thirty times

    def open(name: str) -> dict[str, Any]:
        return answered(lambda: packed.get(name) or keep(name))

    def keep(name: str) -> dict[str, Any]:
        with packing:
            answer = packed.get(name) or {"engines": [pack_engine(engine) for engine in latent_map.engines_beside(worlds.load(name).name)]}
            if not any("error" in engine for engine in answer["engines"]):
                packed[name] = answer
        return answer

    known = [{"name": name, "title": worlds.load(name).title} for name in engines.world_names()]
    return component("replay", [open], {"worlds": known, "start": {"world": world}}, tab="training")


def pack_engine(name: str) -> dict[str, Any]:
    """The replay of an engine as JSON data, or the reason why there is none."""
    about = {"name": name, "title": engine_title(name)}
    try:
        return about | pack(replay.load(name))
    except CheckpointError as error:
        return about | {"error": str(error)}


def pack(shown: Replay) -> dict[str, Any]:
    """A replay as JSON data; its pictures are one sheet, a row for each moment."""
    return {
        "reads": shown.reads,
        "seconds": shown.seconds,
        "curves": [dataclasses.asdict(curve) for curve in shown.curves],
        "moments": [dataclasses.asdict(moment) for moment in shown.moments],
        "sheet": data_uri(webp(sheet(list(shown.pictures))), "image/webp"),
        "columns": shown.pictures.shape[1],
        "captions": list(shown.captions),
    }
