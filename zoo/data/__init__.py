"""The real images: sources (TFDS, files, arrays) -> pixels -> a store on disk -> batches."""

from __future__ import annotations

from zoo.data.batches import Batches
from zoo.data.reading import read_images, read_picture, require_more_than_0_and_1
from zoo.data.sources import FILE_FORMATS, is_images
from zoo.data.store import Store, prepare

__all__ = [
    "FILE_FORMATS",
    "Batches",
    "Store",
    "is_images",
    "prepare",
    "read_images",
    "read_picture",
    "require_more_than_0_and_1",
]
