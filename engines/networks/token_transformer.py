"""A causal Transformer over text and then picture tokens (the recipe of DALL-E, Ramesh et al. 2021, arXiv:2102.12092), patch by patch.

One position of the Transformer stands for a patch of 2x2 tokens; a small network then says the patch's tokens one after another, each
knowing those before it (after the RQ-Transformer of Lee et al. 2022, arXiv:2203.01941). That takes a quarter of the positions, which is
what costs. The layers are those of Llama (transformers); in front stands what the text encoder makes of each word. The whole text, the mean
of the words, is heard besides at every position and by the small network: from the last rows the words are far away, what they say decides
few of the many tokens, and a network that is small and young does not find them. For the same reason training may hide earlier patches
(word dropout, Bowman et al. 2016, arXiv:1511.06349): where there is nothing to copy from, the text has to say it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

SIDE = 2  # of a patch, in tokens
SIZE = SIDE**2  # S, tokens in a patch
EXPANSION = 4  # of the width inside a speller
SPREAD = 0.5  # of everything embedded at first: what is said and where it stands have to be told apart from the start


class Told(NamedTuple):
    """What a text tells a speller: to be added to what it is given (N, D), and how much louder each of its features is (N, E)."""

    shift: torch.Tensor
    gain: torch.Tensor


class Speller(nn.Module):
    """Scores of a patch's tokens: of each from what the Transformer makes of its patch, from the tokens before it there, and the text."""

    def __init__(self, codebook_size: int, width: int, text_dim: int):
        super().__init__()
        self.shift, self.gain = nn.Linear(text_dim, width), nn.Linear(text_dim, EXPANSION * width)
        for layer in (self.shift, self.gain):  # at first the text is not heard
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.order = nn.Parameter(SPREAD * torch.randn(SIZE, width))
        self.before = nn.Embedding((SIZE - 1) * codebook_size, width)
        nn.init.normal_(self.before.weight, std=SPREAD)
        self.features = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, EXPANSION * width), nn.SiLU())
        self.mix = nn.Linear(EXPANSION * width, width)
        self.head = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, codebook_size))
        self.register_buffer("place", codebook_size * torch.arange(SIZE - 1), persistent=False)

    def hear(self, text: torch.Tensor) -> Told:
        """The whole text (N, T), once for all tokens of a picture."""
        return Told(self.shift(text), 1 + self.gain(text))

    def forward(self, hidden: torch.Tensor, tokens: torch.Tensor, told: Told, seen: torch.Tensor | None = None) -> torch.Tensor:
        """All tokens of patches at once: (N, P, D) and (N, P, S) -> logits (N, P, S, K). seen: as for `TokenTransformer.forward`."""
        before = self.before(tokens[..., :-1] + self.place)  # (N, P, S - 1, D)
        if seen is not None:
            before = before * seen[..., None, None]
        x = hidden[:, :, None] + self.order + F.pad(before.cumsum(2), (0, 0, 1, 0))  # (N, P, S, D)
        return self._score(x, Told(told.shift[:, None, None], told.gain[:, None, None]))

    def next(self, hidden: torch.Tensor, said: torch.Tensor, told: Told) -> torch.Tensor:
        """The token after the s that are said: (N, D) and (N, s) -> logits (N, K)."""
        count = said.shape[1]
        return self._score(hidden + self.order[count] + self.before(said + self.place[:count]).sum(1), told)

    def _score(self, x: torch.Tensor, told: Told) -> torch.Tensor:
        x = x + told.shift
        return self.head(x + self.mix(self.features(x) * told.gain))


class Packed(NamedTuple):
    """A layer's weights as few places at a time are quickest taken through it; matrices with one input are one."""

    attention_norm: torch.Tensor
    query_key_value: torch.Tensor
    attention_out: torch.Tensor
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    mlp_out: torch.Tensor

    @classmethod
    def of(cls, layer: LlamaDecoderLayer) -> Packed:
        attention, mlp = layer.self_attn, layer.mlp
        return cls(
            layer.input_layernorm.weight,
            by_columns(torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])),
            attention.o_proj.weight,
            layer.post_attention_layernorm.weight,
            by_columns(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])),
            mlp.down_proj.weight,
        )


def by_columns(weight: torch.Tensor) -> torch.Tensor:
    """The same matrix, column after column in memory: one with more outputs than inputs multiplies few rows 1.4 to 1.8 times as fast."""
    return weight.t().contiguous().t()


class KVCache(NamedTuple):
    """What a picture in the making is continued from.

    layers: their weights. whole: the whole text, for every position (N, D), and told: as the speller hears it. visible: which places
    may be looked at (N, 1, 1, L + P). keys, values: of every layer (layers, N, heads, L + P, head size), filled place by place.
    """

    layers: tuple[Packed, ...]
    whole: torch.Tensor
    told: Told
    visible: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor


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
            attn_implementation="eager",  # a fifth more training pictures per second on two cores than "sdpa", and it tells where it looks
            bos_token_id=None,
            eos_token_id=None,
        )
        self.text = nn.Linear(text_dim, width)
        self.whole = nn.Linear(text_dim, width)
        nn.init.zeros_(self.whole.weight)  # nothing to begin with: a random one drowns what was said so far
        self.token = nn.Embedding(SIZE * codebook_size, width)
        nn.init.normal_(self.token.weight, std=SPREAD)
        self.position = nn.Parameter(SPREAD * torch.randn(self.num_patches, width))
        self.llama = LlamaModel(config)
        self.llama.embed_tokens = nn.Identity()  # it is given embeddings
        self.start = nn.Parameter(SPREAD * torch.randn(width))
        self.speller = Speller(codebook_size, width, text_dim)
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

    def forward(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        """All tokens at once, for training: (N, P, S) and text (N, L, D) with its mask (N, L) -> logits (N, P, S, K).

        seen: (N, P), 1 for patches that the tokens after them may see and 0 for those that are hidden from them; None hides none.
        """
        hidden = self.llama(**self._inputs(tokens[:, :-1], text, mask, seen)).last_hidden_state
        return self.speller(hidden[:, text.shape[1] :], tokens, self.speller.hear(mean_word(text, mask)), seen)

    def attend(self, tokens: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `forward`, and where every position looks: logits (N, P, S, K) and attention (N, P, L + P), the mean over layers and heads.

        Among the P attended places of a picture the first is the start, the others are all patches but the last.
        """
        out = self.llama(**self._inputs(tokens[:, :-1], text, mask), output_attentions=True)
        length = text.shape[1]
        attention = torch.stack(out.attentions).mean((0, 2))  # (N, L + P, L + P)
        return self.speller(out.last_hidden_state[:, length:], tokens, self.speller.hear(mean_word(text, mask))), attention[:, length:]

    def begin(self, text: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, KVCache]:
        """Read the text (N, L, D) with its mask (N, L); what the speller needs of the first patch (N, D), and what `advance` needs."""
        (n, length), config = mask.shape, self.llama.config
        places = length + self.num_patches
        visible = torch.cat([mask, mask.new_ones(n, self.num_patches)], dim=1)[:, None, None].bool()
        keys, values = text.new_empty(2, config.num_hidden_layers, n, config.num_attention_heads, places, config.head_dim)
        whole = mean_word(text, mask)
        layers = tuple(Packed.of(layer) for layer in self.llama.layers)
        cache = KVCache(layers, self.whole(whole), self.speller.hear(whole), visible, keys, values)
        inputs = self._inputs(mask.new_zeros(n, 0, SIZE), text, mask)
        hidden = self._continue(inputs["inputs_embeds"], inputs["position_ids"], 0, cache)
        return hidden[:, -1], cache

    def advance(self, patch: torch.Tensor, index: int, cache: KVCache) -> torch.Tensor:
        """One position: what the speller needs of patch `index` (N, D), from the tokens (N, S) of the patch before it."""
        embedded = self._embed(patch) + self.position[index] + cache.whole  # (N, D)
        position = torch.tensor([[self.config.max_text + index]], device=patch.device)
        place = cache.keys.shape[3] - self.num_patches + index
        return self._continue(embedded[:, None], position, place, cache)[:, 0]

    def _continue(self, x: torch.Tensor, positions: torch.Tensor, place: int, cache: KVCache) -> torch.Tensor:
        """What the layers make of M more places (N, M, D), the first of which is `place`; `cache` takes up their keys and values.

        The same as `LlamaModel` with a cache, without what that finds out again for every position.
        """
        count = place + x.shape[1]
        cos, sin = (angle[:, :, None, None] for angle in self.llama.rotary_emb(x, positions))  # (1 or N, M, 1, 1, head size)
        half = cos.shape[-1] // 2
        sin = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        visible = cache.visible[..., :count]
        if x.shape[1] > 1:
            visible = visible & torch.ones(x.shape[1], count, dtype=torch.bool, device=x.device).tril(place)  # (M, count)
        for layer, keys, values in zip(cache.layers, cache.keys, cache.values, strict=True):
            projected = F.linear(self._norm(x, layer.attention_norm), layer.query_key_value)
            projected = projected.unflatten(2, (3, self.config.heads, -1))  # (N, M, 3, heads, head size)
            both, v = projected[:, :, :2], projected[:, :, 2]
            q, k = (both * cos + both.roll(half, -1) * sin).permute(2, 0, 3, 1, 4)  # turned by their place; (N, heads, M, head size)
            keys[:, :, place:count] = k
            values[:, :, place:count] = v.transpose(1, 2)
            y = F.scaled_dot_product_attention(q, keys[:, :, :count], values[:, :, :count], attn_mask=visible)
            x = x + F.linear(y.transpose(1, 2).flatten(2), layer.attention_out)
            gate, up = F.linear(self._norm(x, layer.mlp_norm), layer.gate_up).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer.mlp_out)
        return self.llama.norm(x)

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, weight.shape, weight, self.llama.config.rms_norm_eps)

    def _inputs(
        self, before: torch.Tensor, text: torch.Tensor, mask: torch.Tensor, seen: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """What the layers are given for the text and the M + 1 patches that follow the start and the patches `before` (N, M, S).

        A patch's position does not depend on how long the text is, so padding changes nothing.
        """
        (n, length), count = mask.shape, before.shape[1] + 1
        assert length <= self.config.max_text, f"at most {self.config.max_text} tokens of text, got {length}"
        said = self._embed(before)  # (N, M, D)
        if seen is not None:
            said = said * seen[:, :-1, None]
        picture = torch.cat([self.start.expand(n, 1, -1), said], dim=1)  # each at the place of the patch after it
        picture = picture + self.position[:count] + self.whole(mean_word(text, mask))[:, None]
        places = torch.arange(count, device=mask.device) + self.config.max_text
        positions = torch.cat([torch.arange(length, device=mask.device), places]).expand(n, -1)
        return {
            "inputs_embeds": torch.cat([self.text(text), picture], dim=1),
            "attention_mask": torch.cat([mask, mask.new_ones(n, count)], dim=1),
            "position_ids": positions,
        }

    def _embed(self, patches: torch.Tensor) -> torch.Tensor:
        """Tokens of patches (..., S) -> (..., D)."""
        return self.token(patches + self.shift).sum(-2)


def mean_word(text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The whole text (N, L, T) with its mask (N, L) as one vector (N, T) of mean 0 and variance 1."""
    mean = (text * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return F.layer_norm(mean, mean.shape[1:])


def loss(
    model: TokenTransformer, tokens: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor], *, hidden: float = 0.0
) -> dict[str, torch.Tensor]:
    """Mean negative log-likelihood of a token in nats. tokens: (N, P, S); text: (N, L, D) and its mask (N, L).

    hidden: largest share of its patches that a picture hides from the tokens after them; each picture draws its own share below it.
    """
    seen = None
    if hidden:
        shares = hidden * torch.rand(len(tokens), 1, device=tokens.device)
        seen = (torch.rand(tokens.shape[:2], device=tokens.device) >= shares).float()
    logits = model(tokens, *text, seen)  # (N, P, S, K)
    return {"loss": F.cross_entropy(logits.float().flatten(0, 2), tokens.flatten())}
