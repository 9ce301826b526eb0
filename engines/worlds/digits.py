"""The world of handwritten digits: MNIST (LeCun, Bottou, Bengio, Haffner 1998), 28x28 grey.

A digit is described by what it is and by three stroke attributes that are measured from the picture itself,
so every real and every drawn image can be labelled without a person.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from engines.worlds.captions import Caption

name = "digits"
title = "Handwritten digits"
image_shape = (28, 28, 1)  # H, W, C
light_on_dark = True  # pictures are strokes, white on black
first_pictures = 4  # of a visitor's first order: what all engines together draw on two cores within two seconds
attributes = {
    "digit": tuple("0123456789"),
    "thickness": ("thin", "medium", "bold"),
    "slant": ("left", "upright", "right"),
    "width": ("narrow", "normal", "wide"),
}
subject = "digit"  # the attribute that a prompt is about
examples = ("a bold seven leaning right", "thin 7", "a wide zero", "narrow 4, slanted left", "three")
data = "MNIST (LeCun, Bottou, Bengio, Haffner 1998), CC BY-SA 3.0"
hub_id = "ylecun/mnist"
caveat = """Known failures: rare stroke combinations are drawn less surely than common ones, and now and then a picture is no
readable digit. Not for recognising, forging or judging anybody's handwriting; a teaching example."""
text_model = "clip"  # kind of text encoder, see `engines.text`
contradictions = False  # whether prompts may ask for two values of an attribute
modifies: dict[str, str] = {}  # attributes that describe what another one names
completes = False  # whether prompts are enlarged by what they leave open; few captions of digits name everything
splits = ("train", "validation", "test")

# Stroke attributes: value = labels[number of thresholds passed].
THICKNESS_THRESHOLDS = (2.0, 2.8)  # mean stroke width, pixels
SLANT_THRESHOLDS = (-5.0, 15.0)  # shear of the strokes from the vertical, degrees, right is positive
WIDTH_THRESHOLDS = (0.6, 0.95)  # width of the inked box divided by its height

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_WORDS = {
    "thickness": {
        "thin": ("thin", "light", "fine", "slender", "skinny", "thinly drawn", "with thin lines", "with a fine pen"),
        "medium": ("medium weight", "medium thickness"),
        "bold": ("bold", "thick", "heavy", "fat", "chunky", "boldly drawn", "with thick strokes", "with a heavy pen"),
    },
    "slant": {
        "left": ("leaning left", "slanted left", "tilted left", "slanting to the left", "leaning to the left", "backhand"),
        "upright": ("upright", "straight", "vertical", "standing straight"),
        "right": ("leaning right", "slanted right", "tilted right", "slanting to the right", "leaning to the right", "italic"),
    },
    "width": {
        "narrow": ("narrow", "slim", "condensed", "squeezed", "tight"),
        "normal": ("normal width", "medium width"),
        "wide": ("wide", "broad", "stretched", "extended"),
    },
}
_NOUNS = ("digit", "number", "figure", "numeral", "handwritten digit")
_OPENINGS = ("a", "the", "draw a", "please draw a", "show me a", "write a", "an image of a", "a picture of a", "a handwritten", "")
MARKS = frozenset(".,:;!?+")
_TENS = ("ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TEENS = ("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_BIGGER_NUMBERS = frozenset((*_TENS, *_TEENS, "dozen", "hundred", "thousand", "million", "billion"))


def load_images(*, split: str, num_images: int | None = None, seed: int = 0) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Real images and their labels.

    Returns uint8 (N, 28, 28, 1) and one dict per image. `num_images` of them drawn by `seed` without repetition, or
    all in their original order. train: the first 55,000 of MNIST's training file; validation: its last 5,000; test:
    MNIST's test file. Raises ValueError for an unknown split or too many images.
    """
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(splits)}, got {split!r}")
    images, digits = _read_file("test" if split == "test" else "train")
    if split != "test":
        held_out = len(images) // 12  # 5,000 of 60,000
        part = slice(None, -held_out) if split == "train" else slice(-held_out, None)
        images, digits = images[part], digits[part]
    if num_images is not None:
        if not 0 < num_images <= len(images):
            raise ValueError(f"num_images must be from 1 to {len(images)} for split {split!r}, got {num_images}")
        chosen = np.random.default_rng(seed).permutation(len(images))[:num_images]
        images, digits = images[chosen], digits[chosen]
    strokes = measure_strokes(images)
    labels = [
        {"digit": str(digit), **{key: attributes[key][values[i]] for key, values in strokes.items()}} for i, digit in enumerate(digits)
    ]
    return images, labels


def measure_strokes(images: np.ndarray) -> dict[str, np.ndarray]:
    """Stroke attributes of uint8 (N, 28, 28, 1), as value indices (N,) into `attributes`.

    Thickness is twice the inked area over the length of its outline (a stroke of width w and length l has area w l and
    outline 2 l; the outline of a grey image is its total variation). Slant is the shear of the second moments. Width is
    width over height of the box around pixels brighter than half.
    """
    return {
        key: np.digitize(value, thresholds)
        for (key, value), thresholds in zip(
            stroke_values(images).items(), (THICKNESS_THRESHOLDS, SLANT_THRESHOLDS, WIDTH_THRESHOLDS), strict=True
        )
    }


def stroke_values(images: np.ndarray) -> dict[str, np.ndarray]:
    """Thickness in pixels, slant in degrees and width over height of uint8 (N, 28, 28, 1), float64 (N,) each."""
    ink = images[..., 0] / 255.0
    _, h, w = ink.shape
    area = ink.sum((1, 2)) + 1e-9

    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    dy = np.diff(padded, axis=1)[:, :, :-1]
    dx = np.diff(padded, axis=2)[:, :-1, :]
    outline = np.hypot(dx, dy).sum((1, 2)) + 1e-9

    rows, columns = ink.sum(2), ink.sum(1)
    y = np.arange(h) - (rows @ np.arange(h) / area)[:, None]  # (N, H), distance from the centre of mass
    x = np.arange(w) - (columns @ np.arange(w) / area)[:, None]
    covariance = np.einsum("nyx,ny,nx->n", ink, y, x)
    variance = (rows * y**2).sum(1) + 1e-9
    slant = np.degrees(np.arctan(-covariance / variance))

    inked = ink > 0.5
    extents = []
    for axis in (1, 2):  # columns, then rows that hold ink
        held = inked.any(axis)
        extents.append(held.shape[1] - held[:, ::-1].argmax(1) - held.argmax(1))
    return {"thickness": 2 * area / outline, "slant": slant, "width": extents[0] / extents[1]}


def random_label(rng: np.random.Generator, named: dict[str, str] | None = None) -> dict[str, str]:
    """Any combination of values, each as likely as the next, save those that are named."""
    return {key: str(rng.choice(values)) for key, values in attributes.items()} | (named or {})


def caption(label: dict[str, str], rng: np.random.Generator) -> str:
    """A prompt that an ordinary person might type for an image with these labels (see `compose`)."""
    return compose(label, rng).text


def compose(label: dict[str, str], rng: np.random.Generator, *, everything: bool = False) -> Caption:
    """A caption and what it names.

    It names the digit nine times in ten and each stroke attribute about every third time, or `everything`, in one of many wordings.
    """
    named = {key: value for key, value in label.items() if everything or rng.random() < (0.9 if key == subject else 0.35)}
    if subject in named:
        digit = named[subject]
        noun = digit if rng.random() < 0.5 else _NUMBERS[int(digit)]
        if rng.random() < 0.3:
            noun = f"{rng.choice(_NOUNS)} {noun}"
    else:
        noun = str(rng.choice(_NOUNS))
    stroke_words = [str(rng.choice(_WORDS[key][value])) for key, value in named.items() if key != subject]
    rng.shuffle(stroke_words)
    split = rng.integers(len(stroke_words) + 1)
    before = [word for word in stroke_words[:split] if not word.startswith("with ")]
    after = [word for word in stroke_words if word not in before]
    text = f"{_opening(rng)} {'very ' if before and rng.random() < 0.1 else ''}{rng.choice((' ', ', ')).join(before)} {noun}"
    if after:
        text += str(rng.choice((", ", " ", " that is ", " and "))) + str(rng.choice((", ", " and ", " "))).join(after)
    return Caption(" ".join(text.split()), named)


def plainly(prompt: str) -> str:
    """The prompt: nothing of a digit can be denied."""
    return prompt


def reconcile(attributes: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What of a reading can be drawn, and what is set aside: no attribute of a digit hides another."""
    return attributes, {}


def _opening(rng: np.random.Generator) -> str:
    return "" if rng.random() < 0.4 else str(rng.choice(_OPENINGS))


def vocabulary() -> list[str]:
    """Every word that captions use, sorted: the text encoder's vocabulary."""
    phrases = [*_NUMBERS, *attributes["digit"], *_NOUNS, *_OPENINGS, "that is and to the of very in with , . !"]
    phrases += [phrase for values in _WORDS.values() for words in values.values() for phrase in words]
    return sorted({word for phrase in phrases for word in phrase.split()})


def refusal(words: list[str], known: list[str]) -> str | None:
    """Why a prompt of these words, of which some are `known`, cannot be drawn, or None: digits draws exactly one digit from 0 to 9."""
    found = {int(w) if w.isdecimal() else _NUMBERS.index(w) for w in words if w.isdecimal() or w in _NUMBERS}
    bigger = [w for w in words if w in _BIGGER_NUMBERS or (w.isdecimal() and len(w) > 1)]
    if bigger or len(found) > 1:
        asked = " ".join(w for w in words if w in bigger or w in _NUMBERS or w.isdecimal())
        return f"digits draws one digit, 0 to 9; the prompt asks for {asked}"
    if set(words) - set(known) - MARKS and not set(known) & _telling_words():
        return f"{name} knows no word of this prompt that says which digit or how it is drawn; try: {'; '.join(examples[:3])}"
    return None


@lru_cache
def _telling_words() -> frozenset[str]:
    """Words that ask for something: digits, what they are called, and how they are drawn; not those in between."""
    phrases = (
        *_NUMBERS,
        *attributes["digit"],
        *_NOUNS,
        *(phrase for values in _WORDS.values() for words in values.values() for phrase in words),
    )
    return frozenset(word for phrase in phrases for word in phrase.split()) - {"to", "the", "with", "a"}


def data_folder() -> Path | None:
    """The folder with train.parquet and test.parquet: `PLAYGROUND_DATA`, or None to use the hub."""
    folder = os.environ.get("PLAYGROUND_DATA")
    return Path(folder) if folder else None


@lru_cache(maxsize=4)
def _read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    images = [np.asarray(Image.open(io.BytesIO(row["bytes"]))) for row in table["image"].to_pylist()]
    return np.stack(images)[..., None], table["label"].to_numpy()


def _read_file(split: str) -> tuple[np.ndarray, np.ndarray]:
    folder = data_folder()
    if folder is not None:
        path = folder / f"{split}.parquet"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: PLAYGROUND_DATA must name a folder with train.parquet and test.parquet")
        return _read_parquet(path)
    return _read_hub(split)


@lru_cache(maxsize=2)
def _read_hub(split: str) -> tuple[np.ndarray, np.ndarray]:
    import datasets

    rows = datasets.load_dataset(hub_id, split=split)
    return np.stack([np.asarray(image) for image in rows["image"]])[..., None], np.asarray(rows["label"])
