"""Training stability: what becomes of nine short trainings of each family, by seed and learning rate.

The runs take between two and three hours on two cores. Each leaves its curve, its last pictures and its judgement in
`checkpoints/digits/stability/`; those that are there are not run again unless the recipe, the budget, the judge or the pictures that it
sees are others, and one that was killed goes on where it was saved. The budget is counted in steps, so that other work on the machine
changes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import engines
from engines import text
from engines.images import to_pil
from engines.training import __main__ as training
from engines.training.machine import device_name
from engines.training.snapshots import sample_sheet
from playground import figures, metrics, table
from playground.figures import Figure
from playground.judges import SPACES
from playground.measure.bench import WORKPLACE, Bench, draw_with
from playground.trainings.replay import read_log

ROW = "stability"
STUDIED = next(row.measured_in for row in table.ROWS if row.key == ROW)  # the world whose recipes are run; other worlds quote it
SEEDS, RATES = (0, 1, 2), (1 / 3, 1.0, 3.0)  # times the recipe's learning rate
BUDGETS = {"vae": 10_395, "gan": 4_918, "autoregressive": 4_146, "diffusion": 4_790}  # steps of what shipped then; it may have more now
SHARE = 1 / 8  # of those steps
NUM_IMAGES = 1000  # drawn after each run
WORSE = 2.0  # times the FD of the family's best run: a failure
MISSING_SHARE, MOST_MISSING = 0.1, 0.2  # a class is missing below a tenth of its real share; a run fails when more than a fifth are
POINTS = 60  # of a curve that is kept

log = logging.getLogger(__name__)


def measure(bench: Bench) -> None:
    """Write the row's figures, family after family, training what was not trained yet; they are of these runs, not of shipped weights."""
    if bench.world.name != STUDIED or bench.quick:
        quote(bench)
        return
    for family in bench.engines:
        runs = [run(bench, family, seed, rate) for seed, rate in product(SEEDS, RATES)]
        bench.write(ROW, family, stability_figures(bench, runs), weights="")


def quote(bench: Bench) -> None:
    """The figures of the world that was studied, for another world and for a quick measurement, which trains nothing."""
    measured = figures.read(STUDIED, root=bench.root).get(ROW, {})
    for family in bench.engines:
        named = {name: _quoted(figure) for name, figure in measured.get(family, {}).items()}
        if named:
            bench.write(ROW, family, named, weights="")
        else:
            log.warning("%s: measure %s of %s first", family, ROW, STUDIED)
            bench.progress()


def _quoted(figure: Figure) -> Figure:
    return dataclasses.replace(figure, method=f"in the world {STUDIED}: {figure.method}")


def run(bench: Bench, family: str, seed: int, rate: float) -> dict[str, Any]:
    """Train once and judge the outcome; or what an earlier call found with the same recipe, budget, judge and pictures."""
    name, kept = run_name(seed, rate), bench.out / bench.world.name / "stability" / family
    recipe = import_module(f"engines.training.{family}").RECIPES[bench.world.name]["default"]
    steps = round(SHARE * BUDGETS[family])
    setting = {"seed": seed, "rate": rate, "steps": steps, "recipe": dataclasses.asdict(recipe), "judge": bench.judge.hash}
    setting |= {"images": min(NUM_IMAGES, bench.num_images), "first_seed": bench.seed}  # of the pictures that are judged
    setting = json.loads(json.dumps(setting))  # as it is read back
    if (kept / f"{name}.json").is_file():
        found = json.loads((kept / f"{name}.json").read_text())
        if {key: found.get(key) for key in setting} == setting:
            return found
    kept.mkdir(parents=True, exist_ok=True)
    log.info("%s, %s: training for %d steps", family, name, steps)
    folder = WORKPLACE / ROW / family / f"{name}-{hashlib.sha256(repr(setting).encode()).hexdigest()[:8]}"
    record: dict[str, Any] = {**setting, "commit": bench.commit, "diverged": False}
    device = str(bench.judge.device)
    arguments = [f"{bench.world.name}/{family}", "--steps", str(steps), "--seed", str(seed), "--learning-rate-scale", str(rate)]
    threads = torch.get_num_threads()
    try:
        training.main([*arguments, "--out", str(folder), "--resume", "--device", device])
    except FloatingPointError as error:
        record |= {"diverged": True, "message": str(error)}
    else:
        kind = engines.engine_type(f"{bench.world.name}/{family}")
        engine = kind(kind.load_model(folder).to(device), text.load(bench.world.name, device=device, root=bench.root))
        record |= judge_engine(bench, engine)
        to_pil(sample_sheet(engine, rows=2)).save(kept / f"{name}.webp", lossless=True)
    finally:
        record["machine"] = device_name(torch.device(device))  # training takes all cores
        torch.set_num_threads(threads)
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
    distances = [bench.distance(space, bench.judge.features(images, space=space)) for space in SPACES]
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
    """A run's log, thinned to about `POINTS` lines, the last among them."""
    lines = read_log(path) if path.is_file() else []
    return lines[:-1][:: max(1, -(-len(lines) // POINTS))] + lines[-1:]


def failures(runs: list[dict[str, Any]]) -> np.ndarray:
    """Which runs (R,) failed: not finite, much worse than the family's best, or with classes missing."""
    return np.array([run["diverged"] or run["fd"] > limit(runs) or run["missing"] > MOST_MISSING for run in runs])


def limit(runs: list[dict[str, Any]]) -> float:
    """The distance above which a run of this family has failed."""
    return WORSE * min((run["fd"] for run in runs if not run["diverged"]), default=np.inf)


def stability_figures(bench: Bench, runs: list[dict[str, Any]]) -> dict[str, Figure]:
    """Failures among the runs, with their binomial interval, and how much FD varies over seeds at the recipe's rate.

    Each is stamped with the commits and machines of the runs that it is about.
    """
    failed = failures(runs)
    budget = f"{len(SEEDS)} seeds x learning rates {', '.join(f'{rate:.2g}' for rate in RATES)} of the recipe's, {runs[0]['steps']:,} steps"
    method = f"runs that fail (not finite, FD above {WORSE:g} times the family's best, or over 20 % of classes missing), {budget}"
    total = int(failed.sum())
    interval = tuple(len(runs) * share for share in metrics.binomial_interval(total, len(runs)))
    named = {"failures": stamped(bench.figure(total, "runs", n=len(runs), method=method, interval=interval, judged=True), runs)}
    usual = [run for run in runs if run["rate"] == 1]
    fds = [run["fd"] for run in usual if not run["diverged"]]
    variation = float(np.std(fds, ddof=1) / np.mean(fds)) if len(fds) > 1 else 10.0  # nothing left to vary: as unstable as can be
    method = "standard deviation over mean of FD over seeds, at the recipe's learning rate"
    named["variation"] = stamped(bench.figure(variation, "", n=len(fds), method=method, judged=True), usual)
    for run in runs:
        if not run["diverged"]:
            method = f"FD (geometric mean of two judges) of n pictures after a run with seed {run['seed']}, rate x {run['rate']:.2g}"
            found = bench.figure(run["fd"], "", n=run["images"], method=method, judged=True)
            named[f"fd, seed {run['seed']}, rate {run['rate']:.2g}"] = stamped(found, [run])
    return named


def stamped(figure: Figure, runs: list[dict[str, Any]]) -> Figure:
    """The figure as found by the commits and on the machines of some runs."""
    commit, machine = (", ".join(dict.fromkeys(run[key] for run in runs)) for key in ("commit", "machine"))
    return dataclasses.replace(figure, commit=commit, machine=machine)
