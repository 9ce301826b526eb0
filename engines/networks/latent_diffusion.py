"""What latent diffusion is made of (Rombach et al. 2021, arXiv:2112.10752): an autoencoder and a Transformer that denoises its latents.

Both are networks of diffusers, as its PixArtAlphaPipeline expects them (Chen et al. 2023, arXiv:2310.00426).
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderDC, PixArtTransformer2DModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from engines.networks.fsq import picture_error, psnr
from engines.networks.schedule import NUM_TRAIN_TIMESTEPS, add_noise, alphas_bar, velocity

UNIFORM_SHARE = 0.2  # of training times that are uniform, so that the noisiest are met too


def make_autoencoder(
    image_shape: tuple[int, int, int] = (64, 64, 3),
    *,
    channels: tuple[int, ...] = (32, 32, 128, 128),  # of maps as wide as the picture (none are worked on), half as wide, ...
    encoder_blocks: tuple[int, ...] = (0, 1, 2, 1),
    decoder_blocks: tuple[int, ...] = (0, 1, 3, 1),
    latent_channels: int = 16,
) -> AutoencoderDC:
    """Pictures <-> latents an eighth of the side (Chen et al. 2024, arXiv:2410.10733): pixels move into channels, so blocks add detail."""
    none = ((),) * len(channels)  # of the attention that larger ones have
    model = AutoencoderDC(
        in_channels=image_shape[2],
        latent_channels=latent_channels,
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        encoder_layers_per_block=encoder_blocks,
        decoder_layers_per_block=decoder_blocks,
        encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none,
    )
    model.register_to_config(block_out_channels=channels)  # by whose number PixArtAlphaPipeline knows how much smaller latents are
    return model


def make_transformer(
    latent_shape: tuple[int, int, int] = (8, 8, 8), *, heads: int = 6, head_dim: int = 48, layers: int = 7, text_dim: int = 192
) -> PixArtTransformer2DModel:
    """A Transformer over the places of the latents (h, w, channels), one token each, that attends to the words of the text."""
    h, _, c = latent_shape
    model = PixArtTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        in_channels=c,
        out_channels=c,
        num_layers=layers,
        cross_attention_dim=heads * head_dim,
        sample_size=h,
        patch_size=1,
        interpolation_scale=1,
        caption_channels=text_dim,
        use_additional_conditions=False,
    )
    model.set_attn_processor(AttnProcessor())  # trains 40 % faster on two cores than the fused one
    return model


def autoencoder_loss(model: AutoencoderDC, x: torch.Tensor, text: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Mean squared and mean absolute error of the picture put back together; `psnr` in dB."""
    y = model.decode(model.encode(x).latent).sample.float()
    error, mse = picture_error(y, x)
    return {"loss": error, "psnr": psnr(mse)}


def loss(model: nn.Module, x0: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean squared error of v (see `velocity`) at times that are mostly logit-normal.

    The distribution of times is that of Esser et al. 2024 (arXiv:2403.03206), save for `UNIFORM_SHARE`.

    x0: latents (N, C, h, w) of unit variance; text: (N, L, D) and its mask (N, L).
    """
    uniform, chosen = torch.rand(2, len(x0), device=x0.device)
    times = torch.where(chosen < UNIFORM_SHARE, uniform, torch.sigmoid(torch.randn(len(x0), device=x0.device)))
    t = (times * NUM_TRAIN_TIMESTEPS).long().clamp(max=NUM_TRAIN_TIMESTEPS - 1)
    alpha_bar = alphas_bar(x0.device)[t].view(-1, 1, 1, 1)
    eps = torch.randn_like(x0)
    x_t, v = add_noise(x0, eps, alpha_bar), velocity(x0, eps, alpha_bar)
    return {"loss": (predict_v(model, x_t, t, *text).float() - v).square().mean()}


def predict_v(model: nn.Module, x_t: torch.Tensor, t: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The network's v for noisy latents (N, C, h, w) at timesteps t (N,)."""
    no_size = {"resolution": None, "aspect_ratio": None}
    return model(x_t, encoder_hidden_states=text, encoder_attention_mask=mask, timestep=t, added_cond_kwargs=no_size, return_dict=False)[0]
