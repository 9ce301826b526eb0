"""Real images that ship with a world: what is written is read again, and the nearest are found."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny import make_data

from engines import CheckpointError, worlds
from playground import gallery, judges


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    torch.manual_seed(0)
    config = judges.new_config(worlds.load("digits"), width=8)
    judge = judges.Judge(config, judges.build(config), hash="none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYGROUND_DATA", str(make_data(folder / "data", num_train=120, num_test=40)))
        patch.setitem(gallery.TRAINING, "digits", 70)
        made = gallery.make(worlds.load("digits"), judge)
        gallery.save(made, folder / "digits" / "gallery", judge)
    return made, judge, folder


def test_what_is_written_is_read_again(made):
    before, _, root = made
    after = gallery.load("digits", root=root)
    assert after.held_out.shape == (40, 28, 28, 1)
    assert after.training.shape == (70, 28, 28, 1)
    assert after.num_training == 110  # a twelfth is the validation split
    assert np.array_equal(before.held_out, after.held_out)
    assert np.array_equal(before.training, after.training)
    for key in before.labels:
        assert np.array_equal(before.labels[key], after.labels[key])
        assert np.array_equal(before.training_labels[key], after.training_labels[key])
    assert np.allclose(before.features["encoder"], after.features["encoder"], atol=1e-2)


def test_the_nearest_training_image_of_a_copy_is_its_original(made):
    shipped, judge, _ = made
    order, distances = shipped.nearest(shipped.training[[3, 50]], judge, count=2)
    assert order[:, 0].tolist() == [3, 50]
    assert distances[:, 0] == pytest.approx([0, 0], abs=1e-2)
    assert (distances[:, 1] > distances[:, 0]).all()


def test_a_missing_gallery_is_explained(tmp_path):
    with pytest.raises(CheckpointError, match=r"checkpoints/digits/gallery/config\.json .* python -m playground\.gallery digits"):
        gallery.load("digits", root=tmp_path)


def test_thirty_visitors_load_one_gallery(monkeypatch):
    loaded = []

    def load(name):
        loaded.append(name)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr(gallery, "load", load)
    gallery._kept.cache_clear()
    try:
        with ThreadPoolExecutor(30) as visitors:
            found = set(visitors.map(gallery.shared, ["digits"] * 30))
    finally:
        gallery._kept.cache_clear()
    assert loaded == ["digits"]
    assert len(found) == 1


@pytest.mark.parametrize("world", worlds.NAMES)
def test_shipped_galleries_belong_to_the_shipped_judges(world):
    shipped, judge = gallery.load(world), judges.load(world)
    found = judge.attributes(shipped.held_out)
    for key, truth in shipped.labels.items():
        assert (found[key] == truth).mean() > 0.9
    order, distances = shipped.nearest(shipped.training[:2], judge, count=2)
    assert order[:, 0].tolist() == [0, 1]
    assert (distances[:, 1] > 2 * distances[:, 0]).all()
