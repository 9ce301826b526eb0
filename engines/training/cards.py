"""Model cards, written by the training command."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

from engines import worlds
from engines.base import Engine
from engines.training.machine import bf16_is_fast, device_name

FIGURES_START, FIGURES_END = "<!-- figures -->", "<!-- end of figures -->"


def write_engine_card(
    out: Path, name: str, kind: type[Engine], trainer, clock, *, command: str, commit: str, scale: str, num_images: int
) -> None:
    """README.md of an engine: what it is, how it was made (`command`, in Markdown, at `commit`), what it must not be used for."""
    world = worlds.load(name.partition("/")[0])
    card = f"""---
license: apache-2.0
tags: [{kind.family}, {world.name}]
---
# {name}

{about(kind, without_text=trainer.recipe.no_text == 1)}

{_how_made(world, trainer, clock, command=command, commit=commit, scale=scale, num_images=num_images)}

![samples](samples.png)

{FIGURES_START}
{FIGURES_END}

{world.caveat}
"""
    (out / "README.md").write_text(card)


def about(kind: type[Engine], *, without_text: bool) -> str:
    """What an engine is, as its module says."""
    return sys.modules[kind.__module__].__doc__.strip() + ("\n\nThis one was trained without text." if without_text else "")


def write_part_card(out: Path, name: str, trainer, clock, *, command: str, commit: str, scale: str, num_images: int) -> None:
    """README.md of an autoencoder that is a part of an engine, with its figures on unseen pictures."""
    world = worlds.load(name.partition("/")[0])
    figures = "\n".join(f"| {key} on unseen pictures | {value:.4g} |" for key, value in trainer.measure().items())
    card = f"""---
license: apache-2.0
---
# {name}

{type(trainer.average).__name__}, trained on pictures alone. A part of `{name.partition("-")[0]}`, and of every engine whose folder
holds a copy.

{_how_made(world, trainer, clock, command=command, commit=commit, scale=scale, num_images=num_images)}
{figures}

![pictures, and what comes out](samples.png)

{world.caveat}
"""
    (out / "README.md").write_text(card)


def _how_made(world, trainer, clock, *, command: str, commit: str, scale: str, num_images: int) -> str:
    """Table of a training run, in Markdown."""
    recipe = dataclasses.asdict(trainer.recipe)
    parameters = sum(p.numel() for p in trainer.average.parameters())
    precision = "bfloat16 autocast" if trainer.recipe.bf16 and bf16_is_fast(trainer.device) else "single precision"
    where = f"{'the last part on' if ', then ' in command else 'on'} {device_name(trainer.device)}"
    return f"""| | |
|---|---|
| network | {type(trainer.average).__name__}, {parameters:,} parameters, half precision on disk |
| data | {world.data}, {num_images:,} training images |
| command | {command} |
| commit | {commit} |
| recipe ({scale}) | {", ".join(f"{key} {value}" for key, value in recipe.items())} |
| trained | {clock.step:,} steps, {clock.images:,} images, {clock.seconds / 3600:.2f} hours, {where}, {precision} |
| compute | {clock.flops:.3g} FLOPs (counted for a few steps, their mean times steps) |"""


def write_text_card(
    out: Path, encoder, *, command: str, accuracy: dict[str, float], steps: int, seconds: float, resumed: bool = False
) -> None:
    """README.md of a text encoder, with its accuracy on fresh captions."""
    rows = "\n".join(f"| {key} | {100 * value:.2f} % |" for key, value in accuracy.items())
    parameters = sum(p.numel() for p in encoder.parameters())
    made = {"command": f"`{command}`", "commit": commit(), "steps": f"{steps:,}", "minutes": f"{seconds / 60:.1f}"}
    made = "\n".join(f"| {row} | {history(out, row, now, resumed=resumed)} |" for row, now in made.items())
    card = f"""---
license: apache-2.0
---
# {encoder.world.name}/text

{type(encoder.model).__name__} ({parameters:,} parameters, {len(encoder.tokenizer)} words) with heads that name attributes;
engines use its embedding. It learned from captions made by the world's own grammar.

| made by | |
|---|---|
{made}
| device | {device_name(encoder.device)} |

Attributes read right in 2,000 fresh captions, named or not:

| attribute | accuracy |
|---|---|
{rows}

It knows only the words of its world; everything else is reported as ignored.
"""
    (out / "README.md").write_text(card)


def history(out: Path, row: str, now: str, *, resumed: bool) -> str:
    """A card's row, "command" or "commit": `now`, after what the card in `out` already says there if the run is `resumed`."""
    card = out / "README.md"
    earlier = re.search(rf"^\| {row} \| (.*) \|$", card.read_text(), re.MULTILINE) if resumed and card.is_file() else None
    return f"{earlier[1]}, then {now}" if earlier else now


UNKNOWN = "unknown"  # the commit, where there is no git


def commit() -> str:
    """Short hash of the commit that runs, with a + where files were changed since."""
    try:
        short = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout
        tracked = ["git", "diff", "--quiet", "HEAD", "--", ":/*.py", ":/*.toml"]  # words of captions are in tables
        changed = subprocess.run(tracked, cwd=Path(__file__).parent, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return short.strip() + ("+" if changed else "")
