"""Quality: how close drawn pictures come to real ones in the eyes of two judges, and what they lack."""

from __future__ import annotations

import numpy as np

from playground import metrics
from playground.figures import Figure
from playground.judges import SPACES
from playground.measure import inception
from playground.measure.bench import Bench

ROW = "quality"
SHOWN = 10  # best and worst pictures kept as evidence
MOST_ASKED = 5  # attributes of a prompt whose adherence counts


def measure(bench: Bench) -> None:
    """Write the row's figures: real images first, then engine after engine at its default settings."""
    bench.write(ROW, "real", measure_real(bench))
    wanted = list(bench.unfinished(ROW))
    fid = inception.load() if wanted and bench.inception else None
    for name in wanted:
        images = bench.draw(name)
        bench.write(ROW, name, measure_images(bench, images) | inception.fid_figure(bench, images, fid))
        show_extremes(bench, name, images)


def measure_real(bench: Bench) -> dict[str, Figure]:
    """The floor at equal N, and what the judge's reference holds: the ruler, its accuracy, density and coverage of real images."""
    shipped = bench.judge.reference.figures

    def figure(value: float, method: str, n: int = shipped["num_images"]) -> Figure:
        return bench.figure(value, "", n=n, method=method, judged=True, seeded=False)

    named = {}
    for space in SPACES:
        named[f"floor_{space}"] = figure(bench.floor(space), "FD between two halves of held-out real images")
        for spoilt, value in shipped["ruler"][space].items():
            named[f"ruler_{space} {spoilt}"] = figure(value, f"FD of held-out real images, {spoilt}")
        for key, value in shipped["real_density_coverage"][space].items():
            named[f"{key}_{space}"] = figure(value, "held-out real images, k = 5")
    for key, value in shipped["accuracy"].items():
        method = "share of held-out real images whose label the judge reads"
        named[f"accuracy_{key}"] = figure(value, method, n=shipped["accuracy_num_images"])
    return named


def measure_images(bench: Bench, images: np.ndarray) -> dict[str, Figure]:
    """All figures of the row for N pictures, uint8 (N, H, W, C), drawn from the bench's captions."""
    named = distance_figures(bench, {space: bench.judge.features(images, space=space) for space in SPACES})
    named |= sharpness_figures(bench, images)
    named |= attribute_figures(bench, bench.judge.attributes(images))
    return named


def show_extremes(bench: Bench, name: str, images: np.ndarray) -> None:
    """The pictures nearest to real ones in the classifier's eyes, and those farthest from any."""
    features = bench.judge.features(images, space="classifier")
    order = np.argsort(metrics.nearest_distances(features, bench.reference("classifier")))
    caption = (
        f"Above: the {SHOWN} of {len(images):,} pictures nearest to a real one in the classifier's features. Below: the {SHOWN} farthest."
    )
    bench.show(ROW, name, images[[*order[:SHOWN], *order[-SHOWN:]]], columns=SHOWN, caption=caption)


def distance_figures(bench: Bench, features: dict[str, np.ndarray]) -> dict[str, Figure]:
    """FD, its ratio to the floor, density and coverage from features (N, D) per space; `fd_ratio` joins the spaces."""
    n = bench.num_images
    named = {"fd_ratio": ratio_figure(bench, features, SPACES)}
    for space in SPACES:
        ratio = ratio_figure(bench, features, (space,))
        floor = bench.floor(space)
        named[f"fd_ratio_{space}"] = ratio
        interval = (ratio.low * floor, ratio.high * floor)
        named[f"fd_{space}"] = bench.figure(
            ratio.value * floor, "", n=n, interval=interval, judged=True, method=f"Fréchet distance, {space} features"
        )
        density, covered = metrics.neighbourhoods(bench.reference(space), features[space])
        named[f"density_{space}"] = mean_figure(bench, density, method=f"density, k = 5, {space} features")
        named[f"coverage_{space}"] = mean_figure(bench, covered, method=f"coverage, k = 5, {space} features")
    return named


def ratio_figure(bench: Bench, features: dict[str, np.ndarray], spaces: tuple[str, ...]) -> Figure:
    """FD of features (N, D) per space over the floor at equal N, the geometric mean over `spaces`."""

    def ratio(chosen: np.ndarray) -> float:
        return metrics.geometric_mean([bench.distance(space, features[space][chosen]) / bench.floor(space) for space in spaces])

    n, whole = len(features[spaces[0]]), bench.judge.reference.figures["num_images"]
    resamples = metrics.bootstrap(ratio, n, rng=bench.rng())
    equal = "" if n == whole else f" (less what n real images show more than {whole:,})"
    method = f"FD / floor at equal N{equal}, {' and '.join(spaces)} features; 200 resamples"
    return bench.figure(ratio(np.arange(n)), "× real", n=n, method=method, resamples=resamples, judged=True)


def sharpness_figures(bench: Bench, images: np.ndarray) -> dict[str, Figure]:
    """Variance of the Laplacian over that of real images."""
    ratio = metrics.sharpness(images) / bench.judge.reference.figures["sharpness"]
    return {"sharpness": mean_figure(bench, ratio, unit="× real", method="variance of the Laplacian over that of real images")}


def attribute_figures(bench: Bench, found: dict[str, np.ndarray]) -> dict[str, Figure]:
    """Class histogram distance, and adherence to what the captions ask: the subject alone, and every attribute named."""
    subject = bench.world.subject
    keys = list(bench.world.attributes)
    real = bench.judge.reference.labels[subject][: bench.num_images]
    classes = len(bench.world.attributes[subject])

    def difference(chosen: np.ndarray) -> float:
        return metrics.histogram_distance(real, found[subject][chosen], num_classes=classes)

    everything = np.arange(bench.num_images)
    method = f"total variation between histograms of {subject}, real and drawn"
    interval = metrics.share_interval(difference, bench.num_images, rng=bench.rng())
    named = {
        "class_distance": bench.figure(difference(everything), "", n=bench.num_images, method=method, interval=interval, judged=True),
    }
    answers = np.stack([found[key] for key in keys], axis=1)  # (N, A)
    few = few_asked(bench)
    column = [keys.index(subject)]
    named[f"adherence_{subject}"] = adherence_figure(bench, bench.asked[few][:, column], answers[few][:, column], what=subject)
    named["adherence"] = adherence_figure(bench, bench.asked[few], answers[few], what="attributes")
    return named


def few_asked(bench: Bench) -> np.ndarray:
    """Which captions (N,) count for adherence: those that name something, and at most `MOST_ASKED` attributes."""
    return np.isin((bench.asked >= 0).sum(1), range(1, MOST_ASKED + 1))


def adherence_figure(bench: Bench, asked: np.ndarray, found: np.ndarray, *, what: str) -> Figure:
    """Share found of what captions of up to `MOST_ASKED` attributes ask; images that ask for nothing are left out of n."""
    named = (asked >= 0).any(1)  # of these attributes
    asked, found = asked[named], found[named]
    interval = metrics.share_interval(lambda chosen: metrics.adherence(asked[chosen], found[chosen]), len(asked), rng=bench.rng())
    method = f"share of the {what} named in captions (of up to {MOST_ASKED} attributes) that the judge reads in the picture"
    return bench.figure(metrics.adherence(asked, found), "", n=len(asked), method=method, interval=interval, judged=True)


def mean_figure(bench: Bench, values: np.ndarray, *, method: str, unit: str = "") -> Figure:
    """The mean of one number, or of a yes or no, per image."""
    interval_of = metrics.share_interval if values.dtype == bool else metrics.bootstrap_interval
    interval = interval_of(lambda chosen: values[chosen].mean(), len(values), rng=bench.rng())
    return bench.figure(values.mean(), unit, n=len(values), method=method, interval=interval, judged=True)
