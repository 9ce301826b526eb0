"""The shipped weights, a few pictures each: they load, draw what is asked, and their files are small enough for a Space."""

import numpy as np
import pytest

import engines
from engines import Request, checkpoint
from playground import figures, judges

PROMPTS = tuple(f"a {digit}" for digit in range(10))


@pytest.fixture(scope="module", params=[f"digits/{family}" for family in engines.FAMILIES])
def engine(request):
    return engines.load(request.param)


def test_draws_the_digits_asked_for(engine):
    *_, last = engine.generate(Request(PROMPTS, seed=100, num_images=10))
    read = judges.load("digits").attributes(last.images)["digit"]
    assert (read == np.arange(10)).sum() >= 8


def test_has_a_card_with_its_command(engine):
    assert f"python -m engines.training digits/{engine.family}" in engine.card


def test_the_map_draws_from_two_numbers():
    engine = engines.load("digits/vae-map")
    frame = next(engine.generate(Request(seed=5)))
    assert frame.extra["z"].shape == (1, 2)


def test_no_file_is_too_large_for_a_space():
    sizes = {path: path.stat().st_size for path in checkpoint.ROOT.rglob("*") if path.is_file() and path.parent.name != "state"}
    assert max(sizes.values()) < 9.5e6


@pytest.mark.parametrize("family", engines.FAMILIES)
def test_every_row_was_measured_with_the_weights_shipped(family):
    weights = checkpoint.fingerprint(checkpoint.ROOT / "digits" / family)
    rows = figures.read("digits")
    for row in ("quality", "speed", "resources"):
        assert {figure.weights for figure in rows[row][family].values()} == {weights}, row
        assert judges_of(rows[row][family]) <= {judges.load("digits").hash, ""}, row


def judges_of(named):
    """The judges behind some figures."""
    return {figure.judge for figure in named.values()}
