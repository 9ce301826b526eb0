"""Variational autoencoder: squeeze a picture to a few numbers, learn to draw from such numbers.

An encoder maps a picture to a Gaussian over a latent vector z, a decoder draws the picture that a z stands for; after
training, z drawn from the standard normal gives new pictures in a single pass (Kingma and Welling 2013, arXiv:1312.6114).
Both halves are told what is asked (a conditional VAE): for digits the text embedding; for faces the attributes read in
the prompt, those that it leaves open by chance or, where a part of the picture is given, as that shows (model M2, Kingma et
al. 2014, arXiv:1406.5298). Simplified: none of the tighter bounds or richer priors that came later; the picture shown is the
decoder's mean, not a sample of its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Rebuilt, Request, Stopwatch, slider
from engines.images import fill_unknown, to_float, to_uint8
from engines.latent_search import normal, search
from engines.walk import along, draw_noise, lerp

MAX_ROUNDS = 8  # of trying every value of every attribute; three or four are usual
SHOWN = 1000.0  # nats between the best and the worst value of an attribute that a part of a picture shows


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
    movable = "what its decoder is told, not the random z"
    between = "the random vectors z, around the sphere they lie near"
    rebuilds = True
    encodes = True

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.linear_vae import LinearVAE

        return checkpoint.load(LinearVAE, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params, known = self.params(request), self.known(request)
        watch = Stopwatch(self.device)
        with watch():
            asked = self.conditioning(request)
            z = (params.temperature * draw_noise((self.model.config.latent_dim,), request)).to(self.device)  # (N, latent_dim)
        if known:
            asked = normal(asked)
            yield from search(lambda z: self.model.decode(z, asked), z, known, request, watch)
            return
        with watch():
            x = self.model.decode(z, asked)  # (N, C, H, W)
        extra = {"z": z.cpu().numpy(), "code": torch.cat([z, asked], dim=1).cpu().numpy()}
        yield Frame(to_uint8(x), step=1, num_steps=1, nfe=1, seconds=watch.seconds, extra=extra)

    @torch.inference_mode()
    def redraw(self, latents: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        z = torch.from_numpy(latents).to(self.device)
        return to_uint8(self.model.decode(z, self.condition(prompts, seeds)))

    def moving_parts(self, frame: Frame) -> np.ndarray:
        """z and, after it, what `condition` made of the prompt."""
        return frame.extra["code"]

    @torch.inference_mode()
    def draw_moved(self, parts: np.ndarray) -> np.ndarray:
        z, asked = torch.from_numpy(parts).to(self.device).tensor_split([self.model.config.latent_dim], dim=1)
        return to_uint8(self.model.decode(z, asked))

    @torch.inference_mode()
    def encode(self, images: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        """Latents, the means that the encoder gives, float32 (N, D), of pictures, uint8 (N, H, W, C), and their prompts."""
        mean, _ = self.model.encode(to_float(images).to(self.device), self.condition(prompts, seeds))
        return mean.cpu().numpy()

    @torch.inference_mode()
    def rebuild(self, images: np.ndarray, prompts: tuple[str, ...]) -> Rebuilt:
        """Through the encoder's means. The bits are what a latent says beyond the prior: its Kullback-Leibler divergence."""
        return self.rebuild_told(images, self.condition(prompts, (0,) * len(images)))

    def rebuild_told(self, images: np.ndarray, told: torch.Tensor) -> Rebuilt:
        """`rebuild`, given what the decoder is told beside the latent, (N, D)."""
        mean, log_var = self.model.encode(to_float(images).to(self.device), told)
        code = f"{mean.shape[1]} numbers, each known only as well as its share of the bits"
        return Rebuilt(to_uint8(self.model.decode(mean, told)), (divergence(mean, log_var) / np.log(2)).cpu().numpy(), code)

    def conditioning(self, request: Request) -> torch.Tensor:
        """What the decoder is told of the pictures of a request, (N, D)."""
        return along(request, lambda r: self.condition(r.prompts, r.seeds), lerp)

    def condition(self, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> torch.Tensor:
        """What the decoder is told beside the latent, (N, D): here the text."""
        return self.text_encoder.encode(prompts)


class AttributeVAEEngine(VAEEngine):
    """Draws in one pass: a random latent vector and the attributes that the prompt names, the others by chance, go through the decoder."""

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.conv_vae import ConvVAE

        return checkpoint.load(ConvVAE, folder)

    def conditioning(self, request: Request) -> torch.Tensor:
        """Where pixels must stay, the attributes that they show, and those that they do not show by chance."""
        if request.known is None:
            return super().conditioning(request)
        images, mask = request.known.images, request.known.mask
        named = [reading.attributes for reading in self.text_encoder.read_all(request.prompts)]
        if len(images) == 1 and named.count(named[0]) == len(named):
            shown = [self.make_out(images[0], named[0], mask[0])] * len(named)
        else:
            each = len(named) // len(images)
            shown = [self.make_out(*seen) for seen in zip(images.repeat(each, 0), named, mask.repeat(each, 0), strict=True)]
        labels = [self.world.random_label(np.random.default_rng(s), label) for s, label in zip(request.seeds, shown, strict=True)]
        return spell(self.world, labels).to(self.device)

    def condition(self, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> torch.Tensor:
        """Attributes (N, V): what the text encoder reads in a prompt, the rest drawn from the world's own mixture."""
        labels = [
            self.world.random_label(np.random.default_rng(seed), reading.attributes)
            for reading, seed in zip(self.text_encoder.read_all(prompts), seeds, strict=True)
        ]
        return spell(self.world, labels).to(self.device)

    @torch.inference_mode()
    def rebuild(self, images: np.ndarray, prompts: tuple[str, ...]) -> Rebuilt:
        """As of any VAE, under the attributes that `make_out` finds; those that no prompt names belong to the code."""
        named = [reading.attributes for reading in self.text_encoder.read_all(prompts)]
        labels = [self.make_out(image, known) for image, known in zip(images, named, strict=True)]
        found = [[key for key in self.world.attributes if key not in known] for known in named]
        kept = self.rebuild_told(images, spell(self.world, labels).to(self.device))
        bits = [sum(np.log2(len(self.world.attributes[key])) for key in keys) for keys in found]
        code = f"{kept.code}, and the attributes that were not told: it tried which fit" if any(found) else kept.code
        return Rebuilt(kept.images, kept.bits + np.array(bits), code)

    @torch.inference_mode()
    def make_out(self, image: np.ndarray, known: dict[str, str], mask: np.ndarray | None = None) -> dict[str, str]:
        """The attributes under which a picture, uint8 (H, W, C), is likeliest, as far as the VAE's bound says; some are known.

        It begins with any that can be seen together and betters one after another until no change helps, which may be a lesser peak.
        mask: bool (H, W), True where the picture may be looked at. Attributes that make no difference there are left out.
        """
        x = to_float(image[None]).to(self.device)
        kept = torch.from_numpy(np.ones(image.shape[:2], bool) if mask is None else mask).float().to(self.device)[None, None]
        size = kept.sum().clamp(min=1) * image.shape[2]
        seen = self.model.look(fill_unknown(x, kept))

        def cost(label: dict[str, str], key: str) -> torch.Tensor:
            """Negative bounds, (V,), with each value of an attribute."""
            y = spell(self.world, [label | {key: value} for value in self.world.attributes[key]]).to(self.device)
            mean, log_var = self.model.infer(seen.expand(len(y), -1), y)
            error = (kept * (self.model.decode(mean, y) - x).square()).sum((1, 2, 3)) / size
            return 0.5 * size * error.clamp(min=1e-9).log() + divergence(mean, log_var)

        label = self.world.random_label(np.random.default_rng(0), known)
        unknown = [key for key in self.world.attributes if key not in known]
        for _ in range(MAX_ROUNDS):
            before = label
            for key in unknown:
                label = label | {key: self.world.attributes[key][int(cost(label, key).argmin())]}
            if label == before:
                break
        if mask is None:
            return label
        label = self.world.hide(label)
        if not known.items() <= label.items():  # what is asked for could not be seen with what is shown
            return known
        return known | {key: label[key] for key in unknown if np.ptp(cost(label, key).cpu().numpy()) > SHOWN}


def divergence(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """Of Gaussians (N, D) from the standard normal (Kullback-Leibler), in nats, (N,)."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def spell(world: Any, labels: list[dict[str, str]]) -> torch.Tensor:
    """Labels as one number per value of every attribute, 1 for the one that holds, float32 (N, V)."""
    columns = {pair: i for i, pair in enumerate((key, value) for key, values in world.attributes.items() for value in values)}
    y = torch.zeros(len(labels), len(columns))
    rows = torch.arange(len(labels)).repeat_interleave(len(world.attributes))
    y[rows, torch.tensor([columns[key, label[key]] for label in labels for key in world.attributes])] = 1
    return y
