"""What lies between two pictures: mixing the random numbers and the texts that they are drawn from.

Standard normal vectors lie near a sphere, so the way between two goes around on it (White 2016, arXiv:1609.04468); a straight line
would pass where such vectors never are. Texts, attributes and styles w know no such sphere and are mixed in a straight line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from engines.base import Request, generators, randn

Mix = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def slerp(first: torch.Tensor, last: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Spherical interpolation (Shoemake 1985) between tensors (1, ...) at shares (N,) in [0, 1]: (N, ...).

    Where the two point the same or the opposite way, it is the straight line.
    """
    cosine = torch.cosine_similarity(first.flatten(), last.flatten(), dim=0).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle.sin() < 1e-4:
        return lerp(first, last, shares)
    s = _column(shares, first)
    return (((1 - s) * angle).sin() * first + (s * angle).sin() * last) / angle.sin()


def lerp(first: torch.Tensor, last: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Linear interpolation between tensors (1 or N, ...) at shares (N,) in [0, 1]: (N, ...)."""
    s = _column(shares, first)
    return (1 - s) * first + s * last


def along(request: Request, make: Callable[[Request], torch.Tensor], mix: Mix) -> torch.Tensor:
    """What `make` gives a request, (N, ...); for a walk the mixtures of what it gives the two ends."""
    if request.toward is None:
        return make(request)
    near = dataclasses.replace(request, num_images=1, toward=None)
    return mix(make(near), make(far_end(request)), shares_of(request))


def far_end(request: Request) -> Request:
    """What a walk ends at, one picture."""
    return dataclasses.replace(request, prompt=request.toward.prompt, seed=request.toward.seed, num_images=1, toward=None)


def draw_noise(shape: tuple[int, ...], request: Request, rngs: list[torch.Generator] | None = None) -> torch.Tensor:
    """Standard normal noise (N, *shape) from one generator per image, by default new ones; for a walk what lies between its ends."""
    drawn = randn(shape, rngs or generators(request))  # for a walk too: chance that `rngs` draw later must not repeat it
    return along(request, lambda r: randn(shape, generators(r)), slerp) if request.toward else drawn


def shares_of(request: Request) -> torch.Tensor:
    """Where on its walk each picture of a request lies, (N,) in [0, 1]."""
    return torch.tensor(request.toward.shares)


def _column(shares: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    return shares.to(tensor).view(-1, *(1,) * (tensor.ndim - 1))
