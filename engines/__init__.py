"""Four families of image generators behind one small interface.

    import engines
    engine = engines.load("digits/diffusion")
    for frame in engine.generate(engines.Request(prompt="a bold seven", seed=3)):
        frame.images  # uint8 (N, H, W, C)

Importing this package loads no weights; heavy libraries are imported when an engine is loaded.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path

from engines import checkpoint, text
from engines.base import FAMILIES, Engine, Frame, Inspection, Known, Params, PromptError, Request, Toward
from engines.checkpoint import CheckpointError
from engines.text import Reading

__all__ = [
    "FAMILIES",
    "CheckpointError",
    "Engine",
    "Frame",
    "Inspection",
    "Known",
    "Params",
    "PromptError",
    "Reading",
    "Request",
    "Toward",
    "available",
    "complete",
    "engine_type",
    "is_trained",
    "load",
    "read",
    "world_names",
]


_CLASSES = {  # world -> family -> module and class
    "digits": {
        "vae": "vae.VAEEngine",
        "gan": "gan.GANEngine",
        "autoregressive": "autoregressive.AutoregressiveEngine",
        "diffusion": "diffusion.DiffusionEngine",
    },
    "faces": {
        "vae": "vae.AttributeVAEEngine",
        "gan": "style_gan.StyleGANEngine",
        "autoregressive": "tokens.TokenEngine",
        "diffusion": "latent_diffusion.LatentDiffusionEngine",
    },
}


def available(world: str | None = None) -> list[str]:
    """Names, "<world>/<family>", of all engines of `world_names()`, or of one world, whether or not their own weights are in place."""
    return [f"{name}/{family}" for name in world_names() if world in (None, name) for family in _CLASSES[name]]


def world_names() -> tuple[str, ...]:
    """Names of the worlds of which every engine has been trained, the newest last; or of the first world."""
    trained = (world for world, families in _CLASSES.items() if all(is_trained(f"{world}/{family}") for family in families))
    return tuple(trained) or ("digits",)


def is_trained(name: str) -> bool:
    """Whether the folder of an engine holds a model card, which training leaves with its weights."""
    return (checkpoint.ROOT / name / "README.md").is_file()


def engine_type(name: str) -> type[Engine]:
    """The class behind an engine's name, without loading weights: its `family`, `params_type` and docstring.

    A name is "<world>/<family>", or "<world>/<family>-<variant>" for a sibling such as "digits/vae-map".
    Raises ValueError for an unknown world or family.
    """
    world, _, engine = name.partition("/")
    family = engine.partition("-")[0]
    if family not in _CLASSES.get(world, {}):
        known = ", ".join(f"{world}/{family}" for world, families in _CLASSES.items() for family in families)
        raise ValueError(f"engine must be one of {known}, got {name!r}")
    module, _, kind = _CLASSES[world][family].partition(".")
    return getattr(import_module(f"engines.{module}"), kind)


def load(name: str, *, device: str = "cpu", root: Path = checkpoint.ROOT) -> Engine:
    """Load an engine with its weights from `<root>/<name>`.

    Raises ValueError for an unknown name or device, CheckpointError (naming file and command) for missing or damaged weights.
    """
    kind = engine_type(name)
    checkpoint.check_device(device)
    encoder = _text_encoder(name.partition("/")[0], device, root)
    folder = root / name
    with checkpoint.explain(folder, name):
        model = kind.load_model(folder)
    card = folder / "README.md"
    return kind(model.to(device), encoder, card=card.read_text() if card.is_file() else "", folder=folder)


def read(world: str, prompt: str | None) -> Reading:
    """What the text encoder of a world understands of a prompt, and which words it ignores."""
    return _text_encoder(world, "cpu", checkpoint.ROOT).read(prompt or "")


def complete(world: str, prompt: str | None, seed: int) -> str:
    """The prompt as engines draw it with a seed: enlarged by what it leaves open, in worlds where that is done.

    Raises PromptError when it cannot be drawn in the world.
    """
    return _text_encoder(world, "cpu", checkpoint.ROOT).complete((prompt or "",), (seed,))[0]


@lru_cache(maxsize=8)
def _text_encoder(world: str, device: str, root: Path) -> text.TextEncoder:
    return text.load(world, device=device, root=root)
