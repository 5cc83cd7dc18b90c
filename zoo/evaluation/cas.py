"""What samples are worth as training data: the classification accuracy score (CAS).

Ravuri and Vinyals 2019, arXiv:1905.10887: a classifier that was trained on generated images alone is tested on real
held-out ones, beside one that was trained on real images. Ours is the small classifier of the extractors. A third one
is trained on both kinds together. For each seed:

- As many images are generated as there are real training images, once, with the labels of these. They are not drawn
  anew in each epoch: a real training set does not grow either.
- All three classifiers take the same number of steps: five epochs of the real images, or more where these are few. So
  the one that has both kinds sees each image half as often, and gains nothing by longer training.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from zoo import data
from zoo.checkpoints.generator import Generator
from zoo.evaluation import features
from zoo.evaluation.metrics.extractors import classifier
from zoo.evaluation.results import Cas, Trained
from zoo.files.errors import ZooError
from zoo.files.progress import duration, progress

logger = logging.getLogger("ganzoo")

SEEDS = (0, 1, 2)
NETWORK = f"the classifier of ganzoo: convolutions of {', '.join(map(str, classifier.WIDTHS))} with pooling"
DRAWN = "once for each seed, with the labels of the real training images"


def cas(generator: Generator, store: data.Store, seeds: Sequence[int] = SEEDS, truncation: float = 1.0) -> Cas:
    """Trains three classifiers for each seed: on real images, on generated ones, and on both.

    Args:
        generator: with the classes of the store.
        store: real images with labels, some of them held out to test on.
        seeds: of the generated images, and of each classifier's first weights and order of images; at least one.
        truncation: psi, of a network that has it.

    Raises:
        ZooError: a generator without classes, images without labels or with other classes, or none that are held out.

    Example:
        >>> found = cas(generator, store)
        >>> found.ratio.mean  # of the accuracies: 1 if samples are worth as much as real images
    """
    require_labels(generator, store)
    accuracies: dict[str, list[float]] = {"real": [], "generated": [], "both": []}
    steps, begun, total = classifier.steps(len(store.images)), time.monotonic(), 3 * len(seeds)
    make = partial(classifier.network, store.images.shape[1:], len(generator.classes))
    logger.info(
        f"CAS: {total} classifiers, each of {steps:,} steps; {len(seeds)} times {len(store.images):,} images are drawn"
    )
    for seed in seeds:
        drawn = _drawn(generator, np.asarray(store.labels), seed, truncation)
        for kind, images, labels in _sets(store, drawn):
            model = classifier.fitted(make, images, labels, steps, seed)
            accuracies[kind].append(float(classifier.accuracy(model, store)[0]))
            done = sum(map(len, accuracies.values()))
            spent = time.monotonic() - begun
            left = f"; about {duration(spent / done * (total - done))} left" if done < total else ""
            logger.info(
                f"CAS: classifier {done} of {total}, trained on {kind} images, seed {seed}: right on "
                f"{accuracies[kind][-1]:.1%} of the held-out images{left}"
            )
    least = 1 / len(store.heldout)  # one image right, where the real ones taught nothing
    pairs = zip(accuracies["generated"], accuracies["real"], strict=True)
    return Cas(
        **{kind: Trained.of(values) for kind, values in accuracies.items()},
        ratio=Trained.of([generated / max(real, least) for generated, real in pairs]),
        images=len(store.images),
        tested_on=len(store.heldout),
        seeds=list(seeds),
        steps=steps,
        batch_size=classifier.BATCH_SIZE,
        network=NETWORK,
        drawn=DRAWN,
    )


def require_labels(generator: Generator | None, store: data.Store | None) -> None:
    """Raises a ZooError where there is nothing to train classifiers on."""
    if generator is None or not generator.classes:
        raise ZooError(
            "the classification accuracy score asks a generator for images of each class, and this one has no classes. "
            f"Received: {generator.name if generator else 'a set of images'}"
        )
    if store is None or store.labels is None or not len(store.heldout):
        raise ZooError(
            "the classification accuracy score needs labelled real images, some of them held out. "
            f"Received: {repr(store.source) if store else 'an array'}"
        )
    if store.class_names != generator.classes:
        raise ZooError(
            "the real images must have the classes of the generator. Received: "
            f"{len(store.class_names)} classes of {store.source!r}, and {len(generator.classes)} of the generator"
        )


def _drawn(generator: Generator, labels: np.ndarray, seed: int, truncation: float) -> np.ndarray:
    """An image for each label, while it is shown how many there are."""
    drawn = []
    with progress(len(labels), f"CAS, drawing seed {seed}") as advance:
        for images in generator.batches(len(labels), seed, truncation, features.BATCH_SIZE, label=labels):
            drawn.append(images)
            advance(len(images))
    return np.concatenate(drawn)


def _sets(store: data.Store, drawn: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(kind, images, labels) of each training set, one at a time."""
    labels = np.asarray(store.labels)
    yield "real", store.images, labels
    yield "generated", drawn, labels
    yield "both", np.concatenate([store.images, drawn]), np.concatenate([labels, labels])
