"""Recipe of the text encoder: name the attributes that a caption mentions.

Captions are made as fast as they are read, so there is no data set and no epoch. Cross-entropy per attribute, with the extra answer
"not said".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from engines import checkpoint, text
from engines.training import cards
from engines.worlds.captions import Caption

logger = logging.getLogger(__name__)

STEPS = {"digits": 1500, "faces": 10_000}
BATCH_SIZE = {"digits": 128, "faces": 64}
BUCKETS = 16  # batches sorted by length together, so that little of a batch is padding: nearly twice as fast for faces
LEARNING_RATE = {"digits": 1e-3, "faces": 2e-3}
CONTRADICTION_SHARE = 0.25  # of captions to learn from, where a world has contradictions; engines meet fewer
WARMUP = 0.1  # share of the steps in which the learning rate rises


def train(
    world,
    *,
    steps: int,
    out: Path,
    device: str,
    command: str,
    resume: bool = False,
    learning_rate_scale: float = 1.0,
    seed: int = 0,
    root: Path = checkpoint.ROOT,
) -> text.TextEncoder:
    """Train an encoder for `world`, a new one or to `resume` the one in `root`, and write it to `out` with its model card."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, steps] if resume else seed)
    encoder = (text.load(world.name, device=device, root=root) if resume else text.build(world).to(device)).train()
    rate = LEARNING_RATE[world.name] * learning_rate_scale
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=WARMUP)
    start, losses = time.perf_counter(), []
    for step, (captions, targets) in enumerate(islice(batches(world, BATCH_SIZE[world.name], rng), steps), start=1):
        terms = loss(encoder, captions, {key: value.to(device) for key, value in targets.items()})
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        optimizer.step()
        schedule.step()
        losses.append(terms["loss"].item())
        if step % 200 == 0 or step == steps:
            logger.info("step %d  loss %.5f", step, np.mean(losses))  # batches of long captions lose more
            losses.clear()
    encoder.eval()
    seconds = time.perf_counter() - start
    accuracy = attribute_accuracy(encoder, np.random.default_rng(seed + 1))
    out.mkdir(parents=True, exist_ok=True)
    encoder.save(out)
    cards.write_text_card(out, encoder, command=command, accuracy=accuracy, steps=steps, seconds=seconds, resumed=resume)
    return encoder


def batches(world, size: int, rng: np.random.Generator) -> Iterator[tuple[list[str], dict[str, torch.Tensor]]]:
    """Endless batches of random captions, each of captions of about the same length; targets as in `with_targets`."""
    while True:
        captions = sorted(random_captions(world, BUCKETS * size, rng), key=lambda caption: len(text.split_words(caption.text)))
        for i in rng.permutation(BUCKETS):
            yield with_targets(world, captions[i * size : (i + 1) * size])


def random_captions(world, count: int, rng: np.random.Generator) -> list[Caption]:
    """Captions of random labels."""
    share = {"contradiction_share": CONTRADICTION_SHARE} if world.contradictions else {}
    return [world.compose(world.random_label(rng), rng, **share) for _ in range(count)]


def with_targets(world, captions: list[Caption]) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Their texts and, per head, the index of the value named (or overruled), one past the last when there is none (N,)."""
    targets = {key: _indices(values, [caption.named.get(key) for caption in captions]) for key, values in world.attributes.items()}
    if world.contradictions:
        for key, values in world.attributes.items():
            targets[f"overruled {key}"] = _indices(values, [caption.overruled.get(key) for caption in captions])
    return [caption.text for caption in captions], targets


def _indices(values: tuple[str, ...], chosen: list[str | None]) -> torch.Tensor:
    return torch.tensor([len(values) if value is None else values.index(value) for value in chosen])


def loss(encoder: text.TextEncoder, captions: list[str], targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Cross-entropy of the attribute heads, summed over attributes."""
    embeddings = encoder(captions)  # (N, D)
    terms = {key: F.cross_entropy(head(embeddings), targets[key]) for key, head in encoder.heads.items()}
    return {"loss": sum(terms.values()), **terms}


@torch.inference_mode()
def attribute_accuracy(encoder: text.TextEncoder, rng: np.random.Generator, *, num_captions: int = 2000) -> dict[str, float]:
    """Share of fresh captions whose every attribute, named or not, is read right."""
    captions, targets = with_targets(encoder.world, random_captions(encoder.world, num_captions, rng))
    embeddings = encoder(captions)
    return {key: (head(embeddings).argmax(1).cpu() == targets[key]).float().mean().item() for key, head in encoder.heads.items()}
