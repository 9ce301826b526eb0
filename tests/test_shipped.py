"""The shipped weights, a few pictures each: they load, draw what is asked, and their files are small enough for a Space."""

from itertools import combinations

import numpy as np
import pytest

import engines
from engines import Known, Request, checkpoint, worlds
from engines.training import cards
from playground import figures, gallery, judges, table
from playground.measure import stability
from playground.measure.bench import QUICK
from playground.trainings import shelf

TRAINED = [name for world in worlds.NAMES for family in engines.FAMILIES if engines.is_trained(name := f"{world}/{family}")]
ASKED = {"digits": ("digit", "a {}"), "faces": ("background", "a person, {} background")}  # attribute and prompt
PICTURES = 10
README = checkpoint.ROOT.parent / "README.md"


@pytest.fixture(scope="module", params=TRAINED)
def engine(request):
    return engines.load(request.param)


def test_draws_what_is_asked(engine):
    attribute, prompt = ASKED[engine.world.name]
    values = engine.world.attributes[attribute]
    asked = np.arange(PICTURES) % len(values)
    *_, last = engine.generate(Request(tuple(prompt.format(values[i]) for i in asked), seed=100, num_images=PICTURES))
    read = judges.load(engine.world.name).attributes(last.images)[attribute]
    assert (read == asked).sum() >= 8


def test_has_a_card_with_its_command(engine):
    assert f"python -m engines.training {engine.world.name}/{engine.family}" in engine.card
    assert cards.about(type(engine), without_text=False) in engine.card


def test_every_failure_on_the_shelf_was_recorded_with_these_weights():
    assert all(recording.picture for exhibit in shelf.load() for recording in exhibit.recordings)


def test_the_map_draws_from_two_numbers():
    engine = engines.load("digits/vae-map")
    assert cards.about(type(engine), without_text=True) in engine.card
    frame = next(engine.generate(Request(seed=5)))
    assert frame.extra["z"].shape == (1, 2)


def test_a_vae_makes_out_what_it_is_not_told():
    engine, shown = engines.load("faces/vae"), gallery.shared("faces")
    for number, picture in enumerate(shown.held_out[:4]):
        real = {key: values[shown.labels[key][number]] for key, values in engine.world.attributes.items()}
        found = engine.make_out(picture, {})
        assert sum(found[key] == real[key] for key in real) >= len(real) - 2


def test_what_a_vae_repairs_fits_what_stays():
    engine, shown = engines.load("faces/vae"), gallery.shared("faces")
    image = shown.held_out[:1]
    half = np.zeros(image.shape[:3], bool)
    half[:, : image.shape[1] // 2] = True
    frame = engine.draw(Request("", seed=7, num_images=3, known=Known(image, half), previews=False))
    assert np.abs(frame.extra["own"].astype(float) - image)[:, half[0]].mean() < 0.05 * 255  # .15 with attributes by chance
    lower = frame.images[:, ~half[0]].astype(float)
    assert min(np.abs(a - b).mean() for a, b in combinations(lower, 2)) > 3  # what the upper half does not show is up to the seed
    label = engine.make_out(image[0], {"mouth": "smile"}, half[0])
    truth = {key: values[shown.labels[key][0]] for key, values in engine.world.attributes.items()}
    assert label["mouth"] == "smile"
    assert {key: label[key] for key in ("hair_style", "background")} == {key: truth[key] for key in ("hair_style", "background")}
    assert "clothes_color" not in label
    bald = next(i for i, style in enumerate(shown.labels["hair_style"]) if engine.world.attributes["hair_style"][style] == "bald")
    found = engine.make_out(shown.held_out[bald], {"hair_color": "red"}, half[0])
    assert engine.world.random_label(np.random.default_rng(0), found)["hair_color"] == "red"  # what is asked for can be seen


def test_no_file_is_too_large_for_a_space():
    sizes = {path: path.stat().st_size for path in checkpoint.ROOT.rglob("*") if path.is_file() and path.parent.name != "state"}
    assert max(sizes.values()) < 9.5e6


@pytest.mark.parametrize("name", TRAINED)
def test_every_row_was_measured_with_the_weights_shipped(name):
    world, _, family = name.partition("/")
    weights = checkpoint.fingerprint(checkpoint.ROOT / name)
    rows = figures.read(world)
    measured = {row for row, named in rows.items() if family in named and row != stability.ROW}  # that one is of other weights
    assert measured == {row.key for row in table.rows(world)} - {stability.ROW}
    for row in measured:
        assert {figure.weights for figure in rows[row][family].values()} == {weights}, row
        assert judges_of(rows[row][family]) <= {judges.load(world).hash, ""}, row
    assert judges_of(rows["quality"][family]) == judges_of(rows["quality"]["real"]) == {judges.load(world).hash}


@pytest.mark.parametrize("world", worlds.NAMES)
def test_pictures_that_are_compared_are_as_many_and_none_were_measured_quickly(world):
    rows = figures.read(world)
    for row in ("quality", "novelty"):
        compared = next(r.compared for r in table.ROWS if r.key == row)
        assert len({rows[row][family][name].n for family in engines.FAMILIES for name in compared}) == 1, row
    for named in (named for measured in rows.values() for named in measured.values()):
        assert not [name for name, figure in named.items() if figure.method.startswith(QUICK)]


def test_a_second_run_with_another_seed_agrees_and_turns_no_verdict_round():
    everywhere = []
    for world in worlds.NAMES:
        first, second = figures.read(world), figures.read_second(world)
        agreed = []
        for row in table.rows(world):
            for family in set(second.get(row.key, {})) & set(engines.FAMILIES):
                for name, figure in second[row.key][family].items():
                    known = first[row.key][family][name]
                    assert (figure.weights, figure.judge) == (known.weights, known.judge), (row.key, family, name)
                    assert figure.seed != known.seed
                    if figure.low is not None:
                        agreed.append(table.agree(row, known, figure))
        assert len(agreed) >= 30
        assert np.mean(agreed) > 0.9
        verdicts = [{table.verdict(claim, found) for found in (first, second)} for claim in table.claims(world)]
        assert {table.REPRODUCED, table.CONTRADICTED} not in verdicts
        everywhere += agreed
    assert f"{sum(everywhere)} of {len(everywhere)} figures" in README.read_text()


@pytest.mark.parametrize("name", TRAINED)
def test_every_cell_of_pictures_has_some_to_show(name):
    world, _, family = name.partition("/")
    for row in ("quality", "control", "novelty", *(("faces",) if world == "faces" else ())):
        assert figures.read_evidence(world, row, family), row


@pytest.mark.parametrize("world", worlds.NAMES)
def test_speeds_that_are_compared_were_measured_side_by_side(world):
    row = figures.read(world)["speed"]
    assert len({(figure.machine, figure.commit) for named in row.values() for name, figure in named.items() if name == "seconds"}) == 1


@pytest.mark.parametrize("world", worlds.NAMES)
def test_costs_tell_how_sure_they_are(world):
    row = figures.read(world)["resources"]
    for family in engines.FAMILIES:
        for name in ("cost_classifier", "cost_encoder"):
            assert row[family][name].low < row[family][name].high, (family, name)


def judges_of(named):
    """The judges behind some figures."""
    return {figure.judge for figure in named.values()}
