"""Control: six things that one may want of a generator, each with a test that it passes or fails, none with retraining.

A test passes when each of its figures is on the right side of its threshold. The row's figure counts passes; its interval counts those
that pass at the worst and at the best end of their figures' intervals.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engines import Known
from engines.worlds.captions import Caption
from engines.worlds.labels import OPEN, asked, to_matrix, to_words
from playground.figures import Figure
from playground.measure import quality
from playground.measure.bench import Bench
from playground.measure.checks import (
    ADHERENCE,
    Check,
    Test,
    adherence_check,
    answers,
    caption_pair,
    draw,
    fewest,
    most_images,
    passed,
    resampled,
    rule,
)

ROW = "control"
VARIETY = 0.5  # of the variety of real images that must be left in what a prompt does not name
SEAM = 1.5  # times the step that real images make across the border of the known part
LAYOUT = 0.5  # of the difference that another seed makes
SEEDS, QUICK_SEEDS = 16, 4  # pictures per prompt whose variety is looked at
FEWEST_PROMPTS = 4  # whose variety is looked at
HOLE = (0.3, 0.6)  # sides of a hole, as shares of the picture's

SHOWN, SHOWN_TEST = 10, "hole"  # pictures kept as evidence, and of which test

GREY = 128


def measure(bench: Bench) -> None:
    """Write the row's figures: what the judge reads in real images first, then engine after engine."""
    real = {name: figure for name, figure in quality.measure_real(bench).items() if name.startswith("accuracy_")}
    bench.write(ROW, "real", real | untouched_figures(bench))
    for name in bench.unfinished(ROW):
        tests = {test.__name__.replace("_", " "): test(bench, name) for test in TESTS}
        named = passes_figure(bench, tests) | {key: c.figure for checks in tests.values() for key, c in checks.items()}
        adherence = bench.known(quality.ROW, name, "adherence", n=quality.few_asked(bench).sum())
        adherence = adherence or quality.attribute_figures(bench, bench.judge.attributes(bench.draw(name)))["adherence"]
        bench.write(ROW, name, named | {"adherence": adherence})


def passes_figure(bench: Bench, tests: dict[str, Test]) -> dict[str, Figure]:
    """How many tests pass, and per test whether it does (1) or not (0)."""
    total, low, high = (sum(counts) for counts in zip(*(passed(checks) for checks in tests.values()), strict=True))
    method = "how many of n tests are passed; interval: at the worst and the best ends of the intervals of all that they look at"
    named = {"controls": bench.figure(total, "tests", n=len(tests), method=method, interval=(low, high), judged=True)}
    for name, checks in tests.items():
        named[f"{name}: passes"] = bench.figure(passed(checks)[0], "", n=fewest(checks), method=rule(checks), judged=True)
    return named


# The six tests


def full_prompt(bench: Bench, name: str) -> Test:
    """Every attribute is named and found."""
    captions = everything_named(bench)
    found = answers(bench, draw(bench, name, [caption.text for caption in captions]))
    method = "share of the attributes found, of prompts that name all"
    return {"full prompt": adherence_check(bench, asked(bench.world, [caption.named for caption in captions]), found, method)}


def any_subset(bench: Bench, name: str) -> Test:
    """Some attributes are named and found, and the others differ from picture to picture."""
    keys = list(bench.world.attributes)
    rows = [i for i in range(bench.num_images) if 1 <= (bench.asked[i] >= 0).sum() < len(keys)][: most_images(bench)]
    wanted = bench.asked[rows]
    found = answers(bench, draw(bench, name, [bench.prompts[i] for i in rows]))
    method = "share of the attributes found, of prompts that name some"
    checks = {"any subset": adherence_check(bench, wanted, found, method)}
    seeds = QUICK_SEEDS if bench.quick else SEEDS
    few = rows[: max(FEWEST_PROMPTS, most_images(bench) // seeds)]
    repeated = np.repeat(few, seeds)
    found = answers(bench, draw(bench, name, [bench.prompts[i] for i in repeated])).reshape(len(few), seeds, -1)  # (P, S, A)
    labels = bench.judge.reference.labels
    real = np.array([variety(labels[key], len(bench.world.attributes[key])) for key in keys])  # (A,)
    drawn = np.array([[variety(p[:, a], len(bench.world.attributes[key])) for a, key in enumerate(keys)] for p in found])  # (P, A)
    left_open = bench.asked[few] < 0

    def share(chosen: np.ndarray) -> float:
        where = left_open[chosen]
        return float(drawn[chosen][where].sum() / np.broadcast_to(real, drawn.shape)[chosen][where].sum())

    method = f"chance that two pictures differ in an attribute that n prompts leave open, {seeds} seeds each, over that of real images"
    return checks | {"any subset, variety": Check(resampled(bench, share, len(few), method, unit="× real"), VARIETY)}


def half_picture(bench: Bench, name: str) -> Test:
    """The lower half of real held-out images is drawn anew, by a prompt that names all their attributes."""
    return fill(bench, name, lower_halves(bench))


def hole(bench: Bench, name: str) -> Test:
    """A rectangle anywhere in real held-out images is drawn anew, likewise."""
    return fill(bench, name, holes(bench))


def lower_halves(bench: Bench) -> Hidden:
    """Real held-out images without their lower half."""
    images, truth = held_out(bench)
    mask = np.zeros(images.shape[:3], bool)
    mask[:, : images.shape[1] // 2] = True
    return Hidden.of(bench, "half picture", images, truth, mask)


def holes(bench: Bench) -> Hidden:
    """Real held-out images with a hole of any place and size."""
    (images, truth), rng = held_out(bench), bench.rng()
    mask = np.ones(images.shape[:3], bool)
    for rows in mask:
        sides = [max(1, round(side * rng.uniform(*HOLE))) for side in rows.shape]
        y, x = (int(rng.integers(whole - side + 1)) for whole, side in zip(rows.shape, sides, strict=True))
        rows[y : y + sides[0], x : x + sides[1]] = False
    return Hidden.of(bench, "hole", images, truth, mask)


def strength_dial(bench: Bench, name: str) -> Test:
    """One setting makes pictures follow their prompts more closely, over three of its values."""
    engine = bench.engines[name]
    field = next((f for f in dataclasses.fields(engine.params_type) if f.metadata.get("dial")), None)
    n = most_images(bench)
    wanted = bench.asked[:n]
    some = (wanted >= 0).any(1)
    shares = []
    for value in field.metadata["dial"] if field else (None,) * 3:
        params = engine.params_type(**({field.name: value} if field else {}))
        found = answers(bench, bench.draw(name, params, count=n))
        shares.append(((found == wanted) & (wanted >= 0))[some].sum(1))
    asked_for = (wanted >= 0)[some].sum(1)
    checks = {}
    for step, (before, after) in enumerate(pairwise(shares), start=1):

        def rise(chosen: np.ndarray, before=before, after=after) -> float:
            return float((after[chosen].sum() - before[chosen].sum()) / asked_for[chosen].sum())

        values = " to ".join(f"{v:g}" for v in field.metadata["dial"][step - 1 : step + 1]) if field else "no such setting"
        method = f"rise of the share of attributes found, {field.name if field else 'dial'} {values}"
        checks[f"strength dial, step {step}"] = Check(resampled(bench, rise, len(asked_for), method), 0.0, strict=True)
    return checks


def one_change(bench: Bench, name: str) -> Test:
    """One attribute of a full prompt is changed: it changes, the others stay, and so does the layout."""
    before, after, changed = changed_captions(bench)
    drawn = [draw(bench, name, [caption.text for caption in captions]) for captions in (before, after)]
    other = draw(bench, name, [caption.text for caption in after], seed=bench.seed + bench.num_images)
    found = [answers(bench, images) for images in drawn]
    rows = np.arange(len(before))
    wanted = asked(bench.world, [caption.named for caption in after])[rows, changed][:, None]
    method = "share of changed attributes found, of n prompts that name all attributes, one of which changes while the seed stays"
    checks = {"one change, found": adherence_check(bench, wanted, found[1][rows, changed][:, None], method)}
    same = found[0] == found[1]
    same[rows, changed] = False

    def kept(chosen: np.ndarray) -> float:
        return float(same[chosen].sum() / (len(chosen) * (same.shape[1] - 1)))

    stay = resampled(bench, kept, len(rows), "share of the other attributes that stay", share=True)
    checks["one change, others kept"] = Check(stay, ADHERENCE)
    moved, elsewhere = (np.abs(a.astype(np.int16) - drawn[1]).mean((1, 2, 3)) for a in (drawn[0], other))

    def layout(chosen: np.ndarray) -> float:
        return float(moved[chosen].sum() / max(elsewhere[chosen].sum(), 1e-9))  # 0 where the seed changes nothing

    method = "mean difference of pixels that the change makes, over that of another seed"
    checks["one change, layout"] = Check(resampled(bench, layout, len(rows), method, unit="× another seed"), LAYOUT, at_least=False)
    return checks


TESTS = (full_prompt, any_subset, half_picture, hole, strength_dial, one_change)


# What they share


def everything_named(bench: Bench) -> list[Caption]:
    """Captions of the reference images that name every attribute that can be seen."""
    rng = bench.rng()
    return [bench.world.compose(label, rng, everything=True) for label in map(bench.label, range(most_images(bench)))]


def changed_captions(bench: Bench) -> tuple[list[Caption], list[Caption], np.ndarray]:
    """Pairs of captions that name everything and differ in one attribute, and which (N,)."""
    keys, rng = list(bench.world.attributes), bench.rng()
    pairs, changed = [], []
    for i, label in enumerate(map(bench.label, range(most_images(bench)))):
        for _ in range(100):  # some changes hide or uncover another attribute
            key = str(rng.choice(keys))
            value = str(rng.choice([value for value in bench.world.attributes[key] if value != label[key]]))
            if pair := caption_pair(bench.world, label, key, value, seed=i):
                pairs.append(pair)
                changed.append(keys.index(key))
                break
    before, after = zip(*pairs, strict=True)
    return list(before), list(after), np.array(changed)


def held_out(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """Real images that no engine has seen, uint8 (N, H, W, C), and their value indices (N, A)."""
    n = min(most_images(bench), len(bench.gallery.held_out))
    return bench.gallery.held_out[:n], to_matrix(bench.world, bench.gallery.labels)[:n]


@dataclass(frozen=True, eq=False)
class Hidden:
    """Real images, uint8 (N, H, W, C), of which a part is to be drawn anew, and what is asked of it.

    what: of the part. known: where they stay, bool (N, H, W). captions: which name all that they show. wanted: value indices (N, A) of
    the attributes that count, -1 elsewhere: those that the judge misreads once the hidden part is grey.
    """

    what: str
    images: np.ndarray
    known: np.ndarray
    captions: list[Caption]
    wanted: np.ndarray

    @classmethod
    def of(cls, bench: Bench, what: str, images: np.ndarray, truth: np.ndarray, known: np.ndarray) -> Hidden:
        """Images that show `truth` (N, A), with what they are asked for."""
        rng, labels = bench.rng(), to_words(bench.world, dict(zip(bench.world.attributes, truth.T, strict=True)))
        captions = [bench.world.compose(label, rng, everything=True) for label in labels]
        told = asked(bench.world, [caption.named for caption in captions]) != OPEN
        misread = answers(bench, greyed(images, known)) != truth
        return cls(what, images, known, captions, np.where(told & misread, truth, OPEN))


def fill(bench: Bench, name: str, hidden: Hidden) -> Test:
    """Draw the hidden part: known pixels stay, what only it shows is found, no seam is left."""
    what, images, known = hidden.what, hidden.images, hidden.known
    drawn = draw(bench, name, [caption.text for caption in hidden.captions], known=Known(images, known))
    if what == SHOWN_TEST:
        some = slice(0, SHOWN)
        shown = np.concatenate([greyed(images[some], known[some]), drawn[some], images[some]])
        caption = "A hole in real pictures that no engine has seen, what the engine draws there, and the pictures as they were."
        bench.show(ROW, name, shown, columns=SHOWN, caption=caption)
    stay = ((drawn == images).all(3) | ~known).all((1, 2)).mean()
    method_stay = "share of pictures whose known pixels are all as they were"
    steps = [border_steps(pictures, known) for pictures in (drawn, images)]

    def seam(chosen: np.ndarray) -> float:
        return float(steps[0][chosen].sum() / steps[1][chosen].sum())

    method_seam = "mean step of brightness across the border of the known part, over that of the real images"
    return {
        what: adherence_check(bench, hidden.wanted, answers(bench, drawn), f"{fill_method(what)}, of prompts that name all"),
        f"{what}, known pixels kept": Check(bench.figure(stay, "", n=len(images), method=method_stay), 1.0),
        f"{what}, seam": Check(resampled(bench, seam, len(images), method_seam, unit="× real"), SEAM, at_least=False),
    }


def untouched_figures(bench: Bench) -> dict[str, Figure]:
    """What the judge reads, of that which the tests of hidden parts look for, in the real images as they were."""
    return {
        hidden.what: adherence_check(bench, hidden.wanted, answers(bench, hidden.images), f"{fill_method(hidden.what)}: untouched").figure
        for hidden in (lower_halves(bench), holes(bench))
    }


def fill_method(what: str) -> str:
    """How the attributes that count are chosen, for the figures of a hidden part."""
    return f"share read by the judge of the attributes that it misreads once the hidden part ({what}) of n real pictures is grey"


def greyed(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Images, uint8 (N, H, W, C), grey where they are not known (N, H, W)."""
    return np.where(known[..., None], images, GREY).astype(np.uint8)


def border_steps(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum (N,) of the differences between neighbouring pixels of which one is known."""
    grey = images.astype(np.float64).mean(3)
    across = np.abs(np.diff(grey, axis=1)) * (mask[:, 1:] != mask[:, :-1])
    along = np.abs(np.diff(grey, axis=2)) * (mask[:, :, 1:] != mask[:, :, :-1])
    return across.sum((1, 2)) + along.sum((1, 2))


def variety(values: np.ndarray, count: int) -> float:
    """Chance that two of the values (N,), indices below `count`, differ, without bias for few of them (Simpson 1949)."""
    shares = np.bincount(values, minlength=count) / len(values)
    return float((1 - (shares**2).sum()) * len(values) / (len(values) - 1))
