"""The six tests of control and the edits, on engines that obey, that do not listen, and that break a promise."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engines import Engine, Frame, Params, text, worlds
from engines.base import paste, slider
from playground import figures, gallery, metrics
from playground.judges import SPACES, Reference
from playground.measure import checks, control, manipulation, quality
from playground.measure.bench import Bench

WORLD = worlds.load("digits")
SIZES = [len(values) for values in WORLD.attributes.values()]
NUM_IMAGES = 60


def paint(values, seed):
    """One quarter of the picture per attribute, its brightness the value, and specks by chance; uint8 (28, 28, 1)."""
    brightness = np.array([[20 * values[0] + 10, 60 * values[1] + 10], [60 * values[2] + 10, 60 * values[3] + 10]])
    rng = np.random.default_rng(seed)
    specks = rng.random((28, 28)) < 0.3
    return np.where(specks, rng.integers(0, 256, (28, 28)), brightness.repeat(14, 0).repeat(14, 1))[..., None].astype(np.uint8)


class QuarterJudge:
    """Reads each quarter of a picture that `paint` made; grey quarters are no value that was painted."""

    hash = "quarters"

    def __init__(self, labels):
        count = len(labels[WORLD.subject])
        pictures = np.stack([paint([labels[key][i] for key in WORLD.attributes], i) for i in range(count)])
        features = {space: self.features(pictures, space=space) for space in SPACES}
        self.reference = Reference(
            features, labels, {"num_images": count, "floor": dict.fromkeys(SPACES, 1.0), "sharpness": metrics.sharpness(pictures).mean()}
        )

    def features(self, images, *, space):
        return images.reshape(len(images), 28, 28)[:, 7::14, 7::14].reshape(len(images), 4).astype(np.float32)

    def attributes(self, images):
        quarters = [images[:, y : y + 14, x : x + 14, 0].astype(float) for y in (0, 14) for x in (0, 14)]
        values = [(np.median(quarter, (1, 2)) - 10) / step for quarter, step in zip(quarters, (20, 60, 60, 60), strict=True)]
        readings = [np.where(v == v.round(), v, size - 1 - v.round()) for v, size in zip(values, SIZES, strict=True)]
        return {
            key: np.clip(reading, 0, size - 1).astype(int) for key, reading, size in zip(WORLD.attributes, readings, SIZES, strict=True)
        }


@dataclasses.dataclass(frozen=True)
class ObedientParams(Params):
    obedience: float = slider(1.0, 0.0, 1.0, 0.1, label="Obedience", hint="", dial=(0.2, 0.6, 1.0))


class Obedient(Engine):
    """Paints what the prompt names and chance for the rest."""

    family, params_type = "vae", ObedientParams

    def values(self, prompt, rng, obedience):
        named = self.text_encoder.read(prompt).attributes if rng.random() <= obedience else {}
        chance = rng.random(4)
        return [
            options.index(named[key]) if key in named else int(chance[i] * len(options))
            for i, (key, options) in enumerate(WORLD.attributes.items())
        ]

    def generate(self, request):
        params = self.params(request)
        values = [
            self.values(prompt, np.random.default_rng(seed), params.obedience)
            for prompt, seed in zip(request.prompts, request.seeds, strict=True)
        ]
        images = np.stack([paint(*pair) for pair in zip(values, request.seeds, strict=True)])
        yield Frame(paste(images, request), 1, 1, 1, 0.0)


class Deaf(Obedient):
    """Paints anything."""

    def values(self, prompt, rng, obedience):
        return [int(rng.integers(size)) for size in SIZES]


class Rigid(Obedient):
    """Paints what the prompt names and always the same beside it."""

    def values(self, prompt, rng, obedience):
        named = self.text_encoder.read(prompt).attributes
        return [options.index(named.get(key, options[0])) for key, options in WORLD.attributes.items()]


class Forgetful(Obedient):
    """Paints over what must stay."""

    def generate(self, request):
        yield from super().generate(dataclasses.replace(request, known=None))


class Latent(Obedient):
    """Its latent holds a number per value; the largest of each attribute is painted."""

    latent = "z"
    leaks = False

    def generate(self, request):
        values = np.array([self.values(p, np.random.default_rng(s), 1.0) for p, s in zip(request.prompts, request.seeds, strict=True)])
        z = np.concatenate([np.eye(size)[values[:, a]] for a, size in enumerate(SIZES)], axis=1).astype(np.float32)
        yield Frame(self.redraw(z, request.prompts, request.seeds), 1, 1, 1, 0.0, extra={"z": z})

    def redraw(self, latents, prompts, seeds):
        if self.leaks:
            moved = (np.abs(latents - latents.round()) > 1e-3).any(1, keepdims=True)
            latents = latents + 2 * moved * np.eye(sum(SIZES))[-1]
        parts = np.split(latents, np.cumsum(SIZES)[:-1], axis=1)
        values = np.stack([part.argmax(1) for part in parts], axis=1)
        return np.stack([paint(v, i) for i, v in enumerate(values)])


class Leaky(Latent):
    """Moving its latent makes every picture wide as well."""

    leaks = True


class Bettering(Leaky):
    """It knows how not to."""

    def refine_direction(self, direction, before, after, key, value, *, steps):
        clean = direction.copy()
        clean[-1] -= 2 / manipulation.LENGTH
        return manipulation.LENGTH * clean


@pytest.fixture
def edits(monkeypatch, tmp_path):
    """The checks of two edits of digits, by name of the figure, beside enough real ones for their distances to tell."""
    monkeypatch.setattr(manipulation, "EDITS", (("digit", "7"), ("thickness", "bold")))
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=20 * NUM_IMAGES) for key, values in WORLD.attributes.items()}

    def run(kind):
        engine = kind(torch.nn.Linear(1, 1), text.load("digits"))
        bench = Bench(WORLD, QuarterJudge(labels), {"vae": engine}, NUM_IMAGES, 5, out=tmp_path)
        real = manipulation.real_faces(bench)
        return manipulation.edit_checks(bench, [manipulation.edit(bench, engine, *pair)[0] for pair in manipulation.EDITS], real)

    return run


def test_a_latent_direction_changes_one_thing(edits):
    checks = edits(Latent)
    assert checks["digit 7, success"].figure.value > 0.95
    assert checks["thickness bold, leak"].figure.value < 0.02
    assert all(check.passes(check.figure.value) for check in checks.values())  # also beside real sevens, though every digit is one now


def test_what_else_changes_is_seen(edits):
    checks = edits(Leaky)
    assert checks["digit 7, success"].figure.value > 0.95
    assert checks["digit 7, leak"].figure.value > 0.15
    assert not checks["digit 7, leak"].passes(checks["digit 7, leak"].figure.value)
    assert not checks["realism"].passes(checks["realism"].figure.value)  # real sevens are not all wide


def test_real_faces_stand_once_where_an_edit_could_start_or_end(monkeypatch, tmp_path):
    monkeypatch.setattr(manipulation, "EDITS", (("digit", "7"), ("thickness", "bold")))
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=20 * NUM_IMAGES) for key, values in WORLD.attributes.items()}
    judge = QuarterJudge(labels)
    bench = Bench(WORLD, judge, {}, NUM_IMAGES, 5, out=tmp_path)
    real = manipulation.real_faces(bench)
    rows = [side for sides in real.values() for side in sides]
    assert len(np.unique(np.concatenate(rows))) == sum(map(len, rows)) == 4 * NUM_IMAGES
    for (key, value), (before, after) in real.items():
        index = WORLD.attributes[key].index(value)
        assert (labels[key][after] == index).all()
        assert (labels[key][before] != index).all()
    halves = [{edit: tuple(side[part::2] for side in sides) for edit, sides in real.items()} for part in (0, 1)]
    pictures = np.stack([paint([labels[key][i] for key in WORLD.attributes], i) for i in range(20 * NUM_IMAGES)])
    perfect = [manipulation.EditedFaces(*edit, "", pictures[sides[0]], pictures[sides[1]], 0.1) for edit, sides in halves[0].items()]
    assert 0.5 < manipulation.realism_figure(bench, perfect, halves[1]).value < 1.5


def test_every_engine_is_also_asked_by_prompt(monkeypatch, tmp_path):
    """One without a latent is told apart by that alone; one with a latent is judged by its directions."""
    monkeypatch.setattr(manipulation, "EDITS", (("digit", "7"), ("thickness", "bold")))
    monkeypatch.setattr(manipulation, "SECONDS", 1e9)  # clocks are not to be tested
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=20 * NUM_IMAGES) for key, values in WORLD.attributes.items()}
    encoder = text.load("digits")
    kinds = {"vae": Latent, "gan": Leaky, "autoregressive": Obedient, "diffusion": Deaf}
    engines = {name: kind(torch.nn.Linear(1, 1), encoder) for name, kind in kinds.items()}
    manipulation.measure(Bench(WORLD, QuarterJudge(labels), engines, NUM_IMAGES, 5, out=tmp_path, root=tmp_path))
    row = figures.read("digits", root=tmp_path)["faces"]
    assert row["autoregressive"]["edits"].value == 0
    assert "no latent" in row["autoregressive"]["edits"].method
    assert row["autoregressive"]["by prompt: digit 7, success"].value > 0.95
    assert row["autoregressive"]["by prompt: digit 7, leak"].value < 0.02
    assert row["diffusion"]["by prompt: digit 7, success"].value < 0.3
    assert "digit 7, success" not in row["diffusion"]
    assert (row["vae"]["edits"].value, row["gan"]["edits"].value) == (1, 0)
    assert not isinstance(row["vae"]["edits"].low, bool)
    assert row["vae"]["digit 7, success"].value > 0.95
    assert "by another prompt" in figures.read_evidence("digits", "faces", "diffusion", root=tmp_path)[1]
    assert not any(key.startswith(("mean difference", "fill")) for named in row.values() for key in named)


def test_beside_a_bettered_direction_stand_the_mean_difference_and_the_hole(monkeypatch, tmp_path):
    monkeypatch.setattr(manipulation, "EDITS", (("digit", "7"),))
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=20 * NUM_IMAGES) for key, values in WORLD.attributes.items()}
    engine = Bettering(torch.nn.Linear(1, 1), text.load("digits"))
    bench = Bench(WORLD, QuarterJudge(labels), {"vae": engine}, NUM_IMAGES, 5, out=tmp_path, root=tmp_path)
    hole = bench.figure(0.7, "", n=40, method="found", judged=True)
    bench.write("control", "vae", {"hole": hole, "hole, seam": hole, "hole: passes": hole, "full prompt": hole})
    manipulation.measure(bench)
    named = figures.read("digits", root=tmp_path)["faces"]["vae"]
    assert {key: figure.value for key, figure in named.items() if key.startswith("fill")} == {"fill a hole": 0.7, "fill a hole, seam": 0.7}
    assert named["digit 7, leak"].value < 0.02 < 0.15 < named["mean difference alone: digit 7, leak"].value
    assert "bettered" in named["digit 7, success"].method
    assert "the mean difference" in named["mean difference alone: digit 7, success"].method


def test_a_direction_is_as_long_as_the_mean_change():
    engine = Latent(torch.nn.Linear(1, 1), text.load("digits"))
    before, after = manipulation.latents_beside(engine, "thickness", "bold", seed=3, pairs=200)
    direction = manipulation.bettered(engine, before, after, "thickness", "bold", steps=1)
    start = SIZES[0]
    assert direction[start : start + 3] == pytest.approx([-0.5, -0.5, 1], abs=0.1)  # from thin or medium to bold
    assert np.abs(np.delete(direction, range(start, start + 3))).max() < 0.02


@pytest.fixture
def passes(monkeypatch, tmp_path):
    """Which tests an engine passes, by name, and the row's figures."""
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=NUM_IMAGES) for key, values in WORLD.attributes.items()}
    pictures = np.stack([paint([labels[key][i] for key in WORLD.attributes], i) for i in range(NUM_IMAGES)])
    monkeypatch.setattr(gallery, "load", lambda name, root: SimpleNamespace(held_out=pictures, labels=labels))
    encoder = text.load("digits")

    def run(kind):
        bench = Bench(WORLD, QuarterJudge(labels), {"vae": kind(torch.nn.Linear(1, 1), encoder)}, NUM_IMAGES, 5, out=tmp_path)
        tests = {test.__name__: test(bench, "vae") for test in control.TESTS}
        named = control.passes_figure(bench, tests)
        return {name: named[f"{name}: passes"].value == 1 for name in tests}, named, tests

    return run


def test_an_obedient_engine_passes_all(passes):
    passed, named, tests = passes(Obedient)
    assert passed == dict.fromkeys(passed, True)
    assert len(passed) == 6
    assert (named["controls"].value, named["controls"].high) == (6, 6)
    assert tests["full_prompt"]["full prompt"].figure.value > 0.98
    assert tests["half_picture"]["half picture"].figure.n > 10
    assert tests["one_change"]["one change, layout"].figure.value < 0.5


def test_beside_hidden_parts_stands_what_the_judge_reads_in_the_whole_pictures(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    labels = {key: rng.integers(len(values), size=NUM_IMAGES) for key, values in WORLD.attributes.items()}
    pictures = np.stack([paint([labels[key][i] for key in WORLD.attributes], i) for i in range(NUM_IMAGES)])
    monkeypatch.setattr(gallery, "load", lambda name, root: SimpleNamespace(held_out=pictures, labels=labels))
    bench = Bench(WORLD, QuarterJudge(labels), {}, NUM_IMAGES, 5, out=tmp_path)
    untouched = control.untouched_figures(bench)
    assert {name: figure.value for name, figure in untouched.items()} == {"half picture": 1, "hole": 1}  # this judge reads all
    hidden = control.lower_halves(bench)
    assert untouched["half picture"].n == (hidden.wanted >= 0).any(1).sum() < NUM_IMAGES
    upper = [a for a, key in enumerate(WORLD.attributes) if (hidden.wanted[:, a] >= 0).any()]
    assert 0 < len(upper) < len(SIZES)  # what the upper half shows is not asked


def test_one_that_does_not_listen_passes_none(passes):
    passed, named, tests = passes(Deaf)
    assert passed == dict.fromkeys(passed, False)
    assert named["controls"].value == 0
    assert tests["any_subset"]["any subset, variety"].figure.value == pytest.approx(1, abs=0.05)


def test_what_a_prompt_leaves_open_must_vary(passes):
    passed, _, tests = passes(Rigid)
    assert passed["full_prompt"]
    assert not passed["any_subset"]
    assert tests["any_subset"]["any subset, variety"].figure.value < 0.05
    assert not passed["strength_dial"]  # no value of its setting changes anything


def test_adherence_is_taken_from_quality_where_the_same_was_measured(monkeypatch, tmp_path):
    """Drawn anew where the captions' number, the weights, the seed, the judge or the code were others or unknown, or one was quick."""
    rng = np.random.default_rng(0)
    judge = QuarterJudge({key: rng.integers(len(values), size=NUM_IMAGES) for key, values in WORLD.attributes.items()})
    weights = tmp_path / "digits" / "vae" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"some")
    monkeypatch.setattr(control, "TESTS", (control.full_prompt,))
    monkeypatch.setattr(quality, "measure_real", lambda bench: {})
    monkeypatch.setattr(control, "untouched_figures", lambda bench: {})
    monkeypatch.setattr(Bench, "unfinished", lambda bench, row: bench.engines)
    engine, drawn = Obedient(torch.nn.Linear(1, 1), text.load("digits")), []
    monkeypatch.setattr(Bench, "draw", lambda bench, name: drawn.append(name) or np.concatenate([paint([0] * 4, 0)[None]] * NUM_IMAGES))

    def adherence(seed=5, judge=judge, quick=False, commit="abc1234"):
        bench = Bench(WORLD, judge, {"vae": engine}, NUM_IMAGES, seed, root=tmp_path, out=tmp_path, quick=quick, commit=commit)
        control.measure(bench)
        return bench, bench.read("control")["vae"]["adherence"].value

    bench, told = adherence()
    n = int(quality.few_asked(bench).sum())
    assert NUM_IMAGES / 2 < n < NUM_IMAGES
    for of, expected, times in ((n - 1, told, 2), (n, 0.75, 2)):
        bench.write("quality", "vae", {"adherence": bench.figure(0.75, "", n=of, method="found", judged=True)})
        assert adherence()[1] == expected
        assert len(drawn) == times
    assert told != 0.75
    other = QuarterJudge(judge.reference.labels)
    other.hash = "others"
    for changed in ({"seed": 6}, {"judge": other}, {"quick": True}):
        assert adherence(**changed)[1] != 0.75
    for commit, asked in (("another", "abc1234"), ("abc1234+", "abc1234+"), ("unknown", "unknown")):
        bench.commit = commit
        bench.write("quality", "vae", {"adherence": bench.figure(0.75, "", n=n, method="found", judged=True)})
        assert adherence(commit=asked)[1] != 0.75
    weights.write_bytes(b"others")
    assert adherence()[1] != 0.75
    assert len(drawn) == 9


def test_known_pixels_must_stay(passes):
    passed, named, tests = passes(Forgetful)
    assert {name for name, passes in passed.items() if not passes} == {"half_picture", "hole"}
    assert tests["hole"]["hole, known pixels kept"].figure.value < 0.1
    assert tests["hole"]["hole"].figure.value > 0.9  # what is asked for is there
    assert "known pixels kept at least 1" in named["hole: passes"].method


def test_a_rule_says_what_each_figure_has_to_reach_and_how_few_pictures_there_were(passes):
    _, named, tests = passes(Obedient)
    assert named["strength_dial: passes"].method.endswith("strength dial, step 1 above 0; strength dial, step 2 above 0")
    assert "one change, found at least 0.9" in named["one_change: passes"].method
    assert "one change, layout at most 0.5" in named["one_change: passes"].method
    assert named["full_prompt: passes"].n == tests["full_prompt"]["full prompt"].figure.n == NUM_IMAGES
    assert named["any_subset: passes"].n < NUM_IMAGES / 2
    assert named["controls"].n == 6


def test_a_seam_shows():
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(28), np.arange(28))[None, ..., None].astype(np.uint8)
    mask = np.zeros((1, 28, 28), bool)
    mask[:, :14] = True
    cut = np.where(mask[..., None], smooth, rng.integers(0, 256, smooth.shape)).astype(np.uint8)
    assert control.border_steps(smooth, mask) == pytest.approx(28)
    assert control.border_steps(cut, mask) > 28 * control.SEAM


def test_variety_of_even_and_of_single_values():
    assert control.variety(np.array([0, 1, 2, 3]), 5) == 1
    assert control.variety(np.array([0, 0, 1, 1]), 5) == pytest.approx(2 / 3)  # four of six pairs
    assert control.variety(np.array([2, 2]), 5) == 0


@pytest.mark.parametrize(
    ("value", "low", "high", "threshold", "options", "found"),
    [
        (0.92, 0.88, 0.95, 0.9, {}, (True, False, True)),
        (1.4, 1.2, 1.6, 1.5, {"at_least": False}, (True, False, True)),
        (0.0, 0.0, 0.1, 0.0, {"strict": True}, (False, False, True)),
    ],
)
def test_a_test_passes_at_its_figure_and_at_both_ends_of_its_interval(value, low, high, threshold, options, found):
    figure = figures.Figure(value, "", 100, "test", "machine", "abc", low, high)
    assert checks.passed({"a": checks.Check(figure, threshold, **options)}) == found
