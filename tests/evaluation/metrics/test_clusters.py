"""k-means finds clusters that are there, and every row's nearest centre."""

import numpy as np
import pytest

from zoo.evaluation.metrics.clusters import assign, k_means


def blobs(count, seed=0, offset=0.0):
    centres = 10 * np.random.default_rng(9).standard_normal((8, 5))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, count)
    return centres[labels] + 0.3 * rng.standard_normal((count, 5)) + offset, labels


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_clusters_that_are_there_are_found(offset):
    rows, labels = blobs(1000, offset=offset)
    found = assign(rows, k_means(rows, 8, seed=1))
    for cluster in range(8):
        assert len(set(labels[found == cluster])) == 1
    assert len(set(found)) == 8


def test_a_row_belongs_to_the_nearest_centre():
    rows, centres = np.random.default_rng(0).standard_normal((2, 500, 7)).astype(np.float32)
    squared = np.sum((rows[:, None] - centres[None, :40]) ** 2, axis=-1)
    np.testing.assert_array_equal(assign(rows, centres[:40]), squared.argmin(axis=1))


def test_centres_follow_the_seed_and_lie_at_the_means():
    rows, _ = blobs(600)
    centres = k_means(rows, 8, seed=3)
    np.testing.assert_array_equal(k_means(rows, 8, seed=3), centres)
    labels = assign(rows, centres)
    means = [rows[labels == cluster].mean(axis=0) for cluster in range(8)]
    np.testing.assert_allclose(centres, means, atol=1e-4)


def test_pixels_and_duplicates_are_rows_too():
    rows = np.repeat(np.arange(12, dtype=np.uint8).reshape(4, 3), 50, axis=0)
    assert sorted(np.bincount(assign(rows, k_means(rows, 6)), minlength=6)) == [0, 0, 50, 50, 50, 50]


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"at least 8 rows are needed. Received: 7"):
        k_means(blobs(7)[0], 8)
    with pytest.raises(ValueError, match=r"count must be at least 1. Received: 0"):
        k_means(blobs(7)[0], 0)
