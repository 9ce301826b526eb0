"""Fill in a picture by search: move a latent until what it draws agrees with the pixels that are known.

For engines that draw in one pass and cannot be told about pixels (Yeh et al. 2016, arXiv:1607.07539). Simplified: no discriminator
watches; the latent is held near the random one it starts from, so that other seeds fill in otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from engines.base import Frame, Request, Stopwatch, join, own_pictures, paste
from engines.images import to_uint8

STEPS, STEPS_PER_FRAME = 60, 5
RATE = 0.1  # of Adam
ANCHOR = 1e-3  # weight of the mean squared distance from the start, beside that of the known pixels


def search(
    draw: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    known: tuple[torch.Tensor, torch.Tensor],
    request: Request,
    watch: Stopwatch,
) -> Iterator[Frame]:
    """Frames on the way from latents `start` (N, D) to some that `draw` turns into pictures (N, C, H, W) with the known pixels.

    known: pictures (N, C, H, W) and mask (N, 1, H, W), 1 where a pixel must stay. `draw` must hold no inference tensors.
    `frame.extra["latent"]` is the latent (N, D) of the frame's pictures.
    """
    with torch.inference_mode(False):
        start, x, mask = (tensor.clone() for tensor in (start, *known))
        latent = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([latent], lr=RATE)
        share = mask.sum((1, 2, 3)).clamp(min=1)  # (N,)
    for step in range(STEPS_PER_FRAME, STEPS + 1, STEPS_PER_FRAME):
        with watch():
            for _ in range(STEPS_PER_FRAME):
                used = latent.detach().clone()
                drawn = _improve(draw, latent, optimizer, start, x, mask, share)
        if not (step == STEPS or request.previews):
            continue
        images = to_uint8(drawn)
        yield Frame(
            (join if step == STEPS else paste)(images, request),
            step=step,
            num_steps=STEPS,
            nfe=step,
            seconds=watch.seconds,
            extra={"latent": used.cpu().numpy(), **(own_pictures(images, request) if step == STEPS else {})},
        )


def _improve(draw, latent, optimizer, start, x, mask, share) -> torch.Tensor:
    """One step; returns the pictures (N, C, H, W) before it."""
    with torch.inference_mode(False), torch.enable_grad():
        drawn = draw(latent)
        error = (mask * (drawn - x).square()).sum((1, 2, 3)) / share + ANCHOR * (latent - start).square().mean(1)
        (latent.grad,) = torch.autograd.grad(error.sum(), latent)
        optimizer.step()
    return drawn.detach()


def normal(tensor: torch.Tensor) -> torch.Tensor:
    """A copy that gradients may pass through, of a tensor made in inference mode."""
    with torch.inference_mode(False):
        return tensor.clone()
