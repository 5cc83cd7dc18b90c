"""Reading all images of a source: many at a time, in order, in bounded memory; what is left out is said."""

from __future__ import annotations

import logging
import math
import os
import re
import shutil
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, PngImagePlugin

from zoo.data import depth, pixels, sources
from zoo.data.sources import Content, Item
from zoo.data.sources.base import array_item
from zoo.data.sources.files import open_image
from zoo.files.errors import ZooError
from zoo.files.text import printable

logger = logging.getLogger("ganzoo")

PIXELS_AT_ONCE = 2**27  # that are decoded at a time: 4 bytes each, and a copy or two
BLOCK_BYTES = 2**26  # of memory for an image: above 2**25, glibc gives it back at once, and no thread keeps it
CHUNK, CHUNK_BYTES = 64, 2**26
WHITE_UNKNOWN = "what is white is not known yet"

Result = TypeVar("Result")


class Reading(NamedTuple):
    """An item that was read. Without pixels, `reason` says why it could not be."""

    item: Item
    pixels: np.ndarray | None
    changes: Sequence[str] = ()  # that its owner should hear of
    frames: int = 1  # of which the first was read
    reason: str = ""


def read_scaled(content: Content, resolution: int, channels: int, fit: str, white: int = 0) -> Iterator[Reading]:
    """The items in order as uint8 `[resolution, resolution, channels]`; the arguments are those of `prepare`."""
    convert = partial(pixels.scaled, resolution=resolution, channels=channels, fit=fit)
    return _read(content, convert, white, draft=4 * resolution)


def read_images(source: str | os.PathLike[str]) -> np.ndarray:
    """All images of a source in their own size, memory-mapped: uint8 `[N, H, W, 1]` if they are grey, `[N, H, W, 3]`.

    They are read as by `prepare`, but not scaled, and none that cannot be read is left out.

    Raises:
        ZooError: no images, one that cannot be read, or images of different sizes.
    """
    source, shape = os.fspath(source), None
    with sources.find(source).open() as content, tempfile.TemporaryFile() as file:
        summary = Summary(content, source)
        for reading in _read(content, pixels.unscaled, 0):
            summary.add(reading)
            name = f"{printable(reading.item.name)!r} in {source!r}"
            if reading.pixels is None:
                reason = printable(reading.reason)
                raise ZooError(f"an image cannot be read ({reason}); remove it. Received: {name}")
            if shape is None:
                shape = reading.pixels.shape
                _require_room(content.count * math.prod(shape), source)
            if reading.pixels.shape != shape:
                raise ZooError(
                    f"images must have one size and one number of channels; the first has {shape}. "
                    f"Received: {reading.pixels.shape} in {name}"
                )
            file.write(reading.pixels)
        summary.say()
        file.flush()
        images = np.asarray(np.memmap(file, np.uint8, "r", shape=(summary.count, *shape)))
    require_more_than_0_and_1(images, source)
    return images


def _require_room(needed: int, source: str) -> None:
    """Raises ZooError if so many bytes do not fit on the disk: a small archive may unpack to many."""
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    if needed > free:
        raise ZooError(
            f"unpacked, the images take {needed / 2**30:.1f} GiB, and {place} has {free / 2**30:.1f} GiB free; set "
            f"TMPDIR to a folder with room. Received: {source!r}"
        )


def read_picture(
    picture: str | os.PathLike[str] | np.ndarray, resolution: int, channels: int
) -> tuple[np.ndarray, str]:
    """One picture as uint8 `[resolution, resolution, channels]`: its middle square, scaled, as `prepare` does it.

    Args:
        picture: a file, or an array uint8 `[H, W]` or `[H, W, 1|3|4]`.

    Returns:
        The pixels, and in words what was changed, "was 640 x 480 pixels, ..."; nothing if it fitted.

    Raises:
        ZooError: no such file, or none that can be read as an image.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (1,), (3,), (4,)):
            raise ZooError(
                f"a picture is uint8 of [H, W] or [H, W, 1, 3 or 4]. Received: {picture.dtype} {picture.shape}"
            )
        name, item = f"an array {picture.shape}", array_item("array", picture)
    else:
        name = os.fspath(picture)
        if not os.path.isfile(name):
            raise ZooError(f"there is no such picture. Received: {name!r}")
        item = Item(name, partial(open_image, name))
    size = []

    def items() -> Iterator[Item]:
        yield item._replace(load=lambda: _noted(item.load(), size))

    (found,) = read_scaled(Content(1, items, [], {}), resolution, channels, "crop")
    if found.pixels is None:
        raise ZooError(f"the picture cannot be read: {printable(found.reason, 200)}. Received: {name!r}")
    changes = list(found.changes)
    if size[0] != (resolution, resolution):
        cut = "cut to its middle square and " if size[0][0] != size[0][1] else ""
        changes.insert(0, f"was {size[0][0]} x {size[0][1]} pixels, {cut}made {resolution} x {resolution}")
    return found.pixels, printable("; ".join(change.replace("were ", "was ") for change in changes))


def _noted(image: Image.Image, size: list[tuple[int, int]]) -> Image.Image:
    size[:] = [image.size]
    return image


def require_more_than_0_and_1(images: np.ndarray, source: str) -> None:
    """Raises ZooError where all values are 0 or 1: then 1 is white, and would be as good as black."""
    if images.max() == 1:
        raise ZooError(
            "no value is above 1 of 255, so the images would be black: if 1 is white, multiply them by 255. "
            f"Received: {source!r}"
        )


class Summary:
    """What is to be said of images that were read: how they were changed, and what was left out."""

    def __init__(self, content: Content, source: str) -> None:
        self.source, self.count = source, 0
        self.changes: Counter[str] = Counter()
        self.left_out = list(content.left_out.items())  # (name, reason)

    def add(self, reading: Reading) -> None:
        if reading.pixels is None:
            self.left_out.append((reading.item.name, reading.reason))
            return
        self.count += 1
        self.changes.update(reading.changes)
        if reading.frames > 1:
            self.left_out.append((reading.item.name, f"{reading.frames - 1} of its {reading.frames} frames"))

    def say(self) -> None:
        """Raises ZooError where there is no image."""
        if not self.count:
            example = "".join(f" ({name}: {reason})" for name, reason in self.left_out[:1])
            raise ZooError(f"the data source holds no readable image{printable(example)}. Received: {self.source!r}")
        if self.changes:
            logger.info("; ".join(f"{count} of {self.count} images {change}" for change, count in self.changes.items()))
        if self.left_out:
            shown = ", ".join(f"{name} ({reason})" for name, reason in self.left_out[:10])
            rest = f" and {len(self.left_out) - 10} more" if len(self.left_out) > 10 else ""
            logger.warning(printable(f"{self.count} images were read, {len(self.left_out)} left out: {shown}{rest}"))


def _read(
    content: Content, to_pixels: Callable[..., tuple[np.ndarray, list[str]]], white: float, draft: int = 0
) -> Iterator[Reading]:
    def read(item: Item) -> Reading:
        try:
            with item.load() as image:
                if draft:
                    image.draft(None, (draft, draft))  # a large photograph decodes ten times faster
                if not white and depth.needs_white(image):
                    return Reading(item, None, reason=WHITE_UNKNOWN)
                frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO has previews
                with _within_budget(image):
                    return Reading(item, *to_pixels(image, white=white), frames)
        except Exception as error:  # on damaged files Pillow's decoders raise nearly anything
            return Reading(item, None, reason=_reason(error))

    for reading in _in_threads(read, content.items()):
        if reading.reason == WHITE_UNKNOWN:
            white = white or depth.find_white(filter(None, _in_threads(_value_range, content.items())))
            reading = read(reading.item)
        yield reading


def _reason(error: Exception) -> str:
    """Why an item cannot be read, in one line."""
    size = re.search(r"\((\d+) pixels\)", str(error))
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)) and size:
        has, most = math.ceil(int(size[1]) / 1e6), int(Image.MAX_IMAGE_PIXELS / 1e6)
        return f"it has {has:,} megapixels, more than {most}; make it smaller"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _value_range(item: Item) -> depth.Range | None:
    try:
        with item.load() as image:
            if not depth.needs_white(image):
                return None
            with _within_budget(image):
                return depth.value_range(image, item.name)
    except Exception:  # it will be left out, with the reason
        return None


def _in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results in order. Of items that hold much memory, fewer are taken at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool, _pillow_settings():
        for chunk in _chunks(items):
            yield from pool.map(function, chunk)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    chunk, held = [], 0
    for item in items:
        chunk.append(item)
        held += item.held_bytes
        if len(chunk) == CHUNK or held > CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    yield chunk


@contextmanager
def _pillow_settings() -> Iterator[None]:
    """A huge image is an error, not a warning. A PNG may carry megabytes of text, as image generators write it."""
    text, block = PngImagePlugin.MAX_TEXT_CHUNK, Image.core.get_block_size()
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
    Image.core.set_block_size(BLOCK_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        PngImagePlugin.MAX_TEXT_CHUNK = text
        Image.core.set_block_size(block)


class _Budget:
    """`with budget(pixels):` waits while the images that are decoded at once would have too many pixels together."""

    def __init__(self, pixels: int) -> None:
        self._free = self._all = pixels
        self._changed = threading.Condition()

    @contextmanager
    def __call__(self, pixels: int) -> Iterator[None]:
        pixels = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: pixels <= self._free)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_budget = _Budget(PIXELS_AT_ONCE)


def _within_budget(image: Image.Image) -> AbstractContextManager[None]:
    count = image.width * image.height
    return _budget(count) if count > PIXELS_AT_ONCE // 1024 else nullcontext()
