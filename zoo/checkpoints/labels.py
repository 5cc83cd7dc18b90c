"""The classes of a checkpoint: what they are called, how often the training images had them, and which one is meant."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from zoo.files.errors import ZooError
from zoo.files.text import printable
from zoo.recipe import Recipe

LISTED = 20  # names in an error


def names(recipe: Recipe, info: dict[str, Any]) -> tuple[str, ...]:
    """The name of each label; numbers where ganzoo.json does not know them; none of an unconditional model."""
    count = recipe.model.rows
    known = info.get("data", {}).get("classes", ())
    return tuple(known) if count and len(known) == count else tuple(map(str, range(count)))


def shares(recipe: Recipe, info: dict[str, Any]) -> np.ndarray | None:
    """How often training showed each class, [K], of sum 1; None of an unconditional model."""
    count = recipe.model.rows
    if not count:
        return None
    seen = np.asarray(info.get("data", {}).get("class_images", ()), np.float64)
    if recipe.data.balanced or len(seen) != count or not seen.sum():
        seen = np.ones(count)
    return seen / seen.sum()


def number(asked: str | int, classes: tuple[str, ...]) -> int:
    """The label of a class, by its name or its number.

    Raises:
        ZooError: no class of that name or number, or a model without classes.
    """
    if not classes:
        raise ZooError(f"this model has no classes; leave the class out. Received: {asked!r}")
    if asked in classes:
        return classes.index(asked)
    text = str(asked)
    if not isinstance(asked, bool) and text.isdecimal() and len(text) < 9 and int(text) < len(classes):
        return int(text)
    near = difflib.get_close_matches(text, classes, n=1)
    meant = f", did you mean {near[0]!r}?" if near else "."
    raise ZooError(
        f"there is no such class{meant} Name it or give its number, {numbered(classes)}. Received: {asked!r}"
    )


def numbered(classes: tuple[str, ...]) -> str:
    """The numbers of these classes and the first names, in words: "0 to 2: bag, boot, shirt"."""
    listed = ", ".join(map(printable, classes[:LISTED])) + (", ..." if len(classes) > LISTED else "")
    return f"0 to {len(classes) - 1}: {listed}"
