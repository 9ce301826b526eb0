"""Measuring, end to end on engines whose pictures, times and costs are known."""

import contextlib
import dataclasses
import json
import shutil
from functools import partial
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import tiny_engines
import torch
import torch.nn.functional as F
from tiny import draw_digit, make_data
from torchmetrics.image import fid

import engines
from engines import Engine, Frame, Params, Reading, checkpoint, text, worlds
from engines.base import paste, slider
from engines.networks import linear_vae
from engines.training import cards
from engines.worlds.captions import Caption
from playground import figures, gallery, judges, metrics, table, train_judges
from playground import rows as table_rows
from playground.figures import Figure
from playground.measure import __main__ as program
from playground.measure import bench as bench_module
from playground.measure import control, inception, novelty, quality, report, resources, speed, stability
from playground.measure.bench import Bench, draw_with

WORDS = {str(i): word for i, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])}


class Reader(torch.nn.Module):
    """Finds the digit of a prompt, as a text encoder would."""

    world = worlds.load("digits")

    def read(self, prompt):
        found = [digit for digit, word in WORDS.items() if {digit, word} & set(prompt.replace(",", " ").split())]
        return Reading({"digit": found[0]} if found else {}, ())


class Exact(Engine):
    """Draws what is asked, in one network evaluation of 20 x 30 multiply-adds and 2 ms."""

    family, params_type, wait = "vae", Params, 0.002

    def picture(self, digit, seed, params):
        return draw_digit(digit, np.random.default_rng(seed))

    @torch.inference_mode()
    def generate(self, request):
        params = self.params(request)
        self.model(torch.zeros(request.num_images, 20))
        asked = [self.text_encoder.read(prompt).attributes.get("digit") for prompt in request.prompts]
        digits = [seed % 10 if digit is None else int(digit) for digit, seed in zip(asked, request.seeds, strict=True)]
        images = np.stack([self.picture(d, s, params) for d, s in zip(digits, request.seeds, strict=True)])[..., None]
        images = paste(images, request)
        steps = getattr(params, "num_inference_steps", 1)
        for step in range(1 if request.previews else steps, steps + 1):
            yield Frame(images, step, steps, nfe=step, seconds=self.wait * step)


class Stuck(Exact):
    """Draws a blurred zero, whatever is asked."""

    family = "gan"

    def picture(self, digit, seed, params):
        zero = draw_digit(0, np.random.default_rng(seed))
        return metrics.blur(zero[None, ..., None], 1.5)[0, ..., 0]


@dataclasses.dataclass(frozen=True)
class StepParams(Params):
    num_inference_steps: int = slider(20, 8, 100, 1, label="Steps", hint="")


class Stepwise(Exact):
    """Draws well from 10 steps on and only noise below, 10 ms a step."""

    family, params_type, wait = "diffusion", StepParams, 0.01

    def picture(self, digit, seed, params):
        if params.num_inference_steps < 10:
            return np.random.default_rng(seed).integers(0, 256, (28, 28), dtype=np.uint8)
        return super().picture(digit, seed, params)


ENGINES = {"digits/vae": Exact, "digits/gan": Stuck, "digits/diffusion": Stepwise}


def load_fake(name, root, kinds=ENGINES, device="cpu"):
    if name not in kinds:
        raise engines.CheckpointError(f"checkpoints/{name} cannot be loaded")
    return kinds[name](torch.nn.Linear(20, 30), Reader())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A judge of a few steps, training records of one engine, and the figures of all rows."""
    folder, threads = tmp_path_factory.mktemp("measure"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYGROUND_DATA", str(make_data(folder / "data")))
        torch.set_num_threads(1)
        train_judges.main(["digits", "--steps", "60", "--width", "8", "--out", str(folder)])
        patch.setattr(engines, "load", load_fake)
        patch.setattr(resources, "peak_memory", lambda name, root: 123.0)
        patch.setattr(speed, "SWEEP", (5, 8, 10, 50))
        patch.setattr(program, "WORKPLACE", folder / "runs")
        write_training(folder / "digits" / "vae")
        places = ["--root", str(folder), "--out", str(folder)]
        chosen = ["--rows", "quality,speed,resources", "--engines", "vae,gan,diffusion"]
        program.main(["digits", *chosen, "--threads", "1", "--seed", "9", *places])
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(autouse=True)
def workplace(monkeypatch, tmp_path):
    """Nothing that another test measured is found again."""
    monkeypatch.setattr(program, "WORKPLACE", tmp_path / "runs")


@pytest.fixture(scope="module")
def rows(root):
    return figures.read("digits", root=root)


def write_training(folder):
    """Six sets of pictures: noise, then real digits from the fourth on."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (3, 100, 28, 28, 1), dtype=np.uint8)
    drawn = np.stack([draw_digit(i % 10, rng) for i in range(100)])[None, ..., None].repeat(3, axis=0)
    np.savez(folder / "progress.npz", images=np.concatenate([noise, drawn]), flops=np.arange(1, 7) * 1e12)
    lines = [{"step": s, "images": 64 * s, "seconds": 36.0 * s, "flops": 6e10 * s} for s in (1, 100)]
    (folder / "training.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "weights.safetensors").write_bytes(bytes(2_500_000))
    marked = f"{cards.FIGURES_START}\n{cards.FIGURES_END}\n"
    (folder / "README.md").write_text(f"| trained | 100 steps, 6,400 images, 1.00 hours, on NVIDIA H200, bfloat16 autocast |\n{marked}")


UNSEEDED = {"nfe", "multiply_adds", "image_flops", "parameters", "file_size", "peak_memory", "training_hours", "training_flops"}


def test_every_figure_says_what_it_is(root, rows):
    judge = judges.load("digits", root=root)
    for row, measured in rows.items():
        for engine, named in measured.items():
            for name, figure in named.items():
                assert figure.n > 0, (row, engine, name)
                assert figure.method, (row, engine, name)
                assert ("NVIDIA H200" if name.startswith("training_") else ", 1 thread") in figure.machine
                assert figure.commit
                unseeded = engine == "real" or name in UNSEEDED
                assert figure.seed == (None if unseeded else 9), (row, engine, name)
                judged = row == "quality" or name == speed.STEPS or name.startswith(("fd_ratio at", "flops_to_best", "cost"))
                assert figure.judge == (judge.hash if judged else ""), (row, engine, name)
                assert figure.weights == checkpoint.fingerprint(root / "digits" / engine)
                assert figure.low is None or figure.low <= figure.value <= figure.high, (row, engine, name)


def test_good_pictures_are_near_the_floor_and_bad_ones_far(rows):
    good, bad = rows["quality"]["vae"], rows["quality"]["gan"]
    for space in judges.SPACES:
        assert good[f"fd_ratio_{space}"].value < 4
        assert bad[f"fd_ratio_{space}"].low > good[f"fd_ratio_{space}"].high
        assert good[f"fd_{space}"].value == pytest.approx(
            good[f"fd_ratio_{space}"].value * rows["quality"]["real"][f"floor_{space}"].value, 1e-4
        )
        assert good[f"coverage_{space}"].value > 0.8 > 0.65 > bad[f"coverage_{space}"].value
    both = [good[f"fd_ratio_{space}"].value for space in judges.SPACES]
    assert good["fd_ratio"].value == pytest.approx(metrics.geometric_mean(both), 1e-4)
    assert good["fd_ratio"].n == 120


def test_blur_wrong_digits_and_missing_classes_show(rows):
    good, bad = rows["quality"]["vae"], rows["quality"]["gan"]
    assert good["sharpness"].value == pytest.approx(1, abs=0.15)
    assert bad["sharpness"].value < 0.3
    assert good["adherence_digit"].value > 0.75 > 0.25 > bad["adherence_digit"].value
    assert good["class_distance"].value < 0.25 < 0.5 < bad["class_distance"].value
    assert 80 < good["adherence_digit"].n < 120  # captions that name no digit are left out


DAMAGES = {  # to good pictures (N, H, W, C), the digits they show in the order 0 ... 9
    "blur": lambda images: metrics.blur(images, 1.5),
    "noise": lambda images: metrics.add_noise(images, 0.1, rng=np.random.default_rng(1)),
    "half the classes": lambda images: images[np.arange(len(images)) // 10 * 10 + np.arange(len(images)) % 5],
    "one picture repeated": lambda images: images[np.zeros(len(images), int)],
    "another order": lambda images: np.roll(images, 1, axis=0),
}


@pytest.fixture(scope="module")
def judged(root, tmp_path_factory):
    """What is measured of good pictures, of 120 prompts that name the digits in turn, and of the same pictures with one damage each."""
    engine = Exact(torch.nn.Linear(20, 30), Reader())
    bench = Bench(engine.world, judges.load("digits", root=root), {"vae": engine}, 120, 9, root=root, out=tmp_path_factory.mktemp("damage"))
    rng = np.random.default_rng(5)
    images = np.stack([draw_digit(i % 10, rng) for i in range(120)])[..., None]
    bench.captions = [Caption(str(i % 10), {"digit": str(i % 10)}) for i in range(120)]
    return {name: everything(bench, change(images)) for name, change in {"none": lambda images: images, **DAMAGES}.items()}


def everything(bench, images):
    vendi = novelty.vendi_figure(bench, bench.judge.features(images, space="encoder"))
    return quality.measure_images(bench, images) | {"vendi_score": vendi}


@pytest.mark.parametrize(
    ("damage", "rises", "falls"),
    [
        ("blur", ("fd_ratio_classifier", "fd_ratio_encoder"), ("sharpness",)),
        ("noise", ("fd_ratio_classifier", "sharpness"), ()),  # an encoder of 60 steps hardly sees it
        ("half the classes", ("fd_ratio_classifier", "class_distance"), ("coverage_classifier",)),
        (
            "one picture repeated",
            ("class_distance", "fd_ratio_classifier", "fd_ratio_encoder"),
            ("coverage_classifier", "coverage_encoder", "vendi_score"),
        ),
        ("another order", (), ("adherence_digit",)),
    ],
)
def test_each_metric_sees_its_damage(judged, damage, rises, falls):
    before, after = judged["none"], judged[damage]
    for name in rises:
        assert after[name].low > before[name].high, name
    for name in falls:
        assert after[name].high < before[name].low, name


def test_a_distance_does_not_see_that_pictures_were_swapped(judged):
    for space in judges.SPACES:
        assert judged["another order"][f"fd_{space}"].value == pytest.approx(judged["none"][f"fd_{space}"].value, 1e-3)


def test_the_floor_and_the_ruler_stand_beside(root, rows):
    reference = judges.load("digits", root=root).reference.figures
    for space in judges.SPACES:
        assert rows["quality"]["real"][f"floor_{space}"].value == pytest.approx(reference["floor"][space], 1e-4)
        assert rows["quality"]["real"][f"ruler_{space} blur 2 px"].value == pytest.approx(reference["ruler"][space]["blur 2 px"], 1e-4)


def test_speed_is_the_engines_own_clock_at_the_fewest_good_steps(rows):
    assert rows["speed"]["vae"]["seconds"].value == pytest.approx(0.002)
    assert rows["speed"]["vae"]["images_per_second"].value == pytest.approx(16 / 0.002)
    swept = rows["speed"]["diffusion"]
    assert {name for name in swept if name.startswith("fd_ratio at")} == {f"fd_ratio at {n} steps" for n in (8, 10, 20, 50)}
    assert swept["num_inference_steps"].value == 10
    assert swept["seconds"].value == pytest.approx(0.1)
    assert swept["seconds at 10 steps"] == swept["seconds"]
    assert swept["seconds at 50 steps"].value == pytest.approx(0.5)
    assert swept["nfe"].value == 10


def test_multiply_adds_of_a_linear_layer(rows):
    assert rows["speed"]["vae"]["multiply_adds"].value == 20 * 30


def test_multiply_adds_of_attention():
    class Attention(Exact):
        @torch.inference_mode()
        def generate(self, request):
            q = torch.zeros(1, 2, 7, 8)  # (N, heads, T, D)
            F.scaled_dot_product_attention(q, q, q)
            yield Frame(np.zeros((1, 28, 28, 1), np.uint8), 1, 1, 1, 0.0)

    engine = Attention(torch.nn.Linear(2, 2), Reader())
    assert speed.multiply_adds(engine, engines.Request()) == 2 * 2 * 7 * 7 * 8


def test_seconds_per_step_by_position():
    frames = [
        Frame(np.zeros((1, 1, 1, 1), np.uint8), step, 320, step, seconds=0.01 * step + 0.03 * max(0, step - 280))
        for step in range(4, 321, 4)
    ]
    np.testing.assert_allclose(speed.seconds_per_step(frames), [0.01] * 7 + [0.04])


def test_the_fewest_steps_are_within_ten_percent_of_the_best():
    assert speed.fewest_steps({5: 3.0, 10: 1.1, 20: 1.0, 50: 1.05}) == 10
    assert speed.fewest_steps({5: 3.0, 10: 1.12, 20: 1.0}) == 20


def test_cost_joins_training_and_drawing(rows):
    named = rows["resources"]["vae"]
    assert "might have become better" not in named["flops_to_best"].method
    assert named["flops_to_best"].value == 4e12  # the fourth set is the first of real digits
    assert (named["flops_to_best"].low, named["flops_to_best"].high) == (3e12, 4e12)  # and nothing was seen since the third
    assert named["image_flops"].value == 2 * 20 * 30
    assert named["cost"].value == pytest.approx(np.sqrt(4e12 * 1200), 1e-4)
    assert {named[f"{name}_{space}"].value for name in ("cost",) for space in judges.SPACES} == {named["cost"].value}
    assert named["training_hours"].value == pytest.approx(1)
    assert named["training_flops"].value == pytest.approx(6e12)
    assert named["file_size"].value == pytest.approx(2.5)
    assert named["parameters"].value == 20 * 30 + 30
    assert named["peak_memory"].value == 123


def test_a_training_whose_last_pictures_are_the_best_might_have_gone_on(root, tmp_path):
    engine, rng = Exact(torch.nn.Linear(20, 30), Reader()), np.random.default_rng(3)
    bench = Bench(engine.world, judges.load("digits", root=root), {}, 60, 9, root=root, out=tmp_path)
    good = np.stack([draw_digit(i % 10, rng) for i in range(100)])[..., None]
    sets = np.stack([rng.integers(0, 256, good.shape, dtype=np.uint8), metrics.blur(good, 1.5), good])
    value, interval, improving = resources.flops_to_best(bench, sets, np.array([1e12, 2e12, 3e12]))[""]
    assert (value, interval[1], improving) == (3e12, 3e12, True)
    assert not resources.flops_to_best(bench, sets[::-1], np.array([1e12, 2e12, 3e12]))[""][2]


def test_training_says_where_it_was_done(tmp_path):
    engine, part = tmp_path / "vae", tmp_path / "vae" / "tokenizer"
    part.mkdir(parents=True)
    for folder, seconds, where in ((engine, 300, "on NVIDIA H200, bfloat16 autocast"), (part, 3600, "on AMD EPYC, 2 threads")):
        (folder / "training.jsonl").write_text(json.dumps({"seconds": seconds, "flops": 1e12}) + "\n")
        (folder / "README.md").write_text(f"| trained | 5 steps, 1,000 images, {seconds / 3600:.2f} hours, {where} |\n")
    bench = SimpleNamespace(figure=lambda value, unit, **rest: Figure(value, unit, rest["n"], rest["method"], "this machine", "abc"))
    named = resources.training_figures(bench, engine, 1.0)
    assert named["training_hours"].value == pytest.approx(3900 / 3600)
    assert named["training_hours"].machine == "on NVIDIA H200, bfloat16 autocast; on AMD EPYC, 2 threads"
    assert "engine 0.083 h, on NVIDIA H200" in named["training_hours"].method
    assert "tokenizer 1 h, on AMD EPYC" in named["training_hours"].method
    assert resources.trained_on(tmp_path / "README.md") == "device unknown"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "threads must be a whole number from 1 on, got 0"),
        (["--num-images", "0"], "num_images must be 120, or from 20"),
    ],
)
def test_numbers_that_cannot_be_are_refused(root, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(engines, "load", load_fake)
    with pytest.raises((SystemExit, ValueError)) as refused:
        program.main(["digits", "--root", str(root), "--out", str(root), *arguments])
    assert message in f"{refused.value} {capsys.readouterr().err}"


def test_peak_memory_is_that_of_a_process_which_draws(tmp_path):
    encoder = text.build(worlds.load("digits"), width=16, layers=1, heads=1, dim=8)
    encoder.save(tmp_path / "digits" / "text")
    kind = engines.engine_type("digits/vae")
    kind(linear_vae.LinearVAE(width=8, text_dim=8), encoder).save_model(tmp_path / "digits" / "vae")
    assert 100 < resources.peak_memory("digits/vae", tmp_path) < 2500
    with pytest.raises(RuntimeError, match="digits/gan could not be drawn"):
        resources.peak_memory("digits/gan", tmp_path)


def test_cost_stays_unmeasured_without_pictures_from_training(rows):
    assert "cost" not in rows["resources"]["gan"]
    assert rows["resources"]["diffusion"]["image_flops"].value == 1200


def test_the_table_reads_the_figures(rows):
    cells = {(cell.row.key, cell.family): cell for cell in table.cells("digits", rows)}
    assert cells["quality", "vae"].ours == "Exceptional"
    assert cells["speed", "diffusion"].ours == "Slow"
    assert cells["speed", "diffusion"].figure.value == pytest.approx(50)
    assert cells["quality", "autoregressive"].ours is None


def test_measuring_one_row_again_keeps_the_others(root, monkeypatch):
    monkeypatch.setattr(engines, "load", load_fake)
    before = figures.read("digits", root=root)
    changed = {name: dataclasses.replace(figure, value=-1.0) for name, figure in before["quality"]["vae"].items()}
    figures.write("digits", "quality", "vae", changed, root=root)
    assert figures.read("digits", root=root) != before
    program.main(
        ["digits", "--rows", "quality", "--engines", "vae", "--threads", "1", "--root", str(root), "--out", str(root), "--seed", "9"]
    )
    assert figures.read("digits", root=root) == before


def test_adherence_leaves_long_prompts_out(root, monkeypatch):
    judge = judges.load("digits", root=root)
    bench = Bench(worlds.load("digits"), judge, {"vae": Exact(torch.nn.Linear(20, 30), Reader())}, 60, 0)
    found = {key: np.zeros(60, int) for key in bench.world.attributes}
    everything = quality.attribute_figures(bench, found)
    monkeypatch.setattr(quality, "MOST_ASKED", 1)
    short = quality.attribute_figures(bench, found)
    counts = (bench.asked >= 0).sum(1)
    assert everything["adherence"].n == (counts > 0).sum()
    assert short["adherence"].n == (counts == 1).sum() < everything["adherence"].n
    assert short["adherence_digit"].n == ((counts == 1) & (bench.asked[:, 0] >= 0)).sum()


def test_num_images_must_leave_an_equal_half(root):
    judge = judges.load("digits", root=root)
    with pytest.raises(ValueError, match="num_images must be 120, or from 20 to 60, got 100"):
        Bench(worlds.load("digits"), judge, {}, 100, 0)


def test_a_distance_of_few_pictures_is_as_at_full_number():
    """Real features lie near the floor however few they are, and others about as far above it as many would."""
    rng, n, few = np.random.default_rng(5), 2000, 100
    world = worlds.load("digits")
    known, real, other = rng.normal(size=(n, 16)), rng.normal(size=(n, 16)), 1.2 * rng.normal(size=(n, 16)) + 0.1
    floor = metrics.frechet_distance(known, real)
    reference = judges.Reference({"encoder": known}, {}, {"num_images": n, "floor": {"encoder": floor}})
    bench = Bench(world, SimpleNamespace(reference=reference), {}, n, 0)

    def mean(features):
        return np.mean([bench.distance("encoder", features[i : i + few]) for i in range(0, n, few)])

    assert metrics.frechet_distance(known, real[:few]) > 5 * floor  # what would be reported without the correction
    assert mean(real) == pytest.approx(floor, rel=0.5)
    whole = bench.distance("encoder", other)
    assert whole == metrics.frechet_distance(known, other)  # nothing is taken off at the full number
    assert whole > 5 * floor
    assert mean(other) == pytest.approx(whole, rel=0.2)
    assert bench.distance("encoder", known[:few]) > 0
    for beside in (300, 1950):  # the second does not fit beside it
        near, far = (
            np.mean([bench.distance("encoder", features[i : i + few], rng.permutation(n)[:beside]) for i in range(0, n, few)])
            for features in (real, other)
        )
        assert near < metrics.frechet_distance(known[:beside], real[:few]) / 4
        assert far == pytest.approx(whole, rel=0.25)


def test_an_engine_measured_alone_is_timed_beside_the_others(root, monkeypatch, tmp_path):
    """What is stored of the steps of the others stays; their seconds are taken again."""
    place = tmp_path / "checkpoints"
    shutil.copytree(root, place)
    monkeypatch.setattr(engines, "load", load_fake)
    before = figures.read("digits", root=place)["speed"]["diffusion"]
    old = before | {
        "seconds": dataclasses.replace(before["seconds"], value=7.0),
        "fd_ratio at 50 steps": dataclasses.replace(before["fd_ratio at 50 steps"], value=7.0),
    }
    figures.write("digits", "speed", "diffusion", old, root=place)
    program.main(
        ["digits", "--rows", "speed", "--engines", "vae", "--threads", "1", "--seed", "9", "--root", str(place), "--out", str(place)]
    )
    after = figures.read("digits", root=place)["speed"]["diffusion"]
    assert after["seconds"].value == pytest.approx(before["seconds"].value)
    assert after["fd_ratio at 50 steps"].value == 7.0


@pytest.mark.parametrize("other", [{"weights": "other"}, {"judge": "other"}, {"seed": 8}, {"n": 119}, {"method": "quick: FD"}])
def test_what_is_known_of_the_steps_from_another_measurement_does_not_count(root, monkeypatch, tmp_path, other):
    place = tmp_path / "checkpoints"
    shutil.copytree(root, place)
    monkeypatch.setattr(engines, "load", load_fake)
    before = figures.read("digits", root=place)["speed"]["diffusion"]
    old = {name: dataclasses.replace(figure, value=7.0, **other) for name, figure in before.items()}
    figures.write("digits", "speed", "diffusion", old, root=place)
    program.main(
        ["digits", "--rows", "speed", "--engines", "vae", "--threads", "1", "--seed", "9", "--root", str(place), "--out", str(place)]
    )
    after = figures.read("digits", root=place)["speed"]["diffusion"]
    assert 0 < after["fd_ratio at 50 steps"].value != 7.0


def test_copies_and_repetitions_are_no_novelty(root, monkeypatch, tmp_path):
    """An engine that draws new pictures, one that hands out training images, and one that repeats a few new ones."""
    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path / "data", seed=4)))
    world, judge = worlds.load("digits"), judges.load("digits", root=root)
    training, rng = world.load_images(split="train")[0], np.random.default_rng(8)
    drawn = {
        "vae": np.stack([draw_digit(i % 10, rng) for i in range(60)])[..., None],
        "gan": training[:60],
        "diffusion": np.stack([draw_digit(i % 3, rng) for i in range(3)])[..., None].repeat(20, axis=0),
    }
    bench = Bench(world, judge, dict.fromkeys(drawn), 60, 0, root=root, out=tmp_path)
    monkeypatch.setattr(bench, "draw", lambda name: drawn[name])
    monkeypatch.setitem(gallery.TRAINING, "digits", 100)
    gallery.save(gallery.make(world, judge), root / "digits" / "gallery", judge)
    novelty.measure(bench)
    sheet, caption = figures.read_evidence("digits", "novelty", "gan", root=tmp_path)
    assert sheet[8:12] == b"WEBP"
    assert "closest to a training image" in caption
    assert figures.read_evidence("digits", "novelty", "autoregressive", root=tmp_path) is None
    row = figures.read("digits", root=tmp_path)["novelty"]
    assert row["gan"]["copy_rate"].value == 1
    assert row["gan"]["novelty"].value == 0
    assert row["vae"]["copy_rate"].value < 0.1 > row["real"]["copy_rate"].value
    for name in ("novelty", *(f"novelty_{space}" for space in judges.SPACES)):
        assert row["diffusion"][name].high < row["vae"][name].low
    assert row["diffusion"]["vendi"].value < row["vae"]["vendi"].value
    assert "held_out_pairs" not in row["vae"]  # digits has no such pairs


def test_held_out_captions_name_a_pair_that_training_never_shows():
    world = worlds.load("faces")
    labels = {key: np.zeros(60, int) for key in world.attributes}
    judge = SimpleNamespace(reference=judges.Reference({}, labels, {"num_images": 60}))
    captions, wanted = novelty.held_out_captions(Bench(world, judge, {}, 60, 0))
    assert {int(n) for n in (wanted >= 0).sum(1)} == {2}
    for caption, row in zip(captions, wanted, strict=True):
        pair = {key: values[row[a]] for a, (key, values) in enumerate(world.attributes.items()) if row[a] >= 0}
        assert pair.items() <= caption.named.items()
        assert world.is_held_out(caption.named)


def test_runs_fail_for_the_reasons_the_rule_names(root):
    bench = Bench(worlds.load("digits"), judges.load("digits", root=root), {}, 60, 0)
    good = {"seed": 0, "rate": 1.0, "fd": 1.0, "missing": 0.0, "diverged": False, "steps": 1520, "images": 40}
    good |= {"commit": "abc", "machine": "one"}
    runs = [
        good,
        good | {"seed": 1, "fd": 1.1, "commit": "def"},
        good | {"seed": 2, "fd": 0.9},
        good | {"rate": 3.0, "fd": 1.9},  # more than twice the best
        good | {"rate": 3.0, "seed": 1, "missing": 0.3},
        good | {"rate": 3.0, "seed": 2, "diverged": True, "fd": None},
        good | {"rate": 1 / 3, "fd": 1.7, "missing": 0.2},
    ]
    assert stability.failures(runs).tolist() == [False, False, False, True, True, True, False]
    named = stability.stability_figures(bench, runs)
    assert named["failures"].value == 3
    assert "1,520 steps" in named["failures"].method
    assert named["fd, seed 0, rate 1"].n == 40
    stamps = [named[name].commit for name in ("failures", "variation", "fd, seed 0, rate 1", "fd, seed 1, rate 1")]
    assert stamps == ["abc, def", "abc, def", "abc", "def"]
    assert named["failures"].low < 3 < named["failures"].high < len(runs)
    assert named["variation"].value == pytest.approx(0.1)
    assert table_rows.stability_word(3, named) == "Unstable"
    assert table_rows.stability_word(1, named) == "Stable"
    assert stability.missing_share(np.repeat(np.arange(10), 10), np.repeat([0, 1, 2, 3, 4], 20)) == 0.5


def test_a_short_run_is_trained_judged_and_not_repeated(root, monkeypatch, tmp_path):
    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path / "data")))
    monkeypatch.setattr(stability, "WORKPLACE", tmp_path / "work")
    monkeypatch.setattr(stability, "SHARE", 0.3)
    monkeypatch.setitem(stability.BUDGETS, "vae", 100)
    bench = Bench(worlds.load("digits"), judges.load("digits", root=root), {}, 60, 0, out=tmp_path)
    threads = torch.get_num_threads()
    record = stability.run(bench, "vae", 1, 1 / 3)
    assert torch.get_num_threads() == threads
    assert record["fd"] > 0
    assert (record["steps"], record["curve"][-1]["step"]) == (30, 30)
    assert record["curve"][0]["loss"] > record["curve"][-1]["loss"]
    assert (tmp_path / "digits" / "stability" / "vae" / "seed-1-rate-0.33.webp").is_file()
    monkeypatch.setattr(stability.training, "main", None)
    assert stability.run(bench, "vae", 1, 1 / 3) == record
    assert record["images"] == 60
    for other in ({"num_images": 40}, {"seed": 1}):  # pictures that were judged
        with pytest.raises(TypeError):  # the training that is not there
            stability.run(dataclasses.replace(bench, **other), "vae", 1, 1 / 3)

    def diverge(arguments):
        raise FloatingPointError("training diverged at step 3")

    monkeypatch.setattr(stability.training, "main", diverge)
    assert stability.run(bench, "gan", 0, 3.0)["diverged"]
    assert stability.run(bench, "gan", 0, 3.0)["message"] == "training diverged at step 3"
    monkeypatch.setattr(stability, "SHARE", 0.4)  # another budget: what lies there does not count
    assert stability.run(bench, "vae", 1, 1 / 3)["diverged"]


def test_the_nine_runs_of_a_family_become_figures_of_no_shipped_weights(root, monkeypatch, tmp_path):
    asked = []

    def run(bench, family, seed, rate):
        asked.append((family, seed, rate))
        record = {"seed": seed, "rate": rate, "diverged": False, "fd": 1 + 0.1 * seed, "missing": 0.0, "steps": 520, "images": 60}
        return record | {"commit": "abc", "machine": "elsewhere"}

    monkeypatch.setattr(stability, "run", run)
    engines_there = {"vae": Exact(torch.nn.Linear(20, 30), Reader())}
    stability.measure(Bench(worlds.load("digits"), judges.load("digits", root=root), engines_there, 60, 0, root=root, out=tmp_path))
    assert len(set(asked)) == 9
    named = figures.read("digits", root=tmp_path)["stability"]["vae"]
    assert (named["failures"].value, named["failures"].low) == (0, 0)
    assert named["failures"].high == pytest.approx(9 * (1 - 0.025 ** (1 / 9)), rel=1e-4)
    assert {(figure.weights, figure.commit, figure.machine) for figure in named.values()} == {("", "abc", "elsewhere")}


@pytest.fixture
def one_thread():
    """Parts are drawn one after the other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_measurement_that_was_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_module, "DRAWN_AT_ONCE", 4)
    engine, prompts = Exact(torch.nn.Linear(20, 30), Reader()), ["7"] * 10
    whole, asked = draw_with(engine, prompts, seed=3), []

    def killed(request):
        asked.append(request.seed)
        if asked == [3, 7]:
            raise KeyboardInterrupt
        yield from Exact.generate(engine, request)

    monkeypatch.setattr(engine, "generate", killed)
    with pytest.raises(KeyboardInterrupt):
        draw_with(engine, prompts, seed=3, cache=tmp_path)
    assert asked[:2] == [3, 7]
    asked[2:] = []  # the third may have begun
    assert np.array_equal(draw_with(engine, prompts, seed=3, cache=tmp_path), whole)
    assert 3 not in asked[2:]  # the first part was not drawn again
    assert 7 in asked[2:]
    asked.clear()
    draw_with(engine, prompts, seed=4, cache=tmp_path)
    assert asked == [4, 8, 12]  # other pictures, other parts
    torch.set_num_threads(4)  # so parts are of three
    assert np.array_equal(draw_with(engine, prompts, seed=3, cache=tmp_path), whole)


def test_parts_that_are_drawn_side_by_side_are_those_drawn_one_by_one(monkeypatch):
    monkeypatch.setattr(bench_module, "DRAWN_AT_ONCE", 3)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        seen = []

        def part(where):
            seen.append(torch.get_num_threads())
            return np.arange(50)[where]

        assert np.array_equal(bench_module.in_parts(part, 50, what="numbers"), np.arange(50))
        assert set(seen) == {1}
        assert len(seen) == 17
        bench_module.in_parts(part, 7, what="numbers")
        assert len(seen) == 17 + 3  # none of the threads is idle
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_pictures_that_would_be_others_are_drawn(tmp_path, monkeypatch):
    """By other weights of the engine or of the text encoder, prompts, settings, pixels that stay, or seed."""
    engine = Exact(torch.nn.Linear(20, 30), Reader())
    engine.folder = tmp_path / "digits" / "vae"
    parts = [engine.folder / "weights.safetensors", engine.folder.parent / "text" / "weights.safetensors"]
    for part in parts:
        part.parent.mkdir(parents=True)
        part.write_bytes(b"some")
    images, mask = np.zeros((1, 28, 28, 1), np.uint8), np.zeros((1, 28, 28), bool)
    usual = (["7"], None, None, 3)

    def name(prompts, params, known, seed):
        return bench_module._name_of(engine, prompts, params, known, seed)

    names = [name(*usual)]
    assert name(*usual) == names[0]
    names += [name(["8"], None, None, 3), name(["7"], Params(), None, 3), name(["7"], None, None, 4)]
    names += [name(["7"], None, engines.Known(images, some), 3) for some in (mask, ~mask)]
    for part in parts:
        part.write_bytes(b"others")
        names.append(name(*usual))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("commit", "named"), [("abc1234", True), ("abc1234+", False), ("unknown", False)])
def test_only_a_commit_names_the_code(commit, named):
    assert program.named_by(commit) == named


class Bar(contextlib.nullcontext):
    """Progress that is counted."""

    done = 0

    def update(self):
        self.done += 1


def test_quick_measures_every_row_goes_on_after_a_kill_and_says_that_it_is_quick(root, monkeypatch, tmp_path):
    """Killed in the row of novelty; the second call draws nothing that the first had drawn."""
    place, out, drawn = tmp_path / "checkpoints", tmp_path / "out", []
    shutil.copytree(root, place)
    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path / "data", seed=4)))
    monkeypatch.setitem(gallery.TRAINING, "digits", 100)
    world, judge = worlds.load("digits"), judges.load("digits", root=place)
    gallery.save(gallery.make(world, judge), place / "digits" / "gallery", judge)
    failures = Figure(1.0, "runs", 9, "runs that fail", "machine", "abc", 0, 2)
    figures.write("digits", "stability", "vae", {"failures": failures, "variation": failures}, root=place)

    class Watched(Exact):
        def picture(self, digit, seed, params):
            drawn.append(seed)
            return super().picture(digit, seed, params)

    kinds = {**ENGINES, "digits/vae": Watched}
    monkeypatch.setattr(engines, "load", lambda name, root, device: load_fake(name, root, kinds))
    monkeypatch.setattr(resources, "peak_memory", None)  # not asked
    monkeypatch.setattr(program.cards, "commit", lambda: "abc1234")
    command = ["digits", "--quick", "--num-images", "40", "--engines", "vae,gan,diffusion", "--threads", "1"]
    command += ["--root", str(place), "--out", str(out)]

    def killed(bench):
        raise KeyboardInterrupt

    files = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setitem(program.ROWS, "novelty", killed)
        with pytest.raises(KeyboardInterrupt):
            program.main(command)
    assert set(figures.read("digits", root=out)) == {"quality", "speed", "stability", "control"}
    first = len(drawn)
    with monkeypatch.context() as patch:
        for module, name in ((quality, "measure_images"), (control, "passes_figure")):
            patch.setattr(module, name, None)  # these rows are passed over
        bar = Bar()
        patch.setattr(program, "tqdm", lambda total, **options: setattr(bar, "total", total) or bar)
        program.main(command)
    assert bar.done == bar.total == 6 * 3
    assert first > 40
    timed = speed.WARM_UPS + speed.QUICK_RUNS + speed.BATCH
    assert len(drawn) - first == timed + 2  # whose FLOPs are counted, for speed and for resources; nothing else is drawn anew
    measured = figures.read("digits", root=out)
    assert set(measured) == {row.key for row in table.rows("digits")}
    for row, named in measured.items():
        for figure in named["vae"].values():
            assert figure.method.startswith("in the world digits" if row == "stability" else "quick: ")
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == files  # left alone
    cells = {(cell.row.key, cell.family): cell for cell in table.cells("digits", measured)}
    assert all(cells[row.key, "vae"].figure for row in table.rows("digits"))
    compared = [measured["novelty"][name]["novelty_encoder"] for name in ("vae", "gan")]
    assert {len(figure.resamples) for figure in compared} == {200}
    with monkeypatch.context() as patch:
        patch.setattr(novelty, "nearest", None)
        program.main([*command, "--rows", "quality,novelty"])
        for other in (["--seed", "3"], ["--num-images", "30"]):  # pictures
            with pytest.raises(TypeError):
                program.main([*command, "--rows", "novelty", *other])


def test_quick_asks_a_tiny_engine_of_faces_for_every_control_and_edit(monkeypatch, tmp_path):
    """By the shipped judge; it has learnt nothing, so only what is asked of it is looked at."""
    monkeypatch.setattr(engines, "load", lambda name, root, device: tiny_engines.make(name))
    chosen = ["--rows", "faces,control", "--engines", "vae,gan", "--num-images", "20"]
    program.main(["faces", "--quick", *chosen, "--threads", "1", "--out", str(tmp_path)])
    measured = figures.read("faces", root=tmp_path)
    assert measured["control"]["real"]["hole"].value > 0.8  # the judge reads most of what the hole hid in the whole pictures
    control, edits = measured["control"]["gan"], measured["faces"]["gan"]
    assert sum(key.endswith(": passes") for key in control) == control["controls"].n == 6
    assert 0 <= control["controls"].low <= control["controls"].value <= control["controls"].high <= 6
    assert control["hole, known pixels kept"].value == 1
    assert edits["fill a hole"] == control["hole"]
    for kind in ("", "by prompt: ", "mean difference alone: "):
        assert f"{kind}mouth smile, success" in edits
    assert measured["faces"]["vae"].keys() >= {"mouth smile, leak", "as the face editor moves it: mouth smile, success"}


def test_fid_is_the_frechet_distance_in_inceptions_features(root, monkeypatch, tmp_path):
    """With a network of a few averages in Inception's place."""

    class Averages(torch.nn.Module):
        num_features = 3

        def forward(self, x):
            assert (x.dtype, x.shape[1]) == (torch.uint8, 3)
            x = x.float()[:, 0]
            return torch.stack([x.mean((1, 2)), x[:, :14].mean((1, 2)), x[:, :, :14].mean((1, 2))], dim=1)

    monkeypatch.setenv("PLAYGROUND_DATA", str(make_data(tmp_path / "data")))
    monkeypatch.setattr(fid, "FrechetInceptionDistance", partial(fid.FrechetInceptionDistance, feature=Averages()))
    engine = Exact(torch.nn.Linear(20, 30), Reader())
    bench = Bench(engine.world, judges.load("digits", root=root), {"vae": engine}, 60, 9, root=root, out=tmp_path, inception=True)
    quality.measure(bench)
    found = bench.read("quality")["vae"]["fid_inception"]
    real = engine.world.load_images(split="test")[0]
    sides = (real[judges.test_halves(len(real))[0][:60]], bench.draw("vae"))
    expected = metrics.frechet_distance(*(Averages()(inception.as_rgb(images)).double().numpy() for images in sides))
    assert found.value == pytest.approx(expected, rel=1e-3)
    assert (found.n, found.judge) == (60, "")
    metric = inception.load()
    again = [inception.fid_figure(bench, images, metric)["fid_inception"].value for images in sides]  # real ones are looked at once
    assert again == pytest.approx([0, expected], abs=1e-3 * expected)


def test_fid_without_its_weights_is_explained(root, monkeypatch):
    def offline(**options):
        raise URLError("no network")

    monkeypatch.setattr(fid, "FrechetInceptionDistance", offline)
    with pytest.raises(engines.CheckpointError, match="FID needs torchmetrics"):
        inception.load()
    with pytest.raises(SystemExit):
        program.parse(["digits", "--rows", "speed", "--inception"])


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit):
        program.parse(["digits", "--rows", "quality,beauty"])
    assert "rows must be among quality, speed, stability, control, faces, novelty, resources, got beauty" in capsys.readouterr().err


def test_unknown_engines_are_refused(capsys):
    with pytest.raises(SystemExit):
        program.parse(["digits", "--engines", "vae,vae-map"])
    assert "engines must be among vae, gan, autoregressive, diffusion, got vae-map" in capsys.readouterr().err


def test_missing_weights_are_reported_and_the_rest_measured(monkeypatch, caplog):
    def load(name, root, device):
        if name == "digits/gan":
            raise engines.CheckpointError("checkpoints/digits/gan cannot be loaded")
        return Exact(torch.nn.Linear(20, 30), Reader())

    monkeypatch.setattr(engines, "load", load)
    assert list(program.load_engines("digits", ["vae", "gan"], None)) == ["vae"]
    assert "checkpoints/digits/gan cannot be loaded" in caplog.text
    with pytest.raises(SystemExit, match="no engine could be loaded"):
        program.main(["digits", "--engines", "gan"])


def test_cards_take_their_figures_from_the_file():
    text = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n"
    assert report.between_markers(text, "new") == "before\n<!-- figures -->\nnew\n<!-- end of figures -->\nafter\n"
    with pytest.raises(ValueError, match="must hold"):
        report.between_markers("no markers", "new")


def test_a_figure_is_shown_with_its_interval():
    figure = Figure(0.98765, "", 5000, "share", "machine", "commit", 0.98, 0.99)
    assert report.table({"quality": {"vae": {"adherence_digit": figure}}}, "vae").splitlines()[-1] == (
        "| quality | adherence digit | 0.9877  | 0.98 to 0.99 | 5,000 | share |"
    )
