"""Facial manipulation: following one fixed direction in an engine's latent space to change one thing about a face.

A direction is the mean difference that one word of the prompt makes to the latents of faces drawn from the same random numbers, so it is
found from samples, without a judge. An engine that was taught by a discriminator betters it, layer by layer, with what that learned to
name from captions and what the changed prompts draw; how much each of these weighs was chosen by what the judge read. It must work on
other faces, whatever their prompts. Where the latent does not depend on the prompt (the z of a VAE), the encoder is asked what z it sees
in the changed faces, without being told of the change. How real edited faces are is told by real faces that show what they should show: a
hundred real smiles are far from real faces at large.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engines import Engine, Frame, Request
from engines.steering import QUICK_STEPS, STEPS
from engines.worlds.captions import Caption
from playground import metrics
from playground.figures import Figure
from playground.judges import SPACES
from playground.machine import threads_for
from playground.measure import control
from playground.measure.bench import Bench, in_parts
from playground.measure.checks import Check, Test, answers, caption_pair, draw, passed, resampled, rule

ROW = "faces"
EDITS = (("mouth", "smile"), ("glasses", "round"), ("hair_color", "red"), ("facial_hair", "beard"))
PAIRS, QUICK_PAIRS = 500, 100  # of faces from which a direction is found
MOST_IMAGES, QUICK_IMAGES = 1000, 32  # faces edited along it
BESIDE = 250  # faces of each edit that is shown beside the verdict
REAL_FACES = 250  # that could be before each edit, and after it: what faces are compared with
LENGTH = 2.0  # of an edit, in directions: one mean difference leaves what was there before and what should come in equal parts
SHOWN = 10  # faces of each edit kept as evidence
FLIPPED, LEAKED, REALISM, SHARPNESS, SECONDS = 0.8, 0.1, 1.5, 0.7, 1.0  # what an edit must reach


RealFaces = Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class EditedFaces:
    """Faces before and after one edit, uint8 (N, H, W, C), how it was made, and the seconds that an edit of one took."""

    key: str
    value: str
    how: str
    before: np.ndarray
    after: np.ndarray
    seconds: float


def measure(bench: Bench) -> None:
    """Write the row's figures, engine after engine.

    The verdict's is `edits`, whether a direction passes every test. Beside it stands what the mean difference does that was not
    bettered, what moving what the decoder is told does where the latent does not depend on it, what another prompt does, and how the
    engine fills a hole.
    """
    real = real_faces(bench)
    for name in bench.unfinished(ROW):
        engine = bench.engines[name]
        prompted = [edit_by_prompt(bench, name, key, value) for key, value in EDITS]
        others = {"by prompt": prompted}
        if engine.latent is None:
            method = "pictures come from no latent vector in which a direction could be followed, so n faces were edited along one"
            named, shown = {"edits": bench.figure(0, "", n=0, method=method)}, prompted
        else:
            both = [edit(bench, engine, key, value) for key, value in EDITS]
            shown = [edited for edited, _ in both]
            checks = edit_checks(bench, shown, real)
            passes, low, high = map(float, passed(checks))
            n = min(check.figure.n for key, check in checks.items() if key != "seconds")
            edits_figure = bench.figure(passes, "", n=n, method=rule(checks), interval=(low, high), judged=True)
            named = {"edits": edits_figure} | {key: check.figure for key, check in checks.items()}
            if any(plain for _, plain in both):
                others["mean difference alone"] = [plain or edited for edited, plain in both]
            if engine.encodes and engine.movable:
                others["as the face editor moves it"] = [edit_parts(bench, engine, key, value) for key, value in EDITS]
        for what, edits in others.items():
            named |= {f"{what}: {key}": check.figure for key, check in edit_checks(bench, edits, real).items()}
        bench.write(ROW, name, named | filled(bench, name))
        show_edits(bench, name, shown)


def show_edits(bench: Bench, name: str, edits: list[EditedFaces]) -> None:
    """A few faces before and after each edit."""
    pairs = [images[:SHOWN] for edited in edits for images in (edited.before, edited.after)]
    what = "; ".join(f"{e.key} {e.value}".replace("_", " ") for e in edits)
    caption = f"Pairs of rows, before and after faces {edits[0].how}: {what}."
    bench.show(ROW, name, np.concatenate(pairs), columns=len(pairs[0]), caption=caption)


def filled(bench: Bench, name: str) -> dict[str, Figure]:
    """What the row of control found of holes that the engine filled, where it was measured of these weights from this seed."""
    stored = bench.read(control.ROW).get(name, {})
    holes = {key: figure for key, figure in stored.items() if key.partition(",")[0] == "hole"}
    return {f"fill a {key}": figure for key, figure in holes.items() if bench.fits(figure, name, n=figure.n)}


def latents_beside(engine: Engine, key: str, value: str, *, seed: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents (M, ...) of faces drawn from the same random numbers, before and after `key` becomes `value`."""
    captions = edit_captions(engine, key, value, seed=seed, count=pairs)
    first, second = ([pair[i] for pair in captions] for i in (0, 1))
    if engine.encodes:
        prompts, seeds = tuple(caption.text for caption in first), tuple(seed + i for i in range(len(first)))
        faces = (drawn(engine, which, seed=seed, take=lambda frame: frame.images) for which in (first, second))
        before, after = (engine.encode(images, prompts, seeds) for images in faces)
    else:
        before, after = (latents_of(engine, which, seed=seed) for which in (first, second))
    return before, after


def bettered(engine: Engine, before: np.ndarray, after: np.ndarray, key: str, value: str, *, steps: int) -> np.ndarray:
    """The mean difference of what faces were drawn from (M, ...), as the engine betters it, to be followed `LENGTH` times."""
    return engine.refine_direction(LENGTH * (after - before).mean(0), before, after, key, value, steps=steps) / LENGTH


def latents_of(engine: Engine, captions: list[Caption], *, seed: int) -> np.ndarray:
    """Latents of pictures drawn from captions."""
    return drawn(engine, captions, seed=seed, take=lambda frame: frame.extra[engine.latent])


def drawn(engine: Engine, captions: list[Caption], *, seed: int, take: Callable[[Frame], np.ndarray]) -> np.ndarray:
    """What `take` finds in the last frames (N, ...) of pictures drawn from captions."""
    prompts = tuple(caption.text for caption in captions)

    def part(where: slice) -> np.ndarray:
        some = prompts[where]
        return take(engine.draw(Request(some, seed=seed + where.start, num_images=len(some))))

    return in_parts(part, len(prompts), what=engine.family)


def edit_captions(engine: Engine, key: str, value: str, *, seed: int, count: int) -> list[tuple[Caption, Caption]]:
    """Pairs of captions that name everything, before and after `key` becomes `value`."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        label = engine.world.random_label(rng)
        pair = caption_pair(engine.world, label, key, value, seed=int(rng.integers(2**31))) if label[key] != value else None
        if pair:
            found.append(pair)
    return found


def edit(bench: Bench, engine: Engine, key: str, value: str) -> tuple[EditedFaces, EditedFaces | None]:
    """Find a direction and follow it `LENGTH` times, from other faces than it was found from.

    If the engine bettered it, some faces that follow the mean difference alone come second.
    """
    pairs, steps = bench.few(PAIRS, QUICK_PAIRS), QUICK_STEPS if bench.quick else STEPS
    before, after = latents_beside(engine, key, value, seed=bench.seed + bench.num_images, pairs=pairs)
    direction, plain = LENGTH * bettered(engine, before, after, key, value, steps=steps), LENGTH * (after - before).mean(0)
    captions = [first for first, _ in edit_captions(engine, key, value, seed=bench.seed, count=bench.few(MOST_IMAGES, QUICK_IMAGES))]
    latents, prompts = latents_of(engine, captions, seed=bench.seed), tuple(caption.text for caption in captions)
    seeds = tuple(bench.seed + i for i in range(len(prompts)))

    def follow(direction: np.ndarray, how: str, count: int | None = None) -> EditedFaces:
        seconds = waited(engine, lambda: engine.redraw(latents[:1] + direction, prompts[:1], seeds[:1]))
        moved = (redrawn(engine, which, prompts[:count], seeds[:count]) for which in (latents[:count], latents[:count] + direction))
        return EditedFaces(key, value, f"moved by {LENGTH:g} times {how}", *moved, seconds)

    if direction.shape == plain.shape and np.allclose(direction, plain):
        return follow(plain, "the mean difference"), None
    alone = follow(plain, "the mean difference", faces_beside(bench))
    return follow(direction, "a direction that the engine bettered by what it knows"), alone


def direction_of_parts(engine: Engine, key: str, value: str, *, seed: int, pairs: int, steps: int) -> np.ndarray:
    """A direction in `Engine.moving_parts`, float32, which the page's face editor follows; as long as a mean difference."""
    captions = edit_captions(engine, key, value, seed=seed, count=pairs)
    before, after = (drawn(engine, [pair[i] for pair in captions], seed=seed, take=engine.moving_parts) for i in (0, 1))
    return bettered(engine, before, after, key, value, steps=steps).astype(np.float32)


def edit_parts(bench: Bench, engine: Engine, key: str, value: str) -> EditedFaces:
    """Find and follow a direction in what the last network draws from, as the page's face editor does."""
    pairs, steps, count = bench.few(PAIRS, QUICK_PAIRS), QUICK_STEPS if bench.quick else STEPS, faces_beside(bench)
    direction = LENGTH * direction_of_parts(engine, key, value, seed=bench.seed + bench.num_images, pairs=pairs, steps=steps)
    starts = [first for first, _ in edit_captions(engine, key, value, seed=bench.seed, count=count)]
    parts = drawn(engine, starts, seed=bench.seed, take=engine.moving_parts)
    seconds = waited(engine, lambda: engine.draw_moved(parts[:1] + direction))
    moved = (in_parts(lambda where, p=p: engine.draw_moved(p[where]), count, what=engine.family) for p in (parts, parts + direction))
    return EditedFaces(key, value, f"moved by {LENGTH:g} times a direction in {engine.movable}", *moved, seconds)


def faces_beside(bench: Bench) -> int:
    """N of the edits that stand beside the verdict, each."""
    return bench.few(BESIDE, QUICK_IMAGES)


def redrawn(engine: Engine, latents: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
    """`Engine.redraw`, a batch at a time."""
    return in_parts(lambda where: engine.redraw(latents[where], prompts[where], seeds[where]), len(latents), what=engine.family)


def edit_by_prompt(bench: Bench, name: str, key: str, value: str) -> EditedFaces:
    """Draw faces again from the same random numbers, with one word of their prompts changed."""
    engine = bench.engines[name]
    captions = edit_captions(engine, key, value, seed=bench.seed, count=faces_beside(bench))
    before, after = (draw(bench, name, [pair[i].text for pair in captions]) for i in (0, 1))
    seconds = waited(engine, lambda: engine.draw(Request(captions[0][1].text, seed=bench.seed)))
    return EditedFaces(key, value, "were drawn by another prompt with the same seed", before, after, seconds)


def waited(engine: Engine, edit: Callable[[], object]) -> float:
    """Seconds of the clock that one edit takes."""
    with threads_for(engine):
        start = time.perf_counter()
        edit()
        return time.perf_counter() - start


def edit_checks(bench: Bench, edits: list[EditedFaces], real: RealFaces) -> Test:
    """What the edits reach: success and leak per edit, realism, sharpness and time over all of them. real: see `real_faces`, per edit."""
    checks, keys = {}, list(bench.world.attributes)
    for edited in edits:
        column, target = keys.index(edited.key), bench.world.attributes[edited.key].index(edited.value)
        before, after = answers(bench, edited.before), answers(bench, edited.after)
        without = before[:, column] != target  # faces that had it already are left out
        flipped = after[without, column] == target
        changed = np.delete(before != after, column, axis=1)[without]
        what = f"{edited.key} {edited.value}".replace("_", " ")
        method = f"share of n faces without it in which the judge finds {what} once they {edited.how}"
        checks[f"{what}, success"] = Check(resampled(bench, lambda i, f=flipped: f[i].mean(), len(flipped), method, share=True), FLIPPED)
        method = "share of the other attributes that the judge reads otherwise after the edit"
        leak = resampled(bench, lambda i, c=changed: c[i].mean(), len(changed), method, share=True)
        checks[f"{what}, leak"] = Check(leak, LEAKED, at_least=False)
    checks["realism"] = Check(realism_figure(bench, edits, real), REALISM, at_least=False)
    sharp = metrics.sharpness(np.concatenate([edited.after for edited in edits])) / bench.judge.reference.figures["sharpness"]
    method = "variance of the Laplacian of edited faces over that of real ones"
    checks["sharpness"] = Check(resampled(bench, lambda i: float(sharp[i].mean()), len(sharp), method, unit="× real"), SHARPNESS)
    slowest = max(edited.seconds for edited in edits)
    method = "longest time that one edit of one face takes"
    checks["seconds"] = Check(bench.figure(slowest, "s", n=len(edits), method=method), SECONDS, at_least=False)
    return checks


def realism_figure(bench: Bench, edits: list[EditedFaces], real: RealFaces) -> Figure:
    """How much further edited faces are from real ones that show what they should show, than unedited faces are from such as they show.

    Fréchet distances as they would be at equal N, the geometric mean over the judge's spaces. The same number of real faces stands
    beside the pictures of every edit.
    """
    found = [real[edited.key, edited.value] for edited in edits]
    fewest = min(len(rows) for sides in found for rows in sides)
    chosen = [np.concatenate([sides[i][:fewest] for sides in found]) for i in (0, 1)]
    pictures = [np.concatenate([getattr(edited, side) for edited in edits]) for side in ("before", "after")]
    seen = [{space: bench.judge.features(images, space=space) for space in SPACES} for images in pictures]

    def ratio(sample: np.ndarray) -> float:
        distances = [
            metrics.geometric_mean([bench.distance(space, features[space][sample], rows) for space in SPACES])
            for features, rows in zip(seen, chosen, strict=True)
        ]
        return distances[1] / distances[0]

    method = (
        f"FD of edited faces to {len(chosen[1]):,} real ones that show what they should, over FD of unedited ones to as many of theirs, "
        "geometric mean over two judges; 200 resamples"
    )
    return resampled(bench, ratio, len(pictures[0]), method, unit="× unedited")


def real_faces(bench: Bench) -> RealFaces:
    """For every edit, which of the judge's real faces it could start from, and which it could lead to: their indices, each used once."""
    labels, rng = bench.judge.reference.labels, bench.rng()
    roles: dict[tuple[str, str, int], list[int]] = {(*edit, side): [] for edit in EDITS for side in (0, 1)}
    enough = bench.few(REAL_FACES, QUICK_IMAGES)
    for i in rng.permutation(len(labels[EDITS[0][0]])).tolist():
        label = bench.label(i)
        for key, value, side in sorted(roles, key=lambda role: len(roles[role])):  # those come first that have the fewest
            if (
                len(roles[key, value, side]) < enough
                and (label[key] == value) == bool(side)
                and _editable(bench, label, key, value, seed=i)
            ):
                roles[key, value, side].append(i)
                break
        if min(map(len, roles.values())) >= enough:
            break
    return {(key, value): tuple(np.array(roles[key, value, side], int) for side in (0, 1)) for key, value in EDITS}


def _editable(bench: Bench, label: dict[str, str], key: str, value: str, *, seed: int) -> bool:
    """Whether an edit to `value` could start from a face with this label or, where it shows that, have led to it."""
    starts = bench.world.attributes[key] if label[key] == value else (label[key],)
    return any(caption_pair(bench.world, label | {key: start}, key, value, seed=seed) for start in starts if start != value)
