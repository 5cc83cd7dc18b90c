"""Which extractors a measurement is made with."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from zoo import data
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.extractors import Extractor

logger = logging.getLogger("ganzoo")


def with_classifier(wanted: str | Extractor | Sequence[str | Extractor], store: data.Store | None) -> list[Extractor]:
    """The extractors that are asked for, and a classifier of the images where one says something."""
    judges = extractors.load_all(wanted, store)
    known = any(hasattr(judge, "classes") for judge in judges)
    if known or store is None or not store.class_names or not len(store.heldout):
        return judges
    classifier = extractors.load("classifier", store)
    return [*judges, classifier] if tells_more_than_a_guess(classifier, store) else judges


def tells_more_than_a_guess(classifier: Extractor, store: data.Store) -> bool:
    """Whether a classifier of these images tells more than the most frequent label would."""
    guess = np.bincount(store.heldout_labels).max() / len(store.heldout)
    if classifier.accuracy <= guess:
        logger.warning(
            f"a classifier is right on {classifier.accuracy:.0%} of the held-out images and guessing on {guess:.0%}: "
            "left out"
        )
    return classifier.accuracy > guess
