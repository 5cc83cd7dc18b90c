"""Inception Score: Salimans 2016, arXiv:1606.03498. It says little of images unlike those that the classifier knows."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.files.errors import ZooError


def inception_score(logits: np.ndarray, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp of the mean Kullback-Leibler divergence of p(class | image) from p(class): 1 to the number of classes.

    Args:
        logits: [N, classes] of the classifier for generated images.
        splits: parts that a score is worked out for.
        seed: of the order in which images go to the parts, as in torch-fidelity: images sorted by class would
            otherwise make parts of few classes.

    Returns:
        (mean, standard deviation) of the parts' scores.

    Raises:
        ZooError: fewer images than parts, fewer than 2 classes, values that are not finite.

    Warns:
        UserWarning: parts with fewer images than classes: the score is then too low.
    """
    checks.at_least_one(splits=splits)
    logits = checks.features(logits, "logits", least=splits)
    count, classes = logits.shape
    if classes < 2:
        raise ZooError("logits of at least 2 classes are needed. Received: 1")
    if count // splits < classes:
        checks.warn(
            f"the Inception Score of {count // splits:,} images in a part is too low: take at least "
            f"{classes:,} in each, as many as classes"
        )
    logits = logits[np.random.RandomState(seed).permutation(count)].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    scores = [_score(logits[i * count // splits : (i + 1) * count // splits]) for i in range(splits)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(log_shares: np.ndarray) -> float:
    shares = np.exp(log_shares)
    mean = np.maximum(shares.mean(axis=0), np.finfo(np.float64).tiny)  # a class that no image has adds 0
    return np.exp(np.mean(np.sum(shares * (log_shares - np.log(mean)), axis=1)))
