"""python -m engines digits/diffusion --prompt "a bold seven" --seed 3 --num-images 16 -o grid.png

Draws with one engine and writes a grid of pictures. Every setting of the engine is an option of the same name.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import engines
from engines.images import enlarge, grid, to_pil


def main(arguments: list[str] | None = None) -> int:
    """Draw, write the picture, return the exit status: 2 with one clear line where the request cannot be met."""
    args, kind = parse(arguments)
    settings = {f.name: getattr(args, f.name) for f in dataclasses.fields(kind.params_type)}
    try:
        request = engines.Request(args.prompt, seed=args.seed, num_images=args.num_images, params=kind.params_type(**settings))
        engine = engines.load(args.engine, device=args.device)
        if args.prompt:
            print(describe(engine.text_encoder.read(args.prompt)))
        for frame in engine.generate(request):
            print(f"\rstep {frame.step} of {frame.num_steps}", end="", file=sys.stderr)
    except (ValueError, engines.CheckpointError) as error:
        print(f"{args.engine}: {error}", file=sys.stderr)
        return 2
    picture = enlarge(grid(frame.images, columns=math.ceil(math.sqrt(args.num_images))), args.enlarge)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    to_pil(picture).save(args.output)
    print(f"\n{args.output}: {args.num_images} picture(s) in {1000 * frame.seconds:.1f} ms, {frame.nfe} network evaluations")
    return 0


def describe(reading: engines.Reading) -> str:
    """One line on what was understood and what was ignored."""
    understood = ", ".join(f"{key} {value}" for key, value in reading.attributes.items()) or "nothing"
    return f"understood: {understood}" + (f"; ignored: {', '.join(reading.ignored)}" if reading.ignored else "")


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, type[engines.Engine]]:
    """The options, among them the engine's own settings, and the engine's class."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m engines", description=__doc__, formatter_class=shape, add_help=False)
    parser.add_argument("engine", nargs="?", help=", ".join(engines.available()))
    parser.add_argument("-h", "--help", action="store_true", help="show this, after an engine with its settings")
    parser.add_argument("--prompt", default="", help="what to draw; empty for anything")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-images", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--enlarge", type=int, default=4, help="screen pixels per picture pixel")
    parser.add_argument("-o", "--output", type=Path, default=Path("grid.png"))
    args, _ = parser.parse_known_args(arguments)
    if not args.engine:
        if not args.help:
            parser.error("an engine is required")
        parser.print_help()
        parser.exit()
    try:
        kind = engines.engine_type(args.engine)
    except ValueError as error:
        parser.error(str(error))
    settings = parser.add_argument_group(f"settings of {args.engine}")
    for f in dataclasses.fields(kind.params_type):
        allowed = ", ".join(f.metadata["options"]) if "options" in f.metadata else f"{f.metadata['minimum']:g} to {f.metadata['maximum']:g}"
        hint = f"{f.metadata['hint']} {allowed}".replace("%", "%%")
        settings.add_argument(f"--{f.name.replace('_', '-')}", type=type(f.default), default=f.default, help=hint)
    if args.help:
        parser.print_help()
        parser.exit()
    args = parser.parse_args(arguments)
    if args.enlarge < 1:
        parser.error(f"--enlarge must be at least 1, got {args.enlarge}")
    return args, kind


if __name__ == "__main__":
    sys.exit(main())
