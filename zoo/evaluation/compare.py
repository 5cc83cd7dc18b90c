"""Several generators or sets of images, scored against the same real images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.evaluation import EXTRACTORS
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.metrics.extractors import Extractor
from zoo.evaluation.results import Evaluation
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")


def compare(
    names: Sequence[str | Path],
    real: np.ndarray | str | Path | None = None,
    *,
    extractor: str | Extractor | Sequence[str | Extractor] = EXTRACTORS[0],
    images: int = 10_000,
    seeds: Sequence[int] = (0, 1, 2),
    truncation: float = 1.0,
    weights: str = "ema",
    fit: str | None = None,
    data_dir: str | None = None,
    cas: bool = False,
) -> dict[str, Evaluation]:
    """Scores several generators side by side.

    Args:
        names: each is what `evaluate` takes: a shipped name, a checkpoint, a run, a folder or an .npz file of images.
        real: as the others, an argument of `evaluate`, the same for all; by default what each was trained on.

    Returns:
        What `evaluate` returns, by name, in the order of `names`; a name that was given twice stands once. A warning is
        logged when their scores do not compare, because the real images or the number of generated ones differ.

    Raises:
        ZooError: no names, or as `evaluate` does.

    Example:
        >>> results = zoo.compare(["dcgan-fashion-mnist", "runs/mine"], images=5_000)
        >>> results["runs/mine"].evaluations[0].score("recall").mean
    """
    if isinstance(names, (str, Path)) or not names:
        raise ZooError(f"compare takes a list of names. Received: {names!r}")
    results = {}
    for name in dict.fromkeys(map(str, names)):
        logger.info(name)
        results[name] = evaluate(
            name,
            real,
            extractor=extractor,
            images=images,
            seeds=seeds,
            truncation=truncation,
            weights=weights,
            fit=fit,
            data_dir=data_dir,
            cas=cas,
        )
    warn_of_differences(results)
    return results


def warn_of_differences(results: dict[str, Evaluation]) -> None:
    """Logs a warning when the scores of several do not compare."""
    conditions = {
        (part.real.fingerprint, part.generated_count) for result in results.values() for part in result.evaluations
    }
    if len(conditions) > 1:
        logger.warning("not all were compared with the same images, or with as many; their scores do not compare")
