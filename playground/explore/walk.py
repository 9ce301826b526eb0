"""A walk from one picture to another in even steps, and its animation."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from engines import Toward
from engines.base import check_number
from engines.images import enlarge, to_pil
from playground.compare import MAX_PICTURES, Order

MIN_STEPS, MAX_STEPS, STEPS = 3, MAX_PICTURES, 9
SIDE = 256  # least pixels of an animation's height, about
STEP_MILLISECONDS, END_MILLISECONDS = 120, 700


def order(query: Mapping[str, Any]) -> Order:
    """The order in a visitor's query: world, steps, through, and prompt and seed of both ends. Raises ValueError naming what is wrong."""
    steps = query.get("steps")
    check_number("steps", steps, MIN_STEPS, MAX_STEPS, integer=True)
    shares = tuple(float(share) for share in np.linspace(0, 1, steps))
    far = Toward(query.get("to_prompt"), query.get("to_seed"), shares, query.get("through", ""))
    return Order(query.get("world"), query.get("from_prompt"), query.get("from_seed"), steps, toward=far)


def animation(images: np.ndarray) -> bytes:
    """Pictures of a walk, uint8 (N, H, W, C) -> an endless GIF that goes there and back and rests at both ends."""
    factor = max(1, round(SIDE / images.shape[1]))
    pages = [to_pil(enlarge(image, factor)) for image in (*images, *images[-2:0:-1])]
    durations = [STEP_MILLISECONDS] * len(pages)
    durations[0] = durations[len(images) - 1] = END_MILLISECONDS
    file = io.BytesIO()
    pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0)
    return file.getvalue()
