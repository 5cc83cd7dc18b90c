"""Whether a generator copies its training images: C_T of Meehan 2020, arXiv:2004.05675.

Held-out images lie at some distance from their nearest training images. Generated ones that lie nearer are copied, ones
that lie farther are unlike the data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.clusters import assign, k_means
from zoo.evaluation.metrics.distances import nearest
from zoo.files.errors import ZooError

LEAST = 20  # generated images in a cell that counts


class Copying(NamedTuple):
    z: float  # over all images: below about -3 copies, about 0 neither, above 3 unlike the data
    c_t: float  # the mean z of the cells, weighted by held-out images: finds copies of a part of the training images
    cell_z: np.ndarray  # [cells]; NaN in a cell that does not count
    cell_shares: np.ndarray  # [cells], of held-out images
    nearest: np.ndarray  # [M], index of each generated image's nearest training image
    distances: np.ndarray  # [M], from it
    heldout_nearest: np.ndarray  # [N], of each held-out image
    heldout_distances: np.ndarray  # [N]


def copying(train: np.ndarray, heldout: np.ndarray, fake: np.ndarray, cells: int = 5, seed: int = 0) -> Copying:
    """Compares distances to the nearest training image, of generated images and of held-out ones.

    z is the Mann-Whitney statistic in standard deviations. In a cell, distances are those to training images of the
    cell. Cells with fewer than 20 generated images, or without held-out or training images, do not count.

    Args:
        train, heldout, fake: features [L, D], [N, D], [M, D].
        cells: k-means cells of the training images; each needs dozens of held-out images.
        seed: of the k-means.

    Raises:
        ZooError: too few images, different widths, values that are not finite; no cell that counts.

    Warns:
        UserWarning: fewer than 20 held-out images for each cell.
    """
    checks.at_least_one(cells=cells)
    train, heldout = checks.features(train, "train", cells), checks.features(heldout, "heldout", LEAST)
    fake = checks.features(fake, "fake", LEAST)
    checks.same_width(train, heldout, fake)
    if len(heldout) < 20 * cells:
        checks.warn(
            f"{len(heldout):,} held-out images in {cells} cells are too few to find copies: hold out at least "
            f"{20 * cells:,}, or take fewer cells"
        )
    (distances, indices), (unseen, originals) = nearest(fake, train), nearest(heldout, train)
    z = mann_whitney(distances[:, 0], unseen[:, 0])
    centres = k_means(train, cells, seed)
    of_train, of_heldout, of_fake = (assign(features, centres) for features in (train, heldout, fake))
    shares = np.bincount(of_heldout, minlength=cells) / len(heldout)
    scores = np.full(cells, np.nan)
    for cell in range(cells):
        near, held, made = train[of_train == cell], heldout[of_heldout == cell], fake[of_fake == cell]
        if len(near) and len(held) and len(made) >= LEAST:
            scores[cell] = mann_whitney(nearest(made, near)[0][:, 0], nearest(held, near)[0][:, 0])
    counts = ~np.isnan(scores)
    if not counts.any():
        raise ZooError(
            f"no cell has training, held-out and {LEAST} generated images: take more images or fewer "
            f"cells. Received: {len(heldout):,} held-out and {len(fake):,} generated images in {cells}"
        )
    c_t = float(np.average(scores[counts], weights=shares[counts]))
    return Copying(z, c_t, scores, shares, indices[:, 0], distances[:, 0], originals[:, 0], unseen[:, 0])


def mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """How much larger a's values are than b's: Mann and Whitney's U, in standard deviations from its mean if equal."""
    b = np.sort(b)
    u = (np.searchsorted(b, a, side="left") + np.searchsorted(b, a, side="right")).sum() / 2.0
    n, m = len(a), len(b)
    return float((u - n * m / 2.0) / np.sqrt(n * m * (n + m + 1) / 12.0))
