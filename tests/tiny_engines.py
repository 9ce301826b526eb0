"""Every engine over a tiny random network, quick to make, for tests that need no trained weights."""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers import AutoencoderDC
from diffusers.models.attention_processor import AttnProcessor2_0

from engines import Engine, autoregressive, diffusion, gan, latent_diffusion, style_gan, text, tokens, vae, worlds
from engines.networks import conv_gan, conv_vae, fsq, linear_vae, pixel_unet, row_pixelcnn, token_transformer
from engines.networks import latent_diffusion as latent_networks
from engines.networks import style_gan as style_networks

PROMPTS = {"digits": ("a bold 7", "a thin 3"), "faces": ("a smiling face with round glasses", "a bald man with a beard")}


@lru_cache
def digits_encoder(dim: int = 32) -> text.TextEncoder:
    torch.manual_seed(0)
    return text.build(worlds.load("digits"), width=32, layers=1, heads=2, dim=dim)


@lru_cache
def faces_encoder() -> text.TextEncoder:
    torch.manual_seed(0)
    return text.build(worlds.load("faces"), width=32, layers=1, heads=2)


def row_pixel_cnn() -> row_pixelcnn.RowPixelCNN:
    return row_pixelcnn.RowPixelCNN(
        row_dim=16, row_layers=2, row_heads=2, context_dim=4, pixel_dim=16, num_pixel_blocks=1, levels=8, text_dim=32
    )


def token_painter() -> tokens.TokenPainter:
    transformer = token_transformer.TokenTransformer(codebook_size=16, width=32, layers=2, heads=2, text_dim=32)
    for layer in (transformer.whole, transformer.speller.shift, transformer.speller.gain):
        torch.nn.init.normal_(layer.weight, std=0.2)  # fresh ones hear nothing of the text
    return tokens.TokenPainter(transformer.eval(), fsq_autoencoder(levels=(4, 4)).eval())


def fsq_autoencoder(levels: tuple[int, ...]) -> fsq.FSQAutoencoder:
    return fsq.FSQAutoencoder(levels=levels, channels=(16,), encoder_blocks=(1,), decoder_blocks=(1,))


def small_vae() -> conv_vae.ConvVAE:
    return conv_vae.ConvVAE(latent_dim=8, channels=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1), summary=2)


def latent_denoiser() -> latent_diffusion.LatentDenoiser:
    transformer = latent_networks.make_transformer((8, 8, 4), heads=2, head_dim=16, layers=2, text_dim=32)
    transformer.set_attn_processor(AttnProcessor2_0())  # as a loaded one has; that of training rounds otherwise
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.5)  # a fresh one hears nothing of the text
    return latent_diffusion.LatentDenoiser(transformer, small_autoencoder())


def style_painter() -> style_gan.StylePainter:
    sizes = {"latent_dim": 8, "style_dim": 16, "mapping_layers": 2, "channels": 16, "num_blocks": 2}
    return style_gan.StylePainter(style_networks.StyleGenerator((8, 8, 4), text_dim=32, **sizes), small_autoencoder())


def style_engine() -> style_gan.StyleGANEngine:
    painter, values = style_painter(), tuple(map(len, worlds.load("faces").attributes.values()))
    discriminator = style_networks.StyleDiscriminator((8, 8, 4), channels=8, num_blocks=1, num_values=values, text_dim=32).eval()
    engine = style_gan.StyleGANEngine(painter, faces_encoder())  # the encoder last: made for the first time, it seeds anew
    engine.discriminator = discriminator
    return engine


def small_autoencoder() -> AutoencoderDC:
    return latent_networks.make_autoencoder(channels=(16, 16, 16, 16), latent_channels=4)


TINY = {
    "digits/vae": lambda: vae.VAEEngine(linear_vae.LinearVAE(latent_dim=3, width=16, text_dim=32), digits_encoder()),
    "digits/gan": lambda: gan.GANEngine(
        conv_gan.ConvGenerator(latent_dim=3, style_dim=8, channels=(8, 8, 4), text_dim=32), digits_encoder()
    ),
    "digits/autoregressive": lambda: autoregressive.AutoregressiveEngine(row_pixel_cnn(), digits_encoder()),
    "digits/diffusion": lambda: diffusion.DiffusionEngine(pixel_unet.make_unet(channels=(32, 32), text_dim=128), digits_encoder(128)),
    "faces/vae": lambda: vae.AttributeVAEEngine(small_vae(), faces_encoder()),
    "faces/gan": style_engine,
    "faces/autoregressive": lambda: tokens.TokenEngine(token_painter(), faces_encoder()),
    "faces/diffusion": lambda: latent_diffusion.LatentDiffusionEngine(latent_denoiser(), faces_encoder()),
}


def make(name: str) -> Engine:
    """The tiny engine of that name, always with the same weights."""
    torch.manual_seed(1)
    return TINY[name]()
