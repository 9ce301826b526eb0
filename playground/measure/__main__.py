"""python -m playground.measure digits --rows quality,speed,resources

Measures the engines of a world for the rows of the table and writes `checkpoints/<world>/figures.json` after each engine. The
data set is needed for novelty, FID and short trainings for stability that were not run yet; for all else the judge ships the features
of the real images. Measure speed on an otherwise idle machine.
A measurement that was killed goes on where it was, if the code is the same commit: engines whose figures of a row are there are passed
over, and pictures are kept in `runs/drawn` as they come, those of a quick measurement beside its figures. Taken again are
the edits along directions of the engine that was being edited with, all times, since engines take turns, and costs.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import engines
from engines import CheckpointError, Engine, checkpoint, worlds
from engines.training import cards
from engines.training.machine import device_name
from playground import judges, table
from playground.measure import control, manipulation, novelty, quality, report, resources, speed, stability
from playground.measure.bench import WORKPLACE, Bench, named_by, quick_images

ROWS = {module.ROW: module.measure for module in (quality, speed, stability, control, manipulation, novelty, resources)}

QUICK_IMAGES = 200

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    judge, commit = judges.load(options.world, device=options.device, root=options.root), cards.commit()
    usual = quick_images(options.world, QUICK_IMAGES) if options.quick else judge.reference.figures["num_images"]
    bench = Bench(
        worlds.load(options.world),
        judge,
        load_engines(options.world, options.engines, options.root, options.device),
        usual if options.num_images is None else options.num_images,
        options.seed,
        root=options.root,
        out=options.out,
        cache=(options.out / options.world if options.quick else WORKPLACE) / "drawn" / commit if named_by(commit) else None,
        quick=options.quick,
        inception=options.inception,
        others=load_engines(options.world, beside(options), options.root, options.device),
        machine=device_name(torch.device(options.device)),
        commit=commit,
    )
    if not bench.engines:
        raise SystemExit("no engine could be loaded")
    asked = {row.key for row in table.rows(options.world)}
    chosen = [row for row in ROWS if row in options.rows and row in asked]  # later rows read what earlier ones found
    for row in (row for row in options.rows if row not in asked):
        log.info("the world %s is not asked about %s", options.world, row)
    cells = tqdm(total=len(chosen) * len(bench.engines), desc="cells of the table", unit="cell", disable=None)
    bench.progress = cells.update
    with logging_redirect_tqdm(), cells:
        for row in chosen:
            ROWS[row](bench)
    report.write_cards(options.world, root=options.out)
    if options.out.resolve() == checkpoint.ROOT.resolve():
        report.write_summary(options.world, checkpoint.ROOT.parent / "README.md", root=options.out)


def beside(options: argparse.Namespace) -> list[str]:
    """Engines that are not to be measured but timed beside those that are."""
    return [name for name in engines.FAMILIES if name not in options.engines] if speed.ROW in options.rows else []


def load_engines(world_name: str, names: list[str], root: Path, device: str = "cpu") -> dict[str, Engine]:
    """The engines of a world by name; those whose weights are missing are reported and left out."""
    loaded = {}
    for name in names:
        try:
            loaded[name] = engines.load(f"{world_name}/{name}", device=device, root=root)
        except CheckpointError as error:
            log.warning("%s", error)
    return loaded


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m playground.measure", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", choices=worlds.NAMES)
    parser.add_argument("--rows", type=rows, default=list(ROWS), help=f"any of {','.join(ROWS)}")
    parser.add_argument("--engines", type=families, default=list(engines.FAMILIES), help="names, separated by commas")
    parser.add_argument("--num-images", type=int, help="N (default: as many as the judge's reference holds)")
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first image and of the captions")
    parser.add_argument("--threads", type=number_of_threads, default=2, help="of torch, at least 1")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; the speed that counts is that of cpu")
    parser.add_argument("--root", type=Path, default=checkpoint.ROOT, help="folder of the checkpoints")
    parser.add_argument("--out", type=Path, help="folder that holds <world>/figures.json (default: that of the checkpoints)")
    parser.add_argument(
        "--quick", action="store_true", help=f"few images (at most {QUICK_IMAGES}) and runs, into runs/quick: the same rows in minutes"
    )
    parser.add_argument("--inception", action="store_true", help="FID as well, beside quality; needs the data set and Inception's weights")
    options = parser.parse_args(arguments)
    if options.inception and quality.ROW not in options.rows:
        parser.error("--inception adds to the row quality, which is not among --rows")
    options.out = options.out or (WORKPLACE / "quick" if options.quick else checkpoint.ROOT)
    return options


def families(text: str) -> list[str]:
    """Engines named in a list separated by commas."""
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in engines.FAMILIES]:
        raise argparse.ArgumentTypeError(f"engines must be among {', '.join(engines.FAMILIES)}, got {', '.join(unknown)}")
    return chosen


def number_of_threads(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"threads must be a whole number from 1 on, got {text}")
    return int(text)


def rows(text: str) -> list[str]:
    """Rows named in a list separated by commas."""
    chosen = text.split(",")
    if unknown := [row for row in chosen if row not in ROWS]:
        raise argparse.ArgumentTypeError(f"rows must be among {', '.join(ROWS)}, got {', '.join(unknown)}")
    return chosen


if __name__ == "__main__":
    try:
        main()
    except (ValueError, CheckpointError) as error:
        sys.exit(f"{Path(sys.argv[0]).parent.name}: {error}")
