"""Controls for the engines' settings, drawn from the fields of their Params."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import gradio as gr

import engines
from playground.ui.panes import title


@dataclass(frozen=True)
class Setting:
    """One control and the field that it sets."""

    control: gr.components.Component
    world: str
    family: str
    field: dataclasses.Field


@dataclass(frozen=True)
class Settings:
    """The controls of all engines, and one group per world of which the chosen world's is shown."""

    controls: tuple[Setting, ...]
    groups: dict[str, gr.Column]

    def read(self, values: dict[Any, Any], world: str) -> dict[str, dict[str, Any]]:
        """Control values -> what differs from the defaults, per family of the world."""
        changed: dict[str, dict[str, Any]] = {}
        for setting in self.controls:
            value = values[setting.control]
            if setting.world == world and value != setting.field.default:
                changed.setdefault(setting.family, {})[setting.field.name] = value
        return changed

    def write(self, settings: dict[str, dict[str, Any]], world: str) -> dict[Any, Any]:
        """Updates that show the settings of an order, and the world's group."""
        updates = {
            setting.control: settings.get(setting.family, {}).get(setting.field.name, setting.field.default)
            for setting in self.controls
            if setting.world == world
        }
        return updates | self.show(world)

    def show(self, world: str) -> dict[Any, Any]:
        """Updates that show the group of a world and hide the others."""
        return {group: gr.update(visible=name == world) for name, group in self.groups.items()}


def build(world: str) -> Settings:
    """Lay out the controls, those of `world` visible."""
    controls, groups = [], {}
    for name in engines.available():
        engine_world, _, family = name.partition("/")
        if engine_world not in groups:
            groups[engine_world] = gr.Row(visible=engine_world == world)
        with groups[engine_world], gr.Column(min_width=220):
            gr.Markdown(f"#### {title(family)}")
            for field in dataclasses.fields(engines.engine_type(name).params_type):
                controls.append(Setting(_control(field), engine_world, family, field))
    return Settings(tuple(controls), groups)


def _control(field: dataclasses.Field) -> gr.components.Component:
    hints = {"label": field.metadata["label"], "info": field.metadata["hint"], "value": field.default}
    if "options" in field.metadata:
        return gr.Dropdown(choices=list(field.metadata["options"]), **hints)
    limits = {key: field.metadata[key] for key in ("minimum", "maximum", "step")}
    return gr.Slider(**limits, **hints, buttons=["reset"])
