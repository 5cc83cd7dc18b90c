"""What the metrics take: features [N, D] and images [N, H, W, C]; anything else ends in a clear error."""

from __future__ import annotations

import warnings

import numpy as np

from zoo.files.errors import ZooError


def features(array, name: str = "features", least: int = 2) -> np.ndarray:
    """Checks features [N, D]: numbers, finite, at least `least` rows.

    Raises:
        ZooError: anything else.
    """
    array = np.asarray(array)
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "fiu":
        raise ZooError(f"{name} must be numbers of shape [N, D]. Received: {array.dtype} {list(array.shape)}")
    if len(array) < least:
        raise ZooError(f"{name}: at least {least:,} rows are needed. Received: {len(array):,}")
    if not max(float(array.max()), -float(array.min())) < 1e15:  # false for NaN too; squares of more overflow float32
        raise ZooError(
            f"{name} must be finite and below 1e15: look for broken images or weights. "
            f"Received: {np.sum(~np.isfinite(array)):,} values that are NaN or infinite"
        )
    return array


def pair(real, fake, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Checks two sets of features of the same width."""
    real, fake = features(real, "real", least), features(fake, "fake", least)
    same_width(real, fake)
    return real, fake


def same_width(*sets: np.ndarray) -> None:
    widths = [array.shape[1] for array in sets]
    if len(set(widths)) > 1:
        raise ZooError(
            "the features must come from the same extractor, with the same width. "
            f"Received: {' and '.join(map(str, widths))}"
        )


def images(array, name: str = "images", least: int = 1, smallest: int = 4) -> np.ndarray:
    """Checks images uint8 [N, H, W, C] of at least `smallest` pixels on each side.

    Raises:
        ZooError: anything else.
    """
    array = np.asarray(array)
    if array.ndim != 4 or array.dtype != np.uint8 or not array.shape[3]:
        raise ZooError(f"{name} must be uint8 of shape [N, H, W, C]. Received: {array.dtype} {list(array.shape)}")
    if min(array.shape[1:3]) < smallest:
        raise ZooError(
            f"{name} must have at least {smallest} x {smallest} pixels. Received: {array.shape[1]} x {array.shape[2]}"
        )
    if len(array) < least:
        raise ZooError(f"{name}: {least:,} or more are needed. Received: {len(array):,}")
    return array


def image_pair(real, fake, smallest: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Checks two sets of images of the same size."""
    real, fake = images(real, "real", smallest=smallest), images(fake, "fake", smallest=smallest)
    if real.shape[1:] != fake.shape[1:]:
        raise ZooError(
            "real and fake images must have the same height, width and channels. "
            f"Received: {list(real.shape[1:])} and {list(fake.shape[1:])}"
        )
    return real, fake


def at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ZooError(f"{name} must be at least 1. Received: {number}")


def warn(message: str) -> None:
    """A UserWarning at the line that called the metric."""
    warnings.warn(message, UserWarning, stacklevel=3)
