"""Autoregression over tokens: a picture is a grid of words of a learnt vocabulary, said one after another.

A discrete autoencoder turns pictures into a grid of tokens and back (`networks.fsq`); a causal Transformer that has read the
text predicts token after token (Ramesh et al. 2021, arXiv:2102.12092), patches of 2x2 tokens in raster order. Keys and values are
cached, so a patch costs one position. With guidance the distribution is pushed away from what would come without the text.
Simplified: no reranking of many candidates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engines import checkpoint
from engines.base import (
    Engine,
    Frame,
    Inspection,
    Params,
    Rebuilt,
    Request,
    Stopwatch,
    generators,
    guidance_slider,
    join,
    own_pictures,
    paste,
    slider,
)
from engines.images import fill_unknown, known_places, to_float, to_uint8

TOKENS_PER_FRAME = 32  # a row of patches; decoding what is said so far takes as long as saying six
CANDIDATES = 8  # tokens that an inspection shows
EMPTY = 0.0  # brightness, in [-1, 1], at which places without a token yet are shown


class TokenPainter(nn.Module):
    """The Transformer that says the tokens and the autoencoder that shows them."""

    def __init__(self, transformer: nn.Module, tokenizer: nn.Module):
        super().__init__()
        self.transformer = transformer
        self.tokenizer = tokenizer


@dataclass(frozen=True)
class TokenParams(Params):
    """Settings of an autoregressive engine over tokens."""

    temperature: float = slider(
        0.8, 0.1, 1.5, 0.05, label="Temperature", hint="Spread of each token's distribution: 1 as learnt, lower is safer, higher is wilder."
    )
    top_k: int = slider(0, 0, 512, 1, label="Top k", hint="Only the k likeliest tokens may be drawn; 0 allows all.")
    top_p: float = slider(
        1.0, 0.05, 1.0, 0.05, label="Top p", hint="Only the likeliest tokens that share this much probability may be drawn."
    )
    guidance_scale: float = guidance_slider(3.0, 7.0)


class TokenEngine(Engine):
    """Says one picture token after another, patch by patch; places without one yet are shown empty."""

    family = "autoregressive"
    params_type = TokenParams
    rebuilds = True
    inspects = True

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.fsq import FSQAutoencoder
        from engines.networks.token_transformer import TokenTransformer

        return TokenPainter(checkpoint.load(TokenTransformer, folder), checkpoint.load(FSQAutoencoder, folder / "tokenizer"))

    def save_model(self, folder: Path) -> None:
        checkpoint.save(self.model.transformer, folder)
        checkpoint.save(self.model.tokenizer, folder / "tokenizer")

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        self.refuse_walk(request)
        watch = Stopwatch(self.device)
        count = math.prod(self.pieces())
        tokens = torch.zeros(request.num_images, count, dtype=torch.long, device=self.device)  # in the order in which they are said
        said = self._tokens(request, params)
        for step in range(1, count + 1):
            with watch():
                tokens[:, step - 1], probabilities = next(said)
            if step == count or (request.previews and step % TOKENS_PER_FRAME == 0):
                so_far = self._grid(tokens, step)
                with watch() if step == count else nullcontext():  # the others only show how far it is
                    images = self.show(so_far)
                yield Frame(
                    (join if step == count else paste)(images, request),
                    step=step,
                    num_steps=count,
                    nfe=-(-step // self.model.transformer.patch_size) * (1 if params.guidance_scale == 1 else 2),
                    seconds=watch.seconds,
                    extra={
                        "tokens": so_far.cpu().numpy(),
                        "probabilities": probabilities.cpu().numpy(),
                        **(own_pictures(images, request) if step == count else {}),
                    },
                )

    @torch.inference_mode()
    def rebuild(self, images: np.ndarray, prompts: tuple[str, ...]) -> Rebuilt:
        """Through the tokens, which need no prompt."""
        tokenizer = self.model.tokenizer
        codes = tokenizer.encode(to_float(images).to(self.device))  # (N, digits, h, w)
        count, size = math.prod(tokenizer.grid), tokenizer.codebook_size
        code = f"{count} tokens out of a vocabulary of {size:,}"
        return Rebuilt(to_uint8(tokenizer.decode(codes)), np.full(len(images), count * math.log2(size)), code)

    def pieces(self) -> tuple[int, int]:
        return self.model.tokenizer.grid

    @torch.inference_mode()
    def inspect(self, frame: Frame, prompt: str, place: int) -> Inspection:
        """A candidate's look is what the decoder makes of the picture's place when that token is put there.

        Its attention is on whole patches; the tokens before it in its own patch, which it also knows, are not counted.
        """
        self.check_place(place)
        transformer = self.model.transformer
        grid = torch.from_numpy(frame.extra["tokens"][:1]).to(self.device)  # (1, h, w)
        patches = transformer.to_patches(grid)  # (1, P, S)
        index, within = divmod(int(self.turns()[place]), transformer.patch_size)
        text, mask = self.text_encoder.encode_words((prompt,))
        logits, attention = transformer.attend(patches, text, mask)  # (1, P, S, K), (1, P, L + P)
        odds = logits[0, index, within].softmax(0)
        probabilities, candidates = odds.topk(CANDIDATES)
        said = int(grid.flatten()[place])
        told = attention[0, index, : text.shape[1]].tolist()
        after_start = attention[0, index, text.shape[1] + 1 :]  # (P - 1,), of the patches but the last
        looked = torch.zeros(patches.shape, device=self.device)
        looked[0, :index] = after_start[:index, None] / transformer.patch_size
        return Inspection(
            candidates=self._looks(grid, place, candidates),
            probabilities=probabilities.cpu().numpy(),
            said=_index(candidates.tolist(), said),
            said_probability=float(odds[said]),
            attention=transformer.to_grid(looked)[0].cpu().numpy(),
            words=tuple(zip(self.text_encoder.written_tokens(prompt), told, strict=True)),
        )

    def _looks(self, grid: torch.Tensor, place: int, candidates: torch.Tensor) -> np.ndarray:
        """The picture of tokens (1, h, w) at one place, with each of the candidates (M,) there: uint8 (M, H / h, W / w, C)."""
        changed = grid.repeat(len(candidates), 1, 1)
        changed.view(len(candidates), -1)[:, place] = candidates
        images = self.show(changed)
        (rows, columns), (height, width) = self.pieces(), images.shape[1:3]
        h, w = height // rows, width // columns
        y, x = place // columns * h, place % columns * w
        return images[:, y : y + h, x : x + w]

    def show(self, tokens: torch.Tensor) -> np.ndarray:
        """Decode tokens (N, h, w), uint8 (N, H, W, C); places whose token is -1 are empty."""
        tokenizer = self.model.tokenizer
        x = tokenizer.decode(tokenizer.to_codes(tokens.clamp(min=0)))  # (N, C, H, W)
        known = nn.functional.interpolate((tokens[:, None] >= 0).float(), size=x.shape[2:])
        return to_uint8(torch.where(known > 0, x, torch.full_like(x, EMPTY)))

    def turns(self) -> torch.Tensor:
        """When each place of the grid, in raster order, has its turn: (T,)."""
        turns = torch.arange(math.prod(self.pieces()), device=self.device)
        return self._to_grid(turns[None]).flatten()

    def _known_tokens(self, request: Request) -> torch.Tensor | None:
        """Tokens (N, P, S) of the places whose pixels must all stay, -1 elsewhere; None where nothing must."""
        known = self.known(request)
        if known is None:
            return None
        x, mask = known
        tokenizer = self.model.tokenizer
        tokens = tokenizer.to_tokens(tokenizer.encode(fill_unknown(x, mask)))  # (N, h, w)
        return self.model.transformer.to_patches(torch.where(known_places(mask, tokenizer.grid)[:, 0] > 0, tokens, -1))

    def _grid(self, tokens: torch.Tensor, said: int) -> torch.Tensor:
        """Tokens (N, T) in the order in which they are said -> on their grid (N, h, w), -1 where none is said yet."""
        shown = tokens.clone()
        shown[:, said:] = -1
        return self._to_grid(shown)

    def _to_grid(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (N, T) in the order in which they are said -> (N, h, w)."""
        transformer = self.model.transformer
        return transformer.to_grid(tokens.unflatten(1, (-1, transformer.patch_size)))

    def _tokens(self, request: Request, params: TokenParams) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Tokens (N,) and probabilities (N, K), one after another in the order in which they are said."""
        transformer, n = self.model.transformer, request.num_images
        guided = params.guidance_scale != 1
        # 1. Text (followed by "no text" when guided) and random numbers
        prompts = self.told(request) + ("",) * (n if guided else 0)
        text, mask = self.text_encoder.encode_words(prompts)  # (N or 2 N, L, D), (N or 2 N, L)
        count, size = transformer.num_patches, transformer.patch_size
        uniform = torch.stack([torch.rand(count, size, generator=rng) for rng in generators(request)]).to(self.device)  # (N, P, S)
        known = self._known_tokens(request)
        # 2. One position per patch, in which its tokens are said one by one
        hidden, cache = transformer.begin(text, mask)
        for index in range(count):
            patch = torch.zeros(len(text), 0, dtype=torch.long, device=self.device)  # (N or 2 N, s)
            for within in range(size):
                logits = transformer.speller.next(hidden, patch, cache.told)
                if guided:
                    with_text, without = logits.log_softmax(1).chunk(2)
                    logits = without + params.guidance_scale * (with_text - without)
                probabilities = restrict(logits / params.temperature, top_k=params.top_k, top_p=params.top_p)
                token = draw(probabilities, uniform[:, index, within])
                if known is not None:  # what must stay is said in place of what was drawn
                    token = torch.where(known[:, index, within] >= 0, known[:, index, within], token)
                patch = torch.cat([patch, token.repeat(len(text) // n)[:, None]], dim=1)
                yield token, probabilities
            if index + 1 < count:
                hidden = transformer.advance(patch, index + 1, cache)


def _index(items: list[int], item: int) -> int:
    """Where an item is in a list, -1 where it is not."""
    return items.index(item) if item in items else -1


def restrict(logits: torch.Tensor, *, top_k: int = 0, top_p: float = 1.0) -> torch.Tensor:
    """Probabilities (N, K) of logits (N, K), zero outside the `top_k` likeliest (0: all) and the nucleus of mass `top_p`.

    The nucleus is the smallest set of likeliest tokens that holds at least `top_p` (Holtzman et al. 2019, arXiv:1904.09751).
    """
    if not top_k and top_p == 1:
        return logits.softmax(1)
    probabilities, order = logits.softmax(1).sort(1, descending=True)
    rank = torch.arange(logits.shape[1], device=logits.device)
    kept = probabilities.cumsum(1) - probabilities < top_p
    if top_k:
        kept &= rank < top_k
    probabilities = probabilities * kept
    probabilities = probabilities / probabilities.sum(1, keepdim=True)
    return torch.zeros_like(probabilities).scatter(1, order, probabilities)


def draw(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token (N,) at which the cumulated probabilities (N, K) pass a uniform random number (N,)."""
    cumulated = probabilities.cumsum(1)
    return (cumulated <= uniform[:, None] * cumulated[:, -1:]).sum(1).clamp(max=probabilities.shape[1] - 1)
