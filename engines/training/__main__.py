"""python -m engines.training digits/diffusion --minutes 40 --resume --device auto

Trains one engine (or "<world>/text", the text encoder that all engines of a world share) and writes weights, log, sample sheet
and model card to its folder under checkpoints/. Images come from the hub, or from the folder named by PLAYGROUND_DATA.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shlex
import sys
from importlib import import_module
from pathlib import Path

import torch

import engines
from engines import checkpoint, text, worlds
from engines.training import cards, loop
from engines.training import text as text_recipe
from engines.training.machine import choose_device

PARTS = {  # networks that are trained alone and are parts of an engine -> their folder
    "faces/autoregressive-tokenizer": "faces/autoregressive/tokenizer",
    "faces/diffusion-autoencoder": "faces/diffusion/vae",
}

SIBLINGS = ("digits/vae-map",)  # engines beside the four


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = choose_device(args.device)
    commit = cards.commit()
    command = shlex.join(["python", "-m", "engines.training", *(sys.argv[1:] if arguments is None else arguments)])
    world_name, _, engine_name = args.name.partition("/")
    world = worlds.load(world_name)
    if engine_name == "text":
        out = args.out or checkpoint.ROOT / args.name
        steps = args.steps or text_recipe.STEPS[world_name]
        settings = {"resume": args.resume, "learning_rate_scale": args.learning_rate_scale, "seed": args.seed}
        text_recipe.train(world, steps=steps, out=out, device=device, command=command, **settings)
        return

    engine_type = engines.engine_type(args.name)
    family, _, variant = engine_name.partition("-")
    module = import_module(f"engines.training.{family}")
    part = PARTS.get(args.name)
    if variant and not part and args.name not in SIBLINGS:
        raise ValueError(f"the variants are {', '.join((*PARTS, *SIBLINGS))}, got {args.name!r}")
    kind, out = (None, checkpoint.ROOT / part) if part else (engine_type, checkpoint.ROOT / args.name)
    out = args.out or out
    recipe = module.RECIPES[f"{world_name}-{variant}" if part else world_name][args.scale]
    recipe = change(recipe, args.set)
    recipe = dataclasses.replace(recipe, learning_rate=recipe.learning_rate * args.learning_rate_scale)
    encoder = text.load(world_name, device=device, root=checkpoint.ROOT)
    torch.manual_seed(args.seed)
    trainer = module.make_trainer(world, recipe, variant=variant, text_dim=encoder.dim, device=device)
    images, labels = world.load_images(split="train")
    minutes = None if args.steps else args.minutes or recipe.minutes
    clock = loop.fit(trainer, kind, encoder, images, labels, out=out, minutes=minutes, steps=args.steps, resume=args.resume, seed=args.seed)
    command = cards.history(out, "command", f"`{command}`", resumed=args.resume)
    commit = cards.history(out, "commit", commit, resumed=args.resume)
    details = {"command": command, "commit": commit, "scale": args.scale, "num_images": len(images)}
    if part:
        cards.write_part_card(out, args.name, trainer, clock, **details)
    else:
        cards.write_engine_card(out, args.name, kind, trainer, clock, **details)


def change(recipe: loop.Recipe, settings: list[str]) -> loop.Recipe:
    """A recipe with some of its numbers changed, each by "<name>=<value>". Raises ValueError naming the setting and what is allowed."""
    kinds = {field.name: {"int": int, "float": float}.get(field.type) for field in dataclasses.fields(recipe)}
    names = ", ".join(name for name, kind in kinds.items() if kind)
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            recipe = dataclasses.replace(recipe, **{name: kinds[name](value)})
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"--set takes <name>=<number> with a name among {names}, got {setting!r}") from None
    return recipe


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m engines.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help=f"<world>/<family> for {' or '.join(worlds.NAMES)}, {', '.join((*SIBLINGS, *PARTS))}, or <world>/text")
    parser.add_argument("--minutes", type=float, help="budget in minutes of training (default: the recipe's)")
    parser.add_argument("--steps", type=int, help="budget in optimizer steps, instead of minutes")
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in the output folder (text: the encoder under checkpoints/)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--scale", choices=("default", "large"), default="default", help="two CPU cores, or one data-centre GPU")
    parser.add_argument("--learning-rate-scale", type=float, default=1.0, help="multiply the recipe's learning rate")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a number of the recipe, such as beta=4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="output folder (default: checkpoints/<name>)")
    args = parser.parse_args(arguments)
    if args.name.endswith("/text") and (args.minutes or args.set or args.scale != "default"):
        parser.error("the text encoder is trained by --steps; it takes no --minutes, --scale or --set")
    if (args.minutes is not None and args.minutes <= 0) or (args.steps is not None and args.steps <= 0):
        parser.error("--minutes and --steps must be positive")
    return args


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FloatingPointError, FileNotFoundError, checkpoint.CheckpointError) as error:
        sys.exit(f"{Path(sys.argv[0]).parent.name}: {error}")
