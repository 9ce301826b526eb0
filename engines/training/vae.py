"""Recipes of the VAEs: the evidence lower bound, plain Adam."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

from engines import text
from engines.networks import conv_vae, linear_vae
from engines.training.captions import LabelBank
from engines.training.loop import Recipe, Trainer


@dataclass(frozen=True)
class VAERecipe(Recipe):
    """beta: weight of the KL term (Higgins et al. 2017); 1 is the evidence lower bound itself."""

    beta: float = 1.0


FACES_BETA = 5.0  # with less the latent hides what the attributes say already
RECIPES = {
    "digits": {
        "default": VAERecipe(minutes=8, batch_size=256, learning_rate=1e-3),
        "large": VAERecipe(minutes=4, batch_size=1024, learning_rate=2e-3),
    },
    "faces": {
        "default": VAERecipe(minutes=30, batch_size=16, learning_rate=1.5e-3, beta=FACES_BETA),
        "large": VAERecipe(minutes=8, batch_size=512, learning_rate=2e-3, beta=FACES_BETA),
    },
}
SIBLINGS = {"map": {"latent_dim": 2}}  # two latent dimensions, so that the whole latent space is a map


class AttributeTrainer(Trainer):
    """Trains with the attributes of a picture in place of a caption."""

    def bank(self, encoder: text.TextEncoder, labels: list[dict[str, str]]) -> LabelBank:
        return LabelBank(encoder.world, labels)


def make_trainer(world: Any, recipe: VAERecipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the VAE of a world, or for the two-latent sibling of digits (`variant` "map")."""
    if world.name == "faces":
        num_values = sum(map(len, world.attributes.values()))
        model = conv_vae.ConvVAE(world.image_shape, num_values=num_values)
        return AttributeTrainer(recipe, model, partial(conv_vae.loss, beta=recipe.beta), device=device)
    model = linear_vae.LinearVAE(world.image_shape, text_dim=text_dim, **SIBLINGS.get(variant, {}))
    if variant == "map":  # the place on the map alone decides what is drawn
        recipe = dataclasses.replace(recipe, no_text=1.0)
    return Trainer(recipe, model, partial(linear_vae.loss, beta=recipe.beta), device=device)
