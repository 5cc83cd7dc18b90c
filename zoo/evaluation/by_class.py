"""A conditional generator class by class: each class's samples beside real images of this class.

The mean of the Frechet distances is the intra-FID of Miyato and Koyama 2018, arXiv:1802.05637. Samples and features of
the whole set are used again.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

import numpy as np

from zoo.evaluation import features
from zoo.evaluation.measurement import LEAST, Measurement
from zoo.evaluation.metrics.extractors import Extractor
from zoo.evaluation.metrics.neighbours import neighbour_scores
from zoo.evaluation.metrics.once import read_only
from zoo.evaluation.metrics.scores import SETTINGS, Value, distances, neighbours
from zoo.evaluation.results import ByClass, OfClass, Score
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

FEW = 100  # images of a class: with fewer, no ratio to the floor is taken
TAKEN = ("precision", "recall")  # beside the distances


def by_class(measurement: Measurement, judge: Extractor) -> ByClass | None:
    """The scores of each class in the features of one extractor; None where samples or real images have no classes.

    Each class has as many samples of every seed, real images and other real images: as many as the scarcest of these.
    So a class's distance compares with its floor, and not with the distance of another number of images.
    """
    subject, reference = measurement.subject, measurement.reference
    if not subject.classes or reference.classes != subject.classes:
        return None
    logger.info(f"scoring each of {len(subject.classes)} classes")
    sides = _sides(measurement, judge)
    accuracies = _accuracies(measurement, judge)
    shares = np.bincount(reference.store.labels, minlength=len(subject.classes)) / len(reference.store.labels)
    rows, found = [], []
    for label, (name, share) in enumerate(zip(subject.classes, shares, strict=True)):
        parts = _parts(sides, label)
        values = _values(parts, judge, name)
        if values:
            found.append((len(parts[0]), values))
        rows.append(
            OfClass(
                name=name,
                share=float(share),
                count=len(parts[0]),
                scores=tuple(_scores(*values, len(parts[0]) >= FEW)) if values else (),
                accuracy=accuracies[label][0],
                held_out_accuracy=accuracies[label][1],
            )
        )
    _warn(rows)
    return ByClass(mean=_mean(found) if found else [], classes=rows)


def _sides(measurement: Measurement, judge: Extractor) -> list[tuple[np.ndarray, np.ndarray]]:
    """(features [N, D], labels [N]) of the real images, of the other ones, and of each seed's samples."""
    subject, reference, count = measurement.subject, measurement.reference, measurement.count
    real, other = (
        (found.features, np.asarray(labels)[features.chosen(len(labels), len(found.features))])
        for found, labels in (
            (reference.features(judge), reference.labels),
            (reference.floor_features(judge), reference.other_labels),
        )
    )
    drawn = [
        (found.features, subject.labels(seed, count))
        for seed, found in zip(subject.seeds, measurement.features[judge.name], strict=True)
    ]
    return [real, other, *drawn]


def _parts(sides: Sequence[tuple[np.ndarray, np.ndarray]], label: int) -> list[np.ndarray]:
    """The features of one class on each side, of the same number of images."""
    parts = [found[labels == label] for found, labels in sides]
    fewest = min(map(len, parts))
    return [read_only(part[:fewest].copy()) for part in parts]


def _values(parts: list[np.ndarray], judge: Extractor, name: str) -> tuple[list[list[Value]], list[Value]] | None:
    """The scores of each seed and those of the floor; None for a class that cannot be scored."""
    if len(parts[0]) < LEAST:
        return None
    real, other, *drawn = parts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few images: each row has its count
        try:
            floor, *seeds = (_of(real, side, judge) for side in (other, *drawn))
        except ZooError as error:
            why = f"the class {name} is not scored: {error}"
        else:
            return seeds, floor
    warnings.warn(why, UserWarning, stacklevel=2)
    return None


def _of(real: np.ndarray, side: np.ndarray, judge: Extractor) -> list[Value]:
    near = neighbour_scores(real, side, SETTINGS["precision_recall_k"], SETTINGS["density_coverage_k"])
    return distances(real, side, judge.label) + [value for value in neighbours(near) if value.name in TAKEN]


def _scores(seeds: list[list[Value]], floor: list[Value], comparable: bool) -> list[Score]:
    return [
        Score.of(of_seeds, of_floor, comparable)
        for of_seeds, of_floor in zip(zip(*seeds, strict=True), floor, strict=True)
    ]


def _mean(found: list[tuple[int, tuple[list[list[Value]], list[Value]]]]) -> list[Score]:
    """The scores' means over the classes, each class with the same weight."""
    seeds = [_averaged(of_classes) for of_classes in zip(*(values[0] for _, values in found), strict=True)]
    return _scores(seeds, _averaged([values[1] for _, values in found]), min(count for count, _ in found) >= FEW)


def _averaged(classes: Sequence[list[Value]]) -> list[Value]:
    """The mean of each score; the classes' errors are independent."""
    return [
        same[0]._replace(
            name=f"intra-{same[0].name}" if same[0].is_frechet else same[0].name,
            value=float(np.mean([value.value for value in same])),
            error=None if same[0].error is None else float(np.linalg.norm([value.error for value in same]) / len(same)),
        )
        for same in zip(*classes, strict=True)
    ]


def _accuracies(measurement: Measurement, judge: Extractor) -> list[tuple[float | None, float | None]]:
    """For each class the share of its samples, and of its held-out images, that a classifier takes for it."""
    subject, store = measurement.subject, measurement.reference.store
    if tuple(getattr(judge, "classes", ())) != subject.classes or not len(store.heldout):
        return [(None, None)] * len(subject.classes)
    count = min(measurement.count, len(store.heldout))
    held = features.kept(judge, store.heldout, store.fingerprint, "real, held out", count).logits
    asked = np.concatenate([subject.labels(seed, measurement.count) for seed in subject.seeds])
    drawn = np.concatenate([found.logits for found in measurement.features[judge.name]])
    truth = np.asarray(store.heldout_labels)[features.chosen(len(store.heldout), count)]
    return [(_right(drawn, asked, label), _right(held, truth, label)) for label in range(len(subject.classes))]


def _right(logits: np.ndarray, labels: np.ndarray, label: int) -> float | None:
    mine = logits[labels == label].argmax(axis=-1)
    return float(np.mean(mine == label)) if len(mine) else None


def _warn(rows: list[OfClass]) -> None:
    few = [row for row in rows if row.count < FEW]
    if few:
        named = ", ".join(f"{row.name}: {row.count}" for row in few[:10]) + (", ..." if len(few) > 10 else "")
        warnings.warn(
            f"{len(few)} of {len(rows)} classes have fewer than {FEW} images on a side, so that no ratio is taken, and "
            f"none below {LEAST} is scored ({named})",
            UserWarning,
            stacklevel=2,
        )
