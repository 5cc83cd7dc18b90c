"""Batches that are pure functions of (seed, step)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zoo.files.errors import ZooError


class Batches:
    """The real images of every training step: `batches[step]` is uint8 `[batch_size, d_steps, H, W, C]`.

    The samples are the endless concatenation of epochs, each a permutation of `images` that depends on
    (seed, epoch) only. A step takes the next `d_steps * batch_size`, its j-th D update the j-th `batch_size`.
    """

    def __init__(self, images: np.ndarray, *, seed: int, batch_size: int, d_steps: int = 1):
        if min(len(images), batch_size, d_steps) < 1 or seed < 0:
            raise ZooError(
                "there must be an image, seed must be at least 0, batch_size and d_steps at least 1. "
                f"Received: {len(images)} images, seed={seed}, batch_size={batch_size}, d_steps={d_steps}"
            )
        self.images = np.asarray(images)  # a plain view: indexing np.memmap itself is slower
        self.batch_size, self.d_steps = batch_size, d_steps
        self._epoch = lru_cache(2)(lambda e: np.random.default_rng((seed, e)).permutation(len(images)))

    def indices(self, step: int) -> np.ndarray:
        """Which images `step` (from 0) takes: int64 `[batch_size, d_steps]`."""
        if step < 0:
            raise ZooError(f"step must be at least 0. Received: step={step}")
        size, count = len(self.images), self.d_steps * self.batch_size
        start, stop = int(step) * count, (int(step) + 1) * count
        epochs = range(start // size, (stop - 1) // size + 1)
        samples = [self._epoch(e)[max(start - e * size, 0) : stop - e * size] for e in epochs]
        return np.concatenate(samples).reshape(self.d_steps, self.batch_size).T

    def __getitem__(self, step: int) -> np.ndarray:
        return self.images[self.indices(step)]
