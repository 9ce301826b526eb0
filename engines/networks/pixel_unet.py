"""A U-Net that denoises digits in blocks of pixels, and its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import nn

from engines.networks.schedule import NUM_TRAIN_TIMESTEPS, add_noise, alphas_bar, clean, velocity

BLOCK = 2  # pixels are folded into blocks of this side


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


def loss(model: nn.Module, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean squared error of v (see `velocity`) at uniform timesteps.

    x: (N, C, H, W) in [-1, 1]; text: (N, D).
    """
    x0 = fold(x)  # (N, 4 C, H / 2, W / 2)
    t = torch.randint(0, NUM_TRAIN_TIMESTEPS, (len(x),), device=x.device)
    alpha_bar = alphas_bar(x.device)[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(x0)
    x_t, v = add_noise(x0, eps, alpha_bar), velocity(x0, eps, alpha_bar)
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
    """The picture behind x_t (N, 4 C, H / 2, W / 2), in [-1, 1]; guided away from `no_text` unless guidance_scale is 1."""
    if guidance_scale == 1:
        v = model(x_t, t, class_labels=text).sample
    else:
        v_text, v_none = model(torch.cat([x_t, x_t]), t, class_labels=torch.cat([text, no_text])).sample.chunk(2)
        v = v_none + guidance_scale * (v_text - v_none)
    return clean(x_t, v, alpha_bar).clamp(-1, 1)


def fold(x: torch.Tensor) -> torch.Tensor:
    """Pictures (N, C, H, W) -> folded pixels (N, 4 C, H / 2, W / 2)."""
    return F.pixel_unshuffle(x, BLOCK)


def unfold(x: torch.Tensor) -> torch.Tensor:
    """Folded pixels (N, 4 C, H / 2, W / 2) -> pictures (N, C, H, W)."""
    return F.pixel_shuffle(x, BLOCK)
