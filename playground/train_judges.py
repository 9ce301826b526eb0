"""Train the judges of a world on its real training images and ship what measuring needs.

    python -m playground.train_judges digits --minutes 4

Writes `checkpoints/<world>/judge/`: both networks, the reference features of held-out real images, the floor and the ruler of
the Fréchet distance, a log and a model card. No engine's picture is ever seen here.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engines import checkpoint, worlds
from engines import images as pictures
from engines.training import cards
from engines.training.machine import bf16_is_fast, device_name
from engines.worlds import labels as label_forms
from playground import judges, metrics

BATCH = 128
LEARNING_RATE = {"classifier": 2e-3, "encoder": 2e-3}
WEIGHT_DECAY = 0.02
SHIFT = 2  # pixels; turning or shearing a picture would change its attributes
WARM_UP = 0.03  # share of the budget in which the learning rate rises; afterwards it falls to 0
LOG_SECONDS = 5.0

log = logging.getLogger(__name__)


def classifier_loss(network: nn.Module, x: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross entropy over the attributes, labels smoothed by 0.05."""
    logits = network(x)
    return torch.stack([F.cross_entropy(logits[key].float(), target, label_smoothing=0.05) for key, target in targets.items()]).mean()


def encoder_loss(network: nn.Module, x: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean squared error of the picture put back together; the labels are not used."""
    return F.mse_loss(network(x).float(), x)


LOSSES = {"classifier": classifier_loss, "encoder": encoder_loss}


def shift(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Move each picture (N, C, H, W) by up to `SHIFT` pixels in both directions; its border is continued."""
    n, c, h, w = x.shape
    padded = F.pad(x, (SHIFT,) * 4, mode="replicate")
    y0, x0 = torch.randint(2 * SHIFT + 1, (2, n, 1), generator=rng)
    rows = (y0 + torch.arange(h))[:, None, :, None]
    columns = (x0 + torch.arange(w))[:, None, None, :]
    return padded[torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None], rows, columns]


def fit(
    network: nn.Module,
    loss: Callable[[nn.Module, torch.Tensor, dict[str, torch.Tensor]], torch.Tensor],
    images: np.ndarray,
    targets: dict[str, np.ndarray],
    *,
    learning_rate: float,
    seconds: float,
    steps: int | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> Iterator[dict[str, float]]:
    """Train a network in place with AdamW until `seconds` have passed or `steps` are done, yielding a record every few seconds.

    images: uint8 (N, H, W, C). targets: value indices (N,) per attribute.
    """
    rng = torch.Generator().manual_seed(seed)
    network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
    labels = {key: torch.from_numpy(value) for key, value in targets.items()}
    start, reported, step, progress = time.perf_counter(), 0.0, 0, 0.0
    while progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, progress / WARM_UP) * (1 - progress)
        chosen = torch.randint(len(images), (BATCH,), generator=rng)
        x = shift(pictures.to_float(images[chosen.numpy()]), rng).to(device, memory_format=torch.channels_last)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=bf16_is_fast(device)):
            value = loss(network, x, {key: label[chosen].to(device) for key, label in labels.items()})
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        step += 1
        elapsed = time.perf_counter() - start
        progress = step / steps if steps else elapsed / seconds
        if elapsed - reported > LOG_SECONDS or progress >= 1:
            reported = elapsed
            yield {"step": step, "images": step * BATCH, "seconds": round(elapsed, 1), "loss": round(value.item(), 5)}
    network.eval()


def make_reference(judge: judges.Judge, world: Any) -> judges.Reference:
    """Features and labels of one half of the test split, and what the other half scores against it."""
    images, labels = world.load_images(split="test")
    targets = label_forms.to_indices(world, labels)
    first, other = judges.test_halves(len(images))
    n = len(first)
    features = {space: judge.features(images[first], space=space).astype(np.float16).astype(np.float32) for space in judges.SPACES}
    found = judge.attributes(images)
    ruler = {space: make_ruler(judge, space, features[space], images[other], targets[world.subject][other]) for space in judges.SPACES}
    closeness = {
        space: dict(
            zip(("density", "coverage"), metrics.density_coverage(features[space], judge.features(images[other], space=space)), strict=True)
        )
        for space in judges.SPACES
    }
    figures = {
        "num_images": n,
        "seed": judges.SPLIT_SEED,
        "judge": judge.hash,
        "floor": {space: ruler[space]["real"] for space in judges.SPACES},
        "ruler": ruler,
        "real_density_coverage": closeness,
        "sharpness": float(metrics.sharpness(images[first]).mean()),
        "accuracy": {key: float((found[key] == target).mean()) for key, target in targets.items()},
        "accuracy_num_images": len(images),
    }
    return judges.Reference(features, {key: target[first] for key, target in targets.items()}, figures)


def make_ruler(judge: judges.Judge, space: str, reference: np.ndarray, images: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Fréchet distances of real pictures, whole and spoilt, to the reference features of as many others."""
    rng = np.random.default_rng(judges.SPLIT_SEED)
    n = len(images)
    kept = images[classes < (classes.max() + 1) / 2]
    spoilt = {
        "real": images,
        **{f"blur {sigma:g} px": metrics.blur(images, sigma) for sigma in (0.5, 1, 2)},
        **{f"noise {100 * amount:g} %": metrics.add_noise(images, amount, rng=rng) for amount in (0.05, 0.1)},
        "half the classes": kept[rng.integers(len(kept), size=n)],
        f"{n // 10} images repeated": images[rng.integers(n // 10, size=n)],
    }
    return {name: metrics.frechet_distance(reference, judge.features(pictures, space=space)) for name, pictures in spoilt.items()}


def card(judge: judges.Judge, reference: judges.Reference, training: dict[str, dict[str, float]], *, budget: str) -> str:
    """The model card: what the judge is, how it was made, what it scores.

    training: the last log record per network. budget: the option that set it, for example "--minutes 4".
    """
    figures = reference.figures
    spoilt = "\n".join(
        f"| {name} | " + " | ".join(f"{figures['ruler'][space][name]:.3f}" for space in judges.SPACES) + " |"
        for name in figures["ruler"][judges.SPACES[0]]
    )
    accuracy = "\n".join(f"| {key} | {100 * value:.2f} % |" for key, value in figures["accuracy"].items())
    made = "\n".join(
        f"| {space} | {sum(p.numel() for p in judge.networks[space].parameters()):,} | {record['step']:,} | {record['images']:,} "
        f"| {record['seconds']:.0f} | {record['loss']:.4f} |"
        for space, record in training.items()
    )
    device = device_name(judge.device)
    return f"""---
license: apache-2.0
---
# {judge.config.world}/judge

Two convolutional networks that score pictures of this world: a classifier with one head per attribute, and an encoder trained
without labels (an autoencoder). Their features have {judge.config.dim} dimensions; the Fréchet distance in them is called FD.
They were trained on the real training images alone; no engine is trained, conditioned or guided by them. Recipes and settings (guidance,
truncation, temperature) were changed and weights were chosen after what they read, as `checkpoints/LOG.md` tells.

Made by `python -m playground.train_judges {judge.config.world} {budget}`
at commit {cards.commit()} on {device}.
Half precision, sha256 of the weights `{judge.hash}`.

AdamW, learning rate falling to 0, random shifts of {SHIFT} pixels, batches of {BATCH}.

| network | parameters | steps | images | seconds | final loss |
|---|---|---|---|---|---|
{made}

Accuracy on {figures["accuracy_num_images"]:,} held-out real images:

| attribute | accuracy |
|---|---|
{accuracy}

Ruler: FD of {figures["num_images"]:,} held-out real images, as they are (the floor) and spoilt, to the {figures["num_images"]:,} of
`reference.safetensors` (the test split, halved by a permutation with seed {figures["seed"]}):

| pictures | {" | ".join(judges.SPACES)} |
|---|{"---|" * len(judges.SPACES)}
{spoilt}

Known limits: FD depends on the number of images, so it is compared at equal numbers only, and the figures of one world's judge
say nothing about another's. Not for reading real-world documents, and not for training or steering a generator.
"""


def train(
    world: Any, config: judges.JudgeConfig, *, seconds: float, steps: int | None, device: str, seed: int = 0
) -> tuple[dict[str, nn.Module], list[dict[str, Any]]]:
    """Both networks, one after the other, each with the whole budget; and the log of their training."""
    torch.manual_seed(seed)
    images, labels = world.load_images(split="train")
    targets = label_forms.to_indices(world, labels)
    networks, history = judges.build(config), []
    for space, network in networks.items():
        settings = {"learning_rate": LEARNING_RATE[space], "seconds": seconds, "steps": steps, "device": device, "seed": seed}
        for record in fit(network, LOSSES[space], images, targets, **settings):
            history.append({"network": space, **record})
            log.info(json.dumps(history[-1]))
    return networks, history


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m playground.train_judges", description=__doc__.split("\n")[0])
    parser.add_argument("world", choices=worlds.NAMES)
    parser.add_argument("--minutes", type=float, default=4.0, help="per network")
    parser.add_argument("--steps", type=int, help="per network, instead of --minutes")
    parser.add_argument("--width", type=int, default=32, help="channels of the first level")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=checkpoint.ROOT, help="folder that holds <world>/judge")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    world = worlds.load(options.world)
    folder = options.out / world.name / "judge"
    config = judges.new_config(world, width=options.width)
    networks, history = train(world, config, seconds=60 * options.minutes, steps=options.steps, device=options.device)
    judges.save(config, networks, folder)
    (folder / "training.jsonl").write_text("".join(json.dumps(record) + "\n" for record in history))

    judge = judges.load_networks(folder, device=options.device)
    reference = make_reference(judge, world)
    judges.save_reference(reference, folder)
    log.info(json.dumps(reference.figures, indent=2))
    budget = f"--steps {options.steps}" if options.steps else f"--minutes {options.minutes:g}"
    last = {record["network"]: record for record in history}
    (folder / "README.md").write_text(card(judge, reference, last, budget=budget))


if __name__ == "__main__":
    main()
