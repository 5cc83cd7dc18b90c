"""What a source of images is: known by its content before it is opened, and items when it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image


class Item(NamedTuple):
    """One image of a source. `load` may be called from any thread, and more than once."""

    name: str
    load: Callable[[], Image.Image]
    label: int | None = None
    heldout: bool = False
    held_bytes: int = 0  # memory that it takes before it is loaded


class Content(NamedTuple):
    """What an opened source holds."""

    count: int  # of the items
    items: Callable[[], Iterator[Item]]  # in order, from the first one at each call; those held out come last
    classes: list[str]  # classes[label] is a name; empty where names are not known
    left_out: dict[str, str]  # name: why it is no item
    warnings: tuple[str, ...] = ()  # what is to be known of the labels each time that the images are used


class Source(NamedTuple):
    """A source that exists. `open` gives its content, which may be read inside the `with` block."""

    name: str
    identity: list[Any]  # JSON; changes with the content
    open: Callable[[], AbstractContextManager[Content]]


def array_item(name: str, array: np.ndarray, label: int | None = None, heldout: bool = False) -> Item:
    """The item of an array uint8 `[H, W]` or `[H, W, 1|3|4]`."""

    def load() -> Image.Image:
        return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)

    return Item(name, load, label, heldout, array.nbytes)
