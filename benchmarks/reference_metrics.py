"""Our distances between sets of features beside those of torch-fidelity and prdc, on the same arrays.

    python -m venv reference-env
    reference-env/bin/pip install torch-fidelity prdc
    PYTHONPATH=. reference-env/bin/python benchmarks/reference_metrics.py

The values of both libraries are the constants of tests/evaluation/metrics/test_reference_metrics.py;
`--constants` prints them as there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import warnings

import numpy as np

from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.inception_score import inception_score
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.neighbours import neighbour_scores

SEED = 2020  # torch-fidelity's
SUBSETS, SUBSET_SIZE, SPLITS, PRECISION_K, DENSITY_K = 20, 100, 10, 3, 5
TOLERANCE = 1e-3


def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of real and generated features, float32 [N, D] and [M, D]: made anew, the same each time."""
    rng = np.random.default_rng(0)

    def normal(count, width):
        return rng.standard_normal((count, width), dtype=np.float32)

    mix = normal(16, 192)

    def activations(count, spread):
        return np.maximum(normal(count, 16) @ mix * np.float32(spread) + 0.2 * normal(count, 192), 0)

    return {
        "normal": (normal(1500, 32), 0.9 * normal(1200, 32) + np.float32(0.2)),
        "activations": (activations(1400, 1.0), activations(1400, 0.9)),
        "fewer rows than columns": (normal(150, 256), 1.1 * normal(120, 256)),
        "far from 0": (normal(1000, 64) + 300, 1.05 * normal(1000, 64) + 300),
        "equal": (normal(1000, 48),) * 2,
    }


def ours(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    with warnings.catch_warnings(action="ignore"):
        precision, recall, density, coverage, _ = neighbour_scores(real, fake, PRECISION_K, DENSITY_K)
        return {
            "frechet": frechet_distance(real, fake),
            "kernel": kernel_distance(real, fake, SUBSETS, SUBSET_SIZE, SEED)[0],
            "precision": precision,
            "recall": recall,
            "density": density,
            "coverage": coverage,
            "inception score": inception_score(fake, SPLITS, SEED)[0],
            "IS deviation": inception_score(fake, SPLITS, SEED)[1],
        }


def theirs(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    import torch
    from prdc import compute_prdc
    from torch_fidelity import metric_fid, metric_isc, metric_kid

    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    statistics = [metric_fid.fid_features_to_statistics(features) for features in (a, b)]
    frechet = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    kernel = metric_kid.kid_features_to_metric(
        a.double(), b.double(), kid_subsets=SUBSETS, kid_subset_size=SUBSET_SIZE, rng_seed=SEED, verbose=False
    )
    score = metric_isc.isc_features_to_metric(b, splits=SPLITS, shuffle=True, rng_seed=SEED)
    with contextlib.redirect_stdout(io.StringIO()):  # prdc prints the counts
        near, far = (
            compute_prdc(real.astype(np.float64), fake.astype(np.float64), k) for k in (PRECISION_K, DENSITY_K)
        )
    return {
        "frechet": frechet["frechet_inception_distance"],
        "kernel": kernel["kernel_inception_distance_mean"],
        "precision": near["precision"],
        "recall": near["recall"],
        "density": far["density"],
        "coverage": far["coverage"],
        "inception score": score["inception_score_mean"],
        "IS deviation": score["inception_score_std"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Our distances beside those of torch-fidelity and prdc.")
    parser.add_argument("--constants", action="store_true", help="print the values of both libraries as Python")
    options = parser.parse_args()
    for name, (real, fake) in arrays().items():
        reference = theirs(real, fake)
        if options.constants:
            print(f'    "{name}": {{{", ".join(f"{key!r}: {float(value):.9g}" for key, value in reference.items())}}},')
            continue
        print(f"\n{name}: {len(real):,} and {len(fake):,} rows of {real.shape[1]}")
        for key, value in ours(real, fake).items():
            difference = abs(value - reference[key]) / max(abs(reference[key]), 1e-3)
            verdict = "" if difference < TOLERANCE else "  DIFFERS"
            print(f"  {key:16}{value:16.9g}{reference[key]:16.9g}   {difference:.1e}{verdict}")


if __name__ == "__main__":
    main()
