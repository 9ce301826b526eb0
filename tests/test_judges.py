"""Judges: trained on tiny data, saved, loaded, refused when damaged; and the shipped one."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny import make_data

from engines import CheckpointError, checkpoint, worlds
from playground import judges, metrics, train_judges


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Checkpoints with a judge of 200 steps, which sees five per cent of noise."""
    folder, threads = tmp_path_factory.mktemp("judges"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYGROUND_DATA", str(make_data(folder / "data")))
        train_judges.main(["digits", "--steps", "200", "--width", "8", "--out", str(folder)])
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module")
def judge(root):
    return judges.load("digits", root=root)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), dtype=np.uint8)


def test_a_little_training_reads_most_digits(judge):
    accuracy = judge.reference.figures["accuracy"]
    assert set(accuracy) == set(worlds.load("digits").attributes)
    assert accuracy["digit"] > 0.8


def test_features_and_attributes_have_their_shapes(judge, images):
    for space in judges.SPACES:
        features = judge.features(images, space=space)
        assert features.shape == (7, 96)
        assert features.dtype == np.float32
    answers = judge.attributes(images)
    for key, values in worlds.load("digits").attributes.items():
        assert answers[key].shape == (7,)
        assert set(answers[key]) <= set(range(len(values)))


def test_an_image_is_judged_the_same_alone_and_in_a_batch(judge, images):
    for space in judges.SPACES:
        together = judge.features(images, space=space)
        np.testing.assert_allclose(judge.features(images[3:4], space=space), together[3:4], atol=1e-4)


def test_the_two_spaces_differ(judge, images):
    assert not np.allclose(judge.features(images, space="classifier"), judge.features(images, space="encoder"))


def test_wrong_input_is_refused(judge, images):
    with pytest.raises(ValueError, match="space must be one of classifier, encoder, got 'pixels'"):
        judge.features(images, space="pixels")
    for wrong in (images[:0], images[..., 0], images.astype(np.float32), images[:, :14]):
        with pytest.raises(ValueError, match=r"images must be uint8 \(N, 28, 28, 1\)"):
            judge.attributes(wrong)


def test_the_reference_is_the_first_half_of_the_test_split(root, judge, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DATA", str(root / "data"))
    images, labels = worlds.load("digits").load_images(split="test")
    first = np.random.default_rng(judges.SPLIT_SEED).permutation(len(images))[:120]
    for space in judges.SPACES:
        np.testing.assert_allclose(judge.reference.features[space], judge.features(images[first], space=space), atol=5e-3, rtol=1e-3)
    assert [str(i) for i in judge.reference.labels["digit"]] == [labels[i]["digit"] for i in first]


def test_the_ruler_grows_with_the_damage(judge):
    for space in judges.SPACES:
        ruler = judge.reference.figures["ruler"][space]
        assert judge.reference.figures["floor"][space] == ruler["real"] > 0
        assert ruler["real"] < ruler["blur 1 px"] < ruler["blur 2 px"]
        assert ruler["real"] < ruler["noise 5 %"] < ruler["noise 10 %"]
        assert ruler["real"] < ruler["half the classes"]


def test_the_log_and_the_card_are_written(root, judge):
    folder = root / "digits" / "judge"
    records = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    assert {record["network"] for record in records} == set(judges.SPACES)
    assert records[-1]["step"] == 200
    card = (folder / "README.md").read_text()
    assert judge.hash in card
    assert f"| digit | {100 * judge.reference.figures['accuracy']['digit']:.2f} % |" in card


def test_the_hash_follows_the_weights(root, judge, tmp_path):
    shutil.copytree(root / "digits" / "judge", tmp_path / "digits" / "judge")
    assert judges.load("digits", root=tmp_path).hash == judge.hash
    networks = judge.networks
    bias = networks["classifier"].heads["digit"].bias
    before = bias[0].item()
    try:
        bias[0] += 1
        judges.save(judge.config, networks, tmp_path / "digits" / "judge")
    finally:
        bias[0] = before
    assert judges.load("digits", root=tmp_path).hash != judge.hash


@pytest.mark.parametrize(
    "file", ["config.json", "classifier.safetensors", "encoder.safetensors", "reference.safetensors", "reference.json"]
)
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_damaged_file_is_named_with_the_command(root, tmp_path, file, damage):
    shutil.copytree(root / "digits" / "judge", tmp_path / "digits" / "judge")
    path = tmp_path / "digits" / "judge" / file
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=rf"{file}.*python -m playground.train_judges digits"):
        judges.load("digits", root=tmp_path)


def test_weights_of_another_architecture_are_refused(root, tmp_path):
    shutil.copytree(root / "digits" / "judge", tmp_path / "digits" / "judge")
    path = tmp_path / "digits" / "judge" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "width": 16}))
    with pytest.raises(CheckpointError, match=r"classifier.safetensors"):
        judges.load("digits", root=tmp_path)


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3)])
def test_the_autoencoder_gives_back_the_shape_of_any_world(shape):
    config = judges.JudgeConfig("any", shape, {"colour": 4}, width=4)
    h, w, c = shape
    networks = judges.build(config)
    x = torch.zeros(2, c, h, w)
    assert networks["encoder"](x).shape == x.shape
    assert networks["classifier"](x)["colour"].shape == (2, 4)


def test_shifts_move_whole_pictures():
    x = torch.full((50, 1, 28, 28), -1.0)
    x[:, :, 10:18, 12:16] = 1.0
    moved = train_judges.shift(x, torch.Generator().manual_seed(0))
    assert (moved.sum((1, 2, 3)) == x.sum((1, 2, 3))).all()
    tops = {int(row) for row in (moved[:, 0] > 0).any(2).float().argmax(1)}
    assert tops == {8, 9, 10, 11, 12}


@pytest.mark.parametrize("world", worlds.NAMES)
@pytest.mark.parametrize("space", judges.SPACES)
def test_the_rulers_of_the_shipped_judges_grow_with_the_damage(world, space):
    ruler = judges.load(world).reference.figures["ruler"][space]
    assert ruler["real"] < ruler["blur 0.5 px"] < ruler["blur 1 px"] < ruler["blur 2 px"]
    assert ruler["real"] < ruler["noise 5 %"] < ruler["noise 10 %"]
    assert ruler["real"] < ruler["half the classes"]
    assert ruler["real"] < ruler["500 images repeated"]


@pytest.mark.parametrize("space", judges.SPACES)
def test_coverage_by_the_shipped_judge_of_digits_sees_that_half_the_classes_are_missing(space):
    reference, others = judges.load("digits").reference, np.arange(1000, 3000)
    digits, features = reference.labels["digit"], reference.features[space]
    half = others[digits[others] < 5]
    whole, left = (metrics.neighbourhoods(features[:1000], features[rows])[1].mean() for rows in (others[: len(half)], half))
    assert left < 0.8 * whole


def test_the_shipped_judge_meets_its_promises():
    """In a fresh clone, without the data set."""
    judge = judges.load("digits")
    figures, n = judge.reference.figures, judge.reference.figures["num_images"]
    assert n == 5000
    assert figures["judge"] == judge.hash
    assert figures["accuracy"]["digit"] >= 0.99
    assert (checkpoint.ROOT / "digits" / "judge" / "reference.safetensors").stat().st_size <= 2_000_000
    for space in judges.SPACES:
        features = judge.reference.features[space]
        assert features.shape == (n, judge.config.dim)
        half = metrics.frechet_distance(features[: n // 2], features[n // 2 :])
        assert figures["floor"][space] < half < 5 * figures["floor"][space]  # half as many images, about twice the distance
        assert np.bincount(judge.reference.labels["digit"]).min() > 400
