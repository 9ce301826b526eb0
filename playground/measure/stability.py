"""Training stability: what becomes of nine short trainings of each family, by seed and learning rate.

The runs take two hours on two cores. Each leaves its curve, its last pictures and its judgement in
`checkpoints/digits/stability/`; those that are there are not run again, and one that was killed goes on where it was saved.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import engines
from engines import text
from engines.images import to_pil
from engines.training import __main__ as training
from engines.training.snapshots import sample_sheet
from playground import figures, metrics
from playground.figures import Figure
from playground.judges import SPACES
from playground.measure.bench import WORKPLACE, Bench, draw_with

ROW = "stability"
STUDIED = "digits"  # the world whose recipes are run; other worlds quote it
SEEDS, RATES = (0, 1, 2), (1 / 3, 1.0, 3.0)  # times the recipe's learning rate
SHARE = 1 / 8  # of the recipe's budget
NUM_IMAGES = 1000  # drawn after each run
WORSE = 2.0  # times the FD of the family's best run: a failure
MISSING_SHARE, MOST_MISSING = 0.1, 0.2  # a class is missing below a tenth of its real share; a run fails when more than a fifth are
POINTS = 60  # of a curve that is kept

log = logging.getLogger(__name__)


def measure(bench: Bench) -> None:
    """Write the row's figures, family after family, training what was not trained yet."""
    if bench.world.name != STUDIED or bench.quick:
        quote(bench)
        return
    for family in bench.engines:
        runs = [run(bench, family, seed, rate) for seed, rate in product(SEEDS, RATES)]
        bench.write(ROW, family, stability_figures(bench, runs))


def quote(bench: Bench) -> None:
    """The figures of the world that was studied, for another world and for a quick measurement, which trains nothing."""
    measured = figures.read(STUDIED, root=bench.root).get(ROW, {})
    for family in bench.engines:
        named = {name: _quoted(figure) for name, figure in measured.get(family, {}).items()}
        if named:
            bench.write(ROW, family, named)
        else:
            log.warning("%s: measure %s of %s first", family, ROW, STUDIED)


def _quoted(figure: Figure) -> Figure:
    return dataclasses.replace(figure, method=f"in the world {STUDIED}: {figure.method}")


def run(bench: Bench, family: str, seed: int, rate: float) -> dict[str, Any]:
    """Train once and judge the outcome; or what an earlier call found."""
    name = run_name(seed, rate)
    kept, folder = bench.out / bench.world.name / "stability" / family, WORKPLACE / ROW / family / name
    if (kept / f"{name}.json").is_file():
        return json.loads((kept / f"{name}.json").read_text())
    minutes = SHARE * import_module(f"engines.training.{family}").RECIPES[bench.world.name]["default"].minutes
    kept.mkdir(parents=True, exist_ok=True)
    log.info("%s, %s: training for %.2g minutes", family, name, minutes)
    record: dict[str, Any] = {"seed": seed, "rate": rate, "minutes": minutes, "diverged": False}
    arguments = [f"{bench.world.name}/{family}", "--minutes", str(minutes), "--seed", str(seed), "--learning-rate-scale", str(rate)]
    try:
        training.main([*arguments, "--out", str(folder), "--resume"])
    except FloatingPointError as error:
        record |= {"diverged": True, "message": str(error)}
    else:
        kind = engines.engine_type(f"{bench.world.name}/{family}")
        engine = kind(kind.load_model(folder), text.load(bench.world.name, root=bench.root))
        record |= judge_engine(bench, engine)
        to_pil(sample_sheet(engine, rows=2)).save(kept / f"{name}.webp", lossless=True)
    record["curve"] = read_curve(folder / "training.jsonl")
    (kept / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def run_name(seed: int, rate: float) -> str:
    """Of a run's files."""
    return f"seed-{seed}-rate-{rate:.2g}"


def judge_engine(bench: Bench, engine: engines.Engine) -> dict[str, float]:
    """Fréchet distance (geometric mean over the judge's spaces) of pictures drawn after a run, and the share of classes missing."""
    n = min(NUM_IMAGES, bench.num_images)
    images = draw_with(engine, bench.prompts[:n], seed=bench.seed)
    distances = [
        metrics.frechet_distance(bench.judge.reference.features[space][:n], bench.judge.features(images, space=space)) for space in SPACES
    ]
    subject = bench.world.subject
    real, drawn = bench.judge.reference.labels[subject][:n], bench.judge.attributes(images)[subject]
    return {"fd": metrics.geometric_mean(distances), "missing": missing_share(real, drawn)}


def missing_share(real: np.ndarray, drawn: np.ndarray) -> float:
    """Share of the classes among `real` (N,) that `drawn` (M,) shows less often than a tenth of the time."""
    classes, counts = np.unique(real, return_counts=True)
    wanted = MISSING_SHARE * counts / len(real)
    found = np.array([(drawn == c).mean() for c in classes])
    return float((found < wanted).mean())


def read_curve(path: Path) -> list[dict[str, float]]:
    """A run's log, thinned to at most `POINTS` lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return lines[:: max(1, -(-len(lines) // POINTS))]


def failures(runs: list[dict[str, Any]]) -> np.ndarray:
    """Which runs (R,) failed: not finite, much worse than the family's best, or with classes missing."""
    best = min((run["fd"] for run in runs if not run["diverged"]), default=np.inf)
    return np.array([run["diverged"] or run["fd"] > WORSE * best or run["missing"] > MOST_MISSING for run in runs])


def stability_figures(bench: Bench, runs: list[dict[str, Any]]) -> dict[str, Figure]:
    """Failures among the runs, with an interval over runs drawn anew, and how much FD varies over seeds at the recipe's rate."""
    failed, rng = failures(runs), bench.rng()
    draws = [int(rng.choice(failed, size=len(failed)).sum()) for _ in range(2000)]
    low, high = np.percentile(draws, (2.5, 97.5))
    budget = f"{len(SEEDS)} seeds x learning rates {', '.join(f'{rate:.2g}' for rate in RATES)} of the recipe's, {SHARE:g} of its budget"
    method = f"runs that fail (not finite, FD above {WORSE:g} times the family's best, or over 20 % of classes missing), {budget}"
    total = int(failed.sum())
    interval = (min(low, total), max(high, total))
    named = {"failures": bench.figure(total, "runs", n=len(runs), method=method, interval=interval, judged=True)}
    usual = [run["fd"] for run in runs if run["rate"] == 1 and not run["diverged"]]
    variation = float(np.std(usual, ddof=1) / np.mean(usual)) if len(usual) > 1 else 10.0  # nothing left to vary: as unstable as can be
    method = "standard deviation over mean of FD over seeds, at the recipe's learning rate"
    named["variation"] = bench.figure(variation, "", n=len(usual), method=method, judged=True)
    for run in runs:
        if not run["diverged"]:
            method = f"FD (geometric mean of two judges) of n pictures after a run with seed {run['seed']}, rate x {run['rate']:.2g}"
            n = min(NUM_IMAGES, bench.num_images)
            named[f"fd, seed {run['seed']}, rate {run['rate']:.2g}"] = bench.figure(run["fd"], "", n=n, method=method, judged=True)
    return named
