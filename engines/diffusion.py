"""Denoising diffusion: start from noise and remove a little of it, step by step, until a picture is left.

A U-Net learns to separate picture and noise at every noise level (Ho et al. 2020, arXiv:2006.11239); a sampler of the
diffusers library walks from pure noise to a picture. With text, the step is pushed away from what the network would draw without
the text (classifier-free guidance, Ho and Salimans 2022, arXiv:2207.12598). The network predicts v (Salimans and Ho 2022,
arXiv:2202.00512) on 2x2 blocks of pixels, which loses nothing and costs a quarter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Request, Stopwatch, choice, generators, guidance_slider, join, own_pictures, paste, slider
from engines.images import to_uint8
from engines.walk import along, draw_noise, lerp

SAMPLERS = ("DPM-Solver++", "DDIM", "DDPM")


def steps_slider(default: int) -> int:
    """How many steps a sampler takes."""
    return slider(default, 2, 100, 1, label="Steps", hint="Noise levels on the way to the picture: more is slower and finer.")


@dataclass(frozen=True)
class DiffusionParams(Params):
    """Settings of a diffusion engine."""

    num_inference_steps: int = steps_slider(20)
    guidance_scale: float = guidance_slider(1.5, 7.0)
    scheduler: str = choice("DPM-Solver++", SAMPLERS, label="Sampler", hint="The rule that goes from one noise level to the next.")


class DiffusionEngine(Engine):
    """Clears noise step by step; its frames carry the noisy picture it looked at and the picture it then expected."""

    family = "diffusion"
    params_type = DiffusionParams
    between = "the noise it starts from, around the sphere that noise lies near"

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from diffusers import UNet2DModel

        return checkpoint.load(UNet2DModel, folder).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        from engines.networks.pixel_unet import fold, predict_x0, unfold
        from engines.networks.schedule import add_noise, make_scheduler, noise_left

        params = self.params(request)
        watch = Stopwatch(self.device)
        # 1. Text, scheduler, noise
        with watch():
            text = along(request, lambda r: self.text_encoder.encode(self.told(r)), lerp)  # (N, D)
            no_text = self.text_encoder.encode(("",)).expand_as(text)
            rngs = generators(request)
            scheduler = make_scheduler(params.scheduler, prediction_type="sample")  # v becomes x0 before it is asked
            scheduler.set_timesteps(params.num_inference_steps)
            size, channels = self.model.config.sample_size, self.model.config.in_channels
            x_t = noise = draw_noise((channels, size, size), request, rngs).to(self.device)
            known = self.known(request)
            x_known, mask = (fold(tensor.expand(-1, self.world.image_shape[2], -1, -1)) for tensor in known) if known else (None, None)
        # 2. One frame per noise level
        for step, t in enumerate(scheduler.timesteps, start=1):
            with watch():
                if known:
                    x_t = torch.where(mask > 0, add_noise(x_known, noise, scheduler.alphas_cumprod[t]), x_t)
                x0 = predict_x0(self.model, x_t, t, scheduler.alphas_cumprod[t], text, no_text, params.guidance_scale)
                if known:
                    x0 = torch.where(mask > 0, x_known, x0)
                seen, x_t = x_t, scheduler.step(x0, t, x_t, generator=rngs).prev_sample
            last = step == params.num_inference_steps
            if not (last or request.previews):
                continue
            images = to_uint8(unfold(x_t if last else x0))
            extra = {"x_t": to_uint8(unfold(seen)), "noise": np.array(noise_left(scheduler, step - 1))}
            yield Frame(
                (join if last else paste)(images, request),
                step=step,
                num_steps=params.num_inference_steps,
                nfe=step * (1 if params.guidance_scale == 1 else 2),
                seconds=watch.seconds,
                extra=extra | (own_pictures(images, request) if last else {}),
            )
