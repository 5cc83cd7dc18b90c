"""Work on the real images that would be the same for every set of samples is done once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def once(function: Callable[..., T]) -> Callable[..., T]:
    """Keeps what a function made of a read-only array, for as long as the array lives.

    An array that may still change is worked on anew each time, so that the function answers as without this.

    Args:
        function: of an array and further arguments that have a hash; its result must not be changed either.
    """
    known: dict[tuple, T] = {}

    @wraps(function)
    def call(array: np.ndarray, *arguments: Any) -> T:
        if not isinstance(array, np.ndarray) or array.flags.writeable:
            return function(array, *arguments)
        key = id(array), *arguments
        if key not in known:
            known[key] = function(array, *arguments)
            weakref.finalize(array, known.pop, key, None)
        return known[key]

    return call


def read_only(array: np.ndarray) -> np.ndarray:
    """The array itself, which cannot be changed any more."""
    array.flags.writeable = False
    return array
