"""Directions in the styles of a GAN that change one thing about a picture and as little else as possible.

The discriminator that taught the generator names what it sees. Gradients change a direction until it surely names what is asked for,
while what else it names stays as it was, and the picture comes near the one that the changed prompt draws from the same random numbers:
as in GANalyze (Goetschalckx et al. 2019, arXiv:1906.10112), in which a network says where to go. Each layer has its own part of the
direction (W+, Abdal et al. 2019, arXiv:1904.03189): layers divide a picture's traits among them, so a trait is moved more alone than by
one style for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

SURE = 0.01  # nats at which pictures show what is asked for
OTHERS = 4.0  # weight of what else the discriminator names
INSISTENCE = 0.05  # by which share the weight of what is asked for grows or shrinks in a step, at most, until it is said that surely
NEAR = 30.0  # weight of the distance to the latents of the changed prompt's pictures, in times what the first direction changes
BATCH_SIZE = 32
STEPS, QUICK_STEPS = 300, 5
RATE = 0.15  # of the direction's own mean size, each step at first


def refine(
    direction: torch.Tensor,
    before: torch.Tensor,
    after: torch.Tensor,
    *,
    synthesize: Callable[[torch.Tensor], torch.Tensor],
    name: Callable[[torch.Tensor], list[torch.Tensor]],
    attribute: int,
    value: int,
    steps: int = STEPS,
) -> torch.Tensor:
    """A direction (layers, D) that leads from styles (M, layers or 1, D) to `value`, from a first one of the same shape.

    before, after: what pictures were drawn from, M each, from the same random numbers by prompts that differ in `attribute` alone, the
    first of which do not show `value`. synthesize: styles -> latents of pictures. name: latents -> logits (N, values) of every attribute.
    """
    with torch.no_grad():
        was, aim, moved = (
            torch.cat([synthesize(part) for part in styles.split(BATCH_SIZE)]) for styles in (before, after, before + direction)
        )
        named = [torch.cat(rows).softmax(1) for rows in zip(*(name(x) for x in was.split(BATCH_SIZE)), strict=True)]
        usual = _distance(moved, was)
    rng = torch.Generator().manual_seed(0)
    direction = direction.clone().requires_grad_()
    rate = RATE * direction.detach().abs().mean().item()
    optimizer = torch.optim.Adam([direction], lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    weight = 1.0
    for _ in range(steps):
        rows = torch.randint(len(before), (BATCH_SIZE,), generator=rng).to(before.device)
        x = synthesize(before[rows] + direction)
        logits = name(x)
        wanted = F.cross_entropy(logits[attribute], torch.full_like(rows, value))
        changed = [F.kl_div(logits[i].log_softmax(1), named[i][rows], reduction="batchmean") for i in range(len(logits)) if i != attribute]
        loss = weight * wanted + OTHERS * sum(changed) + NEAR * _distance(x, aim[rows]) / usual
        (direction.grad,) = torch.autograd.grad(loss, direction)
        optimizer.step()
        schedule.step()
        weight *= math.exp(INSISTENCE * max(-1, min(1, wanted.item() / SURE - 1)))
    return direction.detach()


def _distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of latents (N, C, h, w): the mean norm of a place's difference, which a few places that differ much raise least."""
    return ((x - y).square().sum(1) + 1e-8).sqrt().mean()
