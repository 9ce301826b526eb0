"""From a prompt to an embedding: one small text model per world, and what it understood.

A Transformer over a vocabulary of words, trained to name the attributes that a caption mentions (one linear head per attribute,
with the extra answer "not said"). Engines receive its embedding, so what the heads read is what the engines get. Each world has the
kind of model that its diffusion engine's pipeline expects: the text tower of CLIP (Radford et al. 2021, arXiv:2103.00020) or the
encoder of T5 (Raffel et al. 2019, arXiv:1910.10683).
"""

from __future__ import annotations

import copy
import re
import threading
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from engines import checkpoint, worlds
from engines.base import PromptError

WORD_PATTERN = r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[.,:;!?+]"
WORD = re.compile(WORD_PATTERN, re.UNICODE)
SPECIAL = ("<pad>", "<start>", "<unk>", "<end>")  # an end of id 2 would make CLIPTextModel pool in its legacy way, at the largest id

_TOKENIZING = threading.Lock()  # a fast tokenizer is set to pad and to cut anew for each call, which only one thread may do


@dataclass(frozen=True)
class Reading:
    """What a text encoder makes of a prompt.

    attributes: those the prompt names, {"digit": "7"}. ignored: words it does not know, in order. refusal: why the prompt cannot
    be drawn, or None. overruled: what the prompt asks for besides, set aside by the world's rule for contradictions.
    """

    attributes: dict[str, str]
    ignored: tuple[str, ...]
    refusal: str | None = None
    overruled: dict[str, str] = field(default_factory=dict)


class TextEncoder(nn.Module):
    """Prompts -> embeddings (N, D), with one attribute head per attribute of the world.

    model: a transformers text model; tokenizer: its fast tokenizer; world: a module of `engines.worlds`.
    """

    max_tokens: ClassVar[int]

    def __init__(self, model: nn.Module, tokenizer: Any, world: Any, *, dim: int):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.words = frozenset(tokenizer.get_vocab())
        self.world = world
        self.dim = dim
        heads = {key: len(values) + 1 for key, values in world.attributes.items()}
        if world.contradictions:
            heads |= {f"overruled {key}": size for key, size in heads.items()}
        self.heads = nn.ModuleDict({key: nn.Linear(self.dim, size) for key, size in heads.items()})

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def tokenize(self, prompts: list[str]) -> Any:
        """Token ids and attention mask, (N, T) each."""
        with _TOKENIZING:
            tokens = self.tokenizer(
                list(map(self._plain, prompts)), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
            )
        return tokens.to(self.device)

    def _fits(self, prompt: str) -> bool:
        with _TOKENIZING:
            return len(self.tokenizer(self._plain(prompt), verbose=False).input_ids) <= self.max_tokens

    def _beyond(self, prompt: str) -> list[str]:
        """The words of a prompt that is too long which the model does not get to see."""
        if self._fits(prompt):
            return []
        text = self._plain(prompt)
        with _TOKENIZING:
            places = self.tokenizer(text, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True).offset_mapping
        return split_words(text[max(end for _, end in places) :])

    def _plain(self, prompt: str) -> str:
        """A prompt as it is tokenized, without halves of characters."""
        return self.world.plainly(prompt).encode(errors="ignore").decode()

    def forward(self, prompts: list[str]) -> torch.Tensor:
        """Prompts -> embeddings (N, D) of mean 0 and variance 1."""
        raise NotImplementedError

    @torch.inference_mode()
    def encode(self, prompts: tuple[str, ...]) -> torch.Tensor:
        """Embeddings (N, D) for an engine; equal prompts are encoded once.

        Raises PromptError when a prompt cannot be drawn in this world.
        """
        unique, rows = self._unique(prompts)
        return self(unique)[rows]

    def _unique(self, prompts: tuple[str, ...]) -> tuple[list[str], list[int]]:
        """The different prompts, none of which is refused, and for each prompt its place among them."""
        unique = list(dict.fromkeys(prompts))
        for prompt in unique:
            if refusal := self.refusal(prompt):
                raise PromptError(refusal)
        return unique, [unique.index(prompt) for prompt in prompts]

    def read(self, prompt: str) -> Reading:
        """What the encoder understood of a prompt, which words it does not know, and what is overruled."""
        reading = self.read_all((prompt,))[0]
        return replace(reading, overruled=self._overruled_with(prompt, reading) | reading.overruled)

    def complete(self, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> tuple[str, ...]:
        """The prompts, and after each what it leaves open, as chance has it with its seed; phrases that do not fit are left out.

        Where a text says nothing a network draws what is likeliest too often, and small parts most of all. To enlarge a prompt before it
        is drawn makes pictures more varied (prompt expansion, Datta et al. 2023, arXiv:2312.16720); here a world's `supplement` does
        it, without a language model. Of two values for one attribute the first counts, so nothing asked for is lost. Raises PromptError
        like `encode`.
        """
        self._unique(prompts)
        if not self.world.completes:
            return prompts
        completed = []
        for prompt, seed, reading in zip(prompts, seeds, self.read_all(prompts), strict=True):
            for phrase in self.world.supplement(reading.attributes, np.random.default_rng(seed)):
                longer = f"{prompt}, {phrase}" if prompt else phrase
                if self._fits(longer):
                    prompt = longer
            completed.append(prompt)
        return tuple(completed)

    def _overruled_with(self, prompt: str, reading: Reading) -> dict[str, str]:
        """What is overruled together with something said of it, as the style of hair whose colour is.

        The heads hear the one and lose the other ("bald with long red hair"). Read without the word that won, the prompt says both.
        """
        found, words = {}, split_words(self.world.plainly(prompt))
        for key, value in reading.overruled.items():
            thing = self.world.modifies.get(key)
            if thing not in reading.attributes or thing in reading.overruled:
                continue
            for shorter in self.read_all(tuple(" ".join(words[:i] + words[i + 1 :]) for i in range(len(words)))):
                said = shorter.attributes.get(thing, reading.attributes[thing])
                if said != reading.attributes[thing] and shorter.attributes.get(key) == value:
                    found.setdefault(thing, said)
        return found

    @torch.inference_mode()
    def read_all(self, prompts: tuple[str, ...]) -> list[Reading]:
        """What the heads hear in each prompt, without the second look of `read`; equal ones are read once."""
        unique = list(dict.fromkeys(prompts))
        embeddings = self(unique)
        answers = {key: head(embeddings).argmax(1).tolist() for key, head in self.heads.items()}
        readings = {prompt: self._reading(prompt, {key: rows[i] for key, rows in answers.items()}) for i, prompt in enumerate(unique)}
        return [readings[prompt] for prompt in prompts]

    def _reading(self, prompt: str, answers: dict[str, int]) -> Reading:
        """answers: what each head says, the index of a value or, one beyond the last, that none is named."""
        named = {}
        for key, value in answers.items():
            values = self.world.attributes[key.removeprefix("overruled ")]
            if value < len(values):
                named[key] = values[value]
        attributes, hidden = self.world.reconcile({key: named[key] for key in self.world.attributes if key in named})
        overruled = {key: named[f"overruled {key}"] for key in self.world.attributes if f"overruled {key}" in named}
        overruled = {key: value for key, value in overruled.items() if value != attributes.get(key)} | hidden
        words, beyond = split_words(self.world.plainly(prompt)), self._beyond(prompt)
        unknown = [word for word in words[: len(words) - len(beyond)] if word not in self.words]
        ignored = tuple(word for word in (*unknown, *beyond) if word[0].isalnum())
        return Reading(attributes, ignored, self.refusal(prompt), overruled)

    def refusal(self, prompt: str) -> str | None:
        """Why the prompt cannot be drawn, or None. The empty prompt can: it asks for anything."""
        words = split_words(prompt) or prompt.split()
        return self.world.refusal(words, [word for word in words if word in self.words and word[0].isalnum()])

    def save(self, folder: Path) -> None:
        """Write the model, its tokenizer and the heads in half precision."""
        copy.deepcopy(self.model).half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_file({k: v.half().contiguous() for k, v in self.heads.state_dict().items()}, folder / "heads.safetensors")


class CLIPEncoder(TextEncoder):
    """A `CLIPTextModelWithProjection`; words outside the vocabulary are left out."""

    max_tokens = 32

    def __init__(self, model: nn.Module, tokenizer: Any, world: Any):
        super().__init__(model, tokenizer, world, dim=model.config.projection_dim)

    def forward(self, prompts: list[str]) -> torch.Tensor:
        tokens = self.tokenize([" ".join(word for word in split_words(prompt) if word in self.words) for prompt in prompts])
        embeddings = self.model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds  # (N, D)
        return F.layer_norm(embeddings, (self.dim,))

    @staticmethod
    def new_model(tokenizer: Any, *, width: int = 128, layers: int = 2, heads: int = 4, dim: int = 256) -> nn.Module:
        """An untrained model for a tokenizer."""
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=dim,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=CLIPEncoder.max_tokens,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return CLIPTextModelWithProjection(config)

    @staticmethod
    def empty_model(folder: Path) -> nn.Module:
        """A model of a folder's config.json, to be filled with its weights."""
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        return CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(folder)).float()


class T5Encoder(TextEncoder):
    """A `T5EncoderModel`; words outside the vocabulary are one and the same unknown token to it."""

    max_tokens = 48

    def __init__(self, model: nn.Module, tokenizer: Any, world: Any):
        super().__init__(model, tokenizer, world, dim=model.config.d_model)

    def forward(self, prompts: list[str]) -> torch.Tensor:
        hidden, mask = self.sequence(prompts)
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (N, D)
        return F.layer_norm(mean, (self.dim,))

    def sequence(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """One vector per token (N, T, D) and the attention mask (N, T), for engines that attend to the words."""
        tokens = self.tokenize(prompts)
        return self.hidden(tokens.input_ids, tokens.attention_mask), tokens.attention_mask

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask (N, T) -> one vector per token (N, T, D)."""
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    @torch.inference_mode()
    def encode_words(self, prompts: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """`sequence` for an engine; equal prompts are encoded once. Raises PromptError like `encode`."""
        unique, rows = self._unique(prompts)
        hidden, mask = self.sequence(unique)
        return hidden[rows], mask[rows]

    def written_tokens(self, prompt: str) -> list[str]:
        """The tokens of a prompt as `encode_words` sees them, written out."""
        return self.tokenizer.convert_ids_to_tokens(self.tokenize([prompt]).input_ids[0].tolist())

    @staticmethod
    def new_model(tokenizer: Any, *, width: int = 192, layers: int = 3, heads: int = 6) -> nn.Module:
        """An untrained model for a tokenizer."""
        from transformers import T5Config, T5EncoderModel

        config = T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=width // heads,
            d_ff=2 * width,
            num_layers=layers,
            num_heads=heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return T5EncoderModel(config)

    @staticmethod
    def empty_model(folder: Path) -> nn.Module:
        """A model of a folder's config.json, to be filled with its weights."""
        from transformers import T5Config, T5EncoderModel

        return T5EncoderModel(T5Config.from_pretrained(folder)).float()


ENCODERS = {"clip": CLIPEncoder, "t5": T5Encoder}


def split_words(prompt: str) -> list[str]:
    """Lower-case words, numbers and marks of a prompt, in order."""
    return WORD.findall(unicodedata.normalize("NFKC", prompt).lower().replace("’", "'"))


def make_tokenizer(world: Any) -> Any:
    """A fast tokenizer over the world's vocabulary that splits as `split_words` does."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *world.vocabulary()]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    core.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("’", "'")])
    core.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True)
    ids = [(word, words.index(word)) for word in ("<start>", "<end>")]
    core.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<start>",
        eos_token="<end>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=ENCODERS[world.text_model].max_tokens,
    )


def build(world: Any, **sizes: int) -> TextEncoder:
    """An untrained encoder over the world's vocabulary."""
    kind, tokenizer = ENCODERS[world.text_model], make_tokenizer(world)
    return kind(kind.new_model(tokenizer, **sizes), tokenizer, world).eval()


def load(world_name: str, *, device: str = "cpu", root: Path = checkpoint.ROOT) -> TextEncoder:
    """The trained encoder of a world, from `checkpoints/<world>/text`. Raises CheckpointError when a file is missing or damaged."""
    from transformers import PreTrainedTokenizerFast

    folder, world = root / world_name / "text", worlds.load(world_name)
    kind = ENCODERS[world.text_model]
    with checkpoint.explain(folder, f"{world_name}/text"):
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            checkpoint.read_json(folder / name)
        encoder = kind(kind.empty_model(folder), PreTrainedTokenizerFast.from_pretrained(folder), world)
        checkpoint.load_weights(encoder.model, folder / "model.safetensors")
        checkpoint.load_weights(encoder.heads, folder / "heads.safetensors")
    return encoder.to(device).eval()
