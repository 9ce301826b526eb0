"""A discriminator of patches, from which a decoder learns to draw crisp edges (Isola et al. 2016, arXiv:1611.07004).

A squared error rewards the mean of all that a code leaves open, and a mean is blurred. A network that tells restored patches from real
ones sees the blur (Esser et al. 2020, arXiv:2012.09841, whose way to weigh the two is used here).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from engines.images import blurred
from engines.networks.adversarial import squared_gradient

MOST = 1e4  # weight of the discriminator's word
DETAIL = 4.0  # by how much detail is made louder


class PatchDiscriminator(nn.Sequential):
    """Pictures (N, C, H, W) -> a score for every patch of 20 pixels' width, (N, 1, H / 4, W / 4); higher means more real.

    Beside each picture it sees what blurring would take from it, which is all that tells a good restoration from its original.
    """

    def __init__(self, colors: int, channels: Sequence[int] = (64, 128, 128)):
        first, second, third = channels
        super().__init__(
            nn.Conv2d(2 * colors, first, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(first, second, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(second, third, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(third, 1, 1),
        )
        for conv in list(self)[:-1:2]:
            nn.init.kaiming_normal_(conv.weight, a=0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.cat([x, DETAIL * (x - blurred(x))], dim=1))


def patch_loss(discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, *, gamma: float) -> dict[str, torch.Tensor]:
    """The discriminator's side: every patch of real pictures (N, C, H, W) scores above the same patch restored, `d_loss`.

    The relativistic pairing loss with R1 and R2 penalties (Huang et al. 2024, arXiv:2501.05441), patch by patch. gamma weighs the
    penalties; 0 leaves them out. `d_right` is the share of patches in which the two are told apart.
    """
    if gamma:
        real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    scores = [discriminator(images) for images in (real, fake)]
    gap = scores[0] - scores[1]
    loss = F.softplus(-gap.float()).mean()
    if gamma:
        patches = gap[0].numel()
        loss = loss + gamma / 2 / patches * sum(map(squared_gradient, scores, (real, fake)))
    return {"d_loss": loss, "d_gap": gap.float().mean(), "d_right": (gap > 0).float().mean()}


def balance(error: torch.Tensor, word: torch.Tensor, last: torch.Tensor, *, right: torch.Tensor) -> torch.Tensor:
    """The weight at which the discriminator's word moves the decoder's `last` weights as strongly as the error of the picture does.

    It grows with the share of patches that the discriminator gets `right`: guesses, half of which are, count nothing.
    """
    pulls = [torch.autograd.grad(term, last, retain_graph=True)[0].float().norm() for term in (error, word)]
    return (pulls[0] / (pulls[1] + 1e-8)).clamp(max=MOST).detach() * (2 * right - 1).clamp(min=0)
