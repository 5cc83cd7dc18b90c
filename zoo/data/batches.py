"""Batches that are pure functions of (seed, step)."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from zoo.files.errors import ZooError


class Batches:
    """The real images of every training step: `batches[step]` is uint8 `[batch_size, d_steps, H, W, C]`.

    The samples are the endless concatenation of epochs, each a permutation of `images` that depends on
    (seed, epoch) only. A step takes the next `d_steps * batch_size`, its j-th D update the j-th `batch_size`.

    With `balanced`, an epoch has as many images of each class of `labels` [N]: those of small classes come several
    times, and those of large ones in some epochs alone.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        seed: int,
        batch_size: int,
        d_steps: int = 1,
        balanced: bool = False,
    ):
        if min(len(images), batch_size, d_steps) < 1 or seed < 0:
            raise ZooError(
                "there must be an image, seed must be at least 0, batch_size and d_steps at least 1. "
                f"Received: {len(images)} images, seed={seed}, batch_size={batch_size}, d_steps={d_steps}"
            )
        self.images = np.asarray(images)  # a plain view: indexing np.memmap itself is slower
        self.batch_size, self.d_steps, self._labels = batch_size, d_steps, labels
        order = partial(_balanced, np.asarray(labels)) if balanced else partial(_shuffled, len(images))
        self._epoch = lru_cache(2)(lambda e: order(np.random.default_rng((seed, e))))

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

    def labels(self, step: int) -> np.ndarray:
        """The labels of the images of `step`: int64 `[batch_size, d_steps]`."""
        return np.asarray(self._labels[self.indices(step)])


def _shuffled(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(count)


def _balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """N indices, the same number of each class but for one."""
    classes = [np.flatnonzero(labels == label) for label in rng.permutation(np.unique(labels))]
    each = -(-len(labels) // len(classes))
    rounds = [[rng.permutation(members) for _ in range(-(-each // len(members)))] for members in classes]
    drawn = np.stack([np.concatenate(orders)[:each] for orders in rounds], axis=1)  # [each, classes]
    return rng.permutation(drawn.ravel()[: len(labels)])
