"""Latent diffusion: noise is cleared step by step, not among pixels but among the few numbers an autoencoder makes of a picture.

An autoencoder shrinks a picture to an 8x8 grid of latents and back; a Transformer that attends to the words of the prompt learns to
tell latents and noise apart (Rombach et al. 2021, arXiv:2112.10752; Chen et al. 2023, arXiv:2310.00426); a sampler of diffusers walks
from noise to latents, guided by the text (Ho and Salimans 2022, arXiv:2207.12598). The folder is one that diffusers opens itself, as
PixArtAlphaPipeline, and draws the same picture with; it wants `use_resolution_binning=False`, knowing no pictures this small.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.autoencoder import Autoencoded
from engines.base import Engine, Frame, Rebuilt, Request, Stopwatch, generators, guidance_slider, join, own_pictures, paste
from engines.diffusion import DiffusionParams, steps_slider
from engines.images import enlarge, fill_unknown, known_places, to_float, to_uint8
from engines.walk import draw_noise, far_end, lerp, shares_of

SIGMAS = (0.03, 20.0)  # noise over signal of the last step and of the first


class LatentDenoiser(Autoencoded):
    """The Transformer that denoises latents and the autoencoder (`vae`) that turns them into pictures."""

    def __init__(self, transformer: nn.Module, vae: nn.Module):
        super().__init__(vae)
        self.transformer = transformer

    def encode_known(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents of pictures (N, C, H, W) of which only a part is known, and the mask (N, 1, h, w) of places that are known whole."""
        latents = self.encode(fill_unknown(x, mask))
        return latents, known_places(mask, latents.shape[2:])


@dataclass(frozen=True)
class LatentDiffusionParams(DiffusionParams):
    """Settings of a latent diffusion engine."""

    num_inference_steps: int = steps_slider(10)
    guidance_scale: float = guidance_slider(2.5, 10.0)


class LatentDiffusionEngine(Engine):
    """Clears noise step by step in a small latent space; its frames show the picture it expects."""

    family = "diffusion"
    params_type = LatentDiffusionParams
    rebuilds = True
    between = "the noise it starts from, around the sphere that noise lies near"

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from diffusers import AutoencoderDC, PixArtTransformer2DModel

        transformer = checkpoint.load(PixArtTransformer2DModel, folder / "transformer")
        return LatentDenoiser(transformer, checkpoint.load(AutoencoderDC, folder / "vae"))

    def save_model(self, folder: Path) -> None:
        """Write the folder of a PixArtAlphaPipeline: Transformer, autoencoder, text encoder, tokenizer and scheduler."""
        from diffusers import PixArtAlphaPipeline

        from engines.networks.schedule import make_scheduler

        for part, network in (("transformer", self.model.transformer), ("vae", self.model.vae)):
            checkpoint.save(network, folder / part)
        text_model = copy.deepcopy(self.text_encoder.model).half()
        scheduler = make_scheduler("DPM-Solver++", prediction_type="v_prediction", sigmas=SIGMAS)
        pipeline = PixArtAlphaPipeline(self.text_encoder.tokenizer, text_model, self.model.vae, self.model.transformer, scheduler)
        text_model.save_pretrained(folder / "text_encoder")
        text_model.config.dtype = torch.float32  # to be opened in, like the networks of diffusers, whatever the precision on disk
        text_model.config.save_pretrained(folder / "text_encoder")
        pipeline.tokenizer.save_pretrained(folder / "tokenizer")
        pipeline.scheduler.save_pretrained(folder / "scheduler")
        pipeline.save_config(folder)

    @torch.inference_mode()
    def rebuild(self, images: np.ndarray, prompts: tuple[str, ...]) -> Rebuilt:
        """Through the latents, which need no prompt; in half precision, in which they are trained on."""
        vae = self.model.vae
        latents = vae.encode(to_float(images).to(self.device)).latent.half().float()  # (N, C, h, w)
        code = f"{' × '.join(map(str, latents.shape[1:]))} numbers of 16 bits"
        return Rebuilt(to_uint8(vae.decode(latents).sample), np.full(len(images), 16.0 * latents[0].numel()), code)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        from engines.networks.latent_diffusion import predict_v
        from engines.networks.schedule import add_noise, clean, make_scheduler, noise_left

        params = self.params(request)
        guided = params.guidance_scale != 1
        watch = Stopwatch(self.device)
        # 1. Text (after "no text" when guided, before the far end's on a walk), scheduler, noise
        with watch():
            prompts = ("",) * (request.num_images if guided else 0) + self.told(request)
            if request.toward:
                prompts += self.told(far_end(request)) * request.num_images
            num_texts = len(prompts) // request.num_images  # of one picture
            text, mask = self.text_encoder.encode_words(prompts)  # (num_texts * N, L, D), (num_texts * N, L)
            rngs = generators(request)
            scheduler = make_scheduler(params.scheduler, prediction_type="v_prediction", sigmas=SIGMAS)
            scheduler.set_timesteps(params.num_inference_steps)
            config = self.model.transformer.config
            x_t = noise = draw_noise((config.in_channels, config.sample_size, config.sample_size), request, rngs).to(self.device)
            known = self.known(request)
            x_known, kept = self.model.encode_known(*known) if known else (None, None)
        # 2. One frame per noise level
        for step, t in enumerate(scheduler.timesteps, start=1):
            with watch():
                alpha_bar = scheduler.alphas_cumprod[t]
                if known:
                    x_t = torch.where(kept > 0, add_noise(x_known, noise, alpha_bar), x_t)
                v_all = predict_v(
                    self.model.transformer, x_t.repeat(num_texts, 1, 1, 1), t.to(self.device).expand(len(text)), text, mask
                ).chunk(num_texts)
                v = lerp(v_all[-2], v_all[-1], shares_of(request)) if request.toward else v_all[-1]
                if guided:
                    v = v_all[0] + params.guidance_scale * (v - v_all[0])
                x0 = clean(x_t, v, alpha_bar)
                if known:
                    x0 = torch.where(kept > 0, x_known, x0)
                    v = (alpha_bar.sqrt() * x_t - x0) / (1 - alpha_bar).sqrt()  # the v that means this x0
                seen, x_t = x_t, scheduler.step(v, t, x_t, generator=rngs).prev_sample
            last = step == params.num_inference_steps
            if known and last:  # its noise level was rounded to a timestep
                x_t = torch.where(kept > 0, x_known, x_t)
            if not (last or request.previews):
                continue
            with watch() if last else nullcontext():  # the others only show what is expected
                images = to_uint8(self.model.decode(x_t if last else x0))
            yield Frame(
                (join if last else paste)(images, request),
                step=step,
                num_steps=params.num_inference_steps,
                nfe=step * num_texts,
                seconds=watch.seconds,
                extra={
                    "x_t": show_latents(seen, images.shape[1]),
                    "latents": x_t.cpu().numpy(),
                    "noise": np.array(noise_left(scheduler, step - 1)),
                    **(own_pictures(images, request) if last else {}),
                },
            )


def show_latents(latents: torch.Tensor, size: int) -> np.ndarray:
    """The first three channels of latents (N, C, h, w) as colours, each number a square: uint8 (N, size, size, 3)."""
    small = to_uint8(latents[:, :3] / 3)  # (N, h, w, 3)
    return np.stack([enlarge(image, size // image.shape[0]) for image in small])
