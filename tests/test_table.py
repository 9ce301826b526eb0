"""The table: its claims, its words, its verdicts, and the file that figures live in."""

import csv
import dataclasses
import importlib.util
import io
import json
import math
import re
from collections import Counter
from functools import partial
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest

import engines
from engines import FAMILIES, CheckpointError
from playground import figures, references, table
from playground.figures import Figure
from playground.measure import __main__ as program
from playground.ui import again, table_detail, table_tab

ROW = {row.key: row for row in table.ROWS}


def figure(value, low=None, high=None):
    return Figure(value, "", 5000, "test", "machine", "abc", low, high)


def measured(row, name, values, spread=0.0):
    """One row with the same figure for every family, its interval `spread` of the value to both sides."""
    return {row: {f: {name: figure(v, v * (1 - spread), v * (1 + spread))} for f, v in zip(FAMILIES, values, strict=True)}}


def test_the_course_makes_29_claims_and_26_without_faces():
    counts = Counter(claim.row.title for claim in table.claims("faces"))
    assert counts == {
        "Quality": 6,
        "Speed": 4,
        "Training stability": 3,
        "Control over generation": 5,
        "Facial manipulation": 3,
        "Novelty": 4,
        "Resource intensity": 4,
    }
    assert len(table.claims("faces")) == 29
    assert len(table.claims("digits")) == 26


def test_claims_follow_the_words():
    pairs = {(claim.upper, claim.lower) for claim in table.claims("faces") if claim.row.key == "control"}
    assert pairs == {
        ("autoregressive", "vae"),
        ("autoregressive", "gan"),
        ("autoregressive", "diffusion"),
        ("diffusion", "vae"),
        ("diffusion", "gan"),
    }


@pytest.mark.parametrize(
    ("row", "value", "word"),
    [
        ("quality", 4, "Exceptional"),
        ("quality", 4.01, "High"),
        ("quality", 16, "High"),
        ("quality", 64, "Moderate"),
        ("quality", 64.1, "Low"),
        ("speed", 5, "Fast"),
        ("speed", 7, "Medium"),
        ("speed", 10, "Slow"),
        ("control", 2, "Limited"),
        ("control", 3, "Moderate"),
        ("control", 5, "Flexible"),
        ("novelty", 0.7, "High"),
        ("novelty", 0.69, "Limited"),
        ("resources", 10, "Moderate"),
        ("resources", 10.1, "High"),
        ("faces", 0, "No"),
        ("faces", 1, "Yes"),
    ],
)
def test_words_at_their_limits(row, value, word):
    assert ROW[row].rule(value, {}) == word


@pytest.mark.parametrize(("failures", "variation", "word"), [(1, 0.24, "Stable"), (2, 0.1, "Unstable"), (0, 0.25, "Unstable")])
def test_stability_needs_few_failures_and_little_variation(failures, variation, word):
    assert ROW["stability"].rule(failures, {"variation": figure(variation)}) == word


def test_the_interval_of_a_difference_joins_both_intervals():
    low, high = table.difference_interval(figure(10, 7, 13), figure(4, 0, 8))
    assert (low, high) == pytest.approx((6 - 5, 6 + 5))


def test_figures_that_were_resampled_alike_are_compared_resample_by_resample():
    """What all engines share, prompts and real images, does not blur their difference."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(0, 1, 200), rng.normal(0, 0.05, (2, 200))

    def resampled(value, draws, seed=3):
        low, high = np.percentile(value + draws, (2.5, 97.5))
        return dataclasses.replace(figure(value, low, high), seed=seed, resamples=tuple(value + draws - draws.mean()))

    a, b = resampled(10.5, shared + own[0]), resampled(10.0, shared + own[1])
    low, high = table.difference_interval(a, b)
    assert 0.2 < low < 0.5 < high < 0.8
    assert high - low == pytest.approx(2 * 1.96 * math.hypot(0.05, 0.05), rel=0.3)
    low, high = table.difference_interval(table.log_figure(a), table.log_figure(b))
    assert 0.02 < low < math.log(1.05) < high < 0.08
    for other in (resampled(10.0, shared + own[1], seed=4), dataclasses.replace(b, n=4999), dataclasses.replace(b, resamples=())):
        low, high = table.difference_interval(a, other)
        assert low < -2 < 3 < high
    below = dataclasses.replace(a, resamples=(-1.0, *a.resamples[1:]))
    assert table.log_figure(below).resamples == ()  # no logarithm to take


def test_speed_is_reproduced_contradicted_and_undecided():
    claims = [claim for claim in table.claims("digits") if claim.row.key == "speed"]
    expected = {(0.005, 0.006, 1.0, 0.4): "reproduced", (1.0, 0.9, 0.005, 0.006): "contradicted"}
    for seconds, verdict in expected.items():
        found = measured("speed", "seconds", seconds, spread=0.1)
        assert {table.verdict(claim, found) for claim in claims} == {verdict}
    level = measured("speed", "seconds", (1.0, 1.0, 1.05, 1.05), spread=0.1)
    assert {table.verdict(claim, level) for claim in claims} == {"undecided"}


def test_both_judges_must_agree_on_quality():
    claim = next(c for c in table.claims("digits") if (c.row.key, c.upper, c.lower) == ("quality", "diffusion", "vae"))

    def found(vae, diffusion):
        both = {"vae": vae, "diffusion": diffusion}
        return {
            "quality": {
                family: {
                    f"fd_ratio_{space}": figure(v, 0.9 * v, 1.1 * v) for space, v in zip(("classifier", "encoder"), values, strict=True)
                }
                for family, values in both.items()
            }
        }

    assert table.verdict(claim, found((100, 90), (3, 4))) == "reproduced"
    assert table.verdict(claim, found((3, 4), (100, 90))) == "contradicted"
    assert table.verdict(claim, found((100, 3), (3, 90))) == "undecided"
    assert table.verdict(claim, found((100, 4), (3, 4))) == "undecided"
    split = table.contrasts(claim, found((100, 3), (3, 90)))
    assert [(c.name, c.sign) for c in split] == [("fd_ratio_classifier", 1), ("fd_ratio_encoder", -1)]
    assert split[0].value == pytest.approx(0.03)
    assert split[0].low < 0.03 < split[0].high < 1


def test_figures_that_do_not_take_ratios_are_compared_by_difference():
    claim = next(c for c in table.claims("digits") if (c.row.key, c.upper, c.lower) == ("control", "diffusion", "vae"))
    two, five, six = figure(2, 1, 3), figure(5, 4, 5), figure(6, 5, 6)
    [found] = table.contrasts(claim, {"control": {"vae": {"controls": two}, "diffusion": {"controls": five}}})
    assert (found.value, found.sign) == (3, 1)
    [found] = table.contrasts(claim, {"control": {"vae": {"controls": six}, "diffusion": {"controls": five}}})
    assert (found.value, found.low, found.high, found.sign) == (-1, -2, 0, 0)
    assert table.contrasts(claim, {"control": {"vae": {"controls": six}, "diffusion": {}}}) == []


def test_an_interval_that_reaches_zero_leaves_a_ratio_open():
    assert table.log_figure(figure(1.0, -0.2, 2.0)).low == -math.inf
    found = {"speed": {"gan": {"seconds": figure(1.0, 0.9, 1.1)}, "diffusion": {"seconds": figure(2.0, -0.1, 4.0)}}}
    claim = next(c for c in table.claims("digits") if (c.row.key, c.upper, c.lower) == ("speed", "gan", "diffusion"))
    assert table.verdict(claim, found) == "undecided"


def test_cells_show_words_and_relative_numbers():
    found = measured("speed", "seconds", (0.005, 0.01, 0.5, 0.035), spread=0.1)
    cells = {cell.family: cell for cell in table.cells("digits", found) if cell.row.key == "speed"}
    assert {family: cell.ours for family, cell in cells.items()} == {
        "vae": "Fast",
        "gan": "Fast",
        "autoregressive": "Slow",
        "diffusion": "Medium",
    }
    assert cells["autoregressive"].figure.value == pytest.approx(100)
    assert cells["autoregressive"].figure.low == pytest.approx(100 * math.exp(-math.hypot(math.log(1 / 0.9), math.log(1.1))))
    assert (cells["vae"].figure.value, cells["vae"].figure.low, cells["vae"].figure.high) == (1, None, None)
    assert {cell.verdict for cell in cells.values()} == {"reproduced"}
    assert table.tally("digits", found) == {"reproduced": 4, "contradicted": 0, "undecided": 0, "not measured": 22}


def test_cells_without_figures_say_so():
    cells = table.cells("digits", {})
    assert len(cells) == 24
    assert {(cell.ours, cell.figure, cell.verdict) for cell in cells} == {(None, None, "not measured")}
    assert table.tally("faces", {})["not measured"] == 29


def test_figures_of_different_judges_are_not_compared():
    found = measured("novelty", "novelty_classifier", (0.2, 0.3, 0.8, 0.9), spread=0.01)
    for named in found["novelty"].values():
        named["novelty_encoder"] = named["novelty_classifier"]
    claim = next(claim for claim in table.claims("digits") if claim.name == "novelty: diffusion above gan")
    assert table.verdict(claim, found) == "reproduced"
    for judges, verdict in ((("", "another"), "reproduced"), (("one", "another"), "not measured")):
        for family, judge in zip(("gan", "diffusion"), judges, strict=True):
            found["novelty"][family]["novelty_encoder"] = dataclasses.replace(found["novelty"][family]["novelty_encoder"], judge=judge)
        assert table.verdict(claim, found) == verdict


def test_one_contradicted_claim_contradicts_its_cells():
    found = measured("quality", "fd_ratio_classifier", (100, 2, 10, 5), spread=0.05)
    for named in found["quality"].values():
        named["fd_ratio"] = named["fd_ratio_encoder"] = named["fd_ratio_classifier"]
    verdicts = {cell.family: cell.verdict for cell in table.cells("digits", found) if cell.row.key == "quality"}
    assert verdicts == {"vae": "reproduced", "gan": "contradicted", "autoregressive": "contradicted", "diffusion": "contradicted"}


def test_every_source_of_a_reference_is_a_link():
    texts = [text for row in table.ROWS for text in row.references.values()]
    assert len(texts) == 7 * 4
    for text in texts:
        named = re.findall(r"[A-Z][\w&. ]+? (?:19|20)\d\d", text)
        assert named, text
        assert re.findall(r">([^<]+)</a>", table_tab.with_links(text)) == [escape(name) for name in named]
    assert set(references.SOURCES) == {name for name in references.SOURCES if any(name in text for text in texts)}
    assert all(row.references.keys() == set(FAMILIES) for row in table.ROWS)


def test_a_cell_says_what_was_published_and_where_it_was_measured_if_elsewhere(monkeypatch):
    found = measured("stability", "failures", (1, 5, 1, 1))
    for named in found["stability"].values():
        named["variation"] = figure(0.1)
    monkeypatch.setattr(figures, "read", lambda world: found)
    faces, digits = (table_tab.show(world) for world in ("faces", "digits"))
    assert faces.count("measured in Handwritten digits") == 4
    assert "measured in" not in digits
    assert 'published: CIFAR-10 FID: VAE with learnt noise 76.7 ± 0.8 (<a href="https://arxiv.org/abs/1903.05789"' in faces


def test_every_cell_is_a_line_of_the_csv():
    rows = measured("speed", "seconds", (0.002, 0.004, 0.5, 0.3), spread=0.1)
    lines = list(csv.DictReader(io.StringIO(table_tab.to_csv("digits", rows))))
    assert len(lines) == 6 * 4
    line = next(line for line in lines if line["row"] == "Speed" and line["engine"] == "autoregressive")
    words = ("Slow", "Slow", 250, "× fastest", "reproduced")
    assert (line["course"], line["measured"], float(line["value"]), line["unit"], line["verdict"]) == words
    assert next(line for line in lines if line["row"] == "Novelty")["value"] == ""


def test_what_is_measured_again_stands_beside_what_is_committed(tmp_path):
    committed, here = tmp_path / "committed", tmp_path / "here"

    def write(row, name, low, value, high, root):
        figures.write("digits", row, "vae", {name: figure(value, low, high)}, root=root)

    for root, speed, fd in ((committed, (0.0019, 0.002, 0.0021), (19, 20, 21)), (here, (0.0039, 0.004, 0.0041), (-17, 3, 90))):
        write("speed", "seconds", *speed, root)
        write("quality", "fd_ratio", *fd, root)
        figures.write("digits", "stability", "vae", {"failures": figure(1, 0, 4), "variation": figure(0.1)}, root=root)
    write("novelty", "novelty", 0.9, 0.95, 0.99, here)
    lines = again.side_by_side("digits", *(again.read("digits", folder) for folder in (here, committed))).split("<tr>")[2:]
    told = [[cell.split("</td>")[0] for cell in line.split("<td>")[1:]] for line in lines]
    assert [cells[3:] for cells in told] == [
        ["yes", "too few pictures to tell: Exceptional to Low"],
        ["differs", "Fast"],
        ["quoted", "Stable"],
        ["", "High"],
    ]
    assert told[1][1:3] == ["0.002  [0.0019, 0.0021]", "0.004  [0.0039, 0.0041]"]
    assert told[3][1] == "not measured"


def test_measuring_again_runs_every_row_quickly_and_beside_what_is_committed(tmp_path):
    asked = {}
    background = SimpleNamespace(start_or_join=lambda name, command, **options: asked.update(command=command, **options))
    again._start(background, tmp_path, "faces", "a page")
    module, *arguments = asked["command"]
    assert importlib.util.find_spec(f"{module}.__main__")
    options = program.parse(arguments)
    assert (options.world, options.quick, options.out) == ("faces", True, tmp_path)
    assert options.rows == [row.key for row in table.rows("faces")]
    assert asked["clear"] == tmp_path / "faces"  # what it removes first


def test_behind_a_cell_stand_its_claims_figures_ruler_and_evidence(tmp_path, monkeypatch):
    kept = measured("quality", "fd_ratio_classifier", (70, 20, 30, 3), spread=0.01)["quality"]
    for name, named in measured("quality", "fd_ratio_encoder", (70, 20, 30, 3), spread=0.01)["quality"].items():
        kept[name] |= named
    kept["vae"]["fd_ratio"] = figure(70.0, 69.0, 71.0)
    for name, named in kept.items():
        figures.write("digits", "quality", name, named, root=tmp_path)
    real = {"ruler_classifier blur 1 px": figure(9.87), "ruler_encoder noise 5 %": figure(0.51), "floor_encoder": figure(0.5)}
    figures.write("digits", "quality", "real", real, root=tmp_path)
    figures.write_evidence("digits", "quality", "gan", np.zeros((4, 4, 1), np.uint8), "Best above <worst>.", root=tmp_path)
    reasons = {"quality: autoregressive above gan": "It trained for a tenth of the time.", "quality": "Small pictures.", "speed": "Idle."}
    (tmp_path / "digits" / "reasons.json").write_text(json.dumps(reasons))
    for read in ("read", "read_evidence", "read_reasons", "read_second"):
        monkeypatch.setattr(figures, read, partial(getattr(figures, read), root=tmp_path))
    shown = table_detail.show({"world": "digits", "row": "quality", "family": "gan"})
    assert 'gan Moderate above vae Low: <b class="verdict">reproduced' in shown
    assert 'autoregressive High above gan Moderate: <b class="verdict">contradicted' in shown
    assert "fd ratio classifier: 30 against 20, ratio 1.5 (1.48 to 1.52), the other way round" in shown
    assert "fd ratio encoder: 20 against 70, ratio 0.286 (0.282 to 0.29), as claimed" in shown
    assert "It trained for a tenth of the time." in shown
    assert "ruler classifier blur 1 px" in shown
    assert '<th scope="row">ruler encoder noise 5 %</th><td>1.02 × real</td>' in shown  # in the unit of the cells
    assert "the encoder hardly sees noise 5 %" in shown
    assert "data:image/webp;base64," in shown
    assert "Best above &lt;worst&gt;." in shown
    assert "<p>Small pictures.</p>" in shown
    assert "Idle." not in shown
    reproduced = table_detail.show({"world": "digits", "row": "quality", "family": "vae"})
    assert "It trained" not in reproduced
    assert "Small pictures." not in reproduced
    assert "once more" not in reproduced
    again = dataclasses.replace(figure(71.0, 69.0, 73.0), seed=7)
    other = dataclasses.replace(figure(40.0, 39.0, 41.0), seed=7)
    seconds = {"quality": {"vae": {"fd_ratio": other, "fd_ratio_classifier": again}}}
    monkeypatch.setattr(figures, "read_second", lambda world: seconds)
    shown = table_detail.show({"world": "digits", "row": "quality", "family": "vae"})
    assert "(seed 7, commit abc): 40  [39, 41], which does not agree; of 2 figures with an interval 1 agree" in shown
    with pytest.raises(ValueError, match="a cell is one of"):
        table_detail.show({"world": "digits", "row": "faces", "family": "gan"})


def test_shipped_claims_that_are_not_reproduced_and_words_that_are_not_the_courses_are_explained():
    for world in engines.world_names():
        measured, reasons = figures.read(world), figures.read_reasons(world)
        found = [(claim, table.verdict(claim, measured)) for claim in table.claims(world)]
        unlike = {cell.row.key for cell in table.cells(world, measured) if cell.ours != cell.theirs}
        assert {claim.name for claim, verdict in found if verdict == table.CONTRADICTED} <= set(reasons)
        for claim, verdict in found:
            assert verdict == table.REPRODUCED or {claim.name, claim.row.key} & set(reasons), claim.name
        assert unlike <= set(reasons)
        explicable = {name for claim, verdict in found if verdict != table.REPRODUCED for name in (claim.name, claim.row.key)}
        assert set(reasons) <= explicable | unlike
        assert all(reason.endswith(".") for reason in reasons.values())


def test_figures_survive_the_file_and_other_rows_stay(tmp_path):
    first = dataclasses.replace(figure(1.0, 0.5, 2.0), method="in [0,  1]", resamples=(0.5, 1.25, 2.0))
    second = Figure(3.0, "s", 20, "median", "machine", "abc", seed=7, judge="f00")
    figures.write("digits", "quality", "vae", {"fd_ratio": first}, root=tmp_path)
    figures.write("digits", "speed", "vae", {"seconds": second}, root=tmp_path)
    figures.write("digits", "speed", "gan", {"seconds": second}, root=tmp_path)
    before = (tmp_path / "digits" / "figures.json").read_text()
    assert '"resamples": [ 0.5, 1.25, 2.0 ]' in before  # one line
    figures.write("digits", "quality", "vae", {"fd_ratio": first}, root=tmp_path)
    assert (tmp_path / "digits" / "figures.json").read_text() == before
    assert figures.read("digits", root=tmp_path) == {
        "quality": {"vae": {"fd_ratio": first}},
        "speed": {"vae": {"seconds": second}, "gan": {"seconds": second}},
    }


def test_missing_figures_are_empty_and_damaged_ones_named(tmp_path):
    assert figures.read("digits", root=tmp_path) == {}
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "figures.json").write_text('{"speed": {"vae": {"seconds": {"value"')
    with pytest.raises(CheckpointError, match=r"figures.json is damaged.*python -m playground.measure digits"):
        figures.read("digits", root=tmp_path)
    with pytest.raises(ValueError, match="world must be one of"):
        figures.read("cats", root=tmp_path)


COURSE = {  # figures that earn the course's words, whatever the code takes for good
    "quality": (100, 30, 10, 2),
    "speed": (1, 1, 20, 20),
    "stability": (0, 5, 0, 0),
    "control": (1, 1, 6, 4),
    "faces": (0, 1, 0, 0),
    "novelty": (0.3, 0.3, 0.9, 0.9),
    "resources": (1, 1, 100, 100),
}


def earned(row, values):
    names = {row.figure, *row.compared}
    spread = [{name: figure(v, 0.9 * v, 1.1 * v) for name in names} | {"variation": figure(0.1)} for v in values]
    return {row.key: dict(zip(FAMILIES, spread, strict=True))}


@pytest.mark.parametrize("row", table.ROWS, ids=lambda row: row.key)
def test_figures_that_earn_the_courses_words_reproduce_every_claim(row):
    values, claims = COURSE[row.key], [claim for claim in table.claims("faces") if claim.row is row]
    good = earned(row, values)
    assert all(cell.ours == cell.theirs for cell in table.cells("faces", good) if cell.row is row)
    assert {table.verdict(claim, good) for claim in claims} == {"reproduced"}
    most, least = max(values), min(values)
    swapped = earned(row, [most * least / value if row.ratio else most + least - value for value in values])
    assert {table.verdict(claim, swapped) for claim in claims} == {"contradicted"}


def test_two_compared_figures_must_agree():
    row = next(row for row in table.ROWS if len(row.compared) == 2)
    good, other = earned(row, COURSE[row.key]), earned(row, COURSE[row.key][::-1])
    for family in FAMILIES:
        good[row.key][family][row.compared[1]] = other[row.key][family][row.compared[1]]
    assert {table.verdict(claim, good) for claim in table.claims("faces") if claim.row is row} == {"undecided"}
