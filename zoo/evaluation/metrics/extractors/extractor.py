"""A fixed image network behind a resizer."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from zoo import backend
from zoo.evaluation.metrics import checks
from zoo.evaluation.metrics.extractors.resize import Taps, resize
from zoo.files.errors import ZooError

BATCH_SIZE = 25  # images at once; with more, activations leave the cache of a CPU


class Extractor:
    """uint8 images [N, H, W, C] -> (features [N, D], logits [N, K]), both float32.

    Attributes:
        name: what `load` calls it.
        label: what its scores are named after; None of Inception.
        resizer: how images reach the network's resolution; part of the protocol.
        dimensions: D.
        weights_sha256: of the weights file.
    """

    def __init__(
        self,
        network: keras.Model,
        taps: Callable[[int, int], Taps],
        *,
        name: str,
        label: str | None,
        resizer: str,
        weights_sha256: str,
    ) -> None:
        """`network` maps float32 [N, R, R, 3] in 0..255 to [features, logits]; `taps(size, R)` resizes one axis."""
        self.name, self.label, self.resizer, self.weights_sha256 = name, label, resizer, weights_sha256
        self.dimensions = network.outputs[0].shape[-1]
        resolution = network.inputs[0].shape[1]

        def compute(images):
            _, height, width, channels = images.shape
            x = resize(images, taps(height, resolution), taps(width, resolution))
            return network(ops.repeat(x, 3, axis=-1) if channels == 1 else x)

        self._compute = backend.compiled(compute, network.variables)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Grey images are repeated to three channels.

        Raises:
            ZooError: not uint8, not of shape [N, H, W, 1 or 3], or no image at all.
        """
        images = checks.images(images)
        if images.shape[3] not in (1, 3):
            raise ZooError(f"images must have 1 or 3 channels. Received: {images.shape[3]}")
        size = min(BATCH_SIZE, len(images))
        parts = [self._part(images[start : start + size], size) for start in range(0, len(images), size)]
        features, logits = map(np.concatenate, zip(*parts, strict=True))
        return features, logits

    def _part(self, images: np.ndarray, size: int) -> list[np.ndarray]:
        """Filled up to `size` images, so that nothing is compiled anew for the last ones."""
        filled = np.pad(images, ((0, size - len(images)), (0, 0), (0, 0), (0, 0)))
        return [np.asarray(output)[: len(images)] for output in self._compute(filled)]
