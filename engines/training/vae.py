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
    """beta: weight of the KL term (Higgins et al. 2017); 1 is the evidence lower bound itself. Raises ValueError unless it is positive.

    fall: how many times larger it is at the start, from where it falls in the first half of the run. While it is large the latent is
    too dear to say what the attributes say already, so the decoder learns to listen to them first.
    """

    beta: float = 1.0
    fall: float = 1.0

    def __post_init__(self):
        if not (self.beta > 0 and self.fall > 0):
            raise ValueError(f"beta and fall must be positive, got {self.beta:g} and {self.fall:g}")

    def beta_at(self, progress: float) -> float:
        """The weight at `progress` 0 ... 1 of the run; it falls geometrically."""
        return self.beta * self.fall ** max(0.0, 1 - 2 * progress)


FACES_BETA, FACES_FALL = 10.0, 20.0
RECIPES = {
    "digits": {
        "default": VAERecipe(minutes=8, batch_size=256, learning_rate=1e-3),
        "large": VAERecipe(minutes=4, batch_size=1024, learning_rate=2e-3),
    },
    "faces": {
        "default": VAERecipe(minutes=25, batch_size=16, learning_rate=1.5e-3, beta=FACES_BETA, fall=FACES_FALL),
        "large": VAERecipe(minutes=3, batch_size=128, learning_rate=2e-3, beta=FACES_BETA, fall=FACES_FALL),
    },
}
SIBLINGS = {"map": {"latent_dim": 2}}  # two latent dimensions, so that the whole latent space is a map


class VAETrainer(Trainer):
    """loss: as a `Trainer`'s, with `beta` besides."""

    def __init__(self, recipe: VAERecipe, model: nn.Module, loss: Any, *, device: str):
        super().__init__(recipe, model, loss, device=device)
        self.bound = loss

    def set_progress(self, progress: float) -> None:
        super().set_progress(progress)
        self.loss = partial(self.bound, beta=self.recipe.beta_at(progress))


class AttributeTrainer(VAETrainer):
    """Trains with the attributes of a picture in place of a caption."""

    def bank(self, encoder: text.TextEncoder, labels: list[dict[str, str]]) -> LabelBank:
        return LabelBank(encoder.world, labels, device=self.device)


def make_trainer(world: Any, recipe: VAERecipe, *, variant: str, text_dim: int, device: str) -> Trainer:
    """A trainer for the VAE of a world, or for the two-latent sibling of digits (`variant` "map")."""
    if world.name == "faces":
        num_values = sum(map(len, world.attributes.values()))
        model = conv_vae.ConvVAE(world.image_shape, num_values=num_values)
        return AttributeTrainer(recipe, model, conv_vae.loss, device=device)
    model = linear_vae.LinearVAE(world.image_shape, text_dim=text_dim, **SIBLINGS.get(variant, {}))
    if variant == "map":  # the place on the map alone decides what is drawn
        recipe = dataclasses.replace(recipe, no_text=1.0)
    return VAETrainer(recipe, model, linear_vae.loss, device=device)
