"""Sliced Wasserstein distance of image patches: Karras 2018, arXiv:1710.10196, section 5. No feature network.

Differs from the paper: levels down to 8 pixels (the images here have 32 to 128), one mean over the levels, 8 patches of
an image and 256 directions, and no normalisation of the patches, so that wrong brightness and contrast count. It
compares moments of one run on a small sample; it is no score to publish.
"""

from __future__ import annotations

import numpy as np

PATCH, PATCHES_PER_IMAGE, DIRECTIONS = 7, 8, 256


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> float:
    """The mean over levels of the Laplacian pyramid of 1000 times the distance; 0 for equal sets.

    Args:
        real, fake: uint8 [N, H, W, C], of the same shape.
        seed: of the patches' places and of the directions.

    Raises:
        ValueError: sets of different shape, or images smaller than 16 pixels.
    """
    if real.shape != fake.shape or real.ndim != 4 or min(real.shape[1:3]) < 16:
        raise ValueError("both sets must have the same shape [N, H, W, C] with at least 16 pixels. "
                         f"Received: {real.shape} and {fake.shape}")
    distances = []
    for level, (a, b) in enumerate(zip(_pyramid(real), _pyramid(fake), strict=True)):
        rng = np.random.default_rng([seed, level])
        a, b = _patches(a, np.random.default_rng([seed, level])), _patches(b, np.random.default_rng([seed, level]))
        directions = rng.standard_normal((a.shape[1], DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        a, b = np.sort(a @ directions, axis=0), np.sort(b @ directions, axis=0)
        distances.append(np.abs(a - b).mean(dtype=np.float64))
    return 1000.0 * float(np.mean(distances))


def _pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Laplacian levels from fine to coarse; 2 x 2 means down, repetition up."""
    levels, current = [], images.astype(np.float32) / 127.5 - 1.0
    while current.shape[1] >= 16:
        n, h, w, c = current.shape
        smaller = current.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
        levels.append(current - smaller.repeat(2, axis=1).repeat(2, axis=2))
        current = smaller
    return [*levels, current]


def _patches(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random patches [N * PATCHES_PER_IMAGE, 7 * 7 * C]."""
    count, height, width, _ = images.shape
    index = np.repeat(np.arange(count), PATCHES_PER_IMAGE)
    top = rng.integers(0, height - PATCH + 1, len(index))
    left = rng.integers(0, width - PATCH + 1, len(index))
    offsets = np.arange(PATCH)
    patches = images[index[:, None, None], (top[:, None] + offsets)[:, :, None], (left[:, None] + offsets)[:, None, :]]
    return patches.reshape(len(index), -1)
