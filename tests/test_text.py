"""What the shipped text encoder of digits reads, and how it answers odd prompts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import engines
from engines import PromptError, text, worlds

READINGS = {
    "a bold seven leaning right": ({"digit": "7", "thickness": "bold", "slant": "right"}, ()),
    "thin 7": ({"digit": "7", "thickness": "thin"}, ()),
    "THE NUMBER NINE!": ({"digit": "9"}, ()),
    "Please write me a fat 3 with a unicorn, standing straight": ({"digit": "3", "thickness": "bold", "slant": "upright"}, ("unicorn",)),
    "four, narrow & backhand": ({"digit": "4", "width": "narrow", "slant": "left"}, ()),
    "a nice big bold five": ({"digit": "5", "thickness": "bold"}, ("nice", "big")),
    "one thin line": ({"digit": "1", "thickness": "thin"}, ("line",)),
    "a wide zero": ({"digit": "0", "width": "wide"}, ()),
    "six with thick strokes": ({"digit": "6", "thickness": "bold"}, ()),
    "eight tilted left please": ({"digit": "8", "slant": "left"}, ()),
    "2": ({"digit": "2"}, ()),
    "an italic number": ({"slant": "right"}, ()),
    "": ({}, ()),
    "   ": ({}, ()),
    "7 😀 <b>bold</b>": ({"digit": "7", "thickness": "bold"}, ("b", "b")),
    "семь 7": ({"digit": "7"}, ("семь",)),
}


@pytest.mark.parametrize("prompt", READINGS)
def test_readings(prompt):
    attributes, ignored = READINGS[prompt]
    reading = engines.read("digits", prompt)
    assert (reading.attributes, reading.ignored, reading.refusal) == (attributes, ignored, None)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("42", "asks for 42"),
        ("cat", "knows no word"),
        ("draw a cat", "knows no word"),
        ("a billion", "asks for billion"),
        ("😀", "knows no word"),
        ("七", "knows no word"),
    ],
)
def test_what_cannot_be_drawn_gets_a_clear_answer(prompt, answer):
    assert answer in engines.read("digits", prompt).refusal
    encoder = text.build(worlds.load("digits"))
    with pytest.raises(PromptError, match=answer):
        encoder.encode((prompt,))


def test_words_that_a_prompt_has_too_many_of_are_ignored_and_said_so():
    reading = engines.read("digits", "a thin unicorn, " + "and " * 40 + "leaning right")
    assert (reading.ignored[0], reading.ignored[-2:]) == ("unicorn", ("leaning", "right"))
    assert "thin" not in reading.ignored
    assert engines.read("digits", "a thin seven, then, leaning right").ignored == ("then",)


def test_unknown_words_do_not_change_the_embedding():
    encoder = text.load("digits")
    plain, odd = encoder.encode(("a bold 7", "a bold unicorn 7"))
    assert torch.allclose(plain, odd, atol=1e-5)


def test_an_embedding_does_not_depend_on_its_neighbours():
    encoder = text.load("digits")
    alone = encoder.encode(("thin 7",))[0]
    together = encoder.encode(("a very bold handwritten digit 3 leaning right and wide", "thin 7", ""))[1]
    assert torch.allclose(alone, together, atol=1e-5)


def test_saved_and_loaded_encoder_reads_the_same(tmp_path):
    torch.manual_seed(0)
    encoder = text.build(worlds.load("digits"))
    kept = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.save(tmp_path / "digits" / "text")
    assert all(torch.equal(value, kept[name]) for name, value in encoder.state_dict().items())  # only what is written is rounded
    again = text.load("digits", root=tmp_path)
    for prompt in ("a bold 7", "", "wide and thin"):
        assert torch.allclose(encoder.encode((prompt,)), again.encode((prompt,)), atol=0.02)


def test_over_long_prompts_still_encode():
    assert text.load("digits").encode(("bold " * 40 + "7",)).shape == (1, 256)


def test_prompts_may_be_read_by_several_threads():
    """As when pictures are drawn side by side; a fast tokenizer refuses to be set twice at a time."""
    encoder = text.load("faces")
    prompts = [("bald",) * n + (f"a man with {'long ' * n}hair",) for n in range(1, 9)] * 4
    with ThreadPoolExecutor(4) as pool:
        side_by_side = list(pool.map(lambda some: encoder.complete(some, tuple(range(len(some)))), prompts))
    assert side_by_side == [encoder.complete(some, tuple(range(len(some)))) for some in prompts]
