"""Variational autoencoder: squeeze a picture to a few numbers, learn to draw from such numbers.

An encoder maps a picture to a Gaussian over a latent vector z, a decoder draws the picture that a z stands for; after
training, z drawn from the standard normal gives new pictures in a single pass (Kingma and Welling 2013, arXiv:1312.6114).
The text embedding is given to both halves (a conditional VAE). Simplified: none of the tighter bounds or richer priors that
came later; the picture shown is the decoder's mean, not a sample of its pixels.
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
from engines.images import to_uint8
from engines.latent_search import normal, search


@dataclass(frozen=True)
class VAEParams(Params):
    """Settings of a VAE."""

    temperature: float = slider(
        1.0,
        0.0,
        1.5,
        0.05,
        label="Latent temperature",
        hint="Spread of the random latent: 0 draws the average picture, 1 is the prior.",
        dial=(1.5, 1.0, 0.5),
    )


class VAEEngine(Engine):
    """Draws in one pass: a random latent vector goes through the decoder."""

    family = "vae"
    params_type = VAEParams
    latent = "z"

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.linear_vae import LinearVAE

        return checkpoint.load(LinearVAE, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        with watch():
            text = self.text_encoder.encode(request.prompts)  # (N, D)
            noise = params.temperature * randn((self.model.config.latent_dim,), generators(request)).to(self.device)
        if known := self.known(request):
            text = normal(text)
            yield from search(lambda noise: self.decode(self.latents(noise, text), text), noise, known, request, watch)
            return
        with watch():
            z = self.latents(noise, text)  # (N, latent_dim)
            x = self.decode(z, text)  # (N, C, H, W)
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra={"z": z.cpu().numpy()})

    @torch.inference_mode()
    def redraw(self, latents: np.ndarray, prompts: tuple[str, ...]) -> np.ndarray:
        z = torch.from_numpy(latents).to(self.device)
        return to_uint8(self.decode(z, self.text_encoder.encode(prompts)))

    def latents(self, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents (N, latent_dim) of standard normal noise: the noise itself, since the prior is standard normal."""
        return noise

    def decode(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents and text (N, D) -> pictures in [-1, 1], (N, C, H, W)."""
        return self.model.decode(z, text)


class ConvVAEEngine(VAEEngine):
    """Draws in one pass: a latent vector, random within what the text lets expect, goes through the decoder."""

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.conv_vae import ConvVAE

        return checkpoint.load(ConvVAE, folder)

    def latents(self, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents (N, latent_dim): what the prior, a flow, makes of noise and text."""
        return self.model.prior(noise, text)

    def decode(self, z: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Latents -> pictures in [-1, 1], (N, C, H, W); all that the text says is in the latents."""
        return self.model.decode(z)
