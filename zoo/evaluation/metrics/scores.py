"""The scores of one set of features against another, under names that say which extractor they belong to."""

from __future__ import annotations

from typing import Literal, NamedTuple

from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.inception_score import inception_score
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.neighbours import NeighbourScores

SETTINGS = {
    "kernel_subsets": 100,
    "kernel_subset_size": 1_000,
    "precision_recall_k": 3,
    "density_coverage_k": 5,
    "inception_score_splits": 10,
}


class Value(NamedTuple):
    """A score of one set of samples."""

    name: str
    value: float
    better: Literal["lower", "higher"]
    error: float | None = None  # standard error, where the metric has one
    has_ratio: bool = True  # whether value / floor means something; not where the floor is 0 up to its error
    is_frechet: bool = False  # whether it is the Frechet distance


def scores(real, fake, label: str | None, balls: NeighbourScores | None) -> list[Value]:
    """Frechet and kernel distance, precision, recall, density, coverage, Inception Score.

    Args:
        real, fake: (features [N, D], logits [N, K]).
        label: the extractor's, which the distances and the Inception Score are named after.
        balls: what `neighbour_scores` says of the same features; None leaves its scores out.
    """
    return [
        *distances(real.features, fake.features, label),
        *(neighbours(balls) if balls else ()),
        Value(_named("IS", label), inception_score(fake.logits, SETTINGS["inception_score_splits"])[0], "higher"),
    ]


def distances(real, fake, label: str | None) -> list[Value]:
    """Frechet and kernel distance of features [N, D] and [M, D]; `label` as in `scores`."""
    size = min(SETTINGS["kernel_subset_size"], len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else SETTINGS["kernel_subsets"]
    kernel, kernel_error = kernel_distance(real, fake, subsets, size)
    return [
        Value(_named("FD", label) if label else "FID", frechet_distance(real, fake), "lower", is_frechet=True),
        Value(_named("KID", label), kernel, "lower", kernel_error, has_ratio=False),
    ]


def neighbours(balls: NeighbourScores) -> list[Value]:
    """Precision, recall, density, coverage."""
    return [
        Value("precision", balls.precision, "higher"),
        Value("recall", balls.recall, "higher"),
        Value("density", balls.density, "higher"),
        Value("coverage", balls.coverage, "higher"),
    ]


def _named(score: str, label: str | None) -> str:
    return f"{score}-{label}" if label else score
