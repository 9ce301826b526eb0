"""One training loop for every network: batches, learning rate, average weights, log, samples, resuming.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engines import text
from engines.base import Engine
from engines.images import to_float, to_pil
from engines.training.captions import CaptionBank, LabelBank, WordBank
from engines.training.clock import Clock
from engines.training.flops import FlopCounter
from engines.training.machine import bf16_is_fast
from engines.training.snapshots import Snapshots, sample_sheet

logger = logging.getLogger(__name__)

LOG_EVERY = 20  # seconds
EMA_GAMMA = 16.97  # of the average of the weights, see `Trainer.update_average`
STEPS_COUNTED = 8  # whose FLOPs are counted at the start of a session or phase; later steps are taken to cost their mean
WARMUP = 0.02  # share of the budget in which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """How a network was trained; saved in its card. `minutes` is the budget on two CPU cores.

    no_text: share of pictures shown without their caption. everything: share of the captions that name every attribute; what a caption
    leaves open teaches nothing about words.
    """

    minutes: float
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    bf16: bool = True  # autocast, on processors that multiply in bfloat16
    max_grad_norm: float = 1.0
    no_text: float = 0.1
    everything: float = 0.0


class Trainer:
    """One network that ships, its average, its optimizer, and the rule of one step.

    loss: (model, x, text) -> named terms, of which "loss" is minimised. What x and text are is said by `prepare`, `inputs` and
    `bank_type`, which kinds of trainers override.
    """

    bank_type: type[CaptionBank | WordBank] | None = CaptionBank
    phase = 0  # counts up where a run goes on with steps of another kind

    def __init__(self, recipe: Recipe, model: nn.Module, loss: Any, *, device: str):
        self.recipe = recipe
        self.device = torch.device(device)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.loss = loss
        self.optimizers = [self.optimizer(self.model)]

    # What it learns from, and what comes out

    def prepare(self, images: np.ndarray) -> torch.Tensor:
        """All training pictures, uint8 (N, H, W, C), as the tensor (N, ...) that batches are taken from."""
        return torch.from_numpy(images)

    def inputs(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch of `prepare` as the network takes it; here pictures (N, C, H, W) in [-1, 1]."""
        return to_float(batch.numpy())

    def bank(self, encoder: text.TextEncoder, labels: list[dict[str, str]]) -> CaptionBank | LabelBank | WordBank | None:
        """The captions, or None where a network takes no text."""
        if self.bank_type is None:
            return None
        return self.bank_type(encoder, labels, no_text=self.recipe.no_text, everything=self.recipe.everything)

    def engine(self, kind: type[Engine] | None, encoder: text.TextEncoder) -> Engine | None:
        """The engine that draws with the average weights; None for a network that is only a part of one."""
        return kind(self.average, encoder)

    def save_model(self, engine: Engine | None, folder: Path) -> None:
        """Write the average weights, and what else belongs into their folder."""
        engine.save_model(folder)

    def sheet(self, engine: Engine | None) -> np.ndarray:
        """A picture, uint8 (H, W, C), that shows how far the network is."""
        return sample_sheet(engine)

    # One step

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            model.parameters(), lr=self.recipe.learning_rate, betas=self.recipe.betas, weight_decay=self.recipe.weight_decay, fused=True
        )

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16 and bf16_is_fast(self.device))

    def step(self, x: torch.Tensor, text: Any) -> dict[str, torch.Tensor]:
        """One update from a batch and its text; returns the loss terms."""
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

    def set_progress(self, progress: float) -> None:
        """Before each step, at `progress` 0 ... 1 of the budget: the learning rate, which warms up and then decays to zero as a cosine."""
        scale = progress / WARMUP if progress < WARMUP else 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * scale

    # Resuming

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

    def load_shipped(self, kind: type[Engine] | None, folder: Path) -> None:
        """Continue from the weights that ship, for want of a state: the average takes the model's place, the optimizer starts anew."""
        shipped = self.shipped(kind, folder).state_dict()
        for network in (self.model, self.average):
            network.load_state_dict(shipped)

    def shipped(self, kind: type[Engine] | None, folder: Path) -> nn.Module:
        """The network as it lies in `folder`."""
        return kind.load_model(folder)


def fit(
    trainer: Trainer,
    kind: type[Engine] | None,
    encoder: text.TextEncoder,
    images: np.ndarray,
    labels: list[dict[str, str]],
    *,
    out: Path,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    seed: int = 0,
    log_every: float = LOG_EVERY,
    snapshot_size: int | None = None,
) -> Clock:
    """Train for a budget of minutes, or of steps, and leave weights, log and samples in `out`.

    kind: the engine that the network is for, None if it is only a part of one. images: uint8 (N, H, W, C) with one label each.
    log_every: seconds between lines of the log. snapshot_size: pictures in each of the sets drawn on the way, by default as many as
    figures need. Seconds count training only, not the drawing of samples.
    """
    # 1. Where the run stands
    out.mkdir(parents=True, exist_ok=True)
    clock, state_path, log_path = Clock(minutes, steps), out / "state" / "state.pt", out / "training.jsonl"
    snapshots = Snapshots(out / "progress.npz", encoder, labels, size=snapshot_size)
    if resume and state_path.is_file():
        saved = torch.load(state_path, map_location=trainer.device, weights_only=True)
        trainer.load_state(saved["trainer"])
        clock = Clock(minutes, steps, **saved["clock"])
        snapshots.load(clock)
    elif resume and log_path.is_file():
        trainer.load_shipped(kind, out)
        clock.set_from_log(log_path)
        snapshots.load(clock)
    else:
        for left in (log_path, state_path, snapshots.path):
            left.unlink(missing_ok=True)
    # 2. What it learns from
    torch.manual_seed(seed + clock.step)
    rng = torch.Generator().manual_seed(seed + clock.step)
    bank, data, logged = trainer.bank(encoder, labels), trainer.prepare(images), clock.seconds
    phase, counted = trainer.phase, []  # FLOPs of single steps of this phase
    # 3. Step after step
    while clock.progress < 1:
        start = time.perf_counter()
        chosen = torch.randint(len(data), (trainer.recipe.batch_size,), generator=rng)
        x = trainer.inputs(data[chosen]).to(trainer.device)
        words = bank.draw(chosen, rng) if bank else None
        trainer.set_progress(clock.progress)
        if trainer.phase != phase:
            phase, counted = trainer.phase, []
        if len(counted) < STEPS_COUNTED:
            with FlopCounter() as counter:
                terms = trainer.step(x, words)
            counted.append(counter.total)
            clock.flops += counter.total
        else:
            terms = trainer.step(x, words)
            clock.flops += sum(counted) / len(counted)
        clock.step += 1
        clock.images += len(x)
        trainer.update_average(clock.step)
        clock.seconds += time.perf_counter() - start

        due = snapshots.due(clock.progress)
        if clock.seconds - logged > log_every or due or clock.step == 1:
            logged = clock.seconds
            values = {key: round(value.item(), 5) for key, value in terms.items()}
            if not all(map(math.isfinite, values.values())):
                raise FloatingPointError(f"training diverged at step {clock.step}: {values}")
            write_log(log_path, clock, values | ({"saved": True} if due else {}))
        if due:
            engine = trainer.engine(kind, encoder)
            if engine:
                snapshots.take(engine, clock)
            save(trainer, clock, engine, out)
    return clock


def write_log(path: Path, clock: Clock, values: dict[str, float]) -> None:
    """Append one line to the run's log."""
    line = {"step": clock.step, "images": clock.images, "seconds": round(clock.seconds, 1), "flops": clock.flops, **values}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    logger.info("%5.1f %%  %s", 100 * clock.progress, line)


def save(trainer: Trainer, clock: Clock, engine: Engine | None, out: Path) -> None:
    """Write the average weights, a sample sheet and the state for `--resume`."""
    trainer.save_model(engine, out)
    to_pil(trainer.sheet(engine)).save(out / "samples.png")
    (out / "state").mkdir(exist_ok=True)
    kept = {key: getattr(clock, key) for key in ("step", "images", "seconds", "flops")}
    torch.save({"trainer": trainer.state(), "clock": kept}, out / "state" / "partial.pt")
    (out / "state" / "partial.pt").replace(out / "state" / "state.pt")
