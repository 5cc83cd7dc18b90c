"""What evidence.json holds: a section for each known failure mode, and how it was measured.

`failure_modes` and `evidence` write these sections, and the card reads them. A section that could not be measured is a
`NotMeasured`, one that the network cannot have a `NotApplicable`.
"""

from __future__ import annotations

from typing import ClassVar, Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

from zoo.evaluation.results import Evaluation, Record

T = TypeVar("T")


class Beside(Record, Generic[T], frozen=True, kw_only=True):
    """A number of the samples, and the same number of real images that were held out: its floor."""

    generated: T
    held_out: T


class AllThree(Record, Generic[T], frozen=True, kw_only=True):
    """A number of the training images, of the samples and of held-out images."""

    real: T
    generated: T
    held_out: T

    @property
    def as_often(self) -> bool:
        """Whether a share of the samples is off by no more than 5 %, or than twice what real images are off by."""

        def off(share: float) -> float:
            return share / self.real - 1.0 if self.real else 0.0

        return abs(off(self.generated)) <= max(0.05, 2 * abs(off(self.held_out)))

    @property
    def channels(self) -> list[tuple[float, float, float]]:
        """The numbers of each channel, in the order of the fields."""
        return list(zip(self.real, self.generated, self.held_out, strict=True))


class Section(Record, frozen=True, kw_only=True, tag_field="kind"):
    """What was found of one failure mode."""


class NotMeasured(Section, frozen=True, kw_only=True, tag="not_measured"):
    words: ClassVar[str] = "Not measured"
    reason: str


class NotApplicable(Section, frozen=True, kw_only=True, tag="not_applicable"):
    words: ClassVar[str] = "Not applicable"
    reason: str


class Shares(Record, frozen=True, kw_only=True):
    """The share of each class."""

    real: list[float]
    held_out: list[float] = msgspec.field(name="held-out")
    generated: list[float]


class Lack(NamedTuple):
    """A class that comes too seldom."""

    name: str
    real: float  # its share of the training images
    generated: float  # its share of the samples
    mistaken: float  # the share of all other images that the classifier takes for it
    left: float  # how much of the class is there, from 0 to 1, without what mistakes of the classifier add


class Classes(Section, frozen=True, kw_only=True, tag="classes"):
    """Shares of the classes, by a classifier's labels."""

    classes: list[str]
    accuracy: float  # of the classifier on held-out images
    shares: Shares
    variation: Beside[float]  # half the sum of the differences to the training images' shares
    smallest_ratio: Beside[float]  # of a class's share to its share of the training images
    if_missing: tuple[float, ...] = ()  # the share of other images that the classifier takes for each class

    def __post_init__(self) -> None:
        lists = (self.shares.real, self.shares.generated, self.shares.held_out, self.if_missing or self.classes)
        if not any(self.shares.real) or any(len(shares) != len(self.classes) for shares in lists):
            raise ValueError("every class needs a share")

    @property
    def lacking(self) -> Lack:
        """The class whose share is the smallest part of what it is among the training images."""
        mistakes = self.if_missing or [0.0] * len(self.classes)
        rows = zip(self.classes, self.shares.real, self.shares.generated, mistakes, strict=True)
        name, real, drawn, mistaken = min((row for row in rows if row[1]), key=lambda row: row[2] / row[1])
        return Lack(name, real, drawn, mistaken, (drawn - mistaken) / max(real - mistaken, 1e-9))


class LowDensity(Section, frozen=True, kw_only=True, tag="low_density"):
    """Samples where training images are sparse: realism below 1."""

    k: int
    count: int
    shown: int
    below_1: Beside[float]
    median: Beside[float]


class Missed(Record, frozen=True, kw_only=True):
    real: list[float]
    generated: list[float]

    def __post_init__(self) -> None:
        if len(self.real) != len(self.generated):
            raise ValueError("every cluster needs two shares")

    @property
    def pairs(self) -> list[tuple[float, float]]:
        return list(zip(self.real, self.generated, strict=True))


class Dropping(Section, frozen=True, kw_only=True, tag="dropping"):
    """Clusters of training images that samples fall into too seldom."""

    bins: int
    different: Beside[float]  # share of the clusters whose share is off by more than 3 standard errors
    divergence: Beside[float]  # Jensen-Shannon, in nats
    missed: Missed  # the clusters that lack most, and their shares


class Duplicates(Section, frozen=True, kw_only=True, tag="duplicates"):
    """Pairs of samples that are nearly equal, and what they say of how many different ones there are."""

    images: int
    pairs: Beside[int]
    support: Beside[float]
    bounded: Beside[bool]  # True: no pair was found, and `support` is a lower bound
    batch: Beside[float]


class Memorisation(Section, frozen=True, kw_only=True, tag="memorisation"):
    """Whether samples are nearer to training images than unseen images are."""

    among: int  # training images
    mirrored: bool = False  # mirrored ones are among them
    held_out: int
    c_t: float
    z: float
    median: Beside[float]
    closest: Beside[float]


class Artefacts(Section, frozen=True, kw_only=True, tag="artefacts"):
    """Power at frequencies, in dB over that of training images."""

    high_frequencies: Beside[float]
    checkerboard: Beside[dict[str, float]]  # {stride: dB}

    def __post_init__(self) -> None:
        sides = self.checkerboard
        if not sides.generated or sides.generated.keys() != sides.held_out.keys():
            raise ValueError("both sides of checkerboard need the same strides")

    @property
    def stride(self) -> str:
        """The stride at which the samples' checkerboard is strongest."""
        return max(self.checkerboard.generated, key=self.checkerboard.generated.__getitem__)


class Saturation(Section, frozen=True, kw_only=True, tag="saturation"):
    """Shares of the extreme levels, and moments of the levels of each channel."""

    black: AllThree[float]
    white: AllThree[float]
    means: AllThree[list[float]]
    deviations: AllThree[list[float]]

    def __post_init__(self) -> None:
        sides = [
            side for found in (self.means, self.deviations) for side in (found.real, found.generated, found.held_out)
        ]
        if len(sides[0]) not in (1, 3) or any(len(side) != len(sides[0]) for side in sides):
            raise ValueError("means and deviations need a number for each of 1 or 3 channels")


class Psi(Record, frozen=True, kw_only=True):
    psi: float
    precision: float
    recall: float


class Truncation(Section, frozen=True, kw_only=True, tag="truncation"):
    """What truncation does to precision and recall."""

    psi: list[Psi]

    def __post_init__(self) -> None:
        if not self.psi:
            raise ValueError("at least one psi is needed")


class Seed(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The scores of one training seed, by name."""

    seed: int
    images: int
    ema: dict[str, float]
    raw: dict[str, float] | None = None

    def values(self, names: list[str]) -> list[float]:
        return [self.ema[name] for name in names]


Kid = tuple[int, float, float]  # images seen, KID of a small sample, its standard error


class Moment(Section, frozen=True, kw_only=True, tag="moment"):
    """How the quality moved towards the checkpoint and past it, and what other training seeds gave."""

    images: int | None
    kid: list[Kid]
    seeds: list[Seed]

    def __post_init__(self) -> None:
        if not self.seeds or not self.seeds[0].ema:
            raise ValueError("the scores of at least one seed are needed")

    @property
    def best(self) -> Kid:
        return min(self.kid, key=lambda point: point[1])

    @property
    def with_raw(self) -> Seed | None:
        """The seed whose raw weights were measured, too."""
        return next((seed for seed in self.seeds if seed.raw and next(iter(seed.ema)) in seed.raw), None)

    def names(self, evaluation: Evaluation | None) -> list[str]:
        """The scores that all seeds have."""
        scores = evaluation.evaluations[0].by_name if evaluation else self.seeds[0].ema
        return [name for name in scores if all(name in seed.ema for seed in self.seeds)]

    def spreads(self, names: list[str]) -> list[float]:
        """The standard deviation of each score over the seeds."""
        return [float(np.std([seed.ema[name] for seed in self.seeds], ddof=1)) for name in names]


class Found(Record, frozen=True, kw_only=True):
    """What happened after so many images: a finding, a change of the recipe, or a return to a checkpoint."""

    images: int
    kind: Literal["finding", "change", "rollback"]
    text: str


class Findings(Section, frozen=True, kw_only=True, tag="findings"):
    """What the watcher found during the training."""

    found: list[Found]


class Device(Record, frozen=True, kw_only=True):
    kind: str  # "cpu", "gpu" or "tpu"
    name: str
    count: int


class Machine(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A machine that a run was trained on, for so many hours."""

    hours: float
    backend: str | None = None
    device: Device | None = None
    precision: str | None = None


class Training(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The training of a checkpoint, as `zoo.checkpoints.run_history` tells it from the log of the run."""

    hours: float | None
    run_hours: float | None = None
    run_images: int | None = None
    machines: tuple[Machine, ...] = ()
    kid: tuple[Kid, ...] = ()
    findings: list[Found] | None = None  # None: no watcher ran


class Weights(Record, frozen=True, kw_only=True):
    """The checkpoint that was measured."""

    generator_sha256: str
    images: int | None = None


class Protocol(Record, frozen=True, kw_only=True):
    """How the failure modes were measured."""

    images: int
    seed: int
    extractor: str
    floor: str
    warnings: tuple[str, ...] = ()


class Walk(Record, frozen=True, kw_only=True):
    """How interpolation.png was drawn."""

    steps: int
    stops: int
    seed: int


Absent = NotMeasured | NotApplicable


class Evidence(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The content of evidence.json. None stands for what a file does not speak of."""

    format: Literal[2]
    checkpoint: Weights
    measured: Protocol
    command: str | None = None
    interpolation: Walk | None = None
    training: Training | None = None
    classes: Classes | Absent | None = None
    low_density: LowDensity | Absent | None = None
    dropping: Dropping | Absent | None = None
    duplicates: Duplicates | Absent | None = None
    memorisation: Memorisation | Absent | None = None
    artefacts: Artefacts | Absent | None = None
    saturation: Saturation | Absent | None = None
    truncation: Truncation | Absent | None = None
    moment: Moment | Absent | None = None
    findings: Findings | Absent | None = None
