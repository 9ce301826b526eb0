"""Measures of pictures and of sets of pictures: pure functions on arrays, numpy alone.

Features are float (N, D), pictures uint8 (N, H, W, C). Whatever draws at random takes a generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean (D,) and covariance (D, D)."""

    mean: np.ndarray
    covariance: np.ndarray

    @cached_property
    def root(self) -> np.ndarray:
        """The square root of the covariance, (D, D); most of what a distance costs, so it is kept."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def frechet_distance(real_features: np.ndarray, fake_features: np.ndarray) -> float:
    """Squared Fréchet distance between Gaussians fitted to features (N, D) and (M, D); 0 for equal mean and covariance.

    Heusel et al. 2017, arXiv:1706.08500, equation 6; there in Inception features and called FID, here in any features. Grows
    with fewer samples: compare at equal N only. Raises ValueError unless both have the same D and at least two rows.
    """
    _check_features(real_features, fake_features)
    return gaussian_distance(fit_gaussian(real_features), fit_gaussian(fake_features))


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Mean (D,) and unbiased covariance (D, D) of features (N, D), in double precision."""
    x = features.astype(np.float64)
    mean = x.mean(0)
    x -= mean
    return Gaussian(mean, x.T @ x / (len(x) - 1))


def gaussian_distance(real: Gaussian, fake: Gaussian) -> float:
    """Squared Fréchet distance |m - m'|^2 + tr(S) + tr(S') - 2 tr((S S')^(1/2)) (Dowson & Landau 1982)."""
    # S S' and S^(1/2) S' S^(1/2) share their eigenvalues; the second is symmetric.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(real.root @ fake.covariance @ real.root), 0)).sum()
    spread = np.trace(real.covariance) + np.trace(fake.covariance)
    distance = np.sum((real.mean - fake.mean) ** 2) + spread - 2 * shared
    return max(float(distance), 0.0)


def density_coverage(real_features: np.ndarray, fake_features: np.ndarray, *, k: int = 5) -> tuple[float, float]:
    """Fidelity and diversity from neighbourhoods: density (about 1 for a perfect set, may exceed 1) and coverage (0 ... 1).

    Naeem et al. 2020, arXiv:2002.09797, equations 5 and 7. Raises ValueError for other shapes or k outside 1 ... N - 1.
    """
    density, covered = neighbourhoods(real_features, fake_features, k=k)
    return float(density.mean()), float(covered.mean())


def neighbourhoods(real_features: np.ndarray, fake_features: np.ndarray, *, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """What density and coverage are the means of: float (M,) per fake and bool (N,) per real image.

    A real image's neighbourhood is the ball that reaches its k-th nearest real neighbour. A fake counts 1 / k for every ball
    that holds it; a real image is covered when its ball holds a fake.
    """
    _check_features(real_features, fake_features)
    if not 1 <= k < len(real_features):
        raise ValueError(f"k must be from 1 to {len(real_features) - 1}, got {k}")
    radii = np.concatenate([np.partition(d, k, axis=1)[:, k] for d in _distance_rows(real_features, real_features)])  # (N,), self first
    density, nearest = [], np.full(len(real_features), np.inf)
    for distances in _distance_rows(fake_features, real_features):
        density.append((distances < radii).sum(1) / k)
        nearest = np.minimum(nearest, distances.min(0))
    return np.concatenate(density), nearest < radii


def nearest_distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Euclidean distance (N,) from each of the queries (N, D) to its nearest neighbour among the references (M, D)."""
    return nearest(queries, references)[0]


def nearest(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`nearest_distances` and which reference it is, indices (N,)."""
    _check_features(queries, references)
    found = [(np.sqrt(distances.min(1)), distances.argmin(1)) for distances in _distance_rows(queries, references)]
    return tuple(map(np.concatenate, zip(*found, strict=True)))


def vendi_score(features: np.ndarray) -> float:
    """Effective number of different items among features (N, D): 1 for copies of one, N for items that have nothing in common.

    Friedman & Dieng 2022, arXiv:2210.02410, definition 3.1, with cosine similarity of the features as they are, so at most D.
    """
    x = features.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(x.T @ x / len(x))  # the same as those of the kernel (N, N) / N, apart from zeros
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def sharpness(images: np.ndarray) -> np.ndarray:
    """Variance (N,) of the Laplacian of the grey picture in [0, 1]; blur lowers it, noise raises it.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", the usual focus measure.
    """
    grey = images.astype(np.float64).mean(-1) / 255  # (N, H, W)
    centre = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * centre
    return laplacian.var((1, 2))


def psnr(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, (N,), of pictures uint8 (N, H, W, C) against others; infinite where they are equal."""
    error = np.square(images.astype(np.float64) - others).mean((1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255**2 / error)


def adherence(asked: np.ndarray, found: np.ndarray) -> float:
    """Share of the requested attributes that were found; nan when nothing was requested.

    asked: value indices (N, A), -1 where the prompt leaves the attribute open. found: value indices (N, A).
    """
    named = asked >= 0
    return float((asked == found)[named].mean()) if named.any() else float("nan")


def histogram_distance(real_classes: np.ndarray, fake_classes: np.ndarray, *, num_classes: int) -> float:
    """Total variation between two class histograms: 0 equal, 1 disjoint. Classes are indices (N,) below `num_classes`."""
    real = np.bincount(real_classes, minlength=num_classes) / len(real_classes)
    fake = np.bincount(fake_classes, minlength=num_classes) / len(fake_classes)
    return float(np.abs(real - fake).sum() / 2)


def bootstrap(statistic: Callable[[np.ndarray], float], num_images: int, *, rng: np.random.Generator, resamples: int = 200) -> np.ndarray:
    """`statistic(indices)` of resampled images (Efron 1979), (resamples,).

    Repeated images shift distances between sets (a resample is less varied than the sample), so the resamples are moved
    back until their mean is the value on all images.
    """
    value = statistic(np.arange(num_images))
    draws = np.array([statistic(rng.integers(num_images, size=num_images)) for _ in range(resamples)])
    return draws - draws.mean() + value


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], num_images: int, *, rng: np.random.Generator, resamples: int = 200
) -> tuple[float, float]:
    """95 % interval of `statistic(indices)` over resampled images, see `bootstrap`."""
    return interval(bootstrap(statistic, num_images, rng=rng, resamples=resamples))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The ends between which 95 % of the draws (R,) lie."""
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def share_interval(
    statistic: Callable[[np.ndarray], float], num_images: int, *, rng: np.random.Generator, resamples: int = 200
) -> tuple[float, float]:
    """`bootstrap_interval` of a share: within 0 and 1, and at none and at all as wide as `binomial_interval` of as many images."""
    low, high = bootstrap_interval(statistic, num_images, rng=rng, resamples=resamples)
    value = statistic(np.arange(num_images))
    if value in (0, 1):
        return binomial_interval(round(value * num_images), num_images)
    return max(low, 0.0), min(high, 1.0)


def binomial_interval(count: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share of which `count` of `total` were seen (Clopper & Pearson 1934), wide also at none and at all.

    Resampling none of nine would give an interval of no width.
    """
    if total and not count:
        low, high = binomial_interval(total, total, level=level)
        return 1 - high, 1 - low

    def at_least(k: int, share: float) -> float:
        yes, no = math.log(share), math.log1p(-share)
        ways = (math.lgamma(total + 1) - math.lgamma(i + 1) - math.lgamma(total - i + 1) for i in range(k, total + 1))
        return sum(math.exp(way + i * yes + (total - i) * no) for i, way in zip(range(k, total + 1), ways, strict=True))

    def solve(k: int, wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):  # `at_least` rises with the share
            middle = (low + high) / 2
            low, high = (middle, high) if at_least(k, middle) < wanted else (low, middle)
        return low

    tail = (1 - level) / 2
    return solve(count, tail), solve(count + 1, 1 - tail) if count < total else 1.0


def geometric_mean(values: list[float]) -> float:
    """Geometric mean of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of uint8 (N, H, W, C); sigma in pixels, edges continued."""
    radius = int(np.ceil(3 * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    x = images.astype(np.float32)
    for axis in (1, 2):
        widths = [(radius, radius) if i == axis else (0, 0) for i in range(4)]
        padded = np.pad(x, widths, mode="edge")
        x = sum(w * padded.take(range(i, i + images.shape[axis]), axis=axis) for i, w in enumerate(kernel))
    return x.round().astype(np.uint8)


def add_noise(images: np.ndarray, amount: float, *, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise on uint8 (N, H, W, C), its standard deviation a share `amount` of the full range, clipped to the range."""
    noisy = images + rng.normal(0, 255 * amount, images.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


def _distance_rows(queries: np.ndarray, references: np.ndarray, *, block: int = 500) -> Iterator[np.ndarray]:
    """Squared distances (up to `block`, M) between some queries and all references, block by block."""
    references = references.astype(np.float32)
    lengths = (references**2).sum(1)
    for start in range(0, len(queries), block):
        rows = queries[start : start + block].astype(np.float32)
        yield np.maximum((rows**2).sum(1)[:, None] + lengths - 2 * rows @ references.T, 0)


def _check_features(a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features must be (N, D) and (M, D) with at least two rows each, got {a.shape} and {b.shape}")
