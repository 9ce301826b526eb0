"""Style-based GAN: a mapping network turns a random vector and the text into a style, which steers every layer of the generator.

The style w scales the channels of convolutions over a learnt constant (StyleGAN, Karras et al. 2019 and 2020, arXiv:1812.04948 and
arXiv:1912.04958), and a discriminator that also reads the text judged it in training (relativistic loss, Huang et al. 2024,
arXiv:2501.05441). Both work on the latents of an autoencoder, the same as diffusion's, whose decoder shows them. Directions in the
space of w can be found, moved along and drawn. Simplified: no noise inputs, no style mixing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.autoencoder import Autoencoded
from engines.base import Frame, Params, Request, Stopwatch, generators, randn, slider
from engines.gan import AdversarialEngine
from engines.images import to_uint8
from engines.latent_search import search
from engines.steering import refine
from engines.walk import along, draw_noise, lerp

STYLES_AVERAGED = 64  # random vectors whose mean style is the centre of truncation


class StylePainter(Autoencoded):
    """The generator of latents and the autoencoder (`vae`) that turns them into pictures."""

    def __init__(self, generator: nn.Module, vae: nn.Module):
        super().__init__(vae)
        self.generator = generator

    def synthesize(self, w: torch.Tensor) -> torch.Tensor:
        """Styles (N, style_dim) -> pictures (N, C, H, W) in [-1, 1]."""
        return self.decode(self.generator.synthesize(w))


@dataclass(frozen=True)
class StyleGANParams(Params):
    """Settings of a style-based GAN."""

    truncation_psi: float = slider(
        1.0,
        0.0,
        1.5,
        0.05,
        label="Truncation ψ",
        hint="Pull of the style to the average of its prompt: 0 is the average, 1 is no pull.",
        dial=(1.5, 1.0, 0.5),
    )


class StyleGANEngine(AdversarialEngine):
    """Draws in one pass: a random vector and the text become a style, and the style becomes a picture.

    `map`, `synthesize` and `score` open the parts, so that a style w can be found, moved and drawn.
    """

    params_type = StyleGANParams
    latent = "w"
    movable = "the styles that steer its layers"
    ways: ClassVar[dict[str, str]] = {"w": "the styles w, in a straight line", "z": "the random vectors z, around the sphere they lie near"}
    between = ways["w"]

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from diffusers import AutoencoderDC

        from engines.networks.style_gan import StyleGenerator

        return StylePainter(checkpoint.load(StyleGenerator, folder), checkpoint.load(AutoencoderDC, folder / "vae"))

    def save_model(self, folder: Path) -> None:
        checkpoint.save(self.model.generator, folder)
        checkpoint.save(self.model.vae, folder / "vae")

    @staticmethod
    def load_discriminator(folder: Path) -> nn.Module:
        from engines.networks.style_gan import StyleDiscriminator

        return checkpoint.load(StyleDiscriminator, folder)

    @property
    def latent_dim(self) -> int:
        """Numbers in a random vector z."""
        return self.model.generator.config.latent_dim

    def judged(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.encode(x)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        with watch():
            if request.toward and request.toward.through == "z":
                w = self._styles_of_walk(request, params)  # (N, style_dim)
            else:
                w = along(request, lambda r: self._style(r, params), lerp)
        if known := self.known(request):
            yield from search(self.model.synthesize, w, known, request, watch)
            return
        with watch():
            x = self.model.synthesize(w)  # (N, C, H, W)
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra={"w": w[:, None].cpu().numpy()})

    def _style(self, request: Request, params: StyleGANParams) -> torch.Tensor:
        z = randn((self.latent_dim,), generators(request))
        return self.map(z, self.told(request), truncation_psi=params.truncation_psi)

    def _styles_of_walk(self, request: Request, params: StyleGANParams) -> torch.Tensor:
        """Styles w (N, style_dim) of the vectors z between a walk's ends, which go round, and of the texts between, which go straight."""
        z, text = draw_noise((self.latent_dim,), request), along(request, lambda r: self.text_encoder.encode(self.told(r)), lerp)
        average = self._average_styles(text)
        return average + params.truncation_psi * (self.model.generator.map(z.to(self.device), text) - average)

    @torch.inference_mode()
    def map(self, z: torch.Tensor, prompts: tuple[str, ...], *, truncation_psi: float = 1.0) -> torch.Tensor:
        """Styles w (N, style_dim) of random vectors (N, latent_dim) and prompts, pulled to the average style of each prompt.

        The truncation trick of Karras et al. 2019 (appendix B), around a centre per text instead of one for all.
        """
        text = self.text_encoder.encode(prompts)  # (N, D)
        w = self.model.generator.map(z.to(self.device), text)
        if truncation_psi == 1:
            return w
        unique = list(dict.fromkeys(prompts))
        firsts, rows = [prompts.index(prompt) for prompt in unique], [unique.index(prompt) for prompt in prompts]
        average = self._average_styles(text[firsts])[rows]
        return average + truncation_psi * (w - average)

    @torch.inference_mode()
    def synthesize(self, w: torch.Tensor) -> np.ndarray:
        """Pictures, uint8 (N, H, W, C), of styles, one for all layers (N, style_dim) or (N, 1, style_dim), or one for each."""
        return to_uint8(self.model.synthesize(w.to(self.device)))

    def refine_direction(
        self, direction: np.ndarray, before: np.ndarray, after: np.ndarray, key: str, value: str, *, steps: int
    ) -> np.ndarray:
        """With a part for each layer, found with the discriminator (`steering`)."""
        generator, discriminator = self.model.generator, self.discriminator
        attribute = list(self.world.attributes).index(key)
        found = refine(
            torch.from_numpy(direction).expand(generator.num_layers, -1).to(self.device),
            *(torch.from_numpy(latents).to(self.device) for latents in (before, after)),
            synthesize=generator.synthesize,
            name=lambda x: discriminator.name(discriminator.embed(x)),
            attribute=attribute,
            value=self.world.attributes[key].index(value),
            steps=steps,
        )
        return found.cpu().numpy()

    def moving_parts(self, frame: Frame) -> np.ndarray:
        return frame.extra["w"]

    def draw_moved(self, parts: np.ndarray) -> np.ndarray:
        return self.synthesize(torch.from_numpy(parts))

    def redraw(self, latents: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        return self.synthesize(torch.from_numpy(latents))

    def _average_styles(self, text: torch.Tensor) -> torch.Tensor:
        """The mean style (N, style_dim) that random vectors give each text (N, D)."""
        n, d = text.shape
        z = torch.randn(STYLES_AVERAGED, self.latent_dim, generator=torch.Generator().manual_seed(0)).to(self.device)
        w = self.model.generator.map(z.repeat(n, 1), text[:, None].expand(n, len(z), d).reshape(-1, d))  # (N * STYLES_AVERAGED, style_dim)
        return w.view(n, len(z), -1).mean(1)
