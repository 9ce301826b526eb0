"""An order as the query string of a link that restores it, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from urllib.parse import urlencode

import engines
from playground.compare import REAL_TIME, Order, first_order

FIELDS = ("world", "prompt", "seed", "n", "pace")  # of an order; settings are "<family>.<name>"


def write(order: Order) -> str:
    """Query string of an order, for example "?world=digits&prompt=thin+7&seed=3&n=4&diffusion.guidance_scale=3.0"."""
    query = {"world": order.world, "prompt": order.prompt, "seed": order.seed, "n": order.num_images}
    if order.pace != REAL_TIME:
        query["pace"] = order.pace
    for family, values in order.settings.items():
        query |= {f"{family}.{name}": value for name, value in values.items()}
    return f"?{urlencode(query)}"


def read(query: Mapping[str, str], *, default: Order) -> Order:
    """The order in a query string; what it does not say is taken from `default`, what it says beyond an order is left out.

    In another world than the default's, prompt and number of pictures are those of that world's first order, unless the query says them.

    Raises ValueError naming the field, the value and what is allowed.
    """
    changes = {name: query[name] for name in ("world", "prompt", "pace") if name in query}
    changes |= {field: _whole_number(name, query[name]) for name, field in (("seed", "seed"), ("n", "num_images")) if name in query}
    world = changes.get("world", default.world)
    first = default if world == default.world else first_order(world)
    unsaid = {"prompt": first.prompt, "num_images": first.num_images}
    return dataclasses.replace(default, settings=_settings(world, query), **(unsaid | changes))


def _settings(world: str, query: Mapping[str, str]) -> dict[str, dict[str, int | float | str]]:
    settings = {}
    for name in engines.available():
        engine_world, _, family = name.partition("/")
        fields = dataclasses.fields(engines.engine_type(name).params_type)
        values = {f.name: _typed(f, query[f"{family}.{f.name}"]) for f in fields if f"{family}.{f.name}" in query}
        if values and engine_world == world:
            settings[family] = values
    return settings


def _typed(field: dataclasses.Field, text: str) -> int | float | str:
    """Text as the type of the field's default."""
    if isinstance(field.default, str):
        return text
    if isinstance(field.default, int):
        return _whole_number(field.name, text)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{field.name} must be a number, got {text!r}") from None


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, got {text!r}") from None
