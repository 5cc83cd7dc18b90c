"""Frechet distance of two sets of features: Heusel 2017, arXiv:1706.08500; the FID, with Inception features."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.once import once


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """The squared Frechet distance of the Gaussians fitted to two sets: 0 for equal sets, lower is better.

    |m_r - m_f|^2 + tr(C_r) + tr(C_f) - 2 tr((C_r C_f)^(1/2)), in float64. Covariances may be singular: the root is
    that of the symmetric A' C_f A, where C_r = A A', which has the same eigenvalues as C_r C_f.

    Args:
        real, fake: features [N, D] and [M, D].

    Raises:
        ZooError: fewer than 2 rows, different widths, values that are not finite.

    Warns:
        UserWarning: fewer rows than D: the distance is then too large, and depends on their number.
    """
    real, fake = checks.pair(real, fake)
    fewest, width = min(len(real), len(fake)), real.shape[1]
    if fewest < width:
        checks.warn(
            f"the Frechet distance of {fewest:,} images is too large: take at least {width:,}, as many as "
            "features, and the same number for whatever it is compared with"
        )
    real_mean, total, root = _root(real)
    fake_mean, fake_covariance = _moments(fake)
    overlap = np.sqrt(np.linalg.eigvalsh(root.T @ fake_covariance @ root).clip(min=0.0)).sum()
    distance = np.sum((real_mean - fake_mean) ** 2) + total + np.trace(fake_covariance)
    return max(0.0, float(distance - 2.0 * overlap))


@once
def _root(features: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Mean [D], trace of the covariance, and a root A [D, rank] of it: the covariance is A A'."""
    mean, covariance = _moments(features)
    variances, directions = np.linalg.eigh(covariance)
    rank = variances > len(mean) * np.finfo(np.float64).eps * variances[-1]
    return mean, np.trace(covariance), directions[:, rank] * np.sqrt(variances[rank])


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and unbiased covariance [D, D]."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)
