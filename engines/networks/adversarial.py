"""Adversarial losses: the relativistic pairing loss with penalties on real and drawn pictures (Huang et al. 2024, arXiv:2501.05441)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def batch_spread(x: torch.Tensor, *, group: int = 4) -> torch.Tensor:
    """How much the pictures of a group differ, as one more channel (N, 1, H, W): it gives away a generator that repeats itself.

    Source: minibatch standard deviation, Karras et al. 2017, arXiv:1710.10196, section 3.
    """
    n, c, h, w = x.shape
    groups = x.reshape(group, n // group, c, h, w) if n % group == 0 else x[None]
    deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)  # (n / group, 1, 1, 1)
    return deviation.repeat(n // len(deviation), 1, 1, 1).expand(n, 1, h, w)


def discriminator_loss(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, text: torch.Tensor, *, gamma: float
) -> dict[str, torch.Tensor]:
    """Relativistic pairing loss with R1 and R2 penalties (Huang et al. 2024); real and fake share the text.

    gamma weighs the penalties; 0 leaves them out (they need a second derivative, so they may be applied every few steps).
    """
    if gamma == 0:
        gap = (discriminator(real, text) - discriminator(fake, text)).float()
        return {"d_loss": F.softplus(-gap).mean(), "d_gap": gap.mean()}
    real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    real_score, fake_score = discriminator(real, text), discriminator(fake, text)
    r1, r2 = squared_gradient(real_score, real), squared_gradient(fake_score, fake)
    gap = real_score - fake_score
    return {"d_loss": F.softplus(-gap).mean() + gamma / 2 * (r1 + r2), "d_gap": gap.mean(), "r1": r1, "r2": r2}


def squared_gradient(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the scores' gradient with respect to the images, differentiable."""
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def generator_loss(discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
    """The generator's side of the relativistic pairing loss: drawn pictures should score above real ones."""
    return {"g_loss": F.softplus((discriminator(real, text) - discriminator(fake, text)).float()).mean()}
