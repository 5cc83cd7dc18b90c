"""The scores of one set of features against another, under names that say which extractor they belong to."""

from __future__ import annotations

from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.inception_score import inception_score
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.neighbours import neighbour_scores

SETTINGS = {
    "kernel_subsets": 100,
    "kernel_subset_size": 1_000,
    "precision_recall_k": 3,
    "density_coverage_k": 5,
    "inception_score_splits": 10,
}
ERROR = " standard error"  # ends the name of what belongs to another score


def scores(real, fake, frechet_name: str) -> dict[str, float]:
    """Frechet and kernel distance, precision, recall, density, coverage, Inception Score.

    Args:
        real, fake: (features [N, D], logits [N, K]).
        frechet_name: "FID" with the network that FID is defined on, otherwise "FD-" and the extractor; the kernel
            distance and the Inception Score are named after it.
    """
    suffix = frechet_name.removeprefix("FID").removeprefix("FD")
    size = min(SETTINGS["kernel_subset_size"], len(real.features), len(fake.features))
    subsets = 1 if size == len(real.features) == len(fake.features) else SETTINGS["kernel_subsets"]
    kernel, kernel_error = kernel_distance(real.features, fake.features, subsets, size)
    balls = neighbour_scores(
        real.features, fake.features, SETTINGS["precision_recall_k"], SETTINGS["density_coverage_k"]
    )
    return {
        frechet_name: frechet_distance(real.features, fake.features),
        f"KID{suffix}": kernel,
        f"KID{suffix}{ERROR}": kernel_error,
        "precision": balls.precision,
        "recall": balls.recall,
        "density": balls.density,
        "coverage": balls.coverage,
        f"IS{suffix}": inception_score(fake.logits, SETTINGS["inception_score_splits"])[0],
    }
