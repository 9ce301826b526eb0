"""Speed: seconds per picture, one at a time, on an otherwise idle machine; and how they come about.

Engines that take steps towards a picture run at the fewest steps whose Fréchet distance is within 10 % of their best.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging

import numpy as np

from engines import Engine, Frame, Params, Request
from engines.training.flops import FlopCounter
from playground import metrics
from playground.figures import Figure
from playground.judges import SPACES
from playground.machine import threads_for
from playground.measure.bench import MIN_IMAGES, Bench
from playground.measure.quality import ratio_figure

ROW = "speed"
STEPS = "num_inference_steps"  # the setting that is swept, wherever an engine has it
SWEEP, QUICK_SWEEP = (2, 5, 10, 20, 50, 100), (10,)
FEWER = 20  # a twentieth of the pictures is drawn at each number of steps, from the same prompts and seeds, so that these do not differ
WITHIN = 1.1  # of the best Fréchet distance
WARM_UPS, RUNS, QUICK_RUNS = 3, 20, 5
BATCH, BATCHES = 16, 3
PARTS = 8  # of an engine's frames, for seconds per step by position

log = logging.getLogger(__name__)


def measure(bench: Bench) -> None:
    """Write the row's figures: the quality of every engine that has steps, then the times, so that clocks run side by side.

    Times are compared, so the bench's other engines are timed again too; what is known of their steps stays.
    """
    named: dict[str, dict[str, Figure]] = {}
    for name in bench.everyone:
        stored = {} if name in bench.engines else stored_sweep(bench, name)
        named[name] = stored or measure_sweep(bench, name)
    settings = {name: chosen_params(engine, named[name]) for name, engine in bench.everyone.items()}
    wanted = {name: (name, params) for name, params in settings.items()}
    for name in bench.everyone:
        wanted |= {f"{name} at {n} steps": (name, dataclasses.replace(settings[name], **{STEPS: n})) for n in swept_steps(named[name])}
    runs = time_interleaved(bench, wanted)
    for name, engine in bench.everyone.items():
        for n in swept_steps(named[name]):
            named[name][f"seconds at {n} steps"] = time_figures(bench, runs[f"{name} at {n} steps"])["seconds"]
        named[name] |= time_figures(bench, runs[name])
        if STEPS in named[name]:
            named[name][f"seconds at {named[name][STEPS].value:.0f} steps"] = named[name]["seconds"]
        named[name] |= measure_batch(bench, engine, settings[name])
        count = multiply_adds(engine, Request(bench.prompts[0], seed=bench.seed, params=settings[name]))
        named[name]["multiply_adds"] = bench.figure(
            count, "", n=1, method="multiply-adds of one image, text encoder included, counted in torch", seeded=False
        )
        bench.write(ROW, name, named[name])


def measure_sweep(bench: Bench, name: str) -> dict[str, Figure]:
    """Quality at several numbers of steps, and the number chosen; empty for an engine without steps."""
    engine = bench.everyone[name]
    fields = {field.name: field for field in dataclasses.fields(engine.params_type)}
    if STEPS not in fields:
        return {}
    limits, count = fields[STEPS].metadata, sweep_images(bench)
    ratios, named = {}, {}
    for steps in sorted({*(QUICK_SWEEP if bench.quick else SWEEP), fields[STEPS].default}):
        if not limits["minimum"] <= steps <= limits["maximum"]:
            continue
        params = engine.params_type(**{STEPS: steps})
        images = bench.draw(name, params, count=count)
        ratios[steps] = ratio_figure(bench, {space: bench.judge.features(images, space=space) for space in SPACES}, SPACES)
        named[f"fd_ratio at {steps} steps"] = ratios[steps]
        log.info("%s at %d steps: FD / floor %.3g", name, steps, ratios[steps].value)
    chosen = fewest_steps({steps: figure.value for steps, figure in ratios.items()})
    method = f"fewest of {', '.join(map(str, ratios))} steps whose FD / floor is within 10 % of the best"
    named[STEPS] = bench.figure(chosen, "steps", n=count, method=method, judged=True)
    return named


def stored_sweep(bench: Bench, name: str) -> dict[str, Figure]:
    """What is stored of the steps of an engine; nothing where it is of other weights, seeds, numbers or judges."""
    known = {key: figure for key, figure in bench.read(ROW).get(name, {}).items() if key == STEPS or key.startswith("fd_ratio at ")}
    return known if all(bench.fits(figure, name, n=sweep_images(bench)) for figure in known.values()) else {}


def sweep_images(bench: Bench) -> int:
    """N of each number of steps."""
    return bench.num_images if bench.quick else max(MIN_IMAGES, bench.num_images // FEWER)


def swept_steps(named: dict[str, Figure]) -> list[int]:
    """Numbers of steps whose quality is in `named`, but the one chosen."""
    numbers = [int(key.split()[2]) for key in named if key.startswith("fd_ratio at ")]
    return [n for n in numbers if n != named[STEPS].value]


def fewest_steps(ratios: dict[int, float]) -> int:
    """The smallest number of steps whose distance is within 10 % of the smallest distance."""
    return min(steps for steps, ratio in ratios.items() if ratio <= WITHIN * min(ratios.values()))


def chosen_params(engine: Engine, named: dict[str, Figure]) -> Params:
    """The engine's default settings, with the number of steps that its sweep chose."""
    return engine.params_type(**({STEPS: int(named[STEPS].value)} if STEPS in named else {}))


def time_interleaved(bench: Bench, wanted: dict[str, tuple[str, Params]]) -> dict[str, list[list[Frame]]]:
    """All frames of some single pictures of each of the engines and settings wanted, after `WARM_UPS`.

    They take turns, so that all meet the same machine.
    """
    runs: dict[str, list[list[Frame]]] = {key: [] for key in wanted}
    for run in range(WARM_UPS + (QUICK_RUNS if bench.quick else RUNS)):
        for key, (name, params) in wanted.items():
            request = Request(bench.prompts[run % bench.num_images], seed=bench.seed + run, params=params)
            engine = bench.everyone[name]
            with threads_for(engine):
                frames = list(engine.generate(request))
            if run >= WARM_UPS:
                runs[key].append(frames)
    return runs


def time_figures(bench: Bench, runs: list[list[Frame]]) -> dict[str, Figure]:
    """Median seconds per picture, network evaluations, and where an engine has many frames the seconds per step by position."""
    seconds = np.array([frames[-1].seconds for frames in runs])
    interval = metrics.bootstrap_interval(lambda chosen: float(np.median(seconds[chosen])), len(seconds), rng=bench.rng())
    method = f"median engine time of one image at batch 1 after {WARM_UPS} warm-ups, n runs, in turn, on threads that each gains from"
    named = {
        "seconds": bench.figure(np.median(seconds), "s", n=len(seconds), method=method, interval=interval),
        "nfe": bench.figure(runs[0][-1].nfe, "", n=1, method="network evaluations for one image", seeded=False),
    }
    if len(runs[0]) > 20:
        by_position = np.median([seconds_per_step(frames) for frames in runs], axis=0)
        for part, value in enumerate(by_position, start=1):
            method = f"median over n runs, part {part} of {PARTS} of the picture"
            named[f"seconds per step, part {part} of {PARTS}"] = bench.figure(value, "s", n=len(runs), method=method)
    return named


def seconds_per_step(frames: list[Frame]) -> np.ndarray:
    """Seconds per step in equal parts of one picture's frames, (PARTS,)."""
    ends = np.linspace(0, len(frames), PARTS + 1).round().astype(int)
    steps = np.array([0, *(frame.step for frame in frames)])[ends]
    seconds = np.array([0.0, *(frame.seconds for frame in frames)])[ends]
    return np.diff(seconds) / np.diff(steps)


def measure_batch(bench: Bench, engine: Engine, params: Params) -> dict[str, Figure]:
    """Images per second when 16 are drawn at once: the median of three batches after one to warm up, quick of one alone."""
    prompts = tuple(itertools.islice(itertools.cycle(bench.prompts), BATCH))
    seconds = []
    for run in range(1 if bench.quick else 1 + BATCHES):
        with threads_for(engine):
            last = engine.draw(Request(prompts, seed=bench.seed + run, num_images=BATCH, params=params))
        seconds.append(last.seconds)
    counted = seconds[-BATCHES:]
    rate, warm = BATCH / float(np.median(counted)), ", none to warm up" if bench.quick else ""
    method = f"engine time of batches of {BATCH}, median of n{warm}"
    return {"images_per_second": bench.figure(rate, "images/s", n=len(counted), method=method)}


def multiply_adds(engine: Engine, request: Request) -> float:
    """Multiply-adds of one request, without previews: half of the FLOPs of all matrix products and convolutions."""
    with FlopCounter() as counter:
        engine.draw(request)
    return counter.total / 2
