"""Saturated pixels, and brightness and contrast of each channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.evaluation.metrics import checks

BATCH_NUMBERS = 2**24


class Pixels(NamedTuple):
    black: float  # share of values 0
    white: float  # share of values 255
    means: np.ndarray  # [C], 0 to 255
    deviations: np.ndarray  # [C]


def pixels(images: np.ndarray) -> Pixels:
    """Of images uint8 [N, H, W, C], all pixels of all images together; the gap to real images is the difference."""
    images = checks.images(images)
    channels, levels = images.shape[3], np.arange(256)
    counts = np.zeros((channels, 256))
    step = max(1, BATCH_NUMBERS // images[0].size)
    for start in range(0, len(images), step):
        for channel in range(channels):
            counts[channel] += np.bincount(images[start : start + step, :, :, channel].ravel(), minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    means = shares @ levels
    deviations = np.sqrt(np.sum(shares * (levels - means[:, None]) ** 2, axis=1))
    black, *_, white = shares.mean(axis=0)
    return Pixels(float(black), float(white), means, deviations)
