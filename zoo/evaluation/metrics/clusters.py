"""k-means of features: Lloyd's algorithm from k-means++ seeds (Arthur 2007), as matrix products."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.once import once

ITERATIONS = 20
BATCH = 8192
SEEDING_ROWS = 20  # rows for each cluster among which the seeds are sought


def k_means(features: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Centres float32 [count, D] of clusters of the rows.

    Args:
        features: [N, D].
        count: clusters.
        seed: of the first centres.

    Raises:
        ZooError: fewer rows than clusters, values that are not finite.
    """
    checks.at_least_one(count=count)
    return _centres(checks.features(features, least=count), count, seed)


@once
def _centres(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    origin = features.mean(axis=0, dtype=np.float64)
    rows = (features - origin).astype(np.float32)  # float32 has digits for what lies around 0
    centres = _seeds(rows, count, np.random.default_rng(seed))
    labels = None
    for _ in range(ITERATIONS):
        before, labels = labels, assign(rows, centres)
        if before is not None and np.array_equal(before, labels):
            break
        members = (labels == np.arange(count)[:, None]).astype(np.float32)
        sizes = members.sum(axis=1, keepdims=True)
        centres = np.where(sizes > 0, members @ rows / np.maximum(sizes, 1), centres)  # an empty cluster stays
    return (centres + origin).astype(np.float32)


def assign(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The cluster [N] whose centre is nearest."""
    checks.same_width(features, centres)
    origin = centres.mean(axis=0)
    around = centres - origin
    lengths = 0.5 * np.sum(around**2, axis=1)
    return np.concatenate(
        [
            np.argmin(lengths - (features[start : start + BATCH] - origin) @ around.T, axis=1)
            for start in range(0, len(features), BATCH)
        ]
    )


def _seeds(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rows = rows[rng.permutation(len(rows))[: SEEDING_ROWS * count]]
    centres = rows[:1]
    nearest = np.full(len(rows), np.inf)
    while len(centres) < count:
        nearest = np.minimum(nearest, np.sum((rows - centres[-1]) ** 2, axis=1, dtype=np.float64))
        weights = nearest if nearest.any() else np.ones(len(rows))
        centres = np.vstack([centres, rows[rng.choice(len(rows), p=weights / weights.sum())]])
    return centres
