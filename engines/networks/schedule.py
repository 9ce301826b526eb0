"""The noise schedule of the diffusion engines, and the samplers of diffusers over it."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, SchedulerMixin

NUM_TRAIN_TIMESTEPS = 1000
SCHEDULERS = {"DPM-Solver++": DPMSolverMultistepScheduler, "DDIM": DDIMScheduler, "DDPM": DDPMScheduler}


def make_scheduler(name: str, *, prediction_type: str) -> SchedulerMixin:
    """The sampler of that name over the cosine noise schedule (Nichol and Dhariwal 2021, arXiv:2102.09672).

    prediction_type: what it is given, "sample" (x0) or "v_prediction".
    """
    kind = SCHEDULERS[name]
    settings = {"num_train_timesteps": NUM_TRAIN_TIMESTEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": prediction_type}
    if kind is not DPMSolverMultistepScheduler:
        settings["clip_sample"] = False
    return kind(timestep_spacing="trailing", **settings)


def alphas_bar(device: torch.device | str = "cpu") -> torch.Tensor:
    """The share of the picture's variance left at each timestep, (num_train_timesteps,)."""
    return make_scheduler("DDPM", prediction_type="sample").alphas_cumprod.to(device)


def noise_left(scheduler: SchedulerMixin, step: int) -> float:
    """The share of noise, sqrt(1 - alpha_bar), in what a sampler has after `step` of its steps: 0 after the last."""
    if step >= len(scheduler.timesteps):
        return 0.0
    return float((1 - scheduler.alphas_cumprod[scheduler.timesteps[step]]).sqrt())


def renoise(x0: torch.Tensor, noise: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
    """What is known, as noisy as the rest of the picture is at this timestep, for filling in the rest.

    The replacement of Song et al. 2020, arXiv:2011.13456 (appendix I.2), always with the same noise. Simplified: none of the steps
    back that RePaint takes (Lugmayr et al. 2022, arXiv:2201.09865).
    """
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
