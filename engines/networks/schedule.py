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
