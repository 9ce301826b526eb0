"""Captions of training pictures: as vectors for engines that take one per prompt, or word by word for those that attend to words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from engines import text, worlds
from engines.vae import spell

MOST_CAPTIONS = 120_000  # kept by a bank
COMPOSED_AT_ONCE = 2000  # captions that one process composes before it takes the next part
COMPOSED_ALONE = 20_000  # captions that are composed sooner than other processes have started; all of digits'


class CaptionBank:
    """Text embeddings of many captions for every combination of attributes, so that training never runs the text encoder."""

    def __init__(self, encoder: text.TextEncoder, labels: list[dict[str, str]], *, no_text: float, everything: float = 0.0, seed: int = 0):
        """no_text: share of pictures that get the empty caption. everything: share of the captions that name every attribute."""
        combinations = sorted({tuple(label.items()) for label in labels})
        numbers = {combination: i for i, combination in enumerate(combinations)}
        self.rows = torch.tensor([numbers[tuple(label.items())] for label in labels])
        captions_each = _captions_each(len(combinations))
        wanted = [dict(combination) for combination in combinations for _ in range(captions_each)]
        captions = compose_all(encoder.world, wanted, everything=everything, seed=seed)
        by_length = sorted(range(len(captions)), key=lambda i: len(captions[i]))  # so that little of a batch is padding
        embeddings = torch.empty(len(captions), encoder.dim, device=encoder.device)
        for part in batched(by_length, 512):
            embeddings[part] = encoder.encode(tuple(captions[i] for i in part))
        self.bank = embeddings.view(len(combinations), captions_each, -1)
        self.device = encoder.device
        self.nothing = encoder.encode(("",)).clone()[0]
        self.no_text = no_text

    def draw(self, chosen: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Embeddings (N, D) of one random caption for each chosen image (N,)."""
        which = torch.randint(self.bank.shape[1], (len(chosen),), generator=rng)
        embeddings = self.bank[self.rows[chosen], which].to(self.device)
        empty = torch.rand(len(chosen), generator=rng) < self.no_text
        return torch.where(empty[:, None].to(self.device), self.nothing, embeddings)


class WordBank:
    """A few captions for every training picture, as tokens; the text encoder turns a batch's into one vector per word."""

    def __init__(self, encoder: text.T5Encoder, labels: list[dict[str, str]], *, no_text: float, everything: float = 0.0, seed: int = 0):
        """no_text and everything: as for a `CaptionBank`."""
        self.encoder, self.no_text = encoder, no_text
        captions_each = _captions_each(len(labels))
        captions = compose_all(encoder.world, [label for label in labels for _ in range(captions_each)], everything=everything, seed=seed)
        size = encoder.max_tokens
        tokens = encoder.tokenizer(captions, padding="max_length", truncation=True, max_length=size, return_tensors="pt")
        self.tokens = tokens.input_ids.short().view(len(labels), captions_each, size)
        self.nothing = encoder.tokenizer("", padding="max_length", max_length=size, return_tensors="pt").input_ids.short()  # (1, L)

    def draw(self, chosen: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Words (N, L, D) and mask (N, L) of one random caption for each chosen image (N,)."""
        which = torch.randint(self.tokens.shape[1], (len(chosen),), generator=rng)
        empty = torch.rand(len(chosen), generator=rng) < self.no_text
        ids = torch.where(empty[:, None], self.nothing, self.tokens[chosen, which]).long()  # (N, L)
        mask = (ids != self.encoder.tokenizer.pad_token_id).long()
        longest = int(mask.sum(1).max())
        ids, mask = (tensor[:, :longest].to(self.encoder.device) for tensor in (ids, mask))
        with torch.no_grad():
            return self.encoder.hidden(ids, mask), mask


class LabelBank:
    """The attributes themselves, for a network that takes what a caption says instead of the caption."""

    def __init__(self, world: Any, labels: list[dict[str, str]], *, device: str | torch.device):
        self.values = spell(world, labels).to(device)

    def draw(self, chosen: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Attributes (N, V) of the chosen images (N,)."""
        return self.values[chosen.to(self.values.device)]


def compose_all(world: Any, labels: list[dict[str, str]], *, everything: float, seed: int) -> list[str]:
    """A caption for each label; a share `everything` of them names all attributes. Many are composed by several processes."""
    parts = list(enumerate(batched(labels, COMPOSED_AT_ONCE)))
    compose = partial(_compose_part, world.name, everything, seed)
    if len(labels) <= COMPOSED_ALONE:
        return [caption for part in map(compose, parts) for caption in part]
    with get_context("spawn").Pool() as pool:
        return [caption for part in pool.imap(compose, parts) for caption in part]


def _compose_part(world_name: str, everything: float, seed: int, part: tuple[int, list[dict[str, str]]]) -> list[str]:
    """The captions of one part of the labels, from random numbers of its own."""
    number, labels = part
    world, rng = worlds.load(world_name), np.random.default_rng([seed, number])
    return [world.compose(label, rng, everything=rng.random() < everything).text for label in labels]


def _captions_each(rows: int) -> int:
    return max(1, min(64, MOST_CAPTIONS // rows))


def batched(items: list, size: int) -> Iterator[list]:
    """Consecutive slices of at most `size` items."""
    return (items[i : i + size] for i in range(0, len(items), size))
