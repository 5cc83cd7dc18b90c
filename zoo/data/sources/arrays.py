"""Arrays of images on disk: .npy, and .npz as np.savez writes it. They are read image by image, never whole."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from zoo.data.sources.base import Content, Item, Source, array_item
from zoo.files.errors import ZooError
from zoo.files.text import printable

BYTES_AT_ONCE = 2**18  # read from an archive
IMAGES = ("images", "x_train", "x", "arr_0")
LABELS = ("labels", "y_train", "y", "arr_1")


def array_source(path: Path) -> Source:
    """An .npz file with uint8 images under one of the names in IMAGES, perhaps with LABELS, or an .npy file."""
    with path.open("rb") as file:
        opened = _open_npy if file.read(6) == b"\x93NUMPY" else _open_npz
    stat = path.stat()
    return Source(path.stem, ["array", 2, str(path), stat.st_size, stat.st_mtime_ns], partial(opened, path))


@contextmanager
def _open_npy(path: Path) -> Iterator[Content]:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy raises nearly anything
        raise _damaged(path, error) from error
    _require_images(images.shape, images.dtype, path)
    yield Content(len(images), lambda: (array_item(f"image {i}", image) for i, image in enumerate(images)), [], {})


@contextmanager
def _open_npz(path: Path) -> Iterator[Content]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises nearly anything
        raise _damaged(path, error) from error
    with archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist()}
        images, labels = (next((names[key] for key in keys if key in names), None) for keys in (IMAGES, LABELS))
        if images is None:
            raise ZooError(
                f"an .npz file must hold its images as {', '.join(IMAGES[:-1])} or {IMAGES[-1]}. "
                f"Received: {', '.join(names)[:200] or 'nothing'} in {str(path)!r}"
            )
        with _member(archive, images, path) as (shape, dtype, fortran, _):
            _require_images(shape, dtype, path)
            if fortran:
                raise ZooError(
                    "the images are stored column by column and cannot be read one by one: save "
                    f"np.ascontiguousarray(images). Received: {shape} in Fortran order in {str(path)!r}"
                )
        targets = None if labels is None else _labels(archive, labels, shape[0], path)
        yield Content(shape[0], partial(_items, archive, images, targets, path), [], {})


def _items(archive: zipfile.ZipFile, name: str, labels: list[int] | None, path: Path) -> Iterator[Item]:
    with _member(archive, name, path) as (shape, _, _, file):
        size = math.prod(shape[1:])
        at_once = max(BYTES_AT_ONCE // size, 1)
        targets = repeat(None) if labels is None else iter(labels)  # one for all runs of images
        for start in range(0, shape[0], at_once):
            count = min(at_once, shape[0] - start)
            images = np.frombuffer(file.read(count * size), np.uint8).reshape(count, *shape[1:])
            for i, (image, label) in enumerate(zip(images, targets, strict=False), start):
                yield array_item(f"image {i}", image, label)
        file.read(1)  # at the end the checksum is compared


def _labels(archive: zipfile.ZipFile, name: str, count: int, path: Path) -> list[int]:
    with _member(archive, name, path) as (shape, dtype, _, file):
        if math.prod(shape) == count and dtype.kind in "iu":
            labels = np.frombuffer(file.read(), dtype)
            if labels.max(initial=0) <= np.iinfo(np.int64).max:
                return labels.tolist()
            dtype = f"{dtype} up to {labels.max()}"
    raise ZooError(
        f"labels must be {count} integers below 2^63, one for each image. Received: {dtype} {shape} in {str(path)!r}"
    )


@contextmanager
def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[tuple[tuple[int, ...], np.dtype, bool, IO]]:
    """An array in the archive: its shape, its type, whether it is in Fortran order, and a file of its values."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        with archive.open(name) as file:
            shape, fortran, dtype = read[np.lib.format.read_magic(file)](file)
            size = file.tell() + math.prod(shape) * dtype.itemsize
            if not dtype.hasobject and archive.getinfo(name).file_size != size:
                raise ValueError(f"{name} is not of the size that its header says")
            yield shape, dtype, fortran and len(shape) > 1, file
    except ZooError:
        raise
    except Exception as error:  # zipfile and NumPy raise nearly anything
        raise _damaged(path, error) from error


def _require_images(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> None:
    """Refuses what is no array of images, and what could be read in two ways."""
    problem = ""
    if dtype != np.uint8:
        problem = 'images must be uint8; convert floats in [0, 1] with (255 * images).round().astype("uint8")'
    elif len(shape) == 3 and shape[2] in (1, 3, 4):
        problem = "this is one image [H, W, C], or very narrow ones; give images[None], or images[..., None]"
    elif len(shape) == 3 and shape[0] == shape[1] != shape[2]:
        problem = "the number of images seems to come last; give images.transpose(2, 0, 1), or else images[..., None]"
    elif len(shape) == 4 and shape[1] in (1, 3, 4) and shape[3] not in (1, 3, 4):
        problem = "the channels must come last; give images.transpose(0, 2, 3, 1)"
    elif len(shape) not in (3, 4) or shape[3:] not in ((), (1,), (3,), (4,)):
        problem = "images must have the shape [N, H, W] or [N, H, W, 1, 3 or 4]"
    elif 0 in shape[1:]:
        problem = "the images have no pixels"
    elif shape[1] * shape[2] > (Image.MAX_IMAGE_PIXELS or float("inf")):
        problem = f"an image has more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    if problem:
        raise ZooError(f"{problem}. Received: {dtype} {shape} in {str(path)!r}")


def _damaged(path: Path, error: Exception) -> ZooError:
    return ZooError(f"not made by np.savez or np.save, or damaged: {printable(str(error))}. Received: {str(path)!r}")
