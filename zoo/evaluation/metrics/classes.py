"""Classes that come too often, too seldom or never, by a classifier's labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.files.errors import ZooError


class ClassComparison(NamedTuple):
    real_shares: np.ndarray  # [K]
    fake_shares: np.ndarray  # [K]
    total_variation: float  # half the sum of the absolute differences: 0 to 1
    real_entropy: float  # nats; log K for equal shares
    fake_entropy: float
    smallest_ratio: float  # of a generated share to a real one: 0 if a class is missing
    rarest: int  # the class of that ratio


def compare_classes(real: np.ndarray, fake: np.ndarray, classes: int) -> ClassComparison:
    """Compares labels of real and of generated images, both from the same classifier: its errors cancel in part.

    Args:
        real, fake: whole numbers [N] and [M], from 0 to classes - 1.
        classes: K.

    Raises:
        ZooError: no labels, or labels out of range.
    """
    p, q = _shares(real, "real", classes), _shares(fake, "fake", classes)
    ratios = np.divide(q, p, out=np.full(classes, np.inf), where=p > 0)
    return ClassComparison(
        p, q, float(abs(p - q).sum() / 2.0), _entropy(p), _entropy(q), float(ratios.min()), int(ratios.argmin())
    )


def _shares(labels: np.ndarray, name: str, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise ZooError(f"{name} labels must be whole numbers [N]. Received: {labels.dtype} {list(labels.shape)}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ZooError(f"{name} labels must be from 0 to {classes - 1}. Received: {labels.min()} to {labels.max()}")
    return np.bincount(labels, minlength=classes) / len(labels)


def _entropy(shares: np.ndarray) -> float:
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
