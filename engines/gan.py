"""Generative adversarial network: a generator learns to draw pictures that a discriminator takes for real.

One pass turns a random vector z into a picture (Goodfellow et al. 2014, arXiv:1406.2661), here with convolutions
(Radford et al. 2015, arXiv:1511.06434). Training uses the relativistic pairing loss with zero-centred gradient penalties on
real and drawn pictures (Huang et al. 2024, arXiv:2501.05441), which converges without batch norm or other tricks. The text
enters the generator beside z and the discriminator by projection (Miyato and Koyama 2018, arXiv:1802.05637).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Request, Stopwatch, generators, randn, slider
from engines.images import to_float, to_uint8

DISCRIMINATOR = "discriminator"  # folder beside the generator
STYLES_AVERAGED = 64  # random vectors whose mean style is the centre of truncation


@dataclass(frozen=True)
class GANParams(Params):
    """Settings of a GAN."""

    truncation_psi: float = slider(
        1.0, 0.0, 1.5, 0.05, label="Truncation ψ", hint="Scale of the random vector: lower is more typical, higher is more varied."
    )


class GANEngine(Engine):
    """Draws in one pass: the generator turns a random vector into a picture."""

    family = "gan"
    params_type = GANParams

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.conv_gan import ConvGenerator

        return checkpoint.load(ConvGenerator, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        with watch():
            text = self.text_encoder.encode(request.prompts)  # (N, D)
            z = params.truncation_psi * randn((self.model.config.latent_dim,), generators(request))  # (N, latent_dim)
            x = self.model(z.to(self.device), text)  # (N, C, H, W)
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra={"z": z.numpy()})


@dataclass(frozen=True)
class StyleGANParams(Params):
    """Settings of a style-based GAN."""

    truncation_psi: float = slider(
        0.8, 0.0, 1.5, 0.05, label="Truncation ψ", hint="Pull of the style to the average of its prompt: 0 is the average, 1 is no pull."
    )


class StyleGANEngine(GANEngine):
    """Draws in one pass: a random vector and the text become a style, and the style becomes a picture.

    `map`, `synthesize` and `score` open the parts, so that a style w can be found, moved and drawn.
    """

    params_type = StyleGANParams
    discriminator: nn.Module | None = None  # loaded when first asked

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.style_gan import StyleGenerator

        return checkpoint.load(StyleGenerator, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        with watch():
            z = randn((self.model.config.latent_dim,), generators(request))  # (N, latent_dim)
            w = self.map(z, request.prompts, truncation_psi=params.truncation_psi)  # (N, style_dim)
            x = self.model.synthesize(w)  # (N, C, H, W)
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra={"z": z.numpy(), "w": w.cpu().numpy()})

    @torch.inference_mode()
    def map(self, z: torch.Tensor, prompts: tuple[str, ...], *, truncation_psi: float = 1.0) -> torch.Tensor:
        """Styles w (N, style_dim) of random vectors (N, latent_dim) and prompts, pulled to the average style of each prompt.

        The truncation trick of Karras et al. 2019 (arXiv:1812.04948, appendix B), around a centre per text instead of one for all.
        """
        text = self.text_encoder.encode(prompts)  # (N, D)
        w = self.model.map(z.to(self.device), text)
        if truncation_psi == 1:
            return w
        unique = list(dict.fromkeys(prompts))
        average = torch.stack([self._average_style(prompt) for prompt in unique])[[unique.index(prompt) for prompt in prompts]]
        return average + truncation_psi * (w - average)

    @torch.inference_mode()
    def synthesize(self, w: torch.Tensor) -> np.ndarray:
        """Pictures, uint8 (N, H, W, C), of styles (N, style_dim)."""
        return to_uint8(self.model.synthesize(w.to(self.device)))

    @torch.inference_mode()
    def score(self, images: np.ndarray, prompts: tuple[str, ...]) -> np.ndarray:
        """What the discriminator makes of pictures, uint8 (N, H, W, C), and their prompts: float (N,), higher for more real.

        One picture at a time, since it compares the pictures of a batch. Raises CheckpointError when its weights are missing.
        """
        if self.discriminator is None:
            from engines.networks.style_gan import StyleDiscriminator

            with checkpoint.explain(self.folder / DISCRIMINATOR, f"{self.world.name}/{self.family}"):
                self.discriminator = checkpoint.load(StyleDiscriminator, self.folder / DISCRIMINATOR).to(self.device).eval()
        text, x = self.text_encoder.encode(prompts), to_float(images).to(self.device)
        return np.array([self.discriminator(x[i : i + 1], text[i : i + 1]).item() for i in range(len(x))])

    def _average_style(self, prompt: str) -> torch.Tensor:
        rng = torch.Generator().manual_seed(0)
        z = torch.randn(STYLES_AVERAGED, self.model.config.latent_dim, generator=rng).to(self.device)
        return self.model.map(z, self.text_encoder.encode((prompt,)).expand(len(z), -1)).mean(0)
