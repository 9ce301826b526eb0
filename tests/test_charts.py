"""Charts of the table tab: that they show the figures, at their places, and nothing where there are none."""

import json

import pytest

from engines import FAMILIES
from playground import figures, table
from playground.figures import Figure
from playground.ui import charts


def figure(value, low=None, high=None):
    return Figure(value, "", 5000, "test", "machine", "abc", low, high)


def points(chart):
    return chart["data"]["values"]


def test_quality_against_time_has_every_engine_and_diffusion_at_all_its_steps():
    measured = {
        "speed": {
            "gan": {"seconds": figure(0.01)},
            "diffusion": {"seconds": figure(0.2)}
            | {f"seconds at {steps} steps": figure(steps / 50) for steps in (20, 5)}
            | {f"fd_ratio at {steps} steps": figure(40 / steps) for steps in (5, 20)},
        },
        "quality": {"gan": {"fd_ratio": figure(9.0, 8.0, 10.0)}, "diffusion": {"fd_ratio": figure(1.5)}, "vae": {"fd_ratio": figure(3.0)}},
    }
    chart = charts.quality_against_time("digits", measured)
    found = [(point["engine"], point["seconds"], point["distance"], point["swept"]) for point in points(chart)]
    swept = [("Diffusion", 0.1, 8.0, True), ("Diffusion", 0.4, 2.0, True)]
    whole = ("Diffusion", 0.4, 1.5, False)  # of all pictures, at the 20 steps that it takes by default
    assert found == [("GAN", 0.01, 9.0, False), *swept, whole]  # the VAE's time is not known
    assert (points(chart)[0]["low"], points(chart)[0]["high"]) == (8.0, 10.0)
    spans = charts.fewer_steps(measured)["layer"][0]["data"]["values"]
    assert spans == []
    measured["speed"]["diffusion"]["fd_ratio at 5 steps"] = figure(8.0, -1.0, 16.0)
    spans = charts.fewer_steps(measured)["layer"][0]["data"]["values"]
    assert spans == [{"steps": 5, "low": charts.LOWEST / 2, "high": 8.0}]
    assert points(charts.fewer_steps(measured))[:2] == [
        {"series": "here (FD, × real)", "steps": 5, "worse": 4.0, "value": 8.0},
        {"series": "here (FD, × real)", "steps": 20, "worse": 1.0, "value": 2.0},
    ]


def test_whiskers_end_on_the_logarithmic_axis():
    measured = {"speed": {"gan": {"seconds": figure(0.01)}}, "quality": {"gan": {"fd_ratio": figure(1.9, -0.4, 4.1)}}}
    (point,) = points(charts.quality_against_time("digits", measured))
    assert (point["low"], point["distance"], point["high"]) == (charts.LOWEST, 1.9, 4.1)


@pytest.mark.parametrize(("row", "best", "places"), [("quality", 1.0, [1, 0.5, 0]), ("control", 1.0, [0, 1 / 3, 1])])
def test_rows_run_in_the_direction_of_their_words(row, best, places):
    """Distances on a logarithmic scale, the smallest at the end of "Exceptional"; counts as they are."""
    name = {row.key: row for row in table.ROWS}[row].figure
    measured = {row: {family: {name: figure(value)} for family, value in zip(FAMILIES, (best, best + 1, best + 3), strict=False)}}
    assert [point["place"] for point in points(charts.rows_at_a_glance("faces", measured))] == pytest.approx(places)


def test_intervals_that_overlap_are_seen_to_overlap():
    values = {"vae": figure(3, 1, 6), "gan": figure(4, 2, 5)}
    measured = {"control": {family: {"controls": value} for family, value in values.items()}}
    found = {point["engine"]: (point["low"], point["place"], point["high"]) for point in points(charts.rows_at_a_glance("faces", measured))}
    assert found["VAE"] == pytest.approx((0, 0.4, 1))
    assert found["GAN"] == pytest.approx((0.2, 0.6, 0.8))


def test_the_ruler_stands_beside_the_axis_in_its_unit():
    real = {f"floor_{space}": figure(0.5) for space in ("classifier", "encoder")}
    for damage, values in {"blur 0.5 px": (2.0, 0.5), "blur 2 px": (50.0, 50.0)}.items():
        real |= {f"ruler_{space} {damage}": figure(value) for space, value in zip(("classifier", "encoder"), values, strict=True)}
    measured = {"speed": {"gan": {"seconds": figure(0.01)}}, "quality": {"gan": {"fd_ratio": figure(9.0)}, "real": real}}
    ruler = charts.quality_against_time("digits", measured)["layer"][0]["data"]["values"]
    assert ruler == [{"distance": pytest.approx(2.0), "what": "blur ½ px"}]  # 4 and 1 times the floor; the other is beyond


def test_short_trainings_show_their_outcomes_and_curves(tmp_path):
    folder = tmp_path / "digits" / "stability" / "gan"
    folder.mkdir(parents=True)
    curve = [{"step": 1, "g_loss": 99.0}, {"step": 20, "g_loss": 2.0}, {"step": 40, "g_loss": 1.0}]
    good = {"seed": 0, "rate": 1.0, "steps": 40, "diverged": False, "fd": 3.0, "missing": 0.1, "curve": curve}
    (folder / "a.json").write_text(json.dumps(good))
    (folder / "b.json").write_text(json.dumps({"seed": 0, "rate": 3.0, "steps": 40, "diverged": True, "curve": curve[:2]}))
    runs = figures.read_runs(root=tmp_path)
    chart = charts.outcomes(runs)
    assert [(point["engine"], point["rate"], point["distance"]) for point in points(chart)] == [("GAN", "recipe's", 3.0)]
    assert chart["layer"][0]["data"]["values"] == [{"engine": "GAN", "distance": 6.0}]
    assert chart["title"]["subtitle"][1].endswith("diverged, which have no place: 1")
    drawn = [(point["rate"], point["share"], point["loss"]) for point in points(charts.curves(runs["gan"]))]
    assert drawn == [("recipe's", 0.5, 2.0), ("recipe's", 1.0, 1.0), ("high", 0.5, 2.0)]


def test_nothing_measured_is_nothing_drawn():
    assert charts.quality_against_time("digits", {}) is None
    assert charts.fewer_steps({}) is None
    assert charts.rows_at_a_glance("faces", {}) is None
    assert charts.outcomes({}) is None
    assert charts.curves([]) is None


def test_the_shipped_figures_of_digits_are_drawn():
    updates = charts.draw("digits")
    assert updates[0]["visible"]
    spec = json.loads(updates[0]["value"].plot)
    assert {point["engine"] for point in points(spec)} == {"VAE", "GAN", "Autoregressive", "Diffusion"}
