"""Kernel distance of two sets of features: Binkowski 2018, arXiv:1801.01401; the KID, with Inception features."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.files.errors import ZooError


def kernel_distance(
    real: np.ndarray, fake: np.ndarray, subsets: int = 100, subset_size: int | None = 1000, seed: int = 0
) -> tuple[float, float]:
    """The unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3: about 0 for equal distributions.

    The mean over random subsets, drawn as torch-fidelity draws them from the same seed. It is unbiased, so that a value
    from few images is noisy but not too high, and may lie below 0.

    The standard error is that of the value under new draws of the images, from the variance of their witness function
    (the jackknife), and of the subsets. The deviation over subsets alone would not do: subsets overlap.

    Args:
        real, fake: features [N, D] and [M, D].
        subsets: how many.
        subset_size: rows of each set in a subset. None: all rows of both sets, once: cheap for a few thousand.
        seed: of the subsets.

    Returns:
        (value, standard error).

    Raises:
        ZooError: fewer rows than a subset has, or fewer than 3; different widths; values that are not finite.
    """
    real, fake = checks.pair(real, fake, least=3)
    checks.at_least_one(subsets=subsets)
    if subset_size is None:
        value, *witnesses = _squared_mmd(real, fake)
        return value, float(np.sqrt(sum(map(_variance, witnesses))))
    if not 3 <= subset_size <= min(len(real), len(fake)):
        raise ZooError(
            f"subset_size must be from 3 to the number of images, here {len(real):,} real and "
            f"{len(fake):,} fake: take smaller subsets, or None for all images. Received: {subset_size}"
        )
    rng = np.random.RandomState(seed)  # the generator of torch-fidelity
    values, sums, counts = np.empty(subsets), [0.0, 0.0], [0, 0]
    for subset in range(subsets):
        rows = [rng.choice(len(features), subset_size, replace=False) for features in (real, fake)]
        values[subset], *witnesses = _squared_mmd(real[rows[0]], fake[rows[1]])
        for side, features in enumerate((real, fake)):
            sums[side] += np.bincount(rows[side], witnesses[side], len(features))
            counts[side] += np.bincount(rows[side], minlength=len(features))
    means = [total[count > 0] / count[count > 0] for total, count in zip(sums, counts, strict=True)]
    return float(values.mean()), float(np.sqrt(sum(map(_variance, means)) + values.var() / subsets))


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The unbiased estimate, and its witness function less the mean at each row of x and of y."""
    x, y = (features.astype(np.float64) / np.sqrt(features.shape[1]) for features in (x, y))
    m, n = len(x), len(y)
    within_x, within_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    np.fill_diagonal(within_x, 0.0)
    np.fill_diagonal(within_y, 0.0)
    x_sums, y_sums, x_across, y_across = within_x.sum(1), within_y.sum(1), across.sum(1), across.sum(0)
    value = x_sums.sum() / (m * (m - 1)) + y_sums.sum() / (n * (n - 1)) - 2.0 * x_across.sum() / (m * n)
    x_witness, y_witness = x_sums / (m - 2) - x_across / n, y_sums / (n - 2) - y_across / m
    return float(value), x_witness - x_witness.mean(), y_witness - y_witness.mean()


def _variance(witness: np.ndarray) -> float:
    """The jackknife's: leaving out a row moves the estimate by 2 / (rows - 1) times its witness."""
    return 4.0 * witness.var() / (len(witness) - 1)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of rows that are divided by the root of D."""
    values = x @ y.T
    values += 1.0
    values *= values * values
    return values
