"""A causal Transformer over text and then picture tokens (the recipe of DALL-E, Ramesh et al. 2021, arXiv:2102.12092).

The layers are those of Llama (transformers); in front stands what the text encoder makes of each word. A token is a combination of a
few small digits (see `fsq`), so embeddings and scores start as sums over digits, and tokens that are alike share what is learnt.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from transformers import DynamicCache, LlamaConfig, LlamaModel


class TokenTransformer(ModelMixin, ConfigMixin):
    """Distribution of every picture token given the text and all tokens before it in raster order."""

    @register_to_config
    def __init__(
        self,
        levels: tuple[int, ...] = (7, 5, 5, 5, 5),  # of each digit of a token; their product is K, the size of the codebook
        num_tokens: int = 64,  # T, of a picture
        width: int = 256,
        layers: int = 6,
        heads: int = 4,
        text_dim: int = 192,
        max_text: int = 48,  # tokens of text, padded on the right
    ):
        super().__init__()
        config = LlamaConfig(
            vocab_size=1,
            hidden_size=width,
            intermediate_size=width * 8 // 3 // 16 * 16,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=max_text + num_tokens,
            attn_implementation="sdpa",
            bos_token_id=None,
            eos_token_id=None,
        )
        self.text = nn.Linear(text_dim, width)
        digits = torch.cartesian_prod(*(torch.arange(size) for size in reversed(levels))).view(-1, len(levels)).flip(1)  # (K, digits)
        spelled = torch.cat([F.one_hot(digits[:, i], size) for i, size in enumerate(levels)], dim=1).float()
        self.register_buffer("spelled", spelled, persistent=False)  # (K, sum of levels)
        self.digits = nn.Linear(sum(levels), width, bias=False)
        self.token = nn.Embedding(len(spelled), width)
        self.position = nn.Parameter(0.02 * torch.randn(num_tokens, width))
        self.llama = LlamaModel(config)
        self.llama.embed_tokens = nn.Identity()  # it is given embeddings
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.head = nn.Linear(width, len(spelled), bias=False)
        self.digit_head = nn.Linear(width, sum(levels))
        for table in (self.token, self.head):
            nn.init.zeros_(table.weight)

    def forward(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """All tokens at once, for training: (N, T) and text (N, L, D) with its mask (N, L) -> logits (N, T, K)."""
        count = tokens.shape[1]
        pictures = self._picture(tokens[:, :-1])  # (N, T, width): the start, then all but the last token
        hidden = self._run(torch.cat([self.text(text), pictures], dim=1), mask, count)
        return self._score(hidden[:, text.shape[1] :])

    def attend(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `forward`, and where every position looks: logits (N, T, K) and attention (N, T, L + T), the mean over layers and heads.

        Among the T attended places of a picture the first is the start, the others are all tokens but the last.
        """
        usual = self.llama.config._attn_implementation
        self.llama.set_attn_implementation("eager")  # the quicker ones do not tell
        try:
            embedded = torch.cat([self.text(text), self._picture(tokens[:, :-1])], dim=1)
            out = self.llama(**self._inputs(embedded, mask, tokens.shape[1]), output_attentions=True)
        finally:
            self.llama.set_attn_implementation(usual)
        length = text.shape[1]
        attention = torch.stack(out.attentions).mean((0, 2))  # (N, L + T, L + T)
        return self._score(out.last_hidden_state[:, length:]), attention[:, length:]

    def begin(self, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, DynamicCache]:
        """Read the text; logits (N, K) of the first token and the cache of keys and values."""
        cache = DynamicCache()
        start = self._picture(text.new_zeros(len(text), 0, dtype=torch.long))  # (N, 1, width)
        hidden = self._run(torch.cat([self.text(text), start], dim=1), mask, 1, cache)
        return self._score(hidden[:, -1]), cache

    def advance(self, token: torch.Tensor, index: int, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """One position: logits (N, K) of token `index` from its predecessor (N,)."""
        embedded = self._embed(token)[:, None] + self.position[index]  # (N, 1, width)
        length = self.config.max_text + index
        attended = torch.cat([mask, mask.new_ones(len(mask), index + 1)], dim=1)
        hidden = self.llama(
            inputs_embeds=embedded,
            attention_mask=attended,
            position_ids=torch.full((len(token), 1), length, device=token.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self._score(hidden[:, -1])

    def _embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (...) -> (..., width)."""
        return self.token(tokens) + self.digits(self.spelled[tokens])

    def _score(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., width) -> logits (..., K)."""
        return self.head(hidden) + self.digit_head(hidden) @ self.spelled.T

    def _picture(self, before: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, M + 1, width) of the start and of the tokens `before` (N, M), each at the place of the token after it."""
        start = self.start.expand(len(before), 1, -1)
        return torch.cat([start, self._embed(before)], dim=1) + self.position[: before.shape[1] + 1]

    def _run(self, embedded: torch.Tensor, mask: torch.Tensor, count: int, cache: DynamicCache | None = None) -> torch.Tensor:
        """Text and the first `count` picture positions through the layers, (N, L + count, width)."""
        inputs = self._inputs(embedded, mask, count)
        return self.llama(**inputs, past_key_values=cache, use_cache=cache is not None).last_hidden_state

    def _inputs(self, embedded: torch.Tensor, mask: torch.Tensor, count: int) -> dict[str, torch.Tensor]:
        """What the layers are given for text and the first `count` picture positions.

        A picture token's position does not depend on how long the text is, so padding changes nothing.
        """
        n, length = mask.shape
        assert length <= self.config.max_text, f"at most {self.config.max_text} tokens of text, got {length}"
        places = torch.arange(count, device=mask.device) + self.config.max_text
        positions = torch.cat([torch.arange(length, device=mask.device), places]).expand(n, -1)
        attended = torch.cat([mask, mask.new_ones(n, count)], dim=1)
        return {"inputs_embeds": embedded, "attention_mask": attended, "position_ids": positions}


def loss(model: TokenTransformer, tokens: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean negative log-likelihood of a token in nats. tokens: (N, T); text: (N, L, D) and its mask (N, L)."""
    logits = model(tokens, *text)  # (N, T, K)
    return {"loss": F.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())}
