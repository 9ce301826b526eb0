"""Resources: what it took to train an engine to nearly its best, and what a picture takes."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from engines import Request, checkpoint
from playground.figures import Figure
from playground.judges import SPACES
from playground.measure import speed
from playground.measure.bench import Bench

ROW = "resources"
WITHIN = 1.1  # of the engine's own best Fréchet distance
RESAMPLES, QUICK_RESAMPLES = 200, 20
NOT_DRAWING = ("discriminator", "text_encoder")  # folders with weights that only train, or that all engines share

log = logging.getLogger(__name__)


def measure(bench: Bench) -> None:
    """Write the row's figures, engine after engine, at the settings of the speed row where that was measured."""
    peaks = [None] * len(bench.engines)
    if not bench.quick:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            peaks = list(pool.map(lambda name: peak_memory(f"{bench.world.name}/{name}", bench.root), bench.engines))
    for name, peak in zip(bench.engines, peaks, strict=True):
        bench.write(ROW, name, measure_engine(bench, name, peak))


def measure_engine(bench: Bench, name: str, peak: float | None) -> dict[str, Figure]:
    """All figures of the row for one engine. peak: megabytes that it took at most, None if not measured, see `peak_memory`."""
    engine, folder = bench.engines[name], bench.root / bench.world.name / name
    params = speed.chosen_params(engine, speed.stored_sweep(bench, name))
    count = 2 * speed.multiply_adds(engine, Request(bench.prompts[0], seed=bench.seed, params=params))
    steps = f" in {getattr(params, speed.STEPS)} steps" if hasattr(params, speed.STEPS) else ""
    parameters = sum(p.numel() for p in engine.model.parameters())
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors") if path.parent.name not in NOT_DRAWING)
    found = {
        "image_flops": (count, "FLOPs", f"two per multiply-add of one image{steps}"),
        "parameters": (parameters, "", "of all networks that the engine loads, encoders of pictures among them, text encoder left out"),
        "file_size": (size / 1e6, "MB", "half-precision weights on disk of what the engine loads, text encoder left out"),
        "peak_memory": (peak, "MB", "most memory resident in a process that loads the engine and draws one image, libraries included"),
    }
    if peak is None:
        del found["peak_memory"]
    named = {key: bench.figure(value, unit, n=1, method=method, seeded=False) for key, (value, unit, method) in found.items()}
    return named | training_figures(bench, folder, count)


def training_figures(bench: Bench, folder: Path, image_flops: float) -> dict[str, Figure]:
    """Hours and FLOPs of training from the engine's own log, and `cost`, which joins them with the FLOPs of an image.

    Empty where the folder holds no log; without `cost` where it holds no pictures drawn during training.
    """
    named: dict[str, Figure] = {}
    logs = sorted(folder.rglob("training.jsonl"), key=lambda log: (len(log.parts), log))  # the engine's own, then those of its parts
    ends = {log.parent: json.loads(log.read_text().splitlines()[-1]) for log in logs}
    if ends:
        hours, spent = (sum(end[key] for end in ends.values()) for key in ("seconds", "flops"))
        devices = {place: trained_on(place / "README.md") for place in ends}
        shares = [
            f"{'engine' if place == folder else place.name} {end['seconds'] / 3600:.2g} h, {devices[place]}" for place, end in ends.items()
        ]
        made = {  # where it was trained, not where this is counted together
            "training_hours": (hours / 3600, "h", f"from the training logs of the engine and its parts: {'; '.join(shares)}"),
            "training_flops": (spent, "FLOPs", "counted for a few steps, their mean times steps, from the same logs"),
        }
        machine = "; ".join(dict.fromkeys(devices.values()))
        for key, (value, unit, method) in made.items():
            named[key] = dataclasses.replace(bench.figure(value, unit, n=1, method=method, seeded=False), machine=machine)
    if (folder / "progress.npz").is_file():
        with np.load(folder / "progress.npz") as progress:
            images, flops = progress["images"], progress["flops"]
        parts = sum(end["flops"] for place, end in ends.items() if place != folder)
        n = images.shape[1]
        sets = f"the first of {len(flops)} sets of n pictures whose FD, as at full N, is within 10 % of the engine's best"
        for ending, (value, interval, improving) in flops_to_best(bench, images, flops + parts, before=parts).items():
            last = "; the best is the last of them, so it might have become better still" if improving else ""
            method = f"training FLOPs at {sets}{ending.replace('_', ', ')}; the interval reaches down to the set before{last}"
            named[f"flops_to_best{ending}"] = bench.figure(value, "FLOPs", n=n, method=method, interval=interval, judged=True)
            cost, low, high = (math.sqrt(f * image_flops) for f in (value, *interval))
            method = f"geometric mean of flops_to_best{ending} and FLOPs per image"
            named[f"cost{ending}"] = bench.figure(cost, "FLOPs", n=n, method=method, interval=(low, high), judged=True)
    else:
        log.warning("%s: no progress.npz, so the cost of training to 110 %% of the best FD stays unmeasured", folder.name)
    return named


def trained_on(card: Path) -> str:
    """The device and precision that a model card tells of, for example "on NVIDIA H200, bfloat16 autocast"."""
    told = re.search(r"^\| trained \| .* hours, (.*) \|$", card.read_text(), re.MULTILINE) if card.is_file() else None
    return told[1] if told else "device unknown"


def flops_to_best(
    bench: Bench, images: np.ndarray, flops: np.ndarray, *, before: float = 0.0
) -> dict[str, tuple[float, tuple[float, float], bool]]:
    """Training FLOPs until 110 % of the best Fréchet distance, their 95 % interval, and whether the best set is the last.

    The interval is that over resampled pictures, and goes down to the set before: what passed between two sets was not seen.
    images: uint8 (K, M, H, W, C), sets drawn in the course of training. flops: (K,), spent until each; before: until training began.
    Returns them by the ending of a figure's name: "_<space>" for the distance in one of the judge's spaces, "" for the geometric mean
    over them.
    """
    features = {space: [bench.judge.features(pictures, space=space) for pictures in images] for space in SPACES}
    m, rng = images.shape[1], bench.rng()
    chosen = [np.arange(m), *(rng.integers(m, size=m) for _ in range(QUICK_RESAMPLES if bench.quick else RESAMPLES))]
    logs = {}
    for space in SPACES:
        found = np.log([[bench.distance(space, of_set[some]) for of_set in features[space]] for some in chosen])  # (1 + resamples, K)
        found[1:] += found[0] - found[1:].mean(0)  # a resample is less varied than the sample
        logs[f"_{space}"] = found
    reached, earlier = {}, np.array([before, *flops[:-1]])
    for ending, found in {"": np.mean(list(logs.values()), axis=0), **logs}.items():
        first, *others = (first_within(distances) for distances in np.exp(found))
        low, high = np.percentile(earlier[others], 2.5), np.percentile(flops[others], 97.5)
        interval = (float(min(low, earlier[first])), float(max(high, flops[first])))
        reached[ending] = (float(flops[first]), interval, bool(found[0].argmin() == len(flops) - 1))
    return reached


def first_within(distances: np.ndarray) -> int:
    """Index of the first distance within 10 % of the smallest."""
    return next(i for i, distance in enumerate(distances) if distance <= WITHIN * min(distances))


def peak_memory(name: str, root: Path) -> float | None:
    """Megabytes resident at most in a fresh process that loads an engine and draws one picture; None where the system does not tell."""
    # On Linux ru_maxrss would count what this process held when it started the other one.
    program = (
        "import importlib.util, pathlib, sys, engines\n"
        "engine = engines.load(sys.argv[1], root=pathlib.Path(sys.argv[2]))\n"
        "for _ in engine.generate(engines.Request()): pass\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "if status.is_file():\n"
        "    line = next(line for line in status.read_text().splitlines() if line.startswith('VmHWM'))\n"
        "    print(int(line.split()[1]) * 1024 / 1e6)\n"
        "elif importlib.util.find_spec('resource'):\n"  # not on Windows
        "    import resource\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024) / 1e6)\n"
    )
    command = [sys.executable, "-c", program, name, str(root.resolve())]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=checkpoint.ROOT.parent)
    if answer.returncode:
        raise RuntimeError(f"{name} could not be drawn in a process of its own: {answer.stderr}")
    told = answer.stdout.splitlines()
    return float(told[-1]) if told else None
