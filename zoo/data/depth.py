"""Images of more than 8 bits per value: what is white in them, and how they become 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from zoo.files.errors import ZooError
from zoo.files.text import printable

logger = logging.getLogger("ganzoo")

WHITES = (255, 1023, 4095, 16383, 65535)  # of cameras and microscopes with 8 to 16 bits


class Range(NamedTuple):
    """From where to where the values of an image reach."""

    low: float
    high: float
    floating: bool
    name: str


def is_deep(image: Image.Image) -> bool:
    """Whether the values are integers or floating-point numbers of more than 8 bits."""
    return image.mode[0] in "IF"


def is_deep_colour(image: Image.Image) -> bool:
    """Whether a file, not loaded yet, has 16 bits per colour, of which Pillow keeps the upper 8."""
    return not is_deep(image) and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def says_white(image: Image.Image) -> bool:
    """Whether the file itself says what is white, which Pillow then scales to 65535."""
    return image.mode.startswith("I") and image.format in ("PPM", "JPEG2000")


def needs_white(image: Image.Image) -> bool:
    """Whether only the owner of the image knows what is white."""
    return (is_deep(image) and not says_white(image)) or is_deep_colour(image)


def value_range(image: Image.Image, name: str) -> Range:
    """The range of an image that needs white; that of 16-bit colours is known up to 255."""
    colour, values = is_deep_colour(image), np.asarray(image)
    if colour:
        return Range(0, 256 * int(values.max()) + 255, False, name)
    return Range(values.min(), values.max(), image.mode == "F", name)


def find_white(ranges: Iterable[Range]) -> float:
    """What is white in these images: the least of the usual values that none of them exceeds.

    Raises:
        ZooError: there is none, or the upper half up to it is empty, so that another may be meant.
    """
    ranges = [found for found in ranges if np.isfinite((found.low, found.high)).all()]
    if not ranges:  # none can be read
        return WHITES[-1]
    darkest, brightest = min(ranges, key=lambda found: found.low), max(ranges, key=lambda found: found.high)
    low, high, floating = darkest.low, brightest.high, {found.floating for found in ranges}
    received = f"Received: {low:g} in {printable(darkest.name)!r} to {high:g} in {printable(brightest.name)!r}"
    if low < 0:
        raise ZooError(f"an image holds negative values: save the images anew, with 0 for black. {received}")
    if len(floating) > 1:
        raise ZooError(f"some images hold integers and some floating-point numbers: save all alike. {received}")
    possible = [white for white in ((1,) if True in floating else ()) + WHITES if white >= high]
    if not possible or (high <= possible[0] / 2 and len(possible) > 1):
        example = possible[0] if possible else f"{high:.0f}"
        raise ZooError(
            "it is not clear what is white in the images, which have more than 8 bits per value: "
            f"say so with data.white, for instance --set data.white={example}. {received}"
        )
    if possible[0] != WHITES[-1]:
        logger.warning(
            f"the images have more than 8 bits per value and reach from {low:g} to {high:g}: "
            f"{possible[0]} is taken for white, and data.white decides otherwise"
        )
    return possible[0]


def require_all_bits(white: float) -> None:
    """Raises ZooError if only 8 bits are kept of 16-bit colours that do not use them all."""
    if white != WHITES[-1]:
        raise ZooError(f"colours of 16 bits are read with 65535 for white, not {white:g}: save it with 8 bits")


def to_8_bits(image: Image.Image, white: float) -> Image.Image:
    """The image with 255 for `white` and what is above it.

    Raises:
        ZooError: values below 0, or some that are no numbers.
    """
    values = np.asarray(image)
    if not (values.min() >= 0 and np.isfinite(values.max())):
        raise ZooError("it holds values below 0, or some that are no numbers")
    values = np.multiply(values, np.float32(255.999 / (WHITES[-1] if says_white(image) else white)), dtype=np.float32)
    return Image.fromarray(np.minimum(values, 255, out=values).astype(np.uint8))
