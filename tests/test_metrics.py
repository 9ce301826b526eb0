"""Metrics against closed forms, and once against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.functional.pairwise import pairwise_euclidean_distance
from torchmetrics.image import fid

from playground import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def exact(mean, covariance, rng, n=400):
    """Features whose sample mean and covariance are exactly those given."""
    x = rng.normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_between_gaussians(rng):
    a = exact(np.zeros(3), np.diag([1.0, 4.0, 9.0]), rng)
    b = exact(np.array([1.0, 2.0, 0.0]), np.diag([4.0, 4.0, 1.0]), rng)
    # Diagonal covariances: |m - m'|^2 + sum of (sigma - sigma')^2
    assert metrics.frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 4, abs=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute(rng):
    s, t = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])
    # For 2 x 2: tr((S T)^(1/2)) = sqrt(tr(S T) + 2 sqrt(det(S T)))
    shared = np.sqrt(np.trace(s @ t) + 2 * np.sqrt(np.linalg.det(s @ t)))
    value = metrics.frechet_distance(exact(np.zeros(2), s, rng), exact(np.zeros(2), t, rng))
    assert value == pytest.approx(np.trace(s) + np.trace(t) - 2 * shared, abs=1e-9)


def test_frechet_distance_of_a_set_to_itself_is_zero(rng):
    x = rng.normal(size=(50, 96))  # fewer images than dimensions: a singular covariance
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_equals_torchmetrics(rng):
    a = rng.normal(size=(500, 32))
    b = a @ rng.normal(size=(32, 32)) * 0.3 + rng.normal(size=32)
    moments = [torch.tensor(x) for features in (a, b) for x in (features.mean(0), np.cov(features.T))]
    assert metrics.frechet_distance(a, b) == pytest.approx(fid._compute_fid(*moments).item(), rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [((5, 3), (5, 4)), ((5,), (5,)), ((1, 3), (5, 3))])
def test_features_of_other_shapes_are_refused(a, b):
    with pytest.raises(ValueError, match="features must be"):
        metrics.frechet_distance(np.zeros(a), np.zeros(b))


def test_density_and_coverage_on_a_line():
    real = np.arange(6.0)[:, None]  # with k = 1 every ball has radius 1, open
    fake = np.array([[0.5], [0.6], [10.0]])
    # 0.5 and 0.6 lie in the balls of 0 and 1, 10 in none; two of six real images are covered
    density, coverage = metrics.density_coverage(real, fake, k=1)
    assert density == pytest.approx(4 / 3)
    assert coverage == pytest.approx(2 / 6)


def test_copies_of_the_real_set_are_covered_entirely_and_one_image_hardly(rng):
    real = rng.normal(size=(300, 4))
    assert metrics.density_coverage(real, real)[1] == 1
    assert metrics.density_coverage(real, np.repeat(real[:1], 300, axis=0))[1] < 0.1


def test_density_and_coverage_of_the_same_distribution_have_their_expected_values(rng):
    density, coverage = metrics.density_coverage(rng.normal(size=(2000, 8)), rng.normal(size=(2000, 8)), k=5)
    assert density == pytest.approx(1, abs=0.05)  # Naeem et al. 2020, lemma 1
    assert coverage == pytest.approx(1 - 0.5**5, abs=0.015)  # the same, equation 9 for N = M


def test_density_refuses_k_outside_its_range():
    with pytest.raises(ValueError, match="k must be from 1 to 4, got 5"):
        metrics.density_coverage(np.zeros((5, 2)), np.zeros((5, 2)), k=5)


def test_nearest_and_how_far(rng):
    references = rng.normal(size=(200, 5))
    queries = rng.normal(size=(1100, 5))
    brute = np.sqrt(((queries[:, None] - references[None]) ** 2).sum(-1))
    distances, places = metrics.nearest(queries, references)
    np.testing.assert_allclose(distances, brute.min(1), atol=1e-3)
    np.testing.assert_array_equal(places, brute.argmin(1))
    np.testing.assert_array_equal(metrics.nearest_distances(queries, references), distances)


def test_the_exact_interval_of_a_share():
    assert metrics.binomial_interval(0, 9) == pytest.approx((0, 1 - 0.025 ** (1 / 9)))  # (1 - p)^9 = 2.5 %
    assert metrics.binomial_interval(9, 9) == pytest.approx((0.025 ** (1 / 9), 1))
    low, high = metrics.binomial_interval(3, 9)
    assert (low, high) == pytest.approx((0.0749, 0.7007), abs=1e-4)
    assert metrics.binomial_interval(6, 9) == pytest.approx((1 - high, 1 - low))
    assert metrics.binomial_interval(1000, 2000) == pytest.approx((0.5 - 1.96 / 2000**0.5 / 2, 0.5 + 1.96 / 2000**0.5 / 2), abs=5e-4)


def test_sharpness_of_one_bright_pixel():
    image = np.zeros((1, 6, 6, 1), np.uint8)
    image[0, 2, 3] = 255
    # Laplacian inside the frame: 16 values, one -4 and four 1: mean 0, variance (16 + 4) / 16
    assert metrics.sharpness(image) == pytest.approx([20 / 16])


def test_blur_lowers_sharpness_and_keeps_brightness(rng):
    images = np.zeros((2, 28, 28, 1), np.uint8)
    images[:, 10:18, 10:18] = 250
    blurred = metrics.blur(images, 1.0)
    assert (metrics.sharpness(blurred) < 0.3 * metrics.sharpness(images)).all()
    assert blurred.mean() == pytest.approx(images.mean(), rel=0.01)
    assert (metrics.blur(np.full_like(images, 77), 2.0) == 77).all()


def test_blur_of_a_point_is_a_gaussian():
    image = np.zeros((1, 21, 21, 1), np.uint8)
    image[0, 10, 10] = 255
    row = metrics.blur(image, 1.0)[0, 10, :, 0].astype(float)
    assert row[10] == round(255 * 0.39905**2)  # 1 / sum of exp(-x^2 / 2) over -3 ... 3, in both directions
    assert row[11] / row[10] == pytest.approx(np.exp(-0.5), abs=0.03)


def test_noise_has_the_stated_spread(rng):
    images = np.full((4, 50, 50, 1), 128, np.uint8)
    noisy = metrics.add_noise(images, 0.05, rng=rng)
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.03)
    assert noisy.dtype == np.uint8


def test_adherence_counts_only_what_was_asked():
    asked = np.array([[1, -1], [2, 0], [-1, -1]])
    found = np.array([[1, 7], [2, 1], [5, 5]])
    assert metrics.adherence(asked, found) == pytest.approx(2 / 3)
    assert np.isnan(metrics.adherence(asked[2:], found[2:]))


def test_histogram_distance_with_half_the_classes_missing():
    real = np.arange(100) % 10
    assert metrics.histogram_distance(real, real % 5, num_classes=10) == pytest.approx(0.5)
    assert metrics.histogram_distance(real, real[::-1], num_classes=10) == 0


def test_resamples_are_moved_to_the_value_and_their_ends_are_the_interval():
    x = np.random.default_rng(0).normal(size=300)
    draws = metrics.bootstrap(lambda chosen: x[chosen].std(), len(x), rng=np.random.default_rng(1))
    assert draws.shape == (200,)
    assert draws.mean() == pytest.approx(x.std())
    same = metrics.bootstrap_interval(lambda chosen: x[chosen].std(), len(x), rng=np.random.default_rng(1))
    assert metrics.interval(draws) == same
    assert ((draws > same[0]) & (draws < same[1])).mean() == pytest.approx(0.95, abs=0.01)


def test_bootstrap_interval_of_a_mean(rng):
    x = rng.normal(3.0, 2.0, size=2500)
    low, high = metrics.bootstrap_interval(lambda chosen: x[chosen].mean(), len(x), rng=rng)
    assert low < x.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / 50, rel=0.2)


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0, 1 - 0.025 ** (1 / 48)), (48, 0.025 ** (1 / 48), 1)])
def test_a_share_of_none_or_all_is_as_uncertain_as_its_number_allows(rng, found, low, high):
    x = np.arange(48) < found
    assert metrics.share_interval(lambda chosen: x[chosen].mean(), 48, rng=rng) == pytest.approx((low, high))


@pytest.mark.parametrize("missed", [1, 49])
def test_a_share_stays_within_its_range(rng, missed):
    x = np.arange(50) >= missed
    low, high = metrics.share_interval(lambda chosen: x[chosen].mean(), 50, rng=rng)
    assert 0 <= low < x.mean() < high <= 1


def test_bootstrap_interval_holds_a_value_that_repeated_images_shift(rng):
    real, fake = rng.normal(size=(400, 20)), rng.normal(size=(400, 20))
    low, high = metrics.bootstrap_interval(lambda chosen: metrics.frechet_distance(real, fake[chosen]), 400, rng=rng, resamples=50)
    assert low < metrics.frechet_distance(real, fake) < high


def test_geometric_mean():
    assert metrics.geometric_mean([2.0, 8.0]) == pytest.approx(4)


def test_neighbourhoods_agree_with_torchmetrics(rng):
    real, fake = rng.normal(size=(60, 4)), 0.7 * rng.normal(size=(50, 4))
    to_fake = pairwise_euclidean_distance(torch.tensor(real), torch.tensor(fake)).numpy()
    among_real = pairwise_euclidean_distance(torch.tensor(real), zero_diagonal=True).numpy()
    radii = np.sort(among_real, axis=1)[:, 5]
    density, coverage = metrics.density_coverage(real, fake)
    assert density == pytest.approx((to_fake < radii[:, None]).sum() / 5 / 50)
    assert coverage == pytest.approx((to_fake.min(1) < radii).mean())
    assert metrics.nearest_distances(fake, real) == pytest.approx(to_fake.min(0), rel=1e-5)


def test_adherence_agrees_with_torchmetrics(rng):
    asked, found = rng.integers(-1, 4, size=(40, 3)), rng.integers(0, 4, size=(40, 3))
    wanted = multiclass_accuracy(torch.tensor(found).flatten(), torch.tensor(asked).flatten(), 4, average="micro", ignore_index=-1)
    assert metrics.adherence(asked, found) == pytest.approx(wanted.item())


def test_vendi_score_counts_what_differs():
    assert metrics.vendi_score(np.tile([3.0, 4.0], (7, 1))) == pytest.approx(1)
    assert metrics.vendi_score(np.repeat(np.eye(5), 3, axis=0)) == pytest.approx(5)
    shares = np.array([0.9, 0.1])  # of two directions
    assert metrics.vendi_score(np.repeat(np.eye(2), [90, 10], axis=0)) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
