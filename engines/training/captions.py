"""Captions of training pictures: as vectors for engines that take one per prompt, or word by word for those that attend to words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from engines import text
from engines.vae import spell

MOST_CAPTIONS = 120_000  # kept by a bank


class CaptionBank:
    """Text embeddings of many captions for every combination of attributes, so that training never runs the text encoder."""

    def __init__(self, encoder: text.TextEncoder, labels: list[dict[str, str]], *, no_text: float, everything: float = 0.0, seed: int = 0):
        """no_text: share of pictures that get the empty caption. everything: share of the captions that name every attribute."""
        combinations = sorted({tuple(label.items()) for label in labels})
        numbers = {combination: i for i, combination in enumerate(combinations)}
        self.rows = torch.tensor([numbers[tuple(label.items())] for label in labels])
        rng, captions_each = np.random.default_rng(seed), _captions_each(len(combinations))
        captions = [_compose(encoder.world, dict(c), rng, everything) for c in combinations for _ in range(captions_each)]
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
        rng, captions_each = np.random.default_rng(seed), _captions_each(len(labels))
        captions = [_compose(encoder.world, label, rng, everything) for label in labels for _ in range(captions_each)]
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


def _compose(world: Any, label: dict[str, str], rng: np.random.Generator, everything: float) -> str:
    """A caption for these attributes, which names all of them in a share `everything` of the cases."""
    return world.compose(label, rng, everything=rng.random() < everything).text


def _captions_each(rows: int) -> int:
    return max(1, min(64, MOST_CAPTIONS // rows))


def batched(items: list, size: int) -> Iterator[list]:
    """Consecutive slices of at most `size` items."""
    return (items[i : i + size] for i in range(0, len(items), size))
