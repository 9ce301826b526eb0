"""One training loop for every family: batches, learning rate, average weights, log, samples, resuming.

A `Trainer` says what one step is; `fit` runs it for a budget of minutes or steps. Everything a run leaves behind is in one
folder: the weights (half precision), `training.jsonl`, `samples.png`, `progress.npz`, `README.md`, and in `state/` what
`--resume` needs.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from engines import text
from engines.base import Engine, Request
from engines.images import grid, to_float, to_pil
from engines.training.machine import bf16_is_fast

logger = logging.getLogger(__name__)

LOG_EVERY = 20  # seconds
SNAPSHOT_MOMENTS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # of the budget, when sample sets are drawn and saved
SNAPSHOT_SIZE = 400  # images in each
EMA_GAMMA = 16.97  # of the average of the weights, see `Trainer.update_average`
STEPS_COUNTED = 8  # first steps whose FLOPs are counted; later ones are taken to cost their mean
WARMUP = 0.02  # share of the budget in which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """How an engine was trained; saved in its card. `minutes` is the budget on two CPU cores."""

    minutes: float
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    bf16: bool = True  # autocast, on processors that multiply in bfloat16
    max_grad_norm: float = 1.0
    no_text: float = 0.1  # share of pictures shown without their caption


class Trainer:
    """One network that ships, its average, its optimizer, and the rule of one step.

    loss: (model, x, text) -> named terms, of which "loss" is minimised.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, loss: Any, *, device: str):
        self.recipe = recipe
        self.device = torch.device(device)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.loss = loss
        self.optimizers = [self.optimizer(self.model)]

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            model.parameters(), lr=self.recipe.learning_rate, betas=self.recipe.betas, weight_decay=self.recipe.weight_decay, fused=True
        )

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16 and bf16_is_fast(self.device))

    def step(self, x: torch.Tensor, text: torch.Tensor) -> dict[str, torch.Tensor]:
        """One update from real pictures (N, C, H, W) in [-1, 1] and their text (N, D); returns the loss terms."""
        with self.autocast():
            terms = self.loss(self.model, x, text)
        self.descend(self.optimizers[0], self.model, terms["loss"])
        return terms

    def descend(self, optimizer: torch.optim.Optimizer, model: nn.Module, loss: torch.Tensor) -> None:
        """One optimizer step, the gradient clipped to norm `max_grad_norm`."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=self.recipe.max_grad_norm)
        optimizer.step()

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Power-function average of the weights: its memory is a fixed share of the run so far, however long that is.

        Source: Karras et al. 2023, arXiv:2312.02696, section 3.1; with gamma 16.97 the share's relative width is 5 %.
        """
        decay = (1 - 1 / step) ** (EMA_GAMMA + 1)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    def set_learning_rate(self, progress: float) -> None:
        """Warm-up, then cosine decay to zero, over `progress` 0 ... 1 of the budget."""
        scale = progress / WARMUP if progress < WARMUP else 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * scale

    def networks(self) -> dict[str, nn.Module]:
        """Everything that `--resume` must restore, by name."""
        return {"model": self.model, "average": self.average}

    def state(self) -> dict[str, Any]:
        return {
            "networks": {name: network.state_dict() for name, network in self.networks().items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for name, network in self.networks().items():
            network.load_state_dict(state["networks"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def load_shipped(self, shipped: nn.Module) -> None:
        """Continue from the weights that ship, for want of a state: the average takes the model's place, the optimizer starts anew."""
        for network in (self.model, self.average):
            network.load_state_dict(shipped.state_dict())


class CaptionBank:
    """Text embeddings of many captions for every combination of attributes, so that training never runs the text encoder."""

    def __init__(self, encoder: text.TextEncoder, labels: list[dict[str, str]], *, no_text: float, captions_each: int = 64, seed: int = 0):
        """no_text: share of pictures that get the empty caption."""
        combinations = sorted({tuple(label.items()) for label in labels})
        numbers = {combination: i for i, combination in enumerate(combinations)}
        self.rows = torch.tensor([numbers[tuple(label.items())] for label in labels])
        rng = np.random.default_rng(seed)
        captions = [encoder.world.caption(dict(c), rng) for c in combinations for _ in range(captions_each)]
        self.bank = (
            torch.cat([encoder.encode(tuple(part)) for part in batched(captions, 512)]).clone().view(len(combinations), captions_each, -1)
        )
        self.nothing = encoder.encode(("",)).clone()[0]
        self.no_text = no_text

    def draw(self, chosen: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Embeddings (N, D) of one random caption for each chosen image (N,)."""
        which = torch.randint(self.bank.shape[1], (len(chosen),), generator=rng)
        embeddings = self.bank[self.rows[chosen], which]
        empty = torch.rand(len(chosen), generator=rng) < self.no_text
        return torch.where(empty[:, None], self.nothing, embeddings)


def batched(items: list, size: int) -> Iterator[list]:
    """Consecutive slices of at most `size` items."""
    return (items[i : i + size] for i in range(0, len(items), size))


@dataclass
class Clock:
    """How far a run is: steps, seconds and FLOPs, over all its sessions."""

    minutes: float | None
    steps: int | None
    step: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    flops_per_step: float = 0.0

    @property
    def progress(self) -> float:
        """Share of the budget used, 0 ... 1."""
        return min(1.0, self.step / self.steps if self.steps else self.seconds / 60 / self.minutes)

    def set_from_log(self, path: Path) -> None:
        """Go to where the run stood when it wrote its last line."""
        last = json.loads(path.read_text().splitlines()[-1])
        self.step, self.seconds, self.flops = last["step"], last["seconds"], last["flops"]
        self.flops_per_step = self.flops / self.step


def fit(
    trainer: Trainer,
    engine_type: type[Engine],
    encoder: text.TextEncoder,
    images: np.ndarray,
    labels: list[dict[str, str]],
    *,
    out: Path,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    seed: int = 0,
) -> Clock:
    """Train for a budget of minutes, or of steps, and leave weights, log and samples in `out`.

    images: uint8 (N, H, W, C) with one label each. Seconds count training only, not the drawing of samples.
    """
    out.mkdir(parents=True, exist_ok=True)
    clock, state_path, log_path = Clock(minutes, steps), out / "state" / "state.pt", out / "training.jsonl"
    snapshots = Snapshots(out / "progress.npz", encoder, labels)
    if resume and state_path.is_file():
        saved = torch.load(state_path, map_location=trainer.device, weights_only=True)
        trainer.load_state(saved["trainer"])
        clock = Clock(minutes, steps, **saved["clock"])
        snapshots.load(clock.progress)
    elif resume and log_path.is_file():
        trainer.load_shipped(engine_type.load_model(out))
        clock.set_from_log(log_path)
        snapshots.load(clock.progress)
    else:
        log_path.unlink(missing_ok=True)
    torch.manual_seed(seed + clock.step)
    rng = torch.Generator().manual_seed(seed + clock.step)
    bank = CaptionBank(encoder, labels, no_text=trainer.recipe.no_text)
    x_all = to_float(images)
    logged = clock.seconds
    while clock.progress < 1:
        start = time.perf_counter()
        chosen = torch.randint(len(x_all), (trainer.recipe.batch_size,), generator=rng)
        x, embeddings = x_all[chosen].to(trainer.device), bank.draw(chosen, rng).to(trainer.device)
        trainer.set_learning_rate(clock.progress)
        if clock.step < STEPS_COUNTED:
            with FlopCounter() as counter:
                terms = trainer.step(x, embeddings)
            clock.flops_per_step += counter.total / STEPS_COUNTED
            clock.flops += counter.total
        else:
            terms = trainer.step(x, embeddings)
            clock.flops += clock.flops_per_step
        clock.step += 1
        trainer.update_average(clock.step)
        clock.seconds += time.perf_counter() - start

        if clock.seconds - logged > LOG_EVERY or clock.progress == 1 or clock.step == 1:
            logged = clock.seconds
            values = {key: round(value.item(), 5) for key, value in terms.items()}
            if not all(map(math.isfinite, values.values())):
                raise FloatingPointError(f"training diverged at step {clock.step}: {values}")
            write_log(log_path, clock, trainer.recipe.batch_size, values)
        if snapshots.due(clock.progress):
            engine = engine_type(trainer.average, encoder)
            snapshots.take(engine, clock)
            save(trainer, clock, engine, out)
    return clock


def write_log(path: Path, clock: Clock, batch_size: int, values: dict[str, float]) -> None:
    """Append one line to the run's log."""
    line = {"step": clock.step, "images": clock.step * batch_size, "seconds": round(clock.seconds, 1), "flops": clock.flops, **values}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    logger.info("%5.1f %%  %s", 100 * clock.progress, line)


def save(trainer: Trainer, clock: Clock, engine: Engine, out: Path) -> None:
    """Write the average weights, a sample sheet and the state for `--resume`."""
    engine.save_model(out)
    to_pil(sample_sheet(engine)).save(out / "samples.png")
    (out / "state").mkdir(exist_ok=True)
    kept = {key: getattr(clock, key) for key in ("step", "seconds", "flops", "flops_per_step")}
    torch.save({"trainer": trainer.state(), "clock": kept}, out / "state" / "partial.pt")
    (out / "state" / "partial.pt").replace(out / "state" / "state.pt")


def sample_sheet(engine: Engine, *, rows: int = 4) -> np.ndarray:
    """A fixed-seed sheet: each value of the world's subject in a column, the last row without a prompt."""
    values = engine.world.attributes[engine.world.subject]
    prompts = values * rows + ("",) * len(values)
    return grid(final_images(engine, Request(prompts, seed=0, num_images=len(prompts))), columns=len(values))


def final_images(engine: Engine, request: Request) -> np.ndarray:
    """The picture(s) of a request, uint8 (N, H, W, C)."""
    *_, last = engine.generate(request)
    return last.images


class FlopCounter(TorchDispatchMode):
    """Adds up the FLOPs of what runs inside; unlike torch's FlopCounterMode it also sees second derivatives."""

    def __init__(self):
        super().__init__()
        self.total = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


class Snapshots:
    """Sets of pictures drawn from the average weights at a few moments of a run, for curves over training time."""

    def __init__(self, path: Path, encoder: text.TextEncoder, labels: list[dict[str, str]]):
        self.path = path
        rng = np.random.default_rng(1)
        chosen = rng.integers(len(labels), size=SNAPSHOT_SIZE)
        self.captions = tuple(encoder.world.caption(labels[i], rng) for i in chosen)
        self.passed = 0  # moments behind us
        self.taken: dict[str, list] = {"images": [], "flops": [], "seconds": [], "steps": []}

    def due(self, progress: float) -> bool:
        """Whether a snapshot's moment has come since the last one."""
        passed = sum(progress >= moment for moment in SNAPSHOT_MOMENTS)
        due, self.passed = passed > self.passed, passed
        return due

    def load(self, progress: float) -> None:
        """Continue after those of an earlier session, which came as far as `progress`."""
        self.passed = sum(progress >= moment for moment in SNAPSHOT_MOMENTS)
        if self.path.is_file():
            with np.load(self.path) as saved:
                self.taken = {key: list(saved[key]) for key in self.taken}

    def take(self, engine: Engine, clock: Clock) -> None:
        """Draw one set and write all of them."""
        half = SNAPSHOT_SIZE // 2
        parts = [final_images(engine, Request(self.captions[i : i + half], seed=i, num_images=half)) for i in (0, half)]
        for key, value in (("images", np.concatenate(parts)), ("flops", clock.flops), ("seconds", clock.seconds), ("steps", clock.step)):
            self.taken[key].append(value)
        np.savez_compressed(self.path, captions=np.array(self.captions), **{key: np.array(value) for key, value in self.taken.items()})
