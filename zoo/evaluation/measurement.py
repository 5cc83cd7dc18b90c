"""What is compared with what: samples of one generator beside real images, as extractors see both.

Everything that is measured of a checkpoint is a function of one `Measurement`. It loads nothing, draws the samples of
each seed once, and passes every image through each extractor once.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np

from zoo import data
from zoo.checkpoints.generator import Generator
from zoo.evaluation import features, results
from zoo.evaluation.features import Features
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.neighbours import MostlyCopies, NeighbourScores, neighbour_scores
from zoo.evaluation.metrics.scores import SETTINGS, Value, scores
from zoo.files.errors import ZooError
from zoo.recipe import Recipe

LEAST = 10  # images on each side
FLOOR_LEAST = 2_000  # held-out images; with fewer, the floor is taken between two halves of the training images


@dataclass(frozen=True)
class Subject:
    """What is scored: `draw(seed, count)` yields its images in batches, uint8 [n, H, W, C]."""

    described: results.Samples | results.Images
    draw: Callable[[int, int], Iterator[np.ndarray]]
    seeds: Sequence[int]
    shape: tuple[int, ...]  # H, W, C
    available: int | None = None  # images, if they are a fixed set
    recipe: Recipe | None = None
    trained_on: str | None = None  # fingerprint
    generator: Generator | None = None

    @classmethod
    def of_generator(cls, generator: Generator, truncation: float = 1.0, seeds: Sequence[int] = (0,)) -> Subject:
        if not seeds or len(set(seeds)) < len(seeds):
            raise ZooError(f"give at least one seed, and none twice. Received: {list(seeds)}")
        info, recipe = generator.info, generator.recipe
        file = {"ema": "generator.safetensors", "raw": "training.safetensors"}[generator.weights]
        described = results.Samples(
            name=info.get("name", recipe.name),
            network=recipe.model.network,
            images_seen=info.get("images"),
            weights=generator.weights,
            generator_sha256=info.get("files", {}).get(file, {}).get("sha256"),
            truncation=truncation,
            seeds=list(seeds),
        )
        return cls(
            described,
            lambda seed, count: generator.batches(count, seed, truncation, features.BATCH_SIZE),
            tuple(seeds),
            (recipe.data.resolution, recipe.data.resolution, recipe.data.channels),
            recipe=recipe,
            trained_on=info.get("data", {}).get("fingerprint"),
            generator=generator,
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Of a conditional generator."""
        return self.generator.classes if self.generator else ()

    def labels(self, seed: int, count: int) -> np.ndarray:
        """Which class each image was drawn for, int64 [count], by a conditional generator."""
        return self.generator.labels(count, seed)

    @classmethod
    def of_images(cls, images: np.ndarray, name: str | None = None) -> Subject:
        _require_images(images)
        return cls(
            results.Images(images=name, count=len(images), sha256=_digest(images)),
            lambda seed, count: features.in_batches(
                images[np.random.default_rng(seed).permutation(len(images))[:count]]
            ),
            (0,),
            images.shape[1:],
            available=len(images),
        )


def _once(method):
    """Keeps what a method of one judge returned, for the next time."""

    @wraps(method)
    def call(self, judge):
        key = method.__name__, judge.name
        if key not in self.known:
            self.known[key] = method(self, judge)
        return self.known[key]

    return call


@dataclass(frozen=True, eq=False)
class Reference:
    """The real images. What an extractor sees of them is worked out once, for all that is compared with them."""

    described: results.Real
    train: np.ndarray  # uint8 [N, H, W, C], that generated images are compared with
    other: np.ndarray  # uint8 [M, H, W, C], for the floor
    store: data.Store | None = None
    labels: np.ndarray | None = None  # [N]
    other_labels: np.ndarray | None = None  # [M]
    known: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_store(cls, store: data.Store, source: str, fit: str, images: int, available: int | None = None) -> Reference:
        """The images of a store, called `source`: `images` of them, or as many as there are on both sides."""
        if len(store.heldout) >= FLOOR_LEAST:
            train, other, split, floor = store.images, store.heldout, "training images", "held-out images"
            labels = store.labels, store.heldout_labels
        else:
            train, other = halves(store.images, images)
            labels = (None, None) if store.labels is None else halves(store.labels, images)
            split, floor = "one half of the training images", "other half"
        protocol = {"source": source, "split": split, "floor": floor, "fingerprint": store.fingerprint}
        described = results.Real(
            **protocol, **_counts(train, other, images, available), fit=fit, skipped_files=len(store.skipped)
        )
        return cls(described, train, other, store, *labels)

    @classmethod
    def of_images(cls, real: np.ndarray, images: int, available: int | None = None) -> Reference:
        """An array of images, half of them for the floor."""
        _require_images(real)
        train, other = halves(real, images)
        protocol = {"source": "an array", "split": "one half", "floor": "other half", "fingerprint": _digest(real)}
        return cls(results.Real(**protocol, **_counts(train, other, images, available)), train, other)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels, or numbers; none without labels."""
        return self.store.class_names if self.store else ()

    @_once
    def features(self, judge) -> Features:
        """Of the images that samples are compared with."""
        return features.kept(judge, self.train, self.described.fingerprint, "real", self.described.count)

    @_once
    def floor_features(self, judge) -> Features:
        """Of the other images."""
        count = self.described.floor_count
        return features.kept(judge, self.other, self.described.fingerprint, "real, held out", count)

    @_once
    def floor_balls(self, judge) -> NeighbourScores | None:
        """Precision, recall, realism and their like of the other images; None as in `balls`."""
        return balls(self.features(judge), self.floor_features(judge))

    @_once
    def floor(self, judge) -> list[Value]:
        """The scores of the other images."""
        return scores(self.features(judge), self.floor_features(judge), judge.label, self.floor_balls(judge))


@dataclass(frozen=True, eq=False)
class Measurement:
    """Samples beside real images, as extractors see them.

    Attributes:
        judges: the extractors.
        count: of the samples of each seed.
        images: the samples of the first seed, uint8 [N, H, W, C]: all of them, or as many as were asked for.
        features: {judge's name: what it sees of each seed's samples, in the order of `subject.seeds`}.
    """

    subject: Subject
    reference: Reference
    judges: Sequence[extractors.Extractor]
    count: int
    images: np.ndarray
    features: dict[str, list[Features]]
    known: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def take(cls, subject: Subject, reference: Reference, judges: Sequence, most: int | None = None) -> Measurement:
        """Draws the samples of each seed once, and passes them through every judge.

        Args:
            most: how many images of the first seed to keep, for pictures and for what looks at pixels; by default all.
        """
        if subject.shape != reference.train.shape[1:]:
            raise ZooError(
                "generated and real images must have the same size and channels. "
                f"Received: {subject.shape} and {reference.train.shape[1:]}"
            )
        count = reference.described.count
        images: list[np.ndarray] = []
        seen = {judge.name: [] for judge in judges}
        for seed in subject.seeds:
            batches = subject.draw(seed, count)
            if seed == subject.seeds[0]:
                batches = _copied(batches, count if most is None else min(most, count), images)
            for name, found in features.extract_all(judges, batches, count, f"generated, seed {seed}").items():
                seen[name].append(found)
        return cls(subject, reference, judges, count, np.concatenate(images), seen)

    @_once
    def balls(self, judge) -> list[NeighbourScores | None]:
        """Precision, recall, realism and their like of each seed's samples; None as in `balls`."""
        return [balls(self.reference.features(judge), fake) for fake in self.features[judge.name]]

    def scores(self, judge) -> list[list[Value]]:
        """The scores of each seed's samples."""
        real = self.reference.features(judge)
        return [
            scores(real, fake, judge.label, near)
            for fake, near in zip(self.features[judge.name], self.balls(judge), strict=True)
        ]


def balls(real: Features, fake: Features) -> NeighbourScores | None:
    """`neighbour_scores` with the neighbours of the protocol; None, with a warning, of real images that are mostly
    copies."""
    try:
        return neighbour_scores(
            real.features, fake.features, SETTINGS["precision_recall_k"], SETTINGS["density_coverage_k"]
        )
    except MostlyCopies as error:
        warnings.warn(f"precision, recall, density and coverage are left out: {error}", UserWarning, stacklevel=2)
        return None


def halves(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of the same images, or of their labels, of up to `count`, chosen by seed 0, with none in common."""
    order, half = np.random.default_rng(0).permutation(len(images)), len(images) // 2
    return tuple(images[np.sort(part[:count])] for part in (order[:half], order[half:]))


def _copied(batches: Iterable[np.ndarray], count: int, to: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The same batches, of which the first `count` images are kept in `to`."""
    for batch in batches:
        to.append(batch[:count])
        count -= len(to[-1])
        yield batch


def _counts(train: np.ndarray, other: np.ndarray, images: int, available: int | None) -> dict[str, int]:
    """How many images each side has, given how many are wanted and how many generated ones there are."""
    if available is not None and available < LEAST:
        raise ZooError(f"a comparison needs at least {LEAST} generated images. Received: {available}")
    if images < LEAST or min(len(train), len(other)) < LEAST:
        raise ZooError(
            f"a comparison needs at least {LEAST} images on each side, and as many other real ones for the floor. "
            f"Received: {images} wanted, {len(train)} and {len(other)} real images"
        )
    count = min(images, available or images, len(train))
    return {"count": count, "floor_count": min(count, len(other))}


def _require_images(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise ZooError(
            f"images must be uint8 [N, H, W, 1 or 3], and at least one. Received: {images.dtype} {images.shape}"
        )
    data.require_more_than_0_and_1(images, f"an array {images.shape}")


def _digest(images: np.ndarray) -> str:
    return hashlib.sha256(repr(images.shape).encode() + np.ascontiguousarray(images).tobytes()).hexdigest()
