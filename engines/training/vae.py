"""Recipes of the VAEs: the evidence lower bound, plain Adam."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from engines import text
from engines.networks import conv_vae, linear_vae
from engines.training.captions import LabelBank
from engines.training.loop import Recipe, Trainer


@dataclass(frozen=True)
class VAERecipe(Recipe):
    """beta: weight of the KL term (Higgins et al. 2017); 1 is the evidence lower bound itself.

    first_beta: its weight at the start, from which it falls to `beta` in the first half of the run. While it is large the latent is
    too dear to say what the attributes say already, so the decoder learns to listen to them first.
    """

    beta: float = 1.0
    first_beta: float = 1.0


FACES_BETA, FACES_FIRST_BETA = 5.0, 200.0
RECIPES = {
    "digits": {
        "default": VAERecipe(minutes=8, batch_size=256, learning_rate=1e-3),
        "large": VAERecipe(minutes=4, batch_size=1024, learning_rate=2e-3),
    },
    "faces": {
        "default": VAERecipe(minutes=30, batch_size=16, learning_rate=1.5e-3, beta=FACES_BETA, first_beta=FACES_FIRST_BETA),
        "large": VAERecipe(minutes=8, batch_size=512, learning_rate=2e-3, beta=FACES_BETA, first_beta=FACES_FIRST_BETA),
    },
}
SIBLINGS = {"map": {"latent_dim": 2}}  # two latent dimensions, so that the whole latent space is a map


class AttributeTrainer(Trainer):
    """Trains with the attributes of a picture in place of a caption, and with a KL term whose weight falls."""

    def __init__(self, recipe: VAERecipe, model: nn.Module, *, device: str):
        super().__init__(recipe, model, conv_vae.loss, device=device)

    def set_progress(self, progress: float) -> None:
        super().set_progress(progress)
        self.loss = partial(conv_vae.loss, beta=falling_beta(self.recipe, progress))

    def bank(self, encoder: text.TextEncoder, labels: list[dict[str, str]]) -> LabelBank:
        return LabelBank(encoder.world, labels)


def falling_beta(recipe: VAERecipe, progress: float) -> float:
    """The weight of the KL term at `progress` 0 ... 1 of the run: geometrically from `first_beta` to `beta` in its first half."""
    return recipe.beta * (recipe.first_beta / recipe.beta) ** max(0.0, 1 - 2 * progress)


def make_trainer(world: Any, recipe: VAERecipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the VAE of a world, or for the two-latent sibling of digits (`variant` "map")."""
    if world.name == "faces":
        num_values = sum(map(len, world.attributes.values()))
        model = conv_vae.ConvVAE(world.image_shape, num_values=num_values)
        return AttributeTrainer(recipe, model, device=device)
    model = linear_vae.LinearVAE(world.image_shape, text_dim=text_dim, **SIBLINGS.get(variant, {}))
    if variant == "map":  # the place on the map alone decides what is drawn
        recipe = dataclasses.replace(recipe, no_text=1.0)
    return Trainer(recipe, model, partial(linear_vae.loss, beta=recipe.beta), device=device)
