"""Recipe of the text encoder: name the attributes that a caption mentions.

Captions are made as fast as they are read, so there is no data set and no epoch. Cross-entropy per attribute, with the extra answer
"not said".
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from engines import text
from engines.training import cards

logger = logging.getLogger(__name__)

STEPS = {"digits": 1500, "faces": 10_000}
BATCH_SIZE = {"digits": 128, "faces": 64}
LEARNING_RATE = 1e-3


def train(world, *, steps: int, out: Path, device: str, command: str, seed: int = 0) -> text.TextEncoder:
    """Train an encoder for `world` and write it to `out` with its model card."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoder = text.build(world).to(device).train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        captions, targets = make_batch(world, BATCH_SIZE[world.name], rng)
        terms = loss(encoder, captions, {key: value.to(device) for key, value in targets.items()})
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps:
            logger.info("step %d  loss %.5f", step, terms["loss"].item())
    encoder.eval()
    seconds = time.perf_counter() - start
    accuracy = attribute_accuracy(encoder, np.random.default_rng(seed + 1))
    out.mkdir(parents=True, exist_ok=True)
    encoder.save(out)
    cards.write_text_card(out, encoder, command=command, accuracy=accuracy, steps=steps, seconds=seconds)
    return encoder


def make_batch(world, size: int, rng: np.random.Generator) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Random captions and, per head, the index of the value named (or overruled), one past the last when there is none (N,)."""
    captions = [world.compose(world.random_label(rng), rng) for _ in range(size)]
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
    captions, targets = make_batch(encoder.world, num_captions, rng)
    embeddings = encoder(captions)
    return {key: (head(embeddings).argmax(1).cpu() == targets[key]).float().mean().item() for key, head in encoder.heads.items()}
