"""Running engines in turn: order, clocks, pace, containment, stopping, what is kept, what can be taken away."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import threading
import time
from functools import partial
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from fakes import NAMES, WORLD, Fake, make_machine
from PIL import Image

import engines
from engines import CheckpointError, Frame, Known, checkpoint, worlds
from playground import compare as compare_module
from playground import recording
from playground.compare import MAX_PICTURES, PACES, REAL_TIME, SLOW_MOTION, STEP_BY_STEP, Comparison, Order, State, compare, show_times
from playground.film import MAX_BYTES, MAX_FRAMES, Film
from playground.machine import NUM_THREADS, Machine
from playground.ui import items, link
from playground.ui.panes import pack_download, pack_films, view
from playground.ui.runs import LEAST_BYTES, Runs


def finish(order: Order, machine: Machine | None = None):
    *_, comparison = compare(order, machine or make_machine())
    return comparison


def test_engines_take_turns_in_order():
    drawing = []

    def load(name: str) -> Fake:
        return Fake(name, before_frame=lambda step: drawing.append(name))

    comparison = finish(Order(WORLD, "a bold 7", seed=3, num_images=2), make_machine(load))
    assert comparison.state == State.DONE
    assert [pane.name for pane in comparison.panes] == NAMES
    assert drawing == [name for name in NAMES for _ in range(3)]
    assert all(pane.state == State.DONE and pane.shown.step == 3 for pane in comparison.panes)


@pytest.mark.parametrize("prompt", ["a bold 7", ""])
def test_what_the_first_pictures_seed_adds_is_told(prompt):
    comparison = finish(Order(WORLD, prompt, seed=3, num_images=2))
    assert comparison.supplement == "number 3"
    assert view(comparison)["supplement"] == recording.record(comparison)["supplement"] == "number 3"
    known = Known(np.zeros((1, 28, 28, 1), np.uint8), np.ones((1, 28, 28), bool))
    assert finish(Order(WORLD, prompt, seed=3, known=known)).supplement == ""
    assert finish(Order(WORLD, "42", seed=3)).supplement == ""  # refused


def test_two_visitors_never_run_at_once():
    inside, most = [0], [0]

    def before_frame(step: int) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        inside[0] -= 1

    machine = make_machine(lambda name: Fake(name, before_frame=before_frame))
    threads = [threading.Thread(target=finish, args=(Order(WORLD, seed=seed), machine)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1


def test_an_engine_gets_no_more_threads_than_it_gains_from():
    threads = {}

    class Single(Fake):
        max_threads = 1

    def load(name: str) -> Fake:
        kind = Single if name == NAMES[2] else Fake
        return kind(name, before_frame=lambda step: threads.setdefault(name, torch.get_num_threads()))

    machine = make_machine(load)
    finish(Order(WORLD, seed=1), machine)
    assert list(threads.values()) == [NUM_THREADS, NUM_THREADS, 1, NUM_THREADS]
    assert machine.submit(torch.get_num_threads).result() == NUM_THREADS


def test_a_picture_is_encoded_once_while_it_stays_on_show(monkeypatch):
    encoded = []
    monkeypatch.setattr(compare_module, "png", lambda image: encoded.append(image) or b"")
    for comparison in compare(Order(WORLD, seed=1), make_machine()):
        for pane in comparison.panes:
            assert (pane.picture == "") == (pane.shown is None)
    assert 4 <= len(encoded) <= 4 * 3
    before = len(encoded)
    assert all(pane.picture for pane in comparison.panes)
    assert len(encoded) == before


def test_every_engine_gets_the_same_request_with_its_own_settings():
    loaded = {}
    machine = make_machine(lambda name: loaded.setdefault(name, Fake(name)))
    finish(Order(WORLD, "7", seed=5, num_images=3, settings={"diffusion": {"guidance_scale": 3.0}}), machine)
    requests = {name: engine.requests[0] for name, engine in loaded.items()}
    assert {(r.prompt, r.seed, r.num_images) for r in requests.values()} == {("7", 5, 3)}
    assert requests[f"{WORLD}/diffusion"].params.guidance_scale == 3.0
    assert requests[f"{WORLD}/vae"].params == engines.engine_type(f"{WORLD}/vae").params_type()


def test_marks_are_the_judges_reading_of_the_last_picture():
    pane = finish(Order(WORLD, "a bold 7")).panes[0]
    assert pane.marks.found == {"digit": 1.0, "thickness": 0.0}
    assert pane.marks.match == 0.5
    assert pane.marks.sharpness == 0.0  # flat grey
    assert finish(Order(WORLD)).panes[0].marks.match is None


def test_missing_judge_leaves_a_note_and_the_pictures():
    def load_judge(world: str):
        raise CheckpointError("checkpoints/digits/judge is missing")

    pane = finish(Order(WORLD, "7"), make_machine(load_judge=load_judge)).panes[0]
    assert (pane.state, pane.marks, pane.note) == (State.DONE, None, "checkpoints/digits/judge is missing")


@pytest.mark.parametrize("when", ["load", "first frame", "second frame"])
@pytest.mark.parametrize("error", [CheckpointError("make it with X"), ValueError("too big"), RuntimeError("secret"), ZeroDivisionError()])
def test_a_failure_stays_in_its_pane(error, when):
    def fail(step: int) -> None:
        if step == (1 if when == "first frame" else 2):
            raise error

    def load(name: str) -> Fake:
        if name != NAMES[1]:
            return Fake(name)
        if when == "load":
            raise error
        return Fake(name, before_frame=fail)

    comparison = finish(Order(WORLD, "7"), make_machine(load))
    states = [pane.state for pane in comparison.panes]
    assert states == [State.DONE, State.FAILED, State.DONE, State.DONE]
    message = comparison.panes[1].error
    assert message == str(error) if isinstance(error, (CheckpointError, ValueError)) else "log" in message and "secret" not in message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"diffusion": {"num_inference_steps": 1000}}, ("num_inference_steps", "1000", "100")),
        ({"diffusion": {"num_inference_steps": 2.5}}, ("num_inference_steps", "2.5")),
        ({"diffusion": {"scheduler": "magic"}}, ("scheduler", "magic", "DDIM")),
        ({"diffusion": {"nonsense": 1}}, ("nonsense", "num_inference_steps")),
        ({"diffusion": {"guidance_scale": None}}, ("guidance_scale", "None")),
    ],
)
def test_a_bad_setting_fails_its_own_pane_only(settings, words):
    comparison = finish(Order(WORLD, "7", settings=settings))
    failed = [pane for pane in comparison.panes if pane.state == State.FAILED]
    assert [pane.family for pane in failed] == ["diffusion"]
    assert all(word in failed[0].error for word in words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": "x" * 201}, ("200", "201")),
        ({"prompt": 7}, ("prompt", "7")),
        ({"seed": -1}, ("seed", "-1", "2147483647")),
        ({"seed": 2**31}, ("seed", "2147483648")),
        ({"seed": 1.5}, ("seed", "1.5")),
        ({"seed": None}, ("seed", "None")),
        ({"num_images": 0}, ("num_images", "0", str(MAX_PICTURES))),
        ({"num_images": 1000}, ("num_images", "1000", str(MAX_PICTURES))),
        ({"world": "mars"}, ("world", "mars", WORLD)),
        ({"pace": "fast"}, ("pace", "fast", REAL_TIME)),
        ({"settings": [1]}, ("settings", "[1]")),
        ({"settings": {"mars": {}}}, ("settings", "mars")),
        ({"settings": {"vae": 3}}, ("settings", "3")),
    ],
)
def test_a_bad_order_names_field_value_and_range(fields, words):
    with pytest.raises(ValueError, match=r" must .* got ") as caught:
        Order(**{"world": WORLD, **fields})
    assert all(word in str(caught.value) for word in words)


def test_a_refused_prompt_draws_nothing():
    loaded = []
    comparison = finish(Order(WORLD, "42"), make_machine(lambda name: loaded.append(name) or Fake(name)))
    assert (comparison.state, comparison.message) == (State.FAILED, "digits draws one digit, 0 to 9; the prompt asks for 42")
    assert loaded == []


def endless(name: str) -> Fake:
    return Fake(name, num_steps=10**6, before_frame=lambda step: time.sleep(0.001))


def test_stop_frees_the_engine_and_keeps_what_was_drawn():
    engine, stop = endless(NAMES[0]), threading.Event()
    for comparison in compare(Order(WORLD), make_machine(lambda name: engine), stop=stop):
        if comparison.panes[0].shown:
            stop.set()
    assert engine.closed.is_set()
    assert comparison.state == State.STOPPED
    assert [pane.state for pane in comparison.panes] == [State.STOPPED] * 4
    assert comparison.panes[0].shown is comparison.panes[0].film.last
    assert len(engine.requests) == 1


@pytest.mark.parametrize("pace", PACES)
def test_closing_the_run_frees_the_engine(pace):
    engine = endless(NAMES[0])
    run = compare(Order(WORLD, pace=pace), make_machine(lambda name: engine))
    while not engine.requests:
        next(run)
    run.close()
    assert engine.closed.wait(5)


def test_stop_ends_the_wait_for_a_turn():
    machine, release, stop = make_machine(), threading.Event(), threading.Event()
    machine.submit(release.wait)
    run = compare(Order(WORLD), machine, stop=stop)
    assert next(run).state == State.WAITING
    stop.set()
    *_, comparison = run  # ends although the machine is still busy
    assert comparison.state == State.STOPPED
    release.set()


def test_no_more_questions_wait_than_can_be_answered(monkeypatch):
    machine, release = make_machine(), threading.Event()
    monkeypatch.setattr(items, "MOST_PENDING", 3)
    waiting = [machine.submit(release.wait) for _ in range(3)]
    assert "3 questions" in asyncio.run(items.answered_by(machine, dict))["error"]
    release.set()
    assert not any(job.exception() for job in waiting)
    assert machine.submit(lambda: machine.pending).result() == 1  # itself
    assert asyncio.run(items.answered_by(machine, lambda: {"answer": 1})) == {"answer": 1}


@pytest.mark.parametrize("pace", PACES)
def test_pace_never_touches_the_clock(pace):
    comparison = finish(Order(WORLD, pace=pace))
    assert [pane.shown.seconds for pane in comparison.panes] == [0.03] * 4
    assert [pane.film.first_seconds for pane in comparison.panes] == [0.01] * 4


def test_slower_paces_hold_frames_back():
    frames = [Frame(np.zeros((1, 2, 2, 1), np.uint8), i, 3, i, seconds) for i, seconds in enumerate((0.1, 0.2, 0.5), start=1)]
    assert show_times(frames, SLOW_MOTION) == pytest.approx([1, 2, 5])
    assert show_times(frames, STEP_BY_STEP) == pytest.approx([0, 0.3, 0.6])
    assert show_times([*frames, Frame(frames[0].images, 4, 4, 4, 600.0)], SLOW_MOTION)[-1] == pytest.approx(60)
    shown = {
        comparison.panes[0].shown.step
        for comparison in compare(Order(WORLD, pace=STEP_BY_STEP), make_machine())
        if comparison.panes[0].shown
    }
    assert shown == {1, 2, 3}


@pytest.mark.parametrize("count", [1, 2, 59, 60, 61, 119, 784, 5000])
def test_a_film_is_bounded_and_keeps_first_and_last(count):
    film = Film()
    for step in range(1, count + 1):
        film.add(Frame(np.zeros((1, 28, 28, 1), np.uint8), step, count, step, step / 100))
    steps = [frame.step for frame in film.frames]
    assert (steps[0], steps[-1]) == (1, count)
    assert min(count, MAX_FRAMES // 2) <= len(steps) <= MAX_FRAMES + 1
    assert steps == sorted(set(steps))


def test_a_film_of_large_pictures_is_bounded_in_bytes():
    film = Film()
    for step in range(1, 101):
        film.add(Frame(np.zeros((16, 64, 64, 3), np.uint8), step, 100, step, step / 100, {"x_t": np.zeros((16, 64, 64, 3), np.uint8)}))
    assert film.nbytes <= MAX_BYTES + film.last.images.nbytes * 2
    assert film.frames[-1].step == 100


def test_runs_forget_the_oldest_and_stop_the_earlier():
    comparison = finish(Order(WORLD))
    runs = Runs(max_bytes=2 * comparison.nbytes)
    names = [runs.keep(comparison) for _ in range(3)]
    with pytest.raises(ValueError, match="no longer kept"):
        runs.find(names[0])
    assert runs.find(names[2]) is comparison
    many = Runs(max_bytes=10 * LEAST_BYTES)  # runs that drew nothing count too
    nothing = Comparison(Order(WORLD))
    assert nothing.nbytes == 0
    names = [many.keep(nothing) for _ in range(12)]
    with pytest.raises(ValueError, match="no longer kept"):
        many.find(names[1])
    assert many.find(names[2]) is nothing
    first = runs.begin("me")
    second = runs.begin("me")
    assert first.is_set()
    assert not second.is_set()
    runs.end("me", first)
    assert runs.is_current("me", second)
    runs.stop("me")
    assert second.is_set()


def test_halves_of_characters_are_left_out_of_a_prompt():
    order = Order(WORLD, "a bold \ud83d7")
    assert order.prompt == "a bold 7"
    assert json.dumps(view(finish(order)), ensure_ascii=False).encode()


def test_link_restores_an_order():
    order = Order(
        WORLD, "a bold 7 & <b>", 9, 3, {"diffusion": {"num_inference_steps": 30, "guidance_scale": 2.0, "scheduler": "DDIM"}}, SLOW_MOTION
    )
    query = dict(parse_qsl(link.write(order)[1:]))
    assert link.read(query, default=Order(WORLD)) == order
    assert link.read({}, default=order) == Order(WORLD, order.prompt, 9, 3, {}, SLOW_MOTION)


def test_a_link_to_another_world_asks_what_that_world_is_asked_first(monkeypatch):
    monkeypatch.setattr(engines, "is_trained", lambda name: True)
    start = Order("faces", "an angry face", 7)
    other = link.read({"world": WORLD}, default=start)
    assert (other.prompt, other.num_images, other.seed) == (worlds.load(WORLD).examples[0], worlds.load(WORLD).first_pictures, 7)
    assert link.read({"world": WORLD, "n": "1"}, default=start).num_images == 1
    assert link.read({"world": WORLD, "prompt": ""}, default=start).prompt == ""
    assert link.read({"world": "faces", "n": "2"}, default=start).prompt == "an angry face"


@pytest.mark.parametrize(
    ("query", "word"),
    [({"seed": "abc"}, "abc"), ({"n": "1000"}, "1000"), ({"world": "mars"}, "mars"), ({"diffusion.guidance_scale": "x"}, "'x'")],
)
def test_a_bad_link_names_the_value(query, word):
    with pytest.raises(ValueError, match=word):
        link.read(query, default=Order(WORLD))


def test_view_is_json_and_carries_what_the_page_shows():
    comparison = finish(Order(WORLD, "a bold <i>7</i> unicorn", num_images=2))
    shown = json.loads(json.dumps(view(comparison, run="abc", started=1.5)))
    assert shown["understood"] == {"digit": "7", "thickness": "bold"}
    assert shown["ignored"] == ["unicorn"]
    pane = shown["panes"][0]
    assert (pane["step"], pane["steps"], pane["calls"], pane["seconds"], pane["first"]) == (3, 3, 3, 0.03, 0.01)
    films = pack_films(comparison)
    assert films[NAMES[0]]["steps"] == [1, 2, 3]
    sheet = picture(films[NAMES[0]]["noisy"])
    assert sheet.size == (2 * 28, 3 * 28)
    assert sheet.getpixel((0, 60)) == 255 - 3


def picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize("num_images", [1, 5])
def test_downloads_open_as_what_they_claim(num_images):
    comparison = finish(Order(WORLD, "a bold 7 日本", seed=3, num_images=num_images))
    made = {kind: pack_download(comparison, kind) for kind in recording.DOWNLOADS}
    assert all(file["name"].startswith("digits-seed3-") for file in made.values())
    assert picture(made["strip"]["uri"]).format == "PNG"
    assert picture(made["animation"]["uri"]).n_frames > 1
    assert json.loads(picture(made["picture"]["uri"]).text["record"])["prompt"] == "a bold 7 日本"
    record = json.loads(recording.record_json(comparison))
    assert record["seed"] == 3
    assert record["engines"][NAMES[3]]["settings"]["guidance_scale"] == 1.5
    assert record["engines"][NAMES[0]]["network_calls"] == 3
    with pytest.raises(ValueError, match="kind"):
        pack_download(comparison, "virus")


def test_damaged_folders_fail_their_own_panes(tmp_path):
    """Real weights: one engine's file is cut short, one's folder is gone; the others draw and say what is asked of them."""
    root = tmp_path / "checkpoints"
    shutil.copytree(checkpoint.ROOT / "digits", root / "digits", ignore=shutil.ignore_patterns("state"))
    weights = root / "digits" / "gan" / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    shutil.rmtree(root / "digits" / "vae")
    machine = Machine(load_engine=partial(engines.load, root=root))
    comparison = finish(Order("digits", "a bold 7", settings={"diffusion": {"num_inference_steps": 2}}), machine)
    states = {pane.family: pane.state for pane in comparison.panes}
    assert states == {"vae": State.FAILED, "gan": State.FAILED, "autoregressive": State.DONE, "diffusion": State.DONE}
    errors = {pane.family: pane.error for pane in comparison.panes}
    assert "config.json is missing" in errors["vae"]
    assert "diffusion_pytorch_model.safetensors is damaged" in errors["gan"]
    assert all(f"python -m engines.training digits/{family}" in errors[family] for family in ("vae", "gan"))
