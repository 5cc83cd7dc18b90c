"""MS-SSIM of random pairs: higher than that of real images means too little variety. Odena 2017, arXiv:1610.09585.

Multi-scale structural similarity is Wang 2003: an 11 x 11 Gaussian window of standard deviation 1.5, halving by 2 x 2
means. Differs from the paper: as many of the five scales as keep at least 11 pixels (2 at 32, 3 at 64, 4 at 128). Their
exponents are normalised to sum 1. Channels are compared apart, and then their mean is taken. So values at one size
compare, not across sizes.
"""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.files.errors import ZooError

WINDOW, SIGMA = 11, 1.5
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BATCH_NUMBERS = 2**20  # numbers in a batch of images


def scale_count(height: int, width: int) -> int:
    """How many scales images of a size have: each at least 11 pixels, 5 at most."""
    return min(len(EXPONENTS), int(np.log2(min(height, width) / WINDOW)) + 1)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The similarity of a[i] and b[i], from 0 to 1 (equal).

    Args:
        a, b: uint8 [N, H, W, C], of at least 11 pixels.

    Returns:
        float64 [N].

    Raises:
        ZooError: other types, or sets of different shape.
    """
    a, b = checks.images(a, "a", smallest=WINDOW), checks.images(b, "b", smallest=WINDOW)
    if a.shape != b.shape:
        raise ZooError(f"pairs need two sets of the same shape. Received: {list(a.shape)} and {list(b.shape)}")
    step = max(1, BATCH_NUMBERS // a[0].size)
    return np.concatenate(
        [_ms_ssim(a[start : start + step], b[start : start + step]) for start in range(0, len(a), step)]
    )


def pair_similarity(images: np.ndarray, pairs: int | None = None, seed: int = 0) -> tuple[float, float]:
    """The mean MS-SSIM of random pairs, no image in two of them.

    Args:
        images: uint8 [N, H, W, C], of at least 11 pixels.
        pairs: N // 2 at most, and by default.
        seed: of the pairs.

    Returns:
        (mean, standard error).

    Raises:
        ZooError: fewer than 4 images, too many pairs, images of another type.
    """
    images = checks.images(images, least=4, smallest=WINDOW)
    pairs = len(images) // 2 if pairs is None else pairs
    if not 2 <= pairs <= len(images) // 2:
        raise ZooError(f"pairs must be from 2 to {len(images) // 2:,}, half the number of images. Received: {pairs}")
    order = np.random.default_rng(seed).permutation(len(images))
    values = ms_ssim(images[order[:pairs]], images[order[pairs : 2 * pairs]])
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(pairs))


def _ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y = (np.moveaxis(images, -1, 1).astype(np.float64) for images in (a, b))  # [N, C, H, W]
    exponents = np.array(EXPONENTS[: scale_count(*x.shape[2:])])
    exponents /= exponents.sum()
    result = 1.0
    for scale, exponent in enumerate(exponents):
        if scale:
            x, y = _halved(x), _halved(y)
        luminance, structure = _comparisons(x, y)
        similarity = structure * luminance if scale == len(exponents) - 1 else structure
        result = result * similarity.mean(axis=(2, 3)).clip(min=0.0) ** exponent
    return result.mean(axis=1)


def _comparisons(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance, and contrast times structure, around each pixel whose window lies inside the image."""
    across, down = _window(x.shape[3]), _window(x.shape[2])

    def blurred(values):
        return down.T @ (values @ across)

    mean_x, mean_y = blurred(x), blurred(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = blurred(x * y) - product, blurred(x**2 + y**2) - squares
    return (2 * product + C1) / (squares + C1), (2 * covariance + C2) / (variances + C2)


def _window(size: int) -> np.ndarray:
    """The Gaussian at each place where it fits: [size, size - 10]."""
    offsets = np.arange(size)[:, None] - np.arange(size - WINDOW + 1) - WINDOW // 2
    weights = np.where(abs(offsets) <= WINDOW // 2, np.exp(-0.5 * (offsets / SIGMA) ** 2), 0.0)
    return weights / weights.sum(axis=0)


def _halved(images: np.ndarray) -> np.ndarray:
    """2 x 2 means; of an odd number of rows or columns the last is left out."""
    n, c, h, w = images.shape
    return images[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
