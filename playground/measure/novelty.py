"""Novelty: how much of what is real an engine's pictures cover, without being copies of training images."""

from __future__ import annotations

import logging

import numpy as np

from engines import CheckpointError
from engines.worlds.captions import Caption
from engines.worlds.labels import asked
from playground import metrics
from playground.figures import Figure
from playground.judges import SPACES, test_halves
from playground.measure.bench import Bench
from playground.measure.checks import answers, draw, most_images
from playground.measure.quality import mean_figure

ROW = "novelty"
PERCENTILE = 1.0  # of the distances of unseen real images to their nearest training image; what is closer is a copy
COPY_SPACE = "encoder"  # of the judge, beside pixels
BLOCK = 5000  # training images looked at at once
SHOWN = 10  # pictures kept as evidence, beside their nearest training images

log = logging.getLogger(__name__)


def measure(bench: Bench) -> None:
    """Write the row's figures: real unseen images first, then engine after engine. Needs the world's data set, unless quick."""
    wanted = list(bench.unfinished(ROW))
    if not wanted:
        return
    (training, features), unseen = training_images(bench), unseen_images(bench)
    real, _ = nearest(bench, unseen, training, features)
    thresholds = {name: np.percentile(distances, PERCENTILE) for name, distances in real.items()}
    real_copies = copies(real, thresholds)
    shipped = bench.judge.reference.figures["real_density_coverage"]
    best = {space: shipped[space]["coverage"] * (1 - real_copies.mean()) for space in SPACES}
    method = (
        f"unseen real images nearer to one of {len(training):,} training images than the first percentile of them, in pixels and features"
    )
    named = {"copy_rate": mean_figure(bench, real_copies, method=method)}
    bench.write(ROW, "real", named | {"vendi": vendi_figure(bench, bench.reference(COPY_SPACE))})
    for name in wanted:
        images = bench.draw(name)
        distances, places = nearest(bench, images, training, features)
        bench.write(ROW, name, novelty_figures(bench, images, copies(distances, thresholds), best) | pair_figures(bench, name))
        show_nearest(bench, name, images, distances[COPY_SPACE], training[places])


def training_images(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    """All of them, uint8 (N, H, W, C), and their features (N, D); in a quick measurement those that ship in the gallery."""
    if bench.quick:
        if bench.gallery.judge != bench.judge.hash:
            raise CheckpointError(f"another judge saw the gallery; make it anew: python -m playground.gallery {bench.world.name}")
        return bench.gallery.training, bench.gallery.features[COPY_SPACE]
    images, _ = bench.world.load_images(split="train")
    return images, bench.judge.features(images, space=COPY_SPACE)


def unseen_images(bench: Bench) -> np.ndarray:
    """As many images of the test split as are drawn: those of the judge's reference, in a quick measurement the gallery's."""
    if bench.quick:
        return bench.gallery.held_out[: bench.num_images]
    images = bench.world.load_images(split="test")[0]
    return images[test_halves(len(images))[0][: bench.num_images]]


def nearest(bench: Bench, images: np.ndarray, training: np.ndarray, features: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Distances (N,) of pictures to the nearest training image, in pixels and in the judge's features, and which that is in features."""
    wanted = images.reshape(len(images), -1)
    pixels = np.full(len(images), np.inf)
    for start in range(0, len(training), BLOCK):
        part = training[start : start + BLOCK]
        pixels = np.minimum(pixels, metrics.nearest_distances(wanted, part.reshape(len(part), -1)))
        log.info("nearest of %d pictures: %d of %d training images", len(images), start + len(part), len(training))
    distances, places = metrics.nearest(bench.judge.features(images, space=COPY_SPACE), features)
    return {"pixels": pixels, COPY_SPACE: distances}, places


def copies(distances: dict[str, np.ndarray], thresholds: dict[str, float]) -> np.ndarray:
    """Which pictures (N,) are nearer to a training image than `thresholds`, in pixels and in features."""
    return np.all([distances[name] < threshold for name, threshold in thresholds.items()], axis=0)


def novelty_figures(bench: Bench, images: np.ndarray, copied: np.ndarray, best: dict[str, float]) -> dict[str, Figure]:
    """Coverage x (1 - copy rate) over `best`, that of real images, in each of the judge's spaces and joined; and what goes into it."""
    covered = {s: metrics.neighbourhoods(bench.reference(s), bench.judge.features(images, space=s))[1] for s in SPACES}
    named, n = {}, bench.num_images
    for ending, spaces in {"": SPACES, **{f"_{space}": (space,) for space in SPACES}}.items():

        def novelty(chosen: np.ndarray, spaces: tuple[str, ...] = spaces) -> float:
            coverage = metrics.geometric_mean([max(covered[space][chosen].mean(), 1e-9) / best[space] for space in spaces])
            return coverage * (1 - copied[chosen].mean())

        resamples = metrics.bootstrap(novelty, n, rng=bench.rng())
        method = f"coverage (k = 5, {' and '.join(spaces)} features) × (1 - copy rate), over that of unseen real images"
        named[f"novelty{ending}"] = bench.figure(novelty(np.arange(n)), "of real", n=n, method=method, resamples=resamples, judged=True)
    method = "share of pictures nearer to a training image than 99 % of unseen real images are, in pixels and in features"
    named["copy_rate"] = mean_figure(bench, copied, method=method)
    named["vendi"] = vendi_figure(bench, bench.judge.features(images, space=COPY_SPACE))
    return named


def show_nearest(bench: Bench, name: str, images: np.ndarray, distances: np.ndarray, neighbours: np.ndarray) -> None:
    """The pictures that come closest to a training image, above that image. neighbours: the nearest to each picture, uint8 (N, H, W, C)."""
    closest = np.argsort(distances)[:SHOWN]
    caption = f"Above: the {len(closest)} of {len(images):,} pictures that come closest to a training image. Below: that training image."
    bench.show(ROW, name, np.concatenate([images[closest], neighbours[closest]]), columns=len(closest), caption=caption)


def vendi_figure(bench: Bench, features: np.ndarray) -> Figure:
    """The Vendi score of features (N, D)."""
    interval = metrics.bootstrap_interval(lambda chosen: metrics.vendi_score(features[chosen]), len(features), rng=bench.rng())
    method = f"Vendi score, cosine similarity of {COPY_SPACE} features: an effective number of different pictures"
    return bench.figure(metrics.vendi_score(features), "", n=len(features), method=method, interval=interval, judged=True)


def pair_figures(bench: Bench, name: str) -> dict[str, Figure]:
    """How often both values of a pair that never occurs in training are found; empty for a world without such pairs."""
    if "held_out" not in bench.world.splits:
        return {}
    captions, wanted = held_out_captions(bench)
    found = answers(bench, draw(bench, name, [caption.text for caption in captions]))
    both = ((found == wanted) | (wanted < 0)).all(1)
    method = "share of pictures with both values of a pair that never occurs in training, of prompts that name it"
    return {"held_out_pairs": mean_figure(bench, both, method=method)}


def held_out_captions(bench: Bench) -> tuple[list[Caption], np.ndarray]:
    """Captions that name a held-out pair, and the pair alone as value indices (N, A), -1 elsewhere."""
    world, rng, captions, wanted = bench.world, bench.rng(), [], []
    for index in range(most_images(bench)):
        label = world.sample_label("held_out", index)
        pair = next(first | second for first, second in world.HELD_OUT_PAIRS if (first | second).items() <= label.items())
        caption = world.compose(label, rng, contradiction_share=0.0)
        while not pair.items() <= caption.named.items():
            caption = world.compose(label, rng, contradiction_share=0.0)
        captions.append(caption)
        wanted.append(pair)
    return captions, asked(world, wanted)
