"""The scores of one set of features against another, under names that say which extractor they belong to."""

from __future__ import annotations

from typing import NamedTuple

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
    better: str  # "lower" or "higher"
    error: float | None = None  # standard error, where the metric has one
    has_ratio: bool = True  # whether value / floor means something; not where the floor is 0 up to its error


def scores(real, fake, frechet_name: str, balls: NeighbourScores | None) -> list[Value]:
    """Frechet and kernel distance, precision, recall, density, coverage, Inception Score.

    Args:
        real, fake: (features [N, D], logits [N, K]).
        frechet_name: "FID" with the network that FID is defined on, otherwise "FD-" and the extractor; the kernel
            distance and the Inception Score are named after it.
        balls: what `neighbour_scores` says of the same features; None leaves its scores out.
    """
    suffix = _suffix(frechet_name)
    return [
        *distances(real.features, fake.features, frechet_name),
        *(neighbours(balls) if balls else ()),
        Value(f"IS{suffix}", inception_score(fake.logits, SETTINGS["inception_score_splits"])[0], "higher"),
    ]


def distances(real, fake, frechet_name: str) -> list[Value]:
    """Frechet and kernel distance of features [N, D] and [M, D]; `frechet_name` as in `scores`."""
    size = min(SETTINGS["kernel_subset_size"], len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else SETTINGS["kernel_subsets"]
    kernel, kernel_error = kernel_distance(real, fake, subsets, size)
    return [
        Value(frechet_name, frechet_distance(real, fake), "lower"),
        Value(f"KID{_suffix(frechet_name)}", kernel, "lower", kernel_error, has_ratio=False),
    ]


def neighbours(balls: NeighbourScores) -> list[Value]:
    """Precision, recall, density, coverage."""
    return [
        Value("precision", balls.precision, "higher"),
        Value("recall", balls.recall, "higher"),
        Value("density", balls.density, "higher"),
        Value("coverage", balls.coverage, "higher"),
    ]


def _suffix(frechet_name: str) -> str:
    return frechet_name.removeprefix("FID").removeprefix("FD")
