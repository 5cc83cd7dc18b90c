"""The Frechet distance against closed forms, and on covariances without an inverse."""

import numpy as np
import pytest

from zoo.evaluation.metrics.frechet import frechet_distance


def normal(count, mean, root, seed):
    """Rows of the normal distribution with covariance `root @ root.T`."""
    return np.random.default_rng(seed).standard_normal((count, root.shape[1])) @ root.T + mean


def closed_form(m1, c1, m2, c2):
    overlap = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(min=0)).sum()
    return np.sum((m1 - m2) ** 2) + np.trace(c1) + np.trace(c2) - 2 * overlap


@pytest.mark.parametrize(("width", "rank"), [(1, 1), (8, 8), (24, 24), (24, 10)])
def test_normal_distributions_have_the_closed_form(width, rank):
    rng = np.random.default_rng(width)
    a, b = rng.standard_normal((2, width, rank))
    m1, m2 = rng.standard_normal((2, width))
    distance = frechet_distance(normal(60_000, m1, a, 1), normal(50_000, m2, b, 2))
    assert distance == pytest.approx(closed_form(m1, a @ a.T, m2, b @ b.T), rel=0.01)


def test_a_shift_counts_by_its_square():
    real = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32)
    assert frechet_distance(real, real + np.float32(2)) == pytest.approx(5 * 4, rel=1e-5)
    assert frechet_distance(real, 3 * real) == pytest.approx(
        4 * np.trace(np.cov(real.T)) + 4 * np.sum(real.mean(axis=0, dtype=float) ** 2), rel=1e-5
    )


def test_equal_sets_have_distance_0_and_the_order_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 400, 30)) @ np.diag(10.0 ** np.arange(-15, 15))
    assert frechet_distance(a, a) <= 1e-6 * np.trace(np.cov(a.T))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)


def test_fewer_images_than_features_give_the_exact_value_and_a_warning():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((40, 200)), 1.3 * rng.standard_normal((30, 200)) + 0.1
    with pytest.warns(UserWarning, match="30 images is too large: take at least 200"):
        distance = frechet_distance(real, fake)
    a, b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (real, fake))
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()  # the nuclear norm: the same root without a covariance
    expected = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * overlap
    assert distance == pytest.approx(expected, rel=1e-7)


def test_a_collapsed_generator_is_measured():
    real = np.random.default_rng(0).standard_normal((1000, 4))
    expected = np.trace(np.cov(real.T)) + np.sum((real.mean(axis=0) - 1) ** 2)
    assert frechet_distance(real, np.ones((10, 4))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (np.zeros((5, 2)), "same width. Received: 3 and 2"),
        (np.zeros((1, 3)), "at least 2 rows are needed. Received: 1"),
        (np.zeros(3), r"must be numbers of shape \[N, D\]. Received: float64 \[3\]"),
        (np.full((5, 3), "a"), "must be numbers"),
        (np.full((5, 3), np.nan), "finite .* Received: 15 values that are NaN or infinite"),
        (np.array([[0.0, 1.0, np.inf]] * 5), "Received: 5 values"),
        (np.full((5, 3), -1e16), "below 1e15"),
    ],
)
def test_what_is_no_set_of_features_is_refused(fake, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(np.ones((5, 3)), fake)
