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
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Params, Request, Stopwatch, choice, generators, randn, slider
from engines.images import to_uint8

BLOCK = 2  # pixels are folded into blocks of this side
NUM_TRAIN_TIMESTEPS = 1000
SCHEDULERS = {"DPM-Solver++": DPMSolverMultistepScheduler, "DDIM": DDIMScheduler, "DDPM": DDPMScheduler}


def make_unet(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    channels: tuple[int, ...] = (64, 128),
    layers_per_block: int = 1,
    text_dim: int = 256,
) -> UNet2DModel:
    """A U-Net on folded pixels whose time embedding is joined by the text embedding (so 4 * channels[0] = text_dim)."""
    h, _, c = image_shape
    assert 4 * channels[0] == text_dim, f"channels[0] must be {text_dim // 4}, got {channels[0]}"
    return UNet2DModel(
        sample_size=h // BLOCK,
        in_channels=c * BLOCK**2,
        out_channels=c * BLOCK**2,
        block_out_channels=channels,
        layers_per_block=layers_per_block,
        down_block_types=("DownBlock2D",) * len(channels),
        up_block_types=("UpBlock2D",) * len(channels),
        attention_head_dim=32,
        class_embed_type="identity",
    )


def alphas_bar(device: torch.device | str = "cpu") -> torch.Tensor:
    """The cosine noise schedule (Nichol and Dhariwal 2021, arXiv:2102.09672), (num_train_timesteps,)."""
    return _scheduler_config(DDPMScheduler).alphas_cumprod.to(device)


def _scheduler_config(kind: type):
    # The network's v is turned into x0 before the scheduler sees it (see `predict_x0`), hence "sample".
    settings = {"num_train_timesteps": NUM_TRAIN_TIMESTEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}
    if kind is not DPMSolverMultistepScheduler:
        settings["clip_sample"] = False
    return kind(timestep_spacing="trailing", **settings)


def loss(model: nn.Module, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean squared error of v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 at uniform timesteps.

    x: (N, C, H, W) in [-1, 1]; text: (N, D).
    """
    x0 = F.pixel_unshuffle(x, BLOCK)  # (N, 4 C, H / 2, W / 2)
    t = torch.randint(0, NUM_TRAIN_TIMESTEPS, (len(x),), device=x.device)
    alpha_bar = alphas_bar(x.device)[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(x0)
    x_t = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
    error = (model(x_t, t, class_labels=text).sample.float() - v).square().mean()
    return {"loss": error}


def predict_x0(
    model: nn.Module,
    x_t: torch.Tensor,
    t: torch.Tensor,
    alpha_bar: torch.Tensor,
    text: torch.Tensor,
    no_text: torch.Tensor,
    guidance_scale: float,
) -> torch.Tensor:
    """The picture behind x_t (N, 4 C, H / 2, W / 2), in [-1, 1]; guided away from `no_text` when guidance_scale > 1."""
    if guidance_scale == 1:
        v = model(x_t, t, class_labels=text).sample
    else:
        v_text, v_none = model(torch.cat([x_t, x_t]), t, class_labels=torch.cat([text, no_text])).sample.chunk(2)
        v = v_none + guidance_scale * (v_text - v_none)
    return (alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * v).clamp(-1, 1)


@dataclass(frozen=True)
class DiffusionParams(Params):
    """Settings of a diffusion engine."""

    num_inference_steps: int = slider(
        20, 2, 100, 1, label="Steps", hint="Noise levels on the way to the picture: more is slower and finer."
    )
    guidance_scale: float = slider(
        1.5, 1.0, 7.0, 0.25, label="Guidance", hint="How hard the text pulls: 1 is plain conditional, high is exaggerated."
    )
    scheduler: str = choice("DPM-Solver++", tuple(SCHEDULERS), label="Sampler", hint="The rule that goes from one noise level to the next.")


class DiffusionEngine(Engine):
    """Clears noise step by step; its frames carry the noisy picture and the picture it expects."""

    family = "diffusion"
    params_type = DiffusionParams

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        return checkpoint.load(UNet2DModel, folder).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        watch = Stopwatch(self.device)
        # 1. Text, scheduler, noise
        with watch():
            text = self.text_encoder.encode(request.prompts)  # (N, D)
            no_text = self.text_encoder.encode(("",)).expand_as(text)
            rngs = generators(request)
            scheduler = _scheduler_config(SCHEDULERS[params.scheduler])
            scheduler.set_timesteps(params.num_inference_steps)
            size, channels = self.model.config.sample_size, self.model.config.in_channels
            x_t = randn((channels, size, size), rngs).to(self.device)
        # 2. One frame per noise level
        for step, t in enumerate(scheduler.timesteps, start=1):
            with watch():
                x0 = predict_x0(self.model, x_t, t, scheduler.alphas_cumprod[t], text, no_text, params.guidance_scale)
                noise = {} if params.scheduler == "DPM-Solver++" else {"generator": rngs}
                x_t = scheduler.step(x0, t, x_t, **noise).prev_sample
            last = step == params.num_inference_steps
            yield Frame(
                unfold(x_t if last else x0),
                step=step,
                num_steps=params.num_inference_steps,
                nfe=step * (1 if params.guidance_scale == 1 else 2),
                seconds=watch.seconds,
                extra={"x_t": unfold(x_t), "timestep": t.numpy()},
            )


def unfold(x: torch.Tensor) -> np.ndarray:
    """Folded pixels (N, 4 C, H / 2, W / 2) -> uint8 pictures (N, H, W, C)."""
    return to_uint8(F.pixel_shuffle(x, BLOCK))


ENGINE = DiffusionEngine
