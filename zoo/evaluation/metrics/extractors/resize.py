"""Separable bilinear resizing in float32: sums of a few neighbours along one axis, then along the other.

`keras.ops.image.resize` differs between backends in its details, and has no resizer of TensorFlow 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from keras import ops


class Taps(NamedTuple):
    """Each output pixel is a weighted sum of K input pixels."""

    index: np.ndarray  # int [output size, K]
    weight: np.ndarray  # float32 [output size, K]; rows sum to 1


def half_pixel(size: int, to: int) -> Taps:
    """Centres of pixels at i + 1/2, as in Pillow; when reducing, the triangle widens (antialiasing)."""
    radius = max(size / to, 1.0)
    centre = (np.arange(to)[:, None] + 0.5) * size / to - 0.5
    index = np.floor(centre - radius).astype(int) + 1 + np.arange(int(np.ceil(2 * radius)))
    weight = np.maximum(1 - np.abs(index - centre) / radius, 0) * ((index >= 0) & (index < size))
    return Taps(index.clip(0, size - 1), (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32))


def tensorflow_1(size: int, to: int) -> Taps:
    """`tf.image.resize_bilinear` of TensorFlow 1: pixel i lies at i, and there is no antialiasing."""
    place = np.arange(to, dtype=np.float32)[:, None] * np.float32(size / to)
    low = place.astype(int)
    index = np.minimum(low + np.arange(2), size - 1)
    return Taps(index, np.concatenate([1 - (place - low), place - low], axis=1).astype(np.float32))


def resize(images, rows: Taps, columns: Taps):
    """Images [N, H, W, C] to float32 [N, len(rows), len(columns), C], of the same range."""
    x = ops.cast(images, "float32")
    for axis, taps in ((1, rows), (2, columns)):
        weight = taps.weight.T.reshape((-1, len(taps.weight)) + (1,) * (3 - axis))
        x = sum(ops.take(x, index, axis) * w for index, w in zip(taps.index.T, weight, strict=True))
    return x
