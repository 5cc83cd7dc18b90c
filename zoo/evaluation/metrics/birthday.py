"""How many different images a generator draws: the birthday paradox test of Arora 2018, arXiv:1706.08224.

Differs from the paper, where people judge which of the closest pairs are duplicates. Here a near-duplicate is a pair
closer than a distance that 1 % of real images have a neighbour within, among as many. All pairs of the images are
counted, instead of batches with and without a duplicate: the same estimate from fewer images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.distances import SquaredDistances, nearest_squared
from zoo.evaluation.metrics.once import once

CALIBRATION_SHARE = 0.01
SHOWN = 8


class Birthday(NamedTuple):
    images: int  # of each kind
    threshold: float  # a pair of images closer than this is a near-duplicate
    real_pairs: int
    fake_pairs: int
    support: float  # equally frequent images that would give so many pairs, n (n - 1) / 2 / pairs
    bounded: bool  # no pair was found: the support is larger than `support`, with a confidence of 95 %
    batch: float  # images in a batch that has a near-duplicate in half of all cases
    closest: np.ndarray  # [8, 2], indices into `fake` of the closest pairs


def birthday(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> Birthday:
    """Estimates the support from near-duplicates; compare with `real_pairs`, which is what the data has.

    Args:
        real, fake: features [N, D] and [M, D]; of the larger set a random part is taken.
        seed: of that part.

    Raises:
        ZooError: fewer than 100 images, different widths, values that are not finite.
    """
    real, fake = checks.pair(real, fake, least=100)
    rng = np.random.default_rng(seed)
    count = min(len(real), len(fake))
    of_real, of_fake = (np.sort(rng.permutation(len(features))[:count]) for features in (real, fake))
    real, fake = (
        features if len(features) == count else features[chosen]
        for features, chosen in ((real, of_real), (fake, of_fake))
    )
    limit = np.nextafter(np.quantile(nearest_squared(real)[0], CALIBRATION_SHARE, method="higher"), np.inf)
    real_pairs, fake_pairs = pairs_within(real, limit), pairs_within(fake, limit)
    possible = count * (count - 1) / 2
    support = possible / (fake_pairs or 3)  # 0 of n events: fewer than 3 / n of them, with a confidence of 95 %
    return Birthday(
        count,
        float(np.sqrt(limit)),
        real_pairs,
        fake_pairs,
        support,
        not fake_pairs,
        float(np.sqrt(2 * np.log(2) * support)),
        of_fake[_closest(fake)],
    )


@once
def pairs_within(features: np.ndarray, limit: float) -> int:
    """The number of pairs of rows whose squared distance is below `limit`."""
    distances = SquaredDistances(features, features)
    within = sum(int(distances.within(*block, np.array([[limit]])).sum()) for block in distances)
    return (within - len(features)) // 2  # each row is near itself, each pair is found twice


def _closest(features: np.ndarray) -> np.ndarray:
    squared, neighbours = nearest_squared(features)
    pairs = np.sort(np.column_stack([np.arange(len(features)), neighbours[:, 0]]), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs[np.argsort(squared[first, 0], kind="stable")[:SHOWN]]
