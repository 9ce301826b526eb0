"""A causal Transformer over text and then picture tokens (the recipe of DALL-E, Ramesh et al. 2021, arXiv:2102.12092), patch by patch.

One position of the Transformer stands for a patch of 2x2 tokens; a small network then says the patch's tokens one after another, each
knowing those before it (after the RQ-Transformer of Lee et al. 2022, arXiv:2203.01941). That takes a quarter of the positions, which is
what costs. The layers are those of Llama (transformers); in front stands what the text encoder makes of each word.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from transformers import DynamicCache, LlamaConfig, LlamaModel

SIDE = 2  # of a patch, in tokens
SIZE = SIDE**2  # S, tokens in a patch
EXPANSION = 4  # of the width inside a speller
SPREAD = 0.5  # of everything embedded at first: what is said and where it stands have to be told apart from the start


class Speller(nn.Module):
    """Scores of a patch's tokens: of each from what the Transformer makes of its patch and from the tokens before it there."""

    def __init__(self, codebook_size: int, width: int):
        super().__init__()
        self.order = nn.Parameter(SPREAD * torch.randn(SIZE, width))
        self.before = nn.Embedding((SIZE - 1) * codebook_size, width)
        nn.init.normal_(self.before.weight, std=SPREAD)
        self.mix = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, EXPANSION * width), nn.SiLU(), nn.Linear(EXPANSION * width, width))
        self.head = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, codebook_size))
        self.register_buffer("shift", codebook_size * torch.arange(SIZE - 1), persistent=False)

    def forward(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """All tokens of patches at once: (N, P, D) and (N, P, S) -> logits (N, P, S, K)."""
        before = self.before(tokens[..., :-1] + self.shift).cumsum(2)  # (N, P, S - 1, D)
        return self._score(hidden[:, :, None] + self.order + F.pad(before, (0, 0, 1, 0)))

    def next(self, hidden: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """The token after the s that are said: (N, D) and (N, s) -> logits (N, K)."""
        count = said.shape[1]
        return self._score(hidden + self.order[count] + self.before(said + self.shift[:count]).sum(1))

    def _score(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x + self.mix(x))


class TokenTransformer(ModelMixin, ConfigMixin):
    """Distribution of every picture token given the text and all tokens before it.

    Tokens are in the order in which they are said, (N, P, S): patch after patch in raster order, and so within a patch.
    """

    patch_size = SIZE

    @register_to_config
    def __init__(
        self,
        codebook_size: int = 512,  # K
        grid: tuple[int, int] = (16, 16),  # rows and columns of a picture's tokens
        width: int = 256,  # D
        layers: int = 6,
        heads: int = 4,
        text_dim: int = 192,
        max_text: int = 48,  # tokens of text, padded on the right
    ):
        super().__init__()
        self.num_patches = grid[0] * grid[1] // SIZE
        config = LlamaConfig(
            vocab_size=1,
            hidden_size=width,
            intermediate_size=width * 8 // 3 // 16 * 16,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=max_text + self.num_patches,
            attn_implementation="sdpa",
            bos_token_id=None,
            eos_token_id=None,
        )
        self.text = nn.Linear(text_dim, width)
        self.token = nn.Embedding(SIZE * codebook_size, width)
        nn.init.normal_(self.token.weight, std=SPREAD)
        self.position = nn.Parameter(SPREAD * torch.randn(self.num_patches, width))
        self.llama = LlamaModel(config)
        self.llama.embed_tokens = nn.Identity()  # it is given embeddings
        self.start = nn.Parameter(SPREAD * torch.randn(width))
        self.speller = Speller(codebook_size, width)
        self.register_buffer("shift", codebook_size * torch.arange(SIZE), persistent=False)

    def to_patches(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens on their grid (N, h, w) -> in the order in which they are said (N, P, S)."""
        parts = tokens.unflatten(2, (-1, SIDE)).unflatten(1, (-1, SIDE))  # (N, h / 2, 2, w / 2, 2)
        return parts.transpose(2, 3).flatten(3).flatten(1, 2)

    def to_grid(self, patches: torch.Tensor) -> torch.Tensor:
        """The way back: (N, P, S) -> (N, h, w)."""
        h, w = self.config.grid
        parts = patches.view(-1, h // SIDE, w // SIDE, SIDE, SIDE)
        return parts.transpose(2, 3).reshape(-1, h, w)

    def forward(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """All tokens at once, for training: (N, P, S) and text (N, L, D) with its mask (N, L) -> logits (N, P, S, K)."""
        hidden = self._run(torch.cat([self.text(text), self._picture(tokens[:, :-1])], dim=1), mask, tokens.shape[1])
        return self.speller(hidden[:, text.shape[1] :], tokens)

    def attend(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `forward`, and where every position looks: logits (N, P, S, K) and attention (N, P, L + P), the mean over layers and heads.

        Among the P attended places of a picture the first is the start, the others are all patches but the last.
        """
        usual = self.llama.config._attn_implementation
        self.llama.set_attn_implementation("eager")  # the quicker ones do not tell
        try:
            embedded = torch.cat([self.text(text), self._picture(tokens[:, :-1])], dim=1)
            out = self.llama(**self._inputs(embedded, mask, tokens.shape[1]), output_attentions=True)
        finally:
            self.llama.set_attn_implementation(usual)
        length = text.shape[1]
        attention = torch.stack(out.attentions).mean((0, 2))  # (N, L + P, L + P)
        return self.speller(out.last_hidden_state[:, length:], tokens), attention[:, length:]

    def begin(self, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, DynamicCache]:
        """Read the text; what the speller needs of the first patch (N, D), and the cache of keys and values."""
        cache = DynamicCache()
        start = self._picture(text.new_zeros(len(text), 0, SIZE, dtype=torch.long))  # (N, 1, D)
        hidden = self._run(torch.cat([self.text(text), start], dim=1), mask, 1, cache)
        return hidden[:, -1], cache

    def advance(self, patch: torch.Tensor, index: int, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """One position: what the speller needs of patch `index` (N, D), from the tokens (N, S) of the patch before it."""
        embedded = self._embed(patch)[:, None] + self.position[index]  # (N, 1, D)
        length = self.config.max_text + index
        hidden = self.llama(
            inputs_embeds=embedded,
            attention_mask=torch.cat([mask, mask.new_ones(len(mask), index + 1)], dim=1),
            position_ids=torch.full((len(patch), 1), length, device=patch.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden[:, -1]

    def _embed(self, patches: torch.Tensor) -> torch.Tensor:
        """Tokens of patches (..., S) -> (..., D)."""
        return self.token(patches + self.shift).sum(-2)

    def _picture(self, before: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, M + 1, D) of the start and of the patches `before` (N, M, S), each at the place of the patch after it."""
        start = self.start.expand(len(before), 1, -1)
        return torch.cat([start, self._embed(before)], dim=1) + self.position[: before.shape[1] + 1]

    def _run(self, embedded: torch.Tensor, mask: torch.Tensor, count: int, cache: DynamicCache | None = None) -> torch.Tensor:
        """Text and the first `count` patches through the layers, (N, L + count, D)."""
        inputs = self._inputs(embedded, mask, count)
        return self.llama(**inputs, past_key_values=cache, use_cache=cache is not None).last_hidden_state

    def _inputs(self, embedded: torch.Tensor, mask: torch.Tensor, count: int) -> dict[str, torch.Tensor]:
        """What the layers are given for text and the first `count` patches.

        A patch's position does not depend on how long the text is, so padding changes nothing.
        """
        n, length = mask.shape
        assert length <= self.config.max_text, f"at most {self.config.max_text} tokens of text, got {length}"
        places = torch.arange(count, device=mask.device) + self.config.max_text
        positions = torch.cat([torch.arange(length, device=mask.device), places]).expand(n, -1)
        attended = torch.cat([mask, mask.new_ones(n, count)], dim=1)
        return {"inputs_embeds": embedded, "attention_mask": attended, "position_ids": positions}


def loss(model: TokenTransformer, tokens: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean negative log-likelihood of a token in nats. tokens: (N, P, S); text: (N, L, D) and its mask (N, L)."""
    logits = model(tokens, *text)  # (N, P, S, K)
    return {"loss": F.cross_entropy(logits.float().flatten(0, 2), tokens.flatten())}
