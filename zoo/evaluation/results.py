"""What `zoo.evaluate` returns and evaluation.json holds: each score beside its floor, with the protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np

from zoo.checkpoints import run_history
from zoo.evaluation import format_1
from zoo.evaluation.metrics.scores import Value
from zoo.files.errors import ZooError
from zoo.files.text import printable

FORMAT = 2  # of evaluation.json and evidence.json; `format_1` reads the one before
T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A part of evaluation.json or evidence.json. Its fields are the keys of the file."""


class Score(Record, frozen=True, kw_only=True):
    """A score of generated images over the sampling seeds, beside the score of real images.

    Attributes:
        name: "FD-lite0", "KID-lite0", "precision"; the part behind the hyphen names the extractor.
        better: which direction is better, "lower" or "higher".
        values: one for each seed.
        mean, spread: of the values; the spread is their standard deviation, None for one seed.
        floor: the same score of real images against other real images: the best that can be asked for.
        ratio: mean / floor. None where it means nothing: a floor that is 0 up to its error, as KID's, or a floor
            of fewer images.
        standard_error: of one value, on average over the seeds. None where the metric has none.
        floor_standard_error: the same of the floor.
    """

    name: str
    better: Literal["lower", "higher"]
    values: list[float]
    mean: float
    spread: float | None
    floor: float
    ratio: float | None
    standard_error: float | None = None
    floor_standard_error: float | None = None

    @classmethod
    def of(cls, values: Sequence[Value], floor: Value, comparable: bool) -> Score:
        """The score of several seeds; `comparable` says whether the floor was taken of as many images."""
        numbers = [value.value for value in values]
        mean = float(np.mean(numbers))
        return cls(
            name=floor.name,
            better=floor.better,
            values=numbers,
            mean=mean,
            spread=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
            floor=floor.value,
            ratio=mean / floor.value if comparable and floor.has_ratio and floor.value > 0 else None,
            standard_error=None if floor.error is None else float(np.mean([value.error for value in values])),
            floor_standard_error=floor.error,
        )


class Samples(Record, frozen=True, kw_only=True, tag="samples", tag_field="kind"):
    """Which generator was scored, and how it was drawn from."""

    name: str
    network: str
    images_seen: int | None
    weights: Literal["ema", "raw"]
    generator_sha256: str | None
    truncation: float
    seeds: list[int]


class Images(Record, frozen=True, kw_only=True, tag="images", tag_field="kind"):
    """Which fixed images were scored."""

    images: str | None  # their name; None for an array
    count: int
    sha256: str


class Extractor(Record, frozen=True, kw_only=True):
    name: str
    weights_sha256: str
    resizer: str
    dimensions: int


class Real(Record, frozen=True, kw_only=True):
    """Which real images the generated ones were compared with, and which gave the floor."""

    source: str
    split: str
    floor: str
    fingerprint: str
    count: int
    floor_count: int
    fit: str | None = None
    skipped_files: int = 0


class ClassShares(Record, frozen=True, kw_only=True):
    """The shares of the classes by a classifier's labels."""

    accuracy: float  # of the classifier on held-out images
    classes: list[str]
    real: list[float]
    generated: list[float]


class OfClass(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a conditional generator draws for one class, beside real images of this class."""

    name: str
    share: float  # of the training images
    count: int  # of images on each side, for the scores
    scores: tuple[Score, ...] = ()  # none where there are too few images
    accuracy: float | None = None  # share of the samples that a classifier takes for this class
    held_out_accuracy: float | None = None  # the same of real images that were held out


class ByClass(Record, frozen=True, kw_only=True):
    """The scores of each class, each with as many samples, real images and other real images."""

    mean: list[Score]  # over the classes that have scores; of the Frechet distance it is the intra-FID
    classes: list[OfClass]

    @property
    def scored(self) -> list[OfClass]:
        return [row for row in self.classes if row.scores]

    @property
    def accuracies(self) -> tuple[float | None, float | None]:
        """The accuracy of samples and of held-out images, on average over the classes that have both."""
        both = [(row.accuracy, row.held_out_accuracy) for row in self.classes]
        both = [pair for pair in both if None not in pair]
        return tuple(float(np.mean(side)) for side in zip(*both, strict=True)) if both else (None, None)


class Settings(Record, frozen=True, kw_only=True):
    """What the scores depend on besides the images and the extractor."""

    kernel_subsets: int
    kernel_subset_size: int
    precision_recall_k: int
    density_coverage_k: int
    inception_score_splits: int


class Part(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The scores in the features of one extractor."""

    extractor: Extractor
    real: Real
    generated_count: int
    settings: Settings
    scores: list[Score]
    class_shares: ClassShares | None = None
    by_class: ByClass | None = None

    @property
    def by_name(self) -> dict[str, Score]:
        return {score.name: score for score in self.scores}

    def score(self, name: str) -> Score:
        """The score of that name, or KeyError."""
        return self.by_name[name]


class Similarity(Record, frozen=True, kw_only=True):
    """MS-SSIM of random pairs: a higher value means less variety."""

    pairs: int
    generated: float
    generated_standard_error: float
    real: float
    real_standard_error: float


class Trained(Record, frozen=True, kw_only=True):
    """The accuracy on real held-out images of a classifier, over training seeds."""

    values: list[float]
    mean: float
    spread: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Trained:
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(values=list(values), mean=float(np.mean(values)), spread=spread)


class Cas(Record, frozen=True, kw_only=True):
    """What samples are worth as training data: the classification accuracy score of Ravuri and Vinyals 2019,
    arXiv:1905.10887. `zoo.evaluation.cas` says how it is taken.

    Attributes:
        real, generated, both: the accuracy of a classifier that was trained on these images.
        ratio: generated over real, seed by seed.
        images: real training images, and as many generated ones, of the same labels; `both` has all of them.
        tested_on: real held-out images.
        steps: of training, the same for all three.
        drawn: how the generated images come.
    """

    real: Trained
    generated: Trained
    both: Trained
    ratio: Trained
    images: int
    tested_on: int
    seeds: list[int]
    steps: int
    batch_size: int
    network: str
    drawn: str


class Evaluation(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What `zoo.evaluate` returns, and what evaluation.json holds.

    Example:
        >>> evaluation = zoo.evaluate("dcgan-fashion-mnist", images=1_000)
        >>> evaluation.evaluations[0].score("recall").mean
    """

    format: Literal[2]
    generated: Samples | Images
    evaluations: Annotated[list[Part], msgspec.Meta(min_length=1)]  # one for each extractor
    ms_ssim: Similarity
    warnings: list[str]
    versions: dict[str, str]
    cas: Cas | None = None

    @property
    def by_class(self) -> ByClass | None:
        """The scores of each class by the first extractor, with the accuracy by a classifier where there is one."""
        parts = [part.by_class for part in self.evaluations if part.by_class]
        if not parts:
            return None
        judged = next((part.classes for part in parts if part.classes[0].accuracy is not None), parts[0].classes)
        rows = [
            msgspec.structs.replace(row, accuracy=by.accuracy, held_out_accuracy=by.held_out_accuracy)
            for row, by in zip(parts[0].classes, judged, strict=True)
        ]
        return ByClass(mean=parts[0].mean, classes=rows)


class OfCheckpoint(Evaluation, frozen=True, kw_only=True):
    """The evaluation.json of a checkpoint, which speaks of its own samples."""

    generated: Samples


def encode(record: Record) -> bytes:
    """The content of a .json file."""
    return (json.dumps(msgspec.to_builtins(record), indent=1) + "\n").encode()


def decode(document: dict[str, Any], kind: type[T], file: str) -> T:
    """A record from what a .json file holds, in this format or the one before.

    Raises:
        ZooError: it has another form; the message names the file.
    """
    try:
        if document.get("format") == 1:
            document = format_1.UPGRADES[file](document)
        for part, key in (("training", "findings"), ("findings", "found")):
            if part in document:
                document = document | {part: run_history.upgraded(document[part], key)}
        return msgspec.convert(document, kind)
    except (ValueError, RecursionError) as error:  # msgspec's ValidationError is a ValueError
        raise ZooError(
            f"{file} is not what this version of ganzoo writes; measure again with `ganzoo card NAME --measure`. "
            f"Received: {printable(error, 200)}"
        ) from None
