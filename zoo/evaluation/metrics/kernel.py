"""Kernel distance of two sets of features: Binkowski 2018, arXiv:1801.01401; the KID, with Inception features."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.files.errors import ZooError

TOGETHER = 16  # the kernel of all rows is worked out at once if it is at most so many times that of a subset


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
        everyone = [np.ones((len(features), 1), bool) for features in (real, fake)]
        value, *witnesses = _squared_mmd(real, fake, *everyone)
        return float(value[0]), float(np.sqrt(sum(map(_variance, witnesses))))
    if not 3 <= subset_size <= min(len(real), len(fake)):
        raise ZooError(
            f"subset_size must be from 3 to the number of images, here {len(real):,} real and "
            f"{len(fake):,} fake: take smaller subsets, or None for all images. Received: {subset_size}"
        )
    members = _members((len(real), len(fake)), subsets, subset_size, seed)
    values, sums = np.empty(subsets), [np.zeros(len(features)) for features in (real, fake)]
    # The kernel of all rows, once, serves every subset. Where that is much larger, one subset is taken at a time.
    together = len(real) * len(fake) <= min(subsets, TOGETHER) * subset_size**2
    for part in [slice(subsets)] if together else [slice(i, i + 1) for i in range(subsets)]:
        rows = [np.flatnonzero(side[:, part].any(axis=1)) for side in members]
        inside = [side[taken, part] for side, taken in zip(members, rows, strict=True)]
        values[part], *witnesses = _squared_mmd(real[rows[0]], fake[rows[1]], *inside)
        for total, taken, witness in zip(sums, rows, witnesses, strict=True):
            total[taken] += witness
    counts = [side.sum(axis=1) for side in members]
    means = [total[count > 0] / count[count > 0] for total, count in zip(sums, counts, strict=True)]
    return float(values.mean()), float(np.sqrt(sum(map(_variance, means)) + values.var() / subsets))


def _members(lengths: tuple[int, int], subsets: int, subset_size: int, seed: int) -> list[np.ndarray]:
    """Which rows of each side are in which subset, bool [length, subsets]."""
    rng = np.random.RandomState(seed)  # the generator of torch-fidelity
    members = [np.zeros((length, subsets), bool) for length in lengths]
    for subset in range(subsets):
        for side in members:
            side[rng.choice(len(side), subset_size, replace=False), subset] = True
    return members


def _squared_mmd(
    x: np.ndarray, y: np.ndarray, x_in: np.ndarray, y_in: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The unbiased estimate from each of S subsets, and at each row of x and of y the sum of its witness functions.

    `x_in` and `y_in` say which rows are in which subset, bool [rows, S]; all subsets have the same size. A witness
    function is taken less its mean over the subset, and is 0 outside.
    """
    m, n = x_in[:, 0].sum(), y_in[:, 0].sum()
    x, y = (features.astype(np.float64) / np.sqrt(features.shape[1]) for features in (x, y))
    x_in, y_in = x_in.astype(np.float64), y_in.astype(np.float64)
    within_x, within_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    np.fill_diagonal(within_x, 0.0)
    np.fill_diagonal(within_y, 0.0)
    x_sums, x_across = x_in * (within_x @ x_in), x_in * (across @ y_in)
    y_sums, y_across = y_in * (within_y @ y_in), y_in * (across.T @ x_in)
    value = x_sums.sum(0) / (m * (m - 1)) + y_sums.sum(0) / (n * (n - 1)) - 2.0 * x_across.sum(0) / (m * n)
    x_witness, y_witness = x_sums / (m - 2) - x_across / n, y_sums / (n - 2) - y_across / m
    x_witness -= x_in * x_witness.sum(0) / m
    y_witness -= y_in * y_witness.sum(0) / n
    return value, x_witness.sum(1), y_witness.sum(1)


def _variance(witness: np.ndarray) -> float:
    """The jackknife's: leaving out a row moves the estimate by 2 / (rows - 1) times its witness."""
    return 4.0 * witness.var() / (len(witness) - 1)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of rows that are divided by the root of D."""
    values = x @ y.T
    values += 1.0
    values *= values * values
    return values
