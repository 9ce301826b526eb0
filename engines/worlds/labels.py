"""Labels in two forms: words, one dict per picture, and value indices, as networks and judges answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

OPEN = -1  # the index of an attribute that is not asked for


def to_indices(world: Any, labels: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Labels, one dict for each of N pictures, as value indices (N,) per attribute of the world."""
    return {key: np.array([values.index(label[key]) for label in labels]) for key, values in world.attributes.items()}


def to_words(world: Any, indices: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    """Value indices (N,) per attribute of the world as labels, one dict for each of N pictures."""
    rows = zip(*(indices[key] for key in world.attributes), strict=True)
    return [{key: values[i] for (key, values), i in zip(world.attributes.items(), row, strict=True)} for row in rows]


def to_matrix(world: Any, indices: Mapping[str, np.ndarray]) -> np.ndarray:
    """Value indices (N,) per attribute as one array (N, A), its columns in the world's order."""
    return np.stack([indices[key] for key in world.attributes], axis=1)


def asked(world: Any, named: Sequence[Mapping[str, str]]) -> np.ndarray:
    """What prompts ask for, the attributes they name: value indices (N, A), `OPEN` for what they leave open."""
    return np.array([[values.index(one[key]) if key in one else OPEN for key, values in world.attributes.items()] for one in named])
