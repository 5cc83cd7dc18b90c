"""Distances in float32 blocks are those of float64: near 0, far from 0, with duplicates, in little memory."""

import tracemalloc

import numpy as np
import pytest

from zoo.evaluation.metrics import distances
from zoo.evaluation.metrics.distances import SquaredDistances, nearest


def all_squared(x, y):
    return np.sum((x[:, None].astype(np.float64) - y[None]) ** 2, axis=-1)


def clusters(count, spread, seed):
    centres = 5 * np.random.default_rng(0).standard_normal((10, 12))
    rng = np.random.default_rng(seed)
    return centres[rng.integers(0, 10, count)] + spread * rng.standard_normal((count, 12))


SETS = {
    "plain": lambda seed: np.random.default_rng(seed).standard_normal((300, 12)).astype(np.float32),
    "far from 0": lambda seed: np.random.default_rng(seed).standard_normal((300, 12)) + 1e5,
    "tight clusters": lambda seed: clusters(300, 1e-6, seed),
    "one far away": lambda seed: np.vstack([clusters(299, 1.0, seed), np.full((1, 12), 1e6)]),
    "whole numbers": lambda seed: np.random.default_rng(seed).integers(0, 3, (300, 12), dtype=np.uint8),
    "duplicates": lambda seed: np.repeat(np.random.default_rng(seed).standard_normal((30, 12)), 10, axis=0),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("block", [2**24, 2**11])
def test_the_nearest_are_those_of_float64(name, block, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", block)
    queries, references = SETS[name](1), SETS[name](2)
    expected = np.sqrt(np.sort(all_squared(queries, references), axis=1)[:, :5])
    found, indices = nearest(queries, references, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    differences = queries[:, None].astype(np.float64) - references[indices]
    np.testing.assert_allclose(np.linalg.norm(differences, axis=-1), expected, rtol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_a_row_is_not_its_own_neighbour(name):
    rows = SETS[name](1)
    squared = all_squared(rows, rows)
    np.fill_diagonal(squared, np.inf)
    found, indices = nearest(rows, k=3)
    np.testing.assert_allclose(found, np.sqrt(np.sort(squared, axis=1)[:, :3]), rtol=1e-9)
    assert not np.any(indices == np.arange(len(rows))[:, None])


@pytest.mark.parametrize("name", SETS)
def test_errors_stay_within_their_bound_and_decisions_are_exact(name):
    x, y = SETS[name](1), SETS[name](2)
    of_pairs = SquaredDistances(x, y)
    expected = of_pairs.exact(*map(np.ravel, np.indices((len(x), len(y))))).reshape(len(x), len(y))
    np.testing.assert_allclose(expected, all_squared(x, y), rtol=1e-12)
    limit = np.median(expected, axis=1, keepdims=True)
    limit = np.take_along_axis(expected, abs(expected - limit).argmin(axis=1)[:, None], axis=1)  # of some pair itself
    for rows, squared, error in of_pairs:
        assert np.all(abs(squared - expected[rows]) <= error)
        np.testing.assert_array_equal(of_pairs.within(rows, squared, error, limit[rows]), expected[rows] < limit[rows])
        np.testing.assert_array_equal(of_pairs.within(rows, squared, error, limit.T), expected[rows] < limit.T)


def test_memory_is_that_of_a_block(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 2**19)
    rows = np.random.default_rng(0).standard_normal((4000, 8)).astype(np.float32)
    tracemalloc.start()
    nearest(rows, k=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**19 * 4 * 6, "the whole matrix has 64 MB"


def test_too_few_rows_are_refused():
    rows = np.eye(3)
    with pytest.raises(ValueError, match=r"queries: at least 4 rows are needed. Received: 3"):
        nearest(rows, k=3)
    with pytest.raises(ValueError, match=r"references: at least 4 rows are needed. Received: 3"):
        nearest(rows, rows, k=4)
    with pytest.raises(ValueError, match=r"k must be at least 1. Received: 0"):
        nearest(rows, k=0)
    with pytest.raises(ValueError, match=r"same width. Received: 3 and 2"):
        nearest(rows, np.eye(2))
