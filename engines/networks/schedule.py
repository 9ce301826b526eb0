"""The noise schedule of the diffusion engines, and the samplers of diffusers over it."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, SchedulerMixin

NUM_TRAIN_TIMESTEPS = 1000
SCHEDULERS = {"DPM-Solver++": DPMSolverMultistepScheduler, "DDIM": DDIMScheduler, "DDPM": DDPMScheduler}


def make_scheduler(name: str, *, prediction_type: str, sigmas: tuple[float, float] | None = None) -> SchedulerMixin:
    """The sampler of that name over the cosine noise schedule (Nichol and Dhariwal 2021, arXiv:2102.09672).

    prediction_type: what it is given, "sample" (x0) or "v_prediction". sigmas: least and most noise, over signal, between which
    DPM-Solver++ spaces its steps evenly in the logarithm (as Lu et al. 2022 do, arXiv:2206.00927); None for steps evenly in time,
    which the others always take.
    """
    kind = SCHEDULERS[name]
    settings = {"num_train_timesteps": NUM_TRAIN_TIMESTEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": prediction_type}
    if kind is not DPMSolverMultistepScheduler:
        settings["clip_sample"] = False
    elif sigmas:
        scheduler = kind(use_exponential_sigmas=True, **settings)
        scheduler.register_to_config(sigma_min=sigmas[0], sigma_max=sigmas[1])  # which it reads, but takes no argument for
        return scheduler
    return kind(timestep_spacing="trailing", **settings)


def alphas_bar(device: torch.device | str = "cpu") -> torch.Tensor:
    """The share of the picture's variance left at each timestep, (num_train_timesteps,)."""
    return make_scheduler("DDPM", prediction_type="sample").alphas_cumprod.to(device)


def noise_left(scheduler: SchedulerMixin, step: int) -> float:
    """The share of noise, sqrt(1 - alpha_bar), in what a sampler has after `step` of its steps: 0 after the last."""
    if step >= len(scheduler.timesteps):
        return 0.0
    return float((1 - scheduler.alphas_cumprod[scheduler.timesteps[step]]).sqrt())


def add_noise(x0: torch.Tensor, noise: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
    """x_t: a picture of which the share `alpha_bar` of the variance is left, the rest noise.

    With the known part of a picture, and always the same noise, this is also how the rest is filled in: the replacement of Song et al.
    2020, arXiv:2011.13456 (appendix I.2). Simplified: none of the steps back that RePaint takes (Lugmayr et al. 2022, arXiv:2201.09865).
    """
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def velocity(x0: torch.Tensor, noise: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
    """What the networks learn to tell: v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x0 (Salimans and Ho 2022, arXiv:2202.00512)."""
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0


def clean(x_t: torch.Tensor, v: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
    """The x0 that v means."""
    return alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * v
