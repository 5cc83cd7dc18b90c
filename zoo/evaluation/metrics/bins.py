"""Modes that come too often or too seldom, by counts in bins: NDB of Richardson and Weiss 2018, arXiv:1805.12462.

Differs from the paper's code: a bin differs from 3 standard errors on, and not from a significance of 5 %, so that our
NDB is lower. Bins are fitted to the real images, so that NDB of other real images may lie a little above 0: compare
with that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.clusters import assign, k_means

STANDARD_ERRORS = 3.0


class BinComparison(NamedTuple):
    different: float  # NDB / K: the share of bins whose numbers of images differ by more than 3 standard errors
    divergence: float  # Jensen-Shannon, in nats: 0 to log 2
    real_shares: np.ndarray  # [K]
    fake_shares: np.ndarray  # [K]
    deviations: np.ndarray  # [K], fake minus real in standard errors: negative where images are missing
    centres: np.ndarray  # [K, D]


def compare_bins(real: np.ndarray, fake: np.ndarray, bins: int = 100, seed: int = 0) -> BinComparison:
    """Counts real and generated images in the k-means cells of the real ones; a two-proportion test for each cell.

    Args:
        real, fake: features, or flattened images, [N, D] and [M, D].
        bins: K; 100 in the paper, which has hundreds of images for each.
        seed: of the k-means.

    Raises:
        ZooError: fewer images than bins, different widths, values that are not finite.

    Warns:
        UserWarning: fewer than 20 images for each bin: the test then finds little.
    """
    checks.at_least_one(bins=bins)
    real, fake = checks.pair(real, fake, least=bins)
    fewest = min(len(real), len(fake))
    if fewest < 20 * bins:
        checks.warn(
            f"{fewest:,} images in {bins} bins are too few to find differences: take at least {20 * bins:,}, "
            "or fewer bins"
        )
    centres = k_means(real, bins, seed)
    p, q = (np.bincount(assign(features, centres), minlength=bins) / len(features) for features in (real, fake))
    pooled = (p * len(real) + q * len(fake)) / (len(real) + len(fake))
    error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / len(real) + 1.0 / len(fake)))
    deviations = np.divide(q - p, error, out=np.zeros(bins), where=error > 0)
    return BinComparison(
        float(np.mean(abs(deviations) > STANDARD_ERRORS)), jensen_shannon(p, q), p, q, deviations, centres
    )


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """The Jensen-Shannon divergence of two lists of shares, in nats: 0 to log 2."""
    middle = (p + q) / 2.0
    return 0.5 * sum(float(np.sum(part[part > 0] * np.log(part[part > 0] / middle[part > 0]))) for part in (p, q))
