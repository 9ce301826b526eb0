"""The world of faces: 64x64 colour avatars whose every attribute is known exactly, since they are drawn on the fly.

No person is depicted. Pictures come from `avatars`, prompts from `faces_language`. Ten pairs of attribute values never occur
together in training pictures; the split "held_out" shows nothing else, which tests whether an engine can combine what it knows.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from engines.worlds import avatars
from engines.worlds.faces_language import INVISIBLE, briefly, compose, hidden_attributes, plainly, reconcile, vocabulary

__all__ = ["caption", "compose", "load_images", "plainly", "reconcile", "refusal", "sample_label", "supplement", "vocabulary"]

name = "faces"
title = "Cartoon faces"
image_shape = (avatars.SIZE, avatars.SIZE, 3)  # H, W, C
light_on_dark = False
first_pictures = 1  # of a visitor's first order: what all engines together draw on two cores within two seconds
attributes = {
    "hair_style": tuple(avatars.HAIR_STYLES),
    "hair_color": (*avatars.HAIR_COLORS, "none"),  # none: bald and without a beard
    "skin_tone": tuple(avatars.SKIN_TONES),
    "eyes": (*avatars.EYES, "hidden"),  # hidden: behind sunglasses
    "eyebrows": tuple(avatars.EYEBROWS),
    "mouth": tuple(avatars.MOUTHS),
    "glasses": tuple(avatars.GLASSES),
    "facial_hair": tuple(avatars.FACIAL_HAIR),
    "clothes": tuple(avatars.CLOTHES),
    "clothes_color": tuple(avatars.CLOTHES_COLORS),
    "background": tuple(avatars.BACKGROUNDS),
}
subject = "hair_style"  # the attribute by which sample sheets and histograms are sorted
examples = (
    "a smiling face with curly red hair, round glasses and a green hoodie",
    "bald man with a beard and sunglasses",
    "surprised lady, blue mohawk, black suit",
    "grandma winking, white wavy hair, pink background",
    "an angry face with dreadlocks",
)
data = "avatars drawn with python_avatars (MIT licence); no person is depicted"
caveat = """Known failures: small parts such as eyebrows and mouths are drawn less surely than hair and clothes. The avatars are
cartoons with a small fixed set of traits; they say nothing about real people. Not for judging, identifying or imitating anybody."""
text_model = "t5"  # kind of text encoder, see `engines.text`
contradictions = True  # whether prompts may ask for two values of an attribute
modifies = {"hair_color": "hair_style"}  # attributes that describe what another one names, as in "long red hair"
completes = True  # whether prompts are enlarged by what they leave open (see `supplement`)
splits = ("train", "validation", "test", "held_out")
SPLIT_SIZES = {"train": 60_000, "validation": 5_000, "test": 10_000, "held_out": 5_000}

HELD_OUT_PAIRS = (
    ({"hair_style": "mohawk"}, {"glasses": "round"}),
    ({"hair_style": "afro"}, {"hair_color": "blonde"}),
    ({"hair_style": "braids"}, {"background": "orange"}),
    ({"hair_style": "dreadlocks"}, {"glasses": "sunglasses"}),
    ({"hair_color": "blue"}, {"facial_hair": "beard"}),
    ({"hair_color": "white"}, {"clothes": "overalls"}),
    ({"skin_tone": "yellow"}, {"clothes": "suit"}),
    ({"eyes": "hearts"}, {"mouth": "teeth"}),
    ({"eyebrows": "angry"}, {"mouth": "tongue"}),
    ({"clothes": "hoodie"}, {"clothes_color": "pink"}),
)

# Values that are more common than their attribute's other values, by their share
_COMMON = {
    "eyes": ("open", 0.35),
    "eyebrows": ("neutral", 0.4),
    "mouth": ("smile", 0.3),
    "glasses": ("none", 0.4),
    "facial_hair": ("none", 0.5),
}


def load_images(*, split: str, num_images: int | None = None, seed: int = 0) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Avatars and their labels.

    Returns uint8 (N, 64, 64, 3) and one dict per image: the whole split (`SPLIT_SIZES`), which is kept in a cache folder
    (`PLAYGROUND_CACHE`, by default ~/.cache/generative-playground), or `num_images` of it drawn by `seed` without repetition.
    Raises ValueError for an unknown split or too many images.
    """
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(splits)}, got {split!r}")
    size = SPLIT_SIZES[split]
    if num_images is not None and not 0 < num_images <= size:
        raise ValueError(f"num_images must be from 1 to {size} for split {split!r}, got {num_images}")
    chosen = np.arange(size) if num_images is None else np.random.default_rng(seed).permutation(size)[:num_images]
    labels = [sample_label(split, index) for index in chosen.tolist()]
    cached = cache_file(split)
    if cached.is_file():
        images = np.load(cached, mmap_mode="r")
        return (np.array(images) if num_images is None else images[chosen]), labels
    images = draw_images(split, chosen.tolist())
    if num_images is None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial_file = cached.with_suffix(f".{os.getpid()}.npy")
        np.save(partial_file, images)
        partial_file.replace(cached)
    return images, labels


def cache_file(split: str) -> Path:
    """Where a drawn split is kept; its name changes with the code and the packages that draw it."""
    folder = os.environ.get("PLAYGROUND_CACHE")
    root = Path(folder) if folder else Path.home() / ".cache" / "generative-playground"
    sources = b"".join(Path(module).read_bytes() for module in (__file__, avatars.__file__)) + repr(INVISIBLE).encode()
    sources += "".join(version(package) for package in avatars.PACKAGES).encode()
    return root / f"faces-{hashlib.sha256(sources).hexdigest()[:12]}" / f"{split}.npy"


def draw_images(split: str, indices: list[int]) -> np.ndarray:
    """Pictures number `indices` of a split, uint8 (N, 64, 64, 3); many of them are drawn by several processes."""
    draw = partial(_draw, split)
    if len(indices) < 500:
        return np.stack([draw(index) for index in indices])
    with get_context("spawn").Pool() as pool:
        return np.stack(list(pool.imap(draw, indices, chunksize=100)))


def _draw(split: str, index: int) -> np.ndarray:
    return avatars.draw(sample_label(split, index), avatars.vary(_rng(split, index, part=1)))


def random_label(rng: np.random.Generator, named: dict[str, str] | None = None) -> dict[str, str]:
    """Any combination of values that a picture can show, common ones more often.

    Where some are named, even none of them, the others are as in training images: nothing hides what is named, and no held-out pair comes
    in that was not named. Where the colour of hair is named, there is hair: captions name the colour of a mere beard with what has it.
    """
    asked_for_pair = named is None or is_held_out(named)
    named = {key: value for key, value in (named or {}).items() if (key, value) not in INVISIBLE}
    has_hair = "hair_color" in named and "hair_style" not in named
    while True:
        label = hide(_sample_values(rng) | named)
        if has_hair and label["hair_style"] == "bald":
            continue
        if named.items() <= label.items() and (asked_for_pair or not is_held_out(label)):
            return label


def supplement(named: dict[str, str], rng: np.random.Generator) -> list[str]:
    """Phrases for what a prompt that names these attributes leaves open, a value by chance for each (see `random_label`)."""
    return briefly(random_label(rng, named), attributes.keys() - named.keys())


def sample_label(split: str, index: int) -> dict[str, str]:
    """The attributes of picture number `index` of a split; they depend on these two alone."""
    rng = _rng(split, index, part=0)
    while True:
        label = _sample_values(rng)
        if split == "held_out":
            first, second = HELD_OUT_PAIRS[index % len(HELD_OUT_PAIRS)]
            label |= first | second
        label = hide(label)
        if is_held_out(label) == (split == "held_out"):
            return label


def _sample_values(rng: np.random.Generator) -> dict[str, str]:
    """A value for every attribute, not minding whether it can be seen."""
    label = {}
    for key, values in attributes.items():
        common, share = _COMMON.get(key, ("", 0.0))
        others = [value for value in values if value != common and (key, value) not in INVISIBLE]
        label[key] = common if rng.random() < share else others[int(rng.integers(len(others)))]
    return label


def hide(label: dict[str, str]) -> dict[str, str]:
    """The label as the picture shows it: no hair colour without hair or beard, no eyes behind sunglasses."""
    return label | {key: value for key, value in INVISIBLE if key in hidden_attributes(label)}


def is_held_out(label: dict[str, str]) -> bool:
    """Whether a label holds a pair of values that training pictures never show together."""
    return any((first | second).items() <= label.items() for first, second in HELD_OUT_PAIRS)


def _rng(split: str, index: int, *, part: int) -> np.random.Generator:
    return np.random.default_rng([splits.index(split), index, part])


def caption(label: dict[str, str], rng: np.random.Generator) -> str:
    """A prompt that an ordinary person might type for a picture with these labels (see `compose`)."""
    return compose(label, rng).text


def refusal(words: list[str], known: list[str]) -> None:
    """Any prompt can be drawn: what it does not say is left to chance."""
