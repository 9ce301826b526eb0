"""Adversarial losses: the relativistic pairing loss with penalties on real and drawn pictures (Huang et al. 2024, arXiv:2501.05441)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

PENALTY_EVERY = 4  # steps; the penalty is multiplied by as much (lazy regularisation, Karras et al. 2020, arXiv:1912.04958)
UNSAID = -1  # in place of an attribute's value that a text does not name
ENOUGH = 0.5  # see `diversity_loss`


class TextDiscriminator(nn.Module):
    """How a discriminator joins a picture's features with a text (projection, Miyato and Koyama 2018, arXiv:1802.05637).

    A subclass has `body` (picture -> map), `features` (map and spread -> vector), `text` and `score` (linear layers).
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("usual_spread", torch.zeros(()))

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), (N, D) -> (N,)."""
        return self.compare(self.embed(x), text)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, width)."""
        x = self.body(x)  # (N, channels[-1], h, w)
        return self.features(torch.cat([x, self.spread(x)], dim=1))

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """How much pictures differ, (N, 1, h, w).

        In training it is the batch's own; afterwards what was usual, so that any picture can be scored alone.
        """
        if not self.training:
            return self.usual_spread.expand(len(x), 1, *x.shape[2:])
        spread = batch_spread(x)
        self.usual_spread.lerp_(spread.detach().mean().to(self.usual_spread.dtype), 0.01)
        return spread

    def compare(self, features: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, width), (N, D) -> scores (N,)."""
        return self.score(features)[:, 0] + (features * self.text(text)).sum(1) / features.shape[1] ** 0.5


def batch_spread(x: torch.Tensor, *, group: int = 4) -> torch.Tensor:
    """How much the pictures of a group differ, as one more channel (N, 1, H, W): it gives away a generator that repeats itself.

    Source: minibatch standard deviation, Karras et al. 2017, arXiv:1710.10196, section 3.
    """
    n, c, h, w = x.shape
    groups = x.reshape(group, n // group, c, h, w) if n % group == 0 else x[:, None]
    deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)  # (n / group, 1, 1, 1)
    return deviation.repeat(n // len(deviation), 1, 1, 1).expand(n, 1, h, w)


def discriminator_loss(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, text: torch.Tensor, *, gamma: float, named: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Relativistic pairing loss with R1 and R2 penalties (Huang et al. 2024); real and fake share the text.

    A real picture should also score higher with its own text than with the next picture's (`match`), so that the text is read
    (Reed et al. 2016, arXiv:1605.05396, in relativistic form). gamma weighs the penalties; 0 leaves them out (they need a second
    derivative, so they may be applied every few steps). named: what the text says, see `naming_loss`; None leaves it out.
    """
    if gamma:
        real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    features = discriminator.embed(real)
    real_score, fake_score = discriminator.compare(features, text), discriminator(fake, text)
    gap, match = real_score - fake_score, real_score - discriminator.compare(features, text.roll(1, 0))
    loss = F.softplus(-gap.float()).mean() + F.softplus(-match.float()).mean()
    terms = {"d_gap": gap.mean(), "d_match": match.mean(), "real_score": real_score}
    if gamma:
        terms |= {"r1": squared_gradient(real_score, real), "r2": squared_gradient(fake_score, fake)}
        loss = loss + gamma / 2 * (terms["r1"] + terms["r2"])
    if named is not None:
        terms["d_naming"] = naming_loss(discriminator.name(features), named)
        loss = loss + terms["d_naming"]
    return {"d_loss": loss, **terms}


def squared_gradient(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the scores' gradient with respect to the images, differentiable."""
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def generator_loss(
    discriminator: nn.Module,
    real_score: torch.Tensor,
    fake: torch.Tensor,
    text: torch.Tensor,
    *,
    named: torch.Tensor | None = None,
    real_naming: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """The generator's side: drawn pictures should score above real ones, and show what their text names as surely as real ones do.

    real_score: (N,) of real pictures with the same texts, and real_naming, their `naming_loss`, from the discriminator's own step.
    More surely than real ones would be noise made to please the discriminator.
    """
    features = discriminator.embed(fake)
    loss = F.softplus((real_score - discriminator.compare(features, text)).float()).mean()
    if named is None:
        return {"g_loss": loss}
    naming = naming_loss(discriminator.name(features), named)
    return {"g_loss": loss + F.relu(naming - real_naming), "g_naming": naming}


def diversity_loss(one: torch.Tensor, other: torch.Tensor, real: torch.Tensor, named: torch.Tensor) -> torch.Tensor:
    """How much less than real pictures two drawn from one text differ: 0 where they differ enough, 1 where they are the same.

    What a text leaves open, z has to decide: enough is `ENOUGH` of what two of the `real` pictures differ by, times the share of
    attributes that the text does not name. The rest is left to the discriminator.
    one, other: (N, C, H, W), drawn with the same texts; real: (N, C, H, W); named: as for a `naming_loss`. Source: the mode seeking
    of Mao et al. 2019, arXiv:1903.05628, here with a bound.
    """
    left_open = (named == UNSAID).float().mean(1)  # (N,)
    enough = ENOUGH * left_open * 2 * real.var(0).mean()  # twice the variance is the mean squared difference of two
    difference = (one - other).float().square().mean((1, 2, 3))
    return F.relu(enough - difference).sum() / enough.sum().clamp(min=1e-6)


def naming_loss(logits: list[torch.Tensor], named: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of what a discriminator takes a picture to show, over the attributes that its text names, in nats.

    logits: (N, values) per attribute; named: index of the value, (N, attributes), or UNSAID. Source: the auxiliary classifier of
    Odena et al. 2016, arXiv:1610.09585, here taught on real pictures only.
    """
    losses = [
        F.cross_entropy(answer.float(), values, ignore_index=UNSAID, reduction="sum")
        for answer, values in zip(logits, named.T, strict=True)
    ]
    return torch.stack(losses).sum() / (named != UNSAID).sum().clamp(min=1)
