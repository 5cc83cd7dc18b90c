"""What balls around images, out to their k-th neighbours, say of fidelity and variety.

Precision, recall and realism: Kynkaanniemi 2019, arXiv:1904.06991. Density and coverage: Naeem 2020, arXiv:2002.09797.
A ball does not include its surface, as in `prdc`. Balls fail on outliers and in many dimensions: arXiv:2306.09618.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.distances import SquaredDistances, nearest_squared
from zoo.files.errors import ZooError

MEANINGFUL = 1_000


class MostlyCopies(ZooError):
    """Real images are copies of each other, so that balls around them are empty."""


class NeighbourScores(NamedTuple):
    precision: float  # share of generated images inside some ball of a real image
    recall: float  # share of real images inside some ball of a generated image
    density: float  # balls of real images that a generated one lies in, over k; about 1 for equal distributions
    coverage: float  # share of real images whose ball holds a generated image
    realism: np.ndarray  # [M], of each generated image: above 1 inside a ball, infinite at the centre of one


def neighbour_scores(real: np.ndarray, fake: np.ndarray, precision_k: int = 3, density_k: int = 5) -> NeighbourScores:
    """Precision, recall, density, coverage and realism in one pass over the distances.

    Realism is the largest ratio, over real images, of a ball's radius to the distance from its centre; the half of the
    balls with the largest radii are left out.

    Args:
        real, fake: features [N, D] and [M, D]. The scores depend on N and M: compare like with like.
        precision_k: neighbours that a ball reaches to, for precision, recall and realism; 3 in the paper.
        density_k: the same for density and coverage; 5 in the paper.

    Raises:
        ZooError: too few images for k, different widths, values that are not finite; `MostlyCopies`, of which it is one
            kind, for real images that are mostly duplicates.

    Warns:
        UserWarning: fewer than 1,000 images; generated images that are all equal.
    """
    checks.at_least_one(precision_k=precision_k, density_k=density_k)
    most = max(precision_k, density_k)
    real, fake = checks.pair(real, fake, least=most + 1)
    real_squared, fake_squared = nearest_squared(real, k=most)[0], nearest_squared(fake, k=most)[0]
    fewest = min(precision_k, density_k)
    if not np.median(real_squared[:, fewest - 1]):
        raise MostlyCopies(
            f"half of the real images or more have {fewest} exact copies in these features, so that balls "
            "around them are empty: remove duplicates, or take another extractor. "
            f"Received: {len(real):,} real images"
        )
    if min(len(real), len(fake)) < MEANINGFUL:
        checks.warn(
            f"precision, recall, density and coverage mean little with {min(len(real), len(fake)):,} images: "
            f"take at least {MEANINGFUL:,}"
        )
    if not fake_squared.any():
        checks.warn(f"each generated image has {most} exact copies or more, as after a collapse: recall is 0")
    return _scores(
        SquaredDistances(real, fake),
        real_squared[:, [precision_k - 1]],
        real_squared[:, [density_k - 1]],
        fake_squared[None, :, precision_k - 1],
        density_k,
    )


def recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> float:
    """The recall of `neighbour_scores` alone, without its warnings: a collapsed generator has 0."""
    checks.at_least_one(k=k)
    real, fake = checks.pair(real, fake, least=k + 1)
    radii = nearest_squared(fake, k=k)[0][None, :, k - 1]
    distances = SquaredDistances(real, fake)
    return float(sum(distances.within(*block, radii).any(axis=1).sum() for block in distances) / len(real))


def _scores(distances, radii, density_radii, fake_radii, density_k) -> NeighbourScores:
    """From squared radii: [N, 1] of the real images, [1, M] of the generated ones."""
    small = radii <= np.median(radii)
    inside_real, recalled, balls, covered = np.zeros(fake_radii.size, bool), 0, 0, 0
    best, ratio = np.zeros(fake_radii.size, np.intp), np.full(fake_radii.size, -1.0)
    for rows, squared, error in distances:
        inside_real |= distances.within(rows, squared, error, radii[rows]).any(axis=0)
        recalled += distances.within(rows, squared, error, fake_radii).any(axis=1).sum()
        dense = distances.within(rows, squared, error, density_radii[rows])
        balls += dense.sum()
        covered += dense.any(axis=1).sum()
        pruned = np.where(small[rows], radii[rows], 0.0).astype(squared.dtype)
        ratios = np.divide(pruned, np.maximum(squared, error, out=squared), out=squared)
        nearest_ball = ratios.argmax(axis=0)
        here = np.take_along_axis(ratios, nearest_ball[None], axis=0)[0]
        best = np.where(here > ratio, nearest_ball + rows.start, best)
        ratio = np.maximum(ratio, here)
    exact = distances.exact(best, np.arange(fake_radii.size))
    realism = np.sqrt(np.divide(radii[best, 0], exact, out=np.full(len(exact), np.inf), where=exact > 0))
    n, m = len(radii), fake_radii.size
    return NeighbourScores(
        float(inside_real.mean()), float(recalled / n), float(balls / (density_k * m)), float(covered / n), realism
    )
