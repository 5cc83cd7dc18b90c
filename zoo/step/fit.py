"""Images as Keras's `fit` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.files.errors import ZooError
from zoo.step import noise

if TYPE_CHECKING:
    from zoo.step.gan import GAN


class Steps(keras.utils.PyDataset):
    """The batches of `GAN.fit`: real images in the order of each epoch, with the noise of each step."""

    def __init__(self, gan: GAN, images: np.ndarray, labels: np.ndarray | None = None) -> None:
        super().__init__()
        data = gan.recipe.data
        shape = (data.resolution, data.resolution, data.channels)
        if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) < gan.recipe.schedule.images_per_step:
            raise ZooError(
                f"fit takes uint8 images [N, {', '.join(map(str, shape))}], at least those of one step, "
                f"{gan.recipe.schedule.images_per_step}. Received: {images.dtype} {images.shape}"
            )
        classes = gan.recipe.model.classes
        if classes and (
            labels is None or len(labels) != len(images) or not 0 <= labels.min() <= labels.max() < classes
        ):
            raise ZooError(
                f"fit takes a label from 0 to {classes - 1} for each image, as its second argument. "
                f"Received: {None if labels is None else f'{len(labels)} labels for {len(images)} images'}"
            )
        self._gan, self._first = gan, int(np.asarray(gan.step))
        plan = gan.recipe.schedule
        self._batches = noise.batches_of(gan.recipe, images, labels)
        self._length, self._epoch = len(images) // plan.images_per_step, 0

    def __len__(self) -> int:
        return self._length

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def __getitem__(self, index: int) -> tuple[dict]:
        step = self._first + self._epoch * self._length + index
        return (noise.with_images(self._gan.recipe, self._gan.generator, self._batches, step),)
