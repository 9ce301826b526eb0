"""Generative adversarial network: a generator learns to draw pictures that a discriminator takes for real.

One pass turns a random vector z into a picture (Goodfellow et al. 2014, arXiv:1406.2661), here with convolutions
(Radford et al. 2015, arXiv:1511.06434). Training uses the relativistic pairing loss with zero-centred gradient penalties on
real and drawn pictures (Huang et al. 2024, arXiv:2501.05441), and the discriminator sees how
much a batch varies (Karras et al. 2017, arXiv:1710.10196). The text enters the generator beside z and the discriminator by
projection (Miyato and Koyama 2018, arXiv:1802.05637).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Request, Stopwatch, slider
from engines.images import to_float, to_uint8
from engines.latent_search import normal, search
from engines.walk import along, draw_noise, lerp

DISCRIMINATOR = "discriminator"  # folder beside the generator


@dataclass(frozen=True)
class GANParams(Params):
    """Settings of a GAN."""

    truncation_psi: float = slider(
        1.0,
        0.0,
        1.5,
        0.05,
        label="Truncation ψ",
        hint="Scale of the random vector: lower is more typical, higher is more varied.",
        dial=(1.5, 1.0, 0.5),
    )


class AdversarialEngine(Engine):
    """An engine beside which the discriminator is kept that taught it."""

    family = "gan"
    scores = True

    @cached_property
    def discriminator(self) -> nn.Module:
        """Loaded when first asked. Raises CheckpointError when its weights are missing."""
        folder = self.folder / DISCRIMINATOR
        with checkpoint.explain(folder, f"{self.world.name}/{self.family}"), torch.inference_mode(False):  # gradients may go through it
            return self.load_discriminator(folder).to(self.device).eval()

    @staticmethod
    def load_discriminator(folder: Path) -> nn.Module:
        """The discriminator's network."""
        raise NotImplementedError

    def judged(self, x: torch.Tensor) -> torch.Tensor:
        """What the discriminator looks at, of pictures (N, C, H, W): here the pictures themselves."""
        return x

    @torch.inference_mode()
    def score(self, images: np.ndarray, prompts: tuple[str, ...]) -> np.ndarray:
        """Raises CheckpointError when the discriminator's weights are missing."""
        x = self.judged(to_float(images).to(self.device))
        return self.discriminator(x, self.text_encoder.encode(prompts)).cpu().numpy()


class GANEngine(AdversarialEngine):
    """Draws in one pass: the generator turns a random vector into a picture."""

    params_type = GANParams
    latent = "z"
    between = "the random vectors z, around the sphere they lie near"

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.conv_gan import ConvGenerator

        return checkpoint.load(ConvGenerator, folder)

    @staticmethod
    def load_discriminator(folder: Path) -> nn.Module:
        from engines.networks.conv_gan import ConvDiscriminator

        return checkpoint.load(ConvDiscriminator, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        with watch():
            text = along(request, lambda r: self.text_encoder.encode(self.told(r)), lerp)  # (N, D)
            z = params.truncation_psi * draw_noise((self.model.config.latent_dim,), request)  # (N, latent_dim)
        if known := self.known(request):
            text = normal(text)
            yield from search(lambda z: self.model(z, text), z.to(self.device), known, request, watch)
            return
        with watch():
            x = self.model(z.to(self.device), text)  # (N, C, H, W)
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra={"z": z.numpy()})

    @torch.inference_mode()
    def redraw(self, latents: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        z = torch.from_numpy(latents).to(self.device)
        return to_uint8(self.model(z, self.text_encoder.encode(prompts)))
