"""Euclidean distances between many rows: blocks of float32 matrix products, and float64 wherever a decision is close.

|x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses digits where x and y are near each other and far from 0. So the mean is taken
off first, products come with a bound on their error, and what lies within that bound of a limit is worked out again
from the differences. All results are those of float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.once import once

BLOCK = 2**24  # numbers in a block of distances: 64 MB
CHUNK = 2**21  # numbers in a block of differences: 16 MB
SPARE = 4  # neighbours looked at beyond the k-th
GROUP = 16  # columns of which the nearest is found first


class SquaredDistances:
    """Squared distances of every row of `left` from every row of `right`, in blocks of rows.

    Iterating gives (rows: a slice, squared: [n, M], error: [n, 1]), in `dtype`: no entry of `squared` is farther than
    `error` from the truth.
    """

    def __init__(self, left: np.ndarray, right: np.ndarray, dtype=np.float32) -> None:
        self.left, self.right = left, right
        mean = right.mean(axis=0, dtype=np.float64).astype(dtype)
        # [-2 x, |x|^2, 1] . [y, 1, |y|^2]: the matrix product gives the distances themselves
        self._x, x_norms = _centred(left, mean)
        self._x[:, :-2] *= -2
        self._x[:, -2], self._x[:, -1] = x_norms, 1
        self._y, y_norms = _centred(right, mean)
        self._y[:, -2], self._y[:, -1] = 1, y_norms
        # The rounding errors of D products add up like a random walk.
        steps = 8 + np.sqrt(left.shape[1])
        self._error = (steps * np.finfo(dtype).eps * (x_norms + y_norms.max())).astype(dtype)[:, None]

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        height = max(1, BLOCK // len(self._y))
        for start in range(0, len(self._x), height):
            rows = slice(start, min(start + height, len(self._x)))
            yield rows, self._x[rows] @ self._y.T, self._error[rows]

    def exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """float64 squared distances of left[rows[i]] and right[columns[i]]."""
        result = np.empty(len(rows))
        step = max(1, CHUNK // self.left.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            difference = self.left[rows[part]].astype(np.float64) - self.right[columns[part]]
            result[part] = np.einsum("nd,nd->n", difference, difference)
        return result

    def within(self, rows: slice, squared: np.ndarray, error: np.ndarray, limit: np.ndarray) -> np.ndarray:
        """Whether each exact squared distance of a block is below `limit`, float64 [n, 1] or [1, M]."""
        inside = squared < (limit - error.max()).astype(squared.dtype)
        doubtful = np.flatnonzero(inside != (squared < (limit + error.max()).astype(squared.dtype)))
        if len(doubtful):
            i, j = np.unravel_index(doubtful, squared.shape)
            inside[i, j] = self.exact(i + rows.start, j) < np.broadcast_to(limit, squared.shape)[i, j]
        return inside


def _centred(features: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows less the mean, with two columns of room, [N, D + 2], and their squared lengths."""
    rows = np.empty((len(features), len(mean) + 2), mean.dtype)
    np.subtract(features, mean, out=rows[:, :-2], casting="same_kind")
    return rows, np.einsum("nd,nd->n", rows[:, :-2], rows[:, :-2], dtype=np.float64)


def nearest(queries: np.ndarray, references: np.ndarray | None = None, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest references of each query, nearest first.

    Args:
        queries: features [N, D].
        references: features [M, D]. None: the other queries; a row is not its own neighbour.
        k: how many.

    Returns:
        (distances float64 [N, k], indices [N, k]).

    Raises:
        ZooError: fewer references than k, different widths, values that are not finite.
    """
    squared, indices = nearest_squared(queries, references, k)
    return np.sqrt(squared), indices


def nearest_squared(
    queries: np.ndarray, references: np.ndarray | None = None, k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, with squared distances, to compare with others to the last bit."""
    checks.at_least_one(k=k)
    if references is None:
        return _nearest_others(checks.features(queries, "queries", least=k + 1), k)
    queries, references = checks.features(queries, "queries", least=1), checks.features(references, "references", k)
    checks.same_width(queries, references)
    return _surely(queries, references, k, None)


@once
def _nearest_others(features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of each row."""
    return _surely(features, features, k, np.arange(len(features)))


def _surely(queries, references, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances and indices [N, k]; `own` are the columns of the rows themselves, which do not count."""
    squared, indices, sure = _search(queries, references, k, own, np.float32)
    again = np.flatnonzero(~sure)
    if len(again):
        own = None if own is None else own[again]
        squared[again], indices[again], _ = _search(queries[again], references, k, own, np.float64)
    return squared, indices


def _search(queries, references, k, own, dtype):
    """Squared distances and indices [N, k], and whether each row's neighbours are certain."""
    distances = SquaredDistances(queries, references, dtype)
    squared, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.intp)
    sure = np.empty(len(queries), bool)
    wanted = min(k + SPARE, len(references))
    for rows, block, error in distances:
        if own is not None:
            np.put_along_axis(block, own[rows, None], np.inf, axis=1)
        columns = _smallest(block, wanted)
        farthest = np.take_along_axis(block, columns, axis=1).max(axis=1)
        exact = distances.exact(np.repeat(np.arange(rows.start, rows.stop), wanted), columns.ravel())
        exact = exact.reshape(columns.shape)
        if own is not None:
            exact[columns == own[rows, None]] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squared[rows] = np.take_along_axis(exact, order, axis=1)
        indices[rows] = np.take_along_axis(columns, order, axis=1)
        sure[rows] = squared[rows, -1] < farthest - error[:, 0]
    return squared, indices, sure | (wanted == len(references))


def _smallest(block: np.ndarray, k: int) -> np.ndarray:
    """Columns [n, k] of the k smallest entries of each row, in no order.

    They lie in the k groups of columns whose smallest entries are the smallest: a minimum over groups is much faster
    than a partition of the row.
    """
    width = block.shape[1] // GROUP
    if width <= k:
        return np.argpartition(block, k - 1, axis=1)[:, :k]
    whole = block[:, : width * GROUP].reshape(len(block), GROUP, width)
    groups = np.argpartition(whole.min(axis=1), k - 1, axis=1)[:, :k]
    columns = (groups[:, :, None] + width * np.arange(GROUP)).reshape(len(block), -1)
    rest = np.arange(width * GROUP, block.shape[1])
    columns = np.column_stack([columns, np.broadcast_to(rest, (len(block), len(rest)))])
    chosen = np.argpartition(np.take_along_axis(block, columns, axis=1), k - 1, axis=1)[:, :k]
    return np.take_along_axis(columns, chosen, axis=1)
