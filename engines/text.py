"""From a prompt to an embedding: one small CLIP text model per world, and what it understood.

The text tower of CLIP (Radford et al. 2021, arXiv:2103.00020) over a vocabulary of words. Simplified: instead of matching
pictures, it is trained to name the attributes that a caption mentions (one linear head per attribute, with the
extra answer "not said"). Engines receive its embedding, so what the heads read is what the engines get.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from engines import checkpoint, worlds
from engines.base import PromptError

MAX_TOKENS = 32
WORD = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[^\s\w]", re.UNICODE)
SPECIAL = ("<pad>", "<start>", "<unk>", "<end>")  # an end of id 2 would make CLIPTextModel pool in its legacy way, at the largest id


@dataclass(frozen=True)
class Reading:
    """What a text encoder makes of a prompt.

    attributes: those the prompt names, {"digit": "7"}. ignored: words it does not know, in order.
    refusal: why the prompt cannot be drawn, or None.
    """

    attributes: dict[str, str]
    ignored: tuple[str, ...]
    refusal: str | None = None


class TextEncoder(nn.Module):
    """Prompts -> embeddings (N, D), with one attribute head per attribute of the world.

    model: a transformers `CLIPTextModelWithProjection`; tokenizer: its fast tokenizer; world: a module of `engines.worlds`.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, world: Any):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.words = frozenset(tokenizer.get_vocab())
        self.world = world
        self.dim = model.config.projection_dim
        self.heads = nn.ModuleDict({key: nn.Linear(self.dim, len(values) + 1) for key, values in world.attributes.items()})

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, prompts: list[str]) -> torch.Tensor:
        """Prompts -> embeddings (N, D) of mean 0 and variance 1; words outside the vocabulary are left out."""
        known = [" ".join(word for word in split_words(prompt) if word in self.words) for prompt in prompts]
        tokens = self.tokenizer(known, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").to(self.device)
        embeddings = self.model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds  # (N, D)
        return F.layer_norm(embeddings, (self.dim,))

    @torch.inference_mode()
    def encode(self, prompts: tuple[str, ...]) -> torch.Tensor:
        """Embeddings (N, D) for an engine; equal prompts are encoded once.

        Raises PromptError when a prompt cannot be drawn in this world.
        """
        unique = list(dict.fromkeys(prompts))
        for prompt in unique:
            if refusal := self.refusal(prompt):
                raise PromptError(refusal)
        return self(unique)[[unique.index(prompt) for prompt in prompts]]

    @torch.inference_mode()
    def read(self, prompt: str) -> Reading:
        """What the encoder understood of a prompt, and which words it does not know."""
        embedding = self([prompt])
        attributes = {}
        for key, head in self.heads.items():
            value = head(embedding).argmax().item()
            if value < len(self.world.attributes[key]):
                attributes[key] = self.world.attributes[key][value]
        ignored = tuple(w for w in split_words(prompt) if w not in self.words and w[0].isalnum())
        return Reading(attributes, ignored, self.refusal(prompt))

    def refusal(self, prompt: str) -> str | None:
        """Why the prompt cannot be drawn, or None. The empty prompt can: it asks for anything."""
        words = split_words(prompt)
        if reason := self.world.refusal(words):
            return reason
        if prompt.strip() and not any(word in self.words and word[0].isalnum() for word in words):
            return f"{self.world.name} knows no word of this prompt; try: {'; '.join(self.world.examples[:3])}"
        return None

    def save(self, folder: Path) -> None:
        """Write the model, its tokenizer and the heads in half precision."""
        self.model.half().save_pretrained(folder)
        self.model.float()
        self.tokenizer.save_pretrained(folder)
        save_file({k: v.half().contiguous() for k, v in self.heads.state_dict().items()}, folder / "heads.safetensors")


def split_words(prompt: str) -> list[str]:
    """Lower-case words, numbers and marks of a prompt, in order."""
    return WORD.findall(prompt.lower())


def build(world: Any, *, width: int = 128, layers: int = 2, heads: int = 4, dim: int = 256) -> TextEncoder:
    """An untrained encoder over the world's vocabulary."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, PreTrainedTokenizerFast

    words = [*SPECIAL, *world.vocabulary()]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), behavior="removed")
    ids = [(word, words.index(word)) for word in ("<start>", "<end>")]
    core.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=ids)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<start>", eos_token="<end>", pad_token="<pad>", unk_token="<unk>", model_max_length=MAX_TOKENS
    )
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return TextEncoder(CLIPTextModelWithProjection(config), tokenizer, world).eval()


def load(world_name: str, *, device: str = "cpu", root: Path = checkpoint.ROOT) -> TextEncoder:
    """The trained encoder of a world, from `checkpoints/<world>/text`. Raises CheckpointError when a file is missing or damaged."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, PreTrainedTokenizerFast

    folder = root / world_name / "text"
    with checkpoint.explain(folder, f"{world_name}/text"):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        model = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(folder)).float()
        encoder = TextEncoder(model, tokenizer, worlds.load(world_name))
        checkpoint.load_weights(encoder.model, folder / "model.safetensors")
        checkpoint.load_weights(encoder.heads, folder / "heads.safetensors")
    return encoder.to(device).eval()
