"""The world of digits: attributes measured from known pictures, captions, splits, refusals."""

import numpy as np
import pytest
from tiny import make_data

from engines import worlds
from engines.worlds import labels

digits = worlds.load("digits")


def bar(width, *, lean=0.0, height=20):
    """A white bar of `width` pixels, `lean` pixels to the right per pixel upwards, uint8 (1, 28, 28, 1)."""
    y, x = np.mgrid[:28, :28].astype(float)
    across = x + lean * (y - 13.5) - 13.5 + width / 2
    ink = (across >= 0) & (across < width) & (np.abs(y - 13.5) <= height / 2)
    return (255 * ink).astype(np.uint8)[None, ..., None]


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_thickness_is_the_width_of_a_bar(width):
    measured = digits.stroke_values(bar(width))["thickness"][0]
    expected = width * 20 / (width + 20)  # area w l over half the outline w + l
    assert measured == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 10, 30])
def test_slant_is_the_lean_of_a_bar(degrees):
    measured = digits.stroke_values(bar(3, lean=np.tan(np.radians(degrees))))["slant"][0]
    assert measured == pytest.approx(degrees, abs=2)


def test_width_is_that_of_the_inked_box():
    assert digits.stroke_values(bar(10))["width"][0] == pytest.approx(10 / 20)


def test_measures_survive_an_empty_picture():
    values = digits.stroke_values(np.zeros((1, 28, 28, 1), np.uint8))
    assert all(np.isfinite(value).all() for value in values.values())


def test_labels_follow_the_stated_thresholds():
    strokes = digits.measure_strokes(np.concatenate([bar(2), bar(6), bar(3, lean=0.5), bar(3, lean=-0.5), bar(15)]))
    named = {key: [digits.attributes[key][i] for i in values] for key, values in strokes.items()}
    assert named["thickness"][:2] == ["thin", "bold"]
    assert named["slant"][:4] == ["upright", "upright", "right", "left"]
    assert named["width"][0] == "narrow"


def test_captions_name_what_they_say_and_nothing_else():
    rng = np.random.default_rng(0)
    vocabulary = set(digits.vocabulary())
    seen = set()
    for _ in range(500):
        label = {key: str(rng.choice(values)) for key, values in digits.attributes.items()}
        caption = digits.compose(label, rng)
        text = caption.text
        assert caption.named.items() <= label.items()
        assert not caption.overruled
        assert not (set(text.replace(",", " , ").split()) - vocabulary), text
        assert digits.refusal(*[text.replace(",", " ").split()] * 2) is None
        seen.add(text)
    assert len(seen) > 300


@pytest.mark.parametrize(
    ("prompt", "part"), [("42", "42"), ("forty two", "forty two"), ("seven or three", "seven three"), ("a 10", "10"), ("eleven", "eleven")]
)
def test_more_than_one_digit_is_refused(prompt, part):
    assert digits.refusal(prompt.split(), prompt.split()) == f"digits draws one digit, 0 to 9; the prompt asks for {part}"


def test_the_same_digit_twice_is_one_digit():
    assert digits.refusal(["7", "seven"], ["7", "seven"]) is None


def test_splits_of_a_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path, num_train=120, num_test=30)))
    sizes = {split: len(digits.load_images(split=split)[0]) for split in digits.splits}
    assert sizes == {"train": 110, "validation": 10, "test": 30}
    images, labels = digits.load_images(split="test", num_images=12, seed=4)
    again, _ = digits.load_images(split="test", num_images=12, seed=4)
    assert images.shape == (12, 28, 28, 1)
    assert images.dtype == np.uint8
    assert np.array_equal(images, again)
    for label in labels:
        assert all(label[key] in values for key, values in digits.attributes.items())


def test_wrong_splits_sizes_and_folders_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path, num_train=120, num_test=30)))
    with pytest.raises(ValueError, match="split must be one of train, validation, test, got 'dev'"):
        digits.load_images(split="dev")
    with pytest.raises(ValueError, match="num_images must be from 1 to 30 for split 'test', got 31"):
        digits.load_images(split="test", num_images=31)
    monkeypatch.setenv("PLAYGROUND_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"train\.parquet is missing"):
        digits.load_images(split="train")
    with pytest.raises(ValueError, match="world must be one of digits"):
        worlds.load("cats")


def test_labels_in_words_and_as_indices_are_one_thing():
    for world in map(worlds.load, worlds.NAMES):
        rng = np.random.default_rng(0)
        said = [{key: str(rng.choice(values)) for key, values in world.attributes.items()} for _ in range(20)]
        indices = labels.to_indices(world, said)
        mixed = {key: indices[key] for key in reversed(indices)}  # the world's order counts, not that of a file
        assert labels.to_words(world, mixed) == said
        matrix = labels.to_matrix(world, mixed)
        assert np.array_equal(matrix, labels.asked(world, said))
        for (key, values), column in zip(world.attributes.items(), matrix.T, strict=True):
            assert [values[i] for i in column] == [label[key] for label in said]


def test_what_a_prompt_leaves_open_has_an_index_of_its_own():
    key, values = list(digits.attributes.items())[1]
    asked = labels.asked(digits, [{key: values[1]}, {}])
    assert asked[0, 1] == 1
    assert (np.delete(asked.ravel(), 1) == labels.OPEN).all()
