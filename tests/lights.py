"""Images of three classes that a small classifier can tell apart."""

import numpy as np


def lights(labels, seed, noise, shades):
    """A bright square each in one third of a noisy image: left, middle, right.

    `noise` is the level below which the ground lies, `shades` the least and the first too bright one of a square.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, noise, (len(labels), 32, 32, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(2, 20), (1, 12, 22)[label] + rng.integers(0, 3)
        image[top : top + 8, left : left + 7] = rng.integers(*shades)
    return images
