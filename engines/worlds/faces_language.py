"""The language of faces: how people ask for a face, from terse lists to whole sentences.

`compose` says some attributes of a face in one of many wordings, with things in between that say nothing: words the world does not
know, negated values, "any". Every attribute draws its words from random numbers of its own, so the same seed describes two faces that
differ in one attribute alike but for that one. Two rules settle contradictions: of two values for one attribute the first named
counts, and what could not be seen (hair colour of a bald face without a beard, eyes behind sunglasses) is set aside. The words are in
faces_words.toml. `plainly` turns denials that captions word otherwise into theirs.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from engines.worlds.captions import Caption

MAX_LENGTH = 200  # characters of a caption
MAX_WORDS = 45  # words and marks of a caption
INVISIBLE = (("hair_color", "none"), ("eyes", "hidden"))  # values that no caption names
UNKNOWN = "zzz"  # stands for any word outside the vocabulary

COUNTS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)  # of attributes named, and how often
COUNT_SHARES = (0.07, 0.2, 0.22, 0.17, 0.1, 0.07, 0.06, 0.05, 0.03, 0.03)
CONTRADICTING_COUNTS = (1, 2, 3, 5, 8)  # the same, in captions that contradict themselves
CONTRADICTING_SHARES = (0.4, 0.25, 0.15, 0.12, 0.08)
NOTHING_SHARE = 0.45  # of captions say something besides that means nothing here
CONTRADICTION_SHARE = 0.06  # of captions, unless asked for more

WORDS = tomllib.loads(Path(__file__).with_name("faces_words.toml").read_text(encoding="utf-8"))
PHRASES, FORMS, NOTHING, FRAME = (WORDS[key] for key in ("phrases", "forms", "nothing", "frame"))
CONTRACTED = {"he": "he's", "she": "she's", "they": "they're", "who": "who's", "it": "it's"}
VALUES = {
    "hair_style": (*WORDS["hair_style"]["things"], "bald"),
    **{key: tuple(WORDS[key]["words"]) for key in ("hair_color", "skin_tone", "clothes", "clothes_color", "background")},
    **{key: tuple(values) for key, values in PHRASES.items()},
}
COLORS = ("hair_color", "skin_tone", "clothes_color", "background")
Rng = np.random.Generator | random.Random

ARTICLE = r"(?: (?:an?|any)\b)?"
ABSENT = "(?:sun)?glasses|specs|spectacles|beard|mou?stache|goatee|facial hair"  # what captions say "no" to
DENIALS = (  # patterns of lower-case text, and what a caption would say; what captions do say is left alone
    (r"\bneither\b(.*?)\bnor\b", r"no\1, no"),
    (rf"\b(?:(?:has|have|had)(?:n't| not)\b(?: got)?|lack(?:s|ing)?|(?:does|do|did)(?:n't| not) have(?! a beard))(?! to\b){ARTICLE}", "no"),
    (
        r"\b(?:(?:do|does|did)(?:n't| not)|never) (?:want|give|draw|add|let)(?: (?:her|him|them|it))?(?: to)?(?: (?:have|wear))?"
        rf"{ARTICLE} (?=(?:{ABSENT})\b)",
        "no ",
    ),
    (r"\b(?:no open mouth|mouth (?:is )?not open|mouth isn't open)\b", "mouth closed"),
    (rf"\b(?!no beard or moustache)(no|without)({ARTICLE}(?: \w+){{1,2}})(?<! and)(?<! with) n?or{ARTICLE}(?= \w)", r"\1\2, \1"),
)


@dataclass(frozen=True)
class Chunk:
    """A piece of a caption. kind: adjective, thing, worn or tail (see faces_words.toml). rng: for the words that join it to others."""

    kind: str
    text: str
    rng: Rng


def compose(
    label: dict[str, str], rng: np.random.Generator, *, contradiction_share: float = CONTRADICTION_SHARE, everything: bool = False
) -> Caption:
    """A caption for a face with these attributes, and what it names: none to all of them, or `everything`, in one of many wordings."""
    while True:
        caption = _compose(label, rng, 0.0 if everything else contradiction_share, everything)
        if len(caption.text) <= MAX_LENGTH and len(re.findall(r"[\w']+|[^\w\s]", caption.text)) <= MAX_WORDS:
            return caption


def plainly(prompt: str) -> str:
    """A prompt whose denials are worded as captions word them: "he hasn't got glasses or a beard" is "he no glasses, no beard"."""
    text = prompt.lower().replace("’", "'")
    for pattern, plain in DENIALS:
        text = re.sub(pattern, plain, text)
    return text


def reconcile(attributes: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What of a reading can be seen, and what is set aside: hair colour of a bald face without a beard, eyes behind sunglasses."""
    hidden = hidden_attributes(attributes)
    kept = {key: value for key, value in attributes.items() if key not in hidden}
    return kept, {key: value for key, value in attributes.items() if key in hidden}


def hidden_attributes(attributes: dict[str, str]) -> set[str]:
    """Which attributes the others hide."""
    hidden = set()
    if attributes.get("hair_style") == "bald" and attributes.get("facial_hair", "none") == "none":
        hidden.add("hair_color")
    if attributes.get("glasses") == "sunglasses":
        hidden.add("eyes")
    return hidden


def briefly(label: dict[str, str], keys: Collection[str]) -> list[str]:
    """What captions call these attributes of a face, the same few words every time, the small parts of a face first.

    Hair and clothes are named with their colours, so that neither is taken for another one.
    """
    small = ("eyebrows", "mouth", "eyes", "glasses", "facial_hair")
    phrases = {key: _first(PHRASES[key][label[key]]) for key in small if label[key] in PHRASES[key]}
    words = {key: WORDS[key]["words"][label[key]][0] for key in COLORS if label[key] in WORDS[key]["words"]}
    groups = [((key,), phrase) for key, phrase in phrases.items()]
    if label["hair_style"] != "bald":
        shape = WORDS["hair_style"]["words"][label["hair_style"]][0]
        groups.append((("hair_style", "hair_color"), f"{words['hair_color']} {shape} hair"))
    elif label["facial_hair"] == "none":
        groups.append((("hair_style",), "bald"))
    else:
        groups.append((("hair_style", "hair_color"), f"bald, {words['hair_color']} {phrases['facial_hair']}"))
    groups.append((("clothes", "clothes_color"), f"{words['clothes_color']} {WORDS['clothes']['words'][label['clothes']][0]}"))
    groups += [(("skin_tone",), f"{words['skin_tone']} skin"), (("background",), f"{words['background']} background")]
    return [phrase for group, phrase in groups if not set(group).isdisjoint(keys)]


def _first(kinds: dict[str, list[str]]) -> str:
    """The first way to name a thing, without its article."""
    return re.sub(r"^an? ", "", (kinds.get("thing") or kinds["worn"])[0])


def _compose(label: dict[str, str], rng: np.random.Generator, contradiction_share: float, everything: bool) -> Caption:
    # 1. What to say
    visible = [(key, value) for key, value in label.items() if (key, value) not in INVISIBLE]
    contradicting = rng.random() < contradiction_share
    counts, shares = (CONTRADICTING_COUNTS, CONTRADICTING_SHARES) if contradicting else (COUNTS, COUNT_SHARES)
    count = len(visible) if everything else min(int(rng.choice(counts, p=shares)), len(visible))
    named = dict(visible[i] for i in rng.permutation(len(visible))[:count])
    if contradicting and label["hair_style"] == "bald" and rng.random() < 0.7:
        named["hair_style"] = "bald"
    if label["hair_style"] == "bald" and "hair_color" in named:  # it is the beard's colour, which has to be said with it
        named |= {key: label[key] for key in ("hair_style", "facial_hair")}
    chunks = _chunks(named, rng, share_color=not everything)
    rng.shuffle(chunks)
    if not everything and (rng.random() < NOTHING_SHARE or (count == 0 and rng.random() < 0.8)):
        for _ in range(rng.integers(1, 4)):
            chunks.insert(rng.integers(len(chunks) + 1), _say_nothing(label, rng))
    # 2. How to say it; what is overruled comes last, since the first named counts
    text = _pick(rng, (_as_noun_phrase, _as_noun_phrase, _as_sentences, _as_list))(chunks, rng)
    overruled = _contradiction(label, named, rng) if contradicting else {}
    if overruled:
        last = _chunks(overruled, rng)
        rng.shuffle(last)
        text += " " + _pick(rng, (", ", "and ", "but ", ", and ", "")) + _phrase(last, rng)
    if rng.random() < 0.15:
        text += " " + _pick(rng, FRAME["closings"])
    return Caption(" ".join(text.split()), named, overruled)


def _contradiction(label: dict[str, str], named: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """A second value for one or two attributes that are named, or one for what cannot be seen."""
    if label["hair_color"] == "none" and "hair_style" in named and rng.random() < 0.7:
        color = {"hair_color": _pick(rng, VALUES["hair_color"])}
        return color | ({"hair_style": _pick(rng, WORDS["hair_style"]["words"])} if rng.random() < 0.7 else {})
    if label["eyes"] == "hidden" and "glasses" in named and rng.random() < 0.7:
        return {"eyes": _pick(rng, VALUES["eyes"])}
    again = rng.permutation(list(named)).tolist()[: rng.integers(1, 3)]
    overruled = {key: _pick(rng, [value for value in VALUES[key] if value != named[key]]) for key in again}
    if overruled.get("hair_style") == "bald":
        overruled.pop("hair_color", None)
    return overruled


# Attributes -> chunks


def _chunks(named: dict[str, str], rng: np.random.Generator, *, share_color: bool = True) -> list[Chunk]:
    """One chunk per attribute, save that hair, beard and clothes share one with their colour.

    share_color: whether a beard may take the hair's colour from it ("curly hair and a red beard"); without hair it always does.
    """
    named, chunks = dict(named), []
    own = dict(zip(VALUES, map(random.Random, rng.integers(2**32, size=len(VALUES)).tolist()), strict=True))
    style, color, facial_hair = named.pop("hair_style", None), named.pop("hair_color", None), named.get("facial_hair", "none")
    if color and facial_hair != "none" and (style == "bald" or (share_color and rng.random() < 0.3)):
        rng = own["facial_hair"]
        beard = _pick(rng, PHRASES["facial_hair"][named.pop("facial_hair")]["thing"])
        chunks.append(Chunk("thing", _colored(beard, _pick(rng, WORDS["hair_color"]["words"][color]), _pick(rng, (0, 1))), rng))
        color = None
    if style == "bald":
        chunks.append(_chunk(WORDS["hair_style"]["bald"], own["hair_style"]))
        style = None
    if style or color:
        chunks.append(_hair(style, color, own["hair_style"]))
    if tone := named.pop("skin_tone", None):
        chunks.append(_skin(tone, own["skin_tone"]))
    clothes, color = named.pop("clothes", None), named.pop("clothes_color", None)
    if clothes or color:
        chunks.append(_clothes(clothes, color, own["clothes"]))
    if background := named.pop("background", None):
        rng = own["background"]
        chunks.append(Chunk("tail", _form("background", rng, W=_pick(rng, WORDS["background"]["words"][background])), rng))
    return chunks + [_chunk(PHRASES[key][value], own[key]) for key, value in named.items()]


def _chunk(kinds: dict[str, list[str]], rng: Rng) -> Chunk:
    kind = _pick(rng, kinds)
    return Chunk(kind, _pick(rng, kinds[kind]), rng)


def _hair(style: str | None, color: str | None, rng: Rng) -> Chunk:
    word = _pick(rng, WORDS["hair_color"]["words"][color]) if color else ""
    shapes, things, people = (*(WORDS["hair_style"][kind] for kind in ("words", "things")), WORDS["hair_color"]["people"])
    if style is None:
        if color in people and rng.random() < 0.25:
            return Chunk("adjective", _pick(rng, people[color]), rng)
        text = _form("hair_color", rng, W=word)
    elif style not in shapes or rng.random() < 0.5:
        thing = _pick(rng, things[style])
        text = _form("colored_thing", rng, T=thing, W=word) if color else thing
    else:
        text = _form("colored_shape" if color else "shape", rng, S=_pick(rng, shapes[style]), W=word)
    return Chunk("adjective" if text.endswith("haired") else "thing", text, rng)


def _skin(tone: str, rng: Rng) -> Chunk:
    skin, kind = WORDS["skin_tone"], rng.random()
    if kind < 0.25 and tone in skin["things"]:
        return Chunk("thing", _pick(rng, skin["things"][tone]), rng)
    if kind < 0.5 and tone in skin["people"]:
        return Chunk("adjective", _pick(rng, skin["people"][tone]), rng)
    return Chunk("thing", _form("skin_tone", rng, W=_pick(rng, skin["words"][tone])), rng)


def _clothes(clothes: str | None, color: str | None, rng: Rng) -> Chunk:
    word = _pick(rng, WORDS["clothes_color"]["words"][color]) if color else ""
    if clothes is None:
        return Chunk("tail", _form("clothes_color", rng, W=word), rng)
    thing = _pick(rng, WORDS["clothes"]["words"][clothes])
    thing = thing if thing.endswith(("overalls", "dungarees")) else f"a {thing}"
    return Chunk("worn", _form("colored_clothes", rng, T=thing, W=word) if color else thing, rng)


def _form(name: str, rng: Rng, **words: str) -> str:
    """One of the forms of that name, filled in: "S W hair" -> "curly red hair"; "W+T" puts the colour into the thing."""
    form = _pick(rng, FORMS[name])
    if "+T" in form:
        return _colored(words["T"], form.replace("+T", "").replace("W", words["W"]))
    return " ".join(_fill(word, words) for word in form.split())


def _fill(word: str, words: dict[str, str]) -> str:
    """A word of a form; a capital, maybe with a mark behind it, stands for one of `words`."""
    return words[word[0]] + word[1:] if word[0] in words and not word[1:].isalnum() else word


def _colored(thing: str, word: str, after: int = 0) -> str:
    """ "a bob cut", "red" -> "a red bob cut"; after one word of it, "a full beard", "white" -> "a full white beard"."""
    words = thing.split()
    place = (words[0] in ("a", "an")) + after
    if place >= len(words) or words[-1] in ("head", "chin", "face", "shoulders"):
        place -= after
    return " ".join([*words[:place], word, *words[place:]])


def _say_nothing(label: dict[str, str], rng: np.random.Generator) -> Chunk:
    """Unknown things, indifference, or the denial of a value that is not the true one."""
    kind, color = rng.random(), _pick(rng, NOTHING["colors"])
    if kind < 0.6:
        form = _pick(rng, NOTHING["extras"] if kind < 0.5 else NOTHING["eye_colors"])
        text = " ".join(_fill(word, {"C": color, "U": UNKNOWN}) for word in form.split())
        return Chunk(_pick(rng, ("thing", "tail", "tail", "adjective")), text, rng)
    if kind < 0.8:
        form, filling = _pick(rng, NOTHING["indifference"]), {"T": _pick(rng, NOTHING["topics"])}
    else:
        form, filling = _pick(rng, NOTHING["denials"]), {"D": _denied(label, rng)}
    return Chunk("tail", " ".join(_fill(word, filling) for word in form.split()), rng)


def _denied(label: dict[str, str], rng: np.random.Generator) -> str:
    """A value that may be denied without saying anything: "no glasses", "not bearded" and "not smiling" do say something."""
    key = _pick(rng, [key for key in label if key not in ("glasses", "facial_hair", "mouth")])
    value = _pick(rng, [value for value in VALUES[key] if value != label[key]])
    if key == "background":
        return f"{_pick(rng, WORDS[key]['words'][value])} {_pick(rng, ('background', 'backdrop', 'wall', 'behind'))}"
    if key == "clothes_color":
        return f"{_pick(rng, WORDS[key]['words'][value])} {_pick(rng, ('clothes', 'top', 'clothing', 'outfit'))}"
    if (key, value) == ("hair_style", "bald"):
        return _pick(rng, WORDS[key]["bald"]["adjective"])
    return _chunks({key: value}, rng)[0].text


# Chunks -> text


def _as_noun_phrase(chunks: list[Chunk], rng: np.random.Generator) -> str:
    """ "a smiling bald man with a beard, wearing ..." """
    before = [chunk for chunk in chunks if chunk.kind == "adjective" and chunk.rng.random() < 0.7]
    after = [chunk for chunk in chunks if chunk not in before]
    words = [_pick(rng, FRAME["openings"])] if rng.random() < 0.75 else []
    words += [_pick(rng, FRAME["ages"])] if rng.random() < 0.2 else []
    words.append(_pick(rng, (" ", ", ", " and ")).join(map(_adjective, before)))
    words.append(_pick(rng, FRAME["nouns"]))
    return " ".join(words) + (f" {_phrase(after, rng)}" if after else "")


def _phrase(chunks: list[Chunk], rng: np.random.Generator) -> str:
    """Chunks behind a noun, joined by commas and "and"; "with" may be said once or each time."""
    having = ("with", "with", "with", "having", "who has", "that has", "whose face has", "featuring")
    wearing = ("wearing", "wearing", "in", "with", "who wears", "dressed in", "who is wearing", "sporting", "that wears")
    being = ("", "who is", "looking", "who looks", "that is", "being", "feeling")
    repeat, said_with, parts = rng.random() < 0.4, False, []
    for chunk in chunks:
        text = chunk.text
        if chunk.kind == "thing" and (repeat or not said_with):
            text, said_with = f"{_pick(chunk.rng, having)} {text}", True
        elif chunk.kind == "worn" and (repeat or not said_with or chunk.rng.random() < 0.5):
            text = f"{_pick(chunk.rng, wearing)} {text}"
        elif chunk.kind == "adjective":
            text = f"{_pick(chunk.rng, being)} {_adjective(chunk)}"
        parts.append(text)
    comma = _pick(rng, (", ", ", ", " and ", " ", " ; "))
    if len(parts) > 1 and rng.random() < 0.6:
        return f"{comma.join(parts[:-1])} {_pick(rng, FRAME['joins'])} {parts[-1]}"
    return comma.join(parts)


def _as_sentences(chunks: list[Chunk], rng: np.random.Generator) -> str:
    """ "my friend has a beard. she is wearing ..." """
    verbs = {
        "thing": ("has", "has", "has got", "should have", "with", "must have", "have"),
        "worn": ("wears", "is wearing", "has", "wearing", "always wears", "should wear", "in"),
        "adjective": ("is", "looks", "seems", "is always", "should look", "should be", "feels"),
        "tail": ("is", "", "", "and"),
    }
    text = [f"{_pick(rng, FRAME['openings'])} {_pick(rng, FRAME['nouns'])}"] if rng.random() < 0.4 else []
    subject = f"my {_pick(rng, FRAME['nouns'])}" if rng.random() < 0.5 else _pick(rng, FRAME["subjects"])
    for chunk in chunks:
        subject = _pick(rng, FRAME["subjects"]) if rng.random() < 0.3 else subject
        body = _adjective(chunk) if chunk.kind == "adjective" else chunk.text
        verb = _pick(chunk.rng, verbs[chunk.kind])
        head = CONTRACTED[subject] if verb == "is" and subject in CONTRACTED and chunk.rng.random() < 0.3 else f"{subject} {verb}"
        text.append(_pick(chunk.rng, (f"{head} {body}", f"{head} {body}", body, f"{verb} {body}")))
    return _pick(rng, (" . ", " , ", " and ", " , ")).join(text) or _pick(rng, FRAME["nouns"])


def _as_list(chunks: list[Chunk], rng: np.random.Generator) -> str:
    """ "bald, beard, green hoodie" """
    items = [re.sub(r"^(a|an|the) ", "", chunk.text) if chunk.rng.random() < 0.7 else chunk.text for chunk in chunks]
    if rng.random() < 0.3 or not items:
        items.insert(rng.integers(len(items) + 1) if rng.random() < 0.3 else 0, _pick(rng, FRAME["nouns"]))
    return _pick(rng, (", ", ", ", " ", " . ", "; ", " + ", " and ")).join(items)


def _adjective(chunk: Chunk) -> str:
    return f"{_pick(chunk.rng, FRAME['degrees'])} {chunk.text}" if chunk.rng.random() < 0.15 else chunk.text


def _pick(rng: Rng, options: Iterable):
    options = options if isinstance(options, (tuple, list)) else tuple(options)
    return options[int(rng.random() * len(options))]


# Vocabulary


@lru_cache
def vocabulary() -> tuple[str, ...]:
    """Every word that captions use, sorted: the text encoder's vocabulary."""
    rng = np.random.default_rng(0)
    said = [compose({key: _pick(rng, values) for key, values in VALUES.items()}, rng).text for _ in range(3000)]  # words in between
    phrases = (*_strings(WORDS), *CONTRACTED.values(), *said)
    words = {word for phrase in phrases for word in re.findall(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[.,:;!?+]", phrase)}
    return tuple(sorted(word for word in words - {UNKNOWN} if word == word.lower()))


def _strings(nested) -> Iterator[str]:
    """All strings in nested tables and lists."""
    if isinstance(nested, str):
        yield nested
    else:
        for item in nested.values() if isinstance(nested, dict) else nested:
            yield from _strings(item)
