"""Replays, the failure shelf and trainings to watch, without Gradio running."""

import dataclasses
import json
import math
import shlex
import subprocess
from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

import engines
from engines import CheckpointError, checkpoint, worlds
from engines import __main__ as drawing
from engines.training import __main__ as training
from engines.training.gan import RECIPES as GAN_RECIPES
from playground.background import Background
from playground.explore import latent_map
from playground.trainings import live, replay, shelf
from playground.ui.items import failures, stability
from playground.ui.items import live as live_item
from playground.ui.items import replay as replay_item

SHIPPED = [name for world in worlds.NAMES for family in engines.FAMILIES if engines.is_trained(name := f"{world}/{family}")]


def write_log(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


# Replay


@pytest.mark.parametrize("name", SHIPPED)
def test_the_replay_of_a_shipped_engine_goes_from_its_first_step_to_its_last(name):
    shown = replay.load(name)
    assert shown.curves, "curves.toml names no line of this engine's log"
    for curve in shown.curves:
        times = [time for time, _ in curve.points]
        assert times == sorted(times)
        assert 2 < len(times) <= replay.POINTS
        assert times[-1] <= shown.seconds
    assert [moment.seconds for moment in shown.moments] == sorted(moment.seconds for moment in shown.moments)
    assert shown.moments[-1].seconds == pytest.approx(shown.seconds, abs=1)
    height, width, colors = worlds.load(name.partition("/")[0]).image_shape
    assert shown.pictures.shape == (len(shown.moments), replay.PICTURES, height, width, colors)
    assert not np.array_equal(shown.pictures[0], shown.pictures[-1])


@pytest.mark.parametrize("world", engines.world_names())
def test_engines_of_a_world_were_asked_for_the_same(world):
    captions = {replay.load(name).captions for name in SHIPPED if name.startswith(f"{world}/")}
    wishes = [[engines.read(world, caption).attributes for caption in asked] for asked in captions]  # wording may have changed since
    assert all(asked == wishes[0] for asked in wishes)


def test_a_log_forgets_what_a_stopped_run_had_done_beyond_the_moment_it_went_on_from(tmp_path):
    path = tmp_path / "training.jsonl"
    write_log(path, [{"seconds": s, "loss": loss} for s, loss in ((1, 5), (20, 4), (40, 3), (21, 3.5), (41, 2.5))])
    with path.open("a") as file:
        file.write('{"seconds": 60, "lo')  # still being written
    assert replay.read_log(path) == [{"seconds": s, "loss": loss} for s, loss in ((1, 5), (20, 4), (21, 3.5), (41, 2.5))]


def test_long_curves_are_thinned_to_means():
    lines = [{"seconds": float(i), "loss": float(i % 2)} for i in range(10 * replay.POINTS)]
    (curve,) = replay.read_curves("digits/diffusion", lines)
    assert len(curve.points) == replay.POINTS
    assert {value for _, value in curve.points} == {0.5}


@pytest.mark.parametrize("damage", ["no log", "no pictures", "cut pictures"])
def test_a_damaged_replay_names_the_command(damage, tmp_path):
    folder = tmp_path / "digits" / "gan"
    folder.mkdir(parents=True)
    if damage != "no log":
        write_log(folder / "training.jsonl", [{"step": 1, "images": 2, "seconds": 1.0, "g_loss": 1.0}])
    if damage == "cut pictures":
        whole = (checkpoint.ROOT / "digits" / "gan" / "progress.npz").read_bytes()
        (folder / "progress.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"python -m engines\.training digits/gan"):
        replay.load("digits/gan", root=tmp_path)


def test_the_page_gets_one_sheet_for_all_moments():
    packed = replay_item.pack_engine("digits/vae")
    assert packed["title"] == "VAE"
    assert packed["sheet"].startswith("data:image/webp;base64,")
    assert all(math.isfinite(value) for curve in packed["curves"] for _, value in curve["points"])
    json.dumps(packed)


def test_the_training_of_the_maps_engine_is_replayed_too():
    names = latent_map.engines_beside("digits")
    assert names == [*engines.available("digits"), "digits/vae-map"]
    assert latent_map.engines_beside("faces") == engines.available("faces")
    packed = replay_item.pack_engine(names[-1])
    assert packed["title"] == "VAE, two numbers, no words"
    assert [curve["name"] for curve in packed["curves"]] == ["Reconstruction", "Kullback-Leibler divergence"]


# The failure shelf


def test_every_exhibit_compares_runs_that_the_command_line_takes():
    for exhibit in shelf.load():
        assert exhibit.family in engines.FAMILIES
        assert len(exhibit.recordings) >= 3
        for recording in exhibit.recordings:
            _, _, program, *arguments = shlex.split(recording.command)
            if program == "engines":
                options, kind = drawing.parse(arguments)
                kind.params_type(**{field.name: getattr(options, field.name) for field in dataclasses.fields(kind.params_type)})
            else:
                assert program == "engines.training"
                options = training.parse(arguments)
                family = options.name.partition("/")[2]
                training.change(import_module(f"engines.training.{family}").RECIPES["digits"]["default"], options.set)


def test_a_shelf_records_what_is_missing_and_nothing_twice(tmp_path, monkeypatch):
    ran = []

    def run(arguments):
        ran.append(arguments)
        out = tmp_path / arguments[-1]
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix:
            Image.new("L", (4, 4), 9).save(out)
        else:
            out.mkdir(exist_ok=True)
            Image.new("L", (4, 4), 9).save(out / "samples.png")

    monkeypatch.setattr(shelf, "run", run)
    monkeypatch.setattr(shelf, "WORKPLACE", tmp_path / "work")
    folder = tmp_path / "shelf"
    assert not any(recording.picture for exhibit in shelf.load(folder) for recording in exhibit.recordings)
    assert "not recorded yet" in failures.show(folder)
    shelf.record(folder)
    recordings = [recording for exhibit in shelf.load(folder) for recording in exhibit.recordings]
    assert len(ran) == len(recordings)
    assert all(recording.picture and recording.made for recording in recordings)
    assert "not recorded yet" not in failures.show(folder)
    shelf.record(folder)
    assert len(ran) == len(recordings)
    records = json.loads((folder / shelf.RECORDS).read_text())
    records["vae-beta-1"]["command"] = "python -m engines.training digits/vae --minutes 99"
    records["autoregressive-temperature-2"]["weights"] = "those of another training"
    (folder / shelf.RECORDS).write_text(json.dumps(records))
    shelf.record(folder)
    assert len(ran) == len(recordings) + 2


def test_a_run_whose_numbers_run_away_is_kept_if_it_drew_before(tmp_path, monkeypatch):
    def fail(arguments):
        (tmp_path / arguments[-1]).mkdir(parents=True)
        if drew:
            Image.new("L", (4, 4), 9).save(tmp_path / arguments[-1] / "samples.png")
        raise subprocess.CalledProcessError(1, arguments)

    exhibit = {"name": "x", "recordings": [{"label": "l", "command": "python -m engines.training digits/gan --out {out}"}]}
    monkeypatch.setattr(shelf, "_described", lambda: [exhibit | {"family": "gan", "title": "t", "text": "t"}])
    monkeypatch.setattr(shelf, "run", fail)
    for drew in (True, False):
        monkeypatch.setattr(shelf, "WORKPLACE", tmp_path / str(drew))
        if drew:
            shelf.record(tmp_path / "shelf")
            assert shelf.load(tmp_path / "shelf")[0].recordings[0].picture
        else:
            with pytest.raises(FileNotFoundError):
                shelf.record(tmp_path / "other")


# The stability study


def test_the_study_shows_which_runs_failed(tmp_path):
    folder = tmp_path / "digits" / "stability" / "gan"
    folder.mkdir(parents=True)
    for seed in stability.stability.SEEDS:
        for rate in stability.stability.RATES:
            fd, curve = (1.0 if rate <= 1 else 9.0), [{"seconds": i, "g_loss": 5.0 - i} for i in range(4)]
            run = {"seed": seed, "rate": rate, "minutes": 1, "diverged": False, "fd": fd, "missing": 0.0, "curve": curve}
            name = stability.stability.run_name(seed, rate)
            (folder / f"{name}.json").write_text(json.dumps(run))
            Image.new("L", (4, 4)).save(folder / f"{name}.webp")
    shown = stability.show(tmp_path)
    assert "3 of 9 runs failed" in shown
    assert shown.count('data-verdict="failed"') == 3
    assert shown.count("<polyline") == 9
    assert "Not run yet: VAE, Autoregressive, Diffusion" in shown


# Train live


def test_a_training_to_watch_leaves_a_curve_and_pictures(tmp_path):
    threads = torch.get_num_threads()
    out = tmp_path / "vae"
    assert live.look("digits/vae", out) is None
    try:
        live.main(["digits/vae", "--minutes", "0.02", "--out", str(out)])
    finally:
        torch.set_num_threads(threads)
    seen = live.look("digits/vae", out)
    assert seen.steps > 0
    assert seen.seconds >= 0.02 * 60
    assert [curve.name for curve in seen.curves] == ["Reconstruction", "Kullback-Leibler divergence"]
    assert seen.picture.startswith(b"\x89PNG")
    (out / "samples.png").write_bytes(seen.picture[:-20])  # as it lies there while it is being written
    assert live.look("digits/vae", out).picture is None


def test_a_measurement_leaves_the_last_training_on_show(tmp_path):
    background = Background(tmp_path)
    assert live_item.pack(background, tmp_path) == {"state": "idle"}
    background.start("training digits/vae", ["platform"]).process.wait()
    background.start("measuring digits", ["platform"]).process.wait()
    shown = live_item.pack(background, tmp_path)
    assert (shown["state"], shown["engine"]) == ("done", "digits/vae")


def test_only_engines_on_the_list_are_trained(tmp_path):
    with pytest.raises(ValueError, match="digits/vae"):
        live.command("faces/gan", tmp_path)
    with pytest.raises(ValueError, match="engine must be one of"):
        live.command("digits/vae --minutes 99", tmp_path)


def test_one_training_at_a_time_which_all_watch_and_only_its_owner_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "command", lambda name, out: ["http.server", "0", "--bind", "127.0.0.1"])
    background = Background(tmp_path)
    assert live_item.pack(background, tmp_path) == {"state": "idle"}
    try:
        live_item.begin(background, tmp_path, "digits/gan", "anna")
        job = background.job
        live_item.begin(background, tmp_path, "digits/gan", "ben")
        assert background.job is job
        with pytest.raises(ValueError, match="busy with “training digits/gan”"):
            live_item.begin(background, tmp_path, "digits/vae", "ben")
        assert live_item.pack(background, tmp_path)["state"] == "training"
        with pytest.raises(ValueError, match="begun by another visitor"):
            live_item.end(background, "ben")
        with pytest.raises(ValueError, match="owner must be text"):
            live_item.begin(background, tmp_path, "digits/gan", None)
        with pytest.raises(ValueError, match="begun by another visitor"):
            live_item.end(background, None)
        assert job.running
        live_item.end(background, "anna")
        assert not job.running
        assert live_item.pack(background, tmp_path)["state"] == "stopped"
        live_item.end(background, "ben")  # nothing runs: nothing happens
    finally:
        background.stop_all()


def test_a_sheet_that_was_seen_is_not_sent_again(tmp_path):
    background, out = Background(tmp_path), tmp_path / "digits/vae"
    out.mkdir(parents=True)
    write_log(
        out / "training.jsonl",
        [{"step": 1, "images": 2, "seconds": 1.5, "kl": 1.0, "saved": True}, {"step": 2, "images": 4, "seconds": 2.0}],
    )
    Image.new("L", (4, 4)).save(out / "samples.png")
    background.start("training digits/vae", ["platform"])
    first, again = (live_item.pack(background, tmp_path, seen=seen) for seen in (0, 1.5))
    assert (first["drawn"], first["steps"]) == (1.5, 2)
    assert first["picture"].startswith("data:image/png")
    assert again["picture"] == ""


# Recipes on the command line


def test_numbers_of_a_recipe_can_be_changed():
    recipe = GAN_RECIPES["digits"]["default"]
    changed = training.change(recipe, ["gamma=0", "batch_size=8"])
    assert (changed.gamma, changed.batch_size, changed.minutes) == (0.0, 8, recipe.minutes)
    for wrong in ("gamma", "gamma=much", "batch_size=1.5", "betas=1", "no_such=1"):
        with pytest.raises(ValueError, match="gamma"):
            training.change(recipe, [wrong])
