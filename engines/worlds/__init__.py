"""Worlds: closed visual domains with images, the attributes that describe them, and the language of prompts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

NAMES = ("digits", "faces")


def load(name: str) -> Any:
    """The world module of that name, for example `digits`. Raises ValueError for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"world must be one of {', '.join(NAMES)}, got {name!r}")
    return import_module(f"engines.worlds.{name}")
