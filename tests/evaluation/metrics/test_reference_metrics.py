"""Agreement with torch-fidelity 0.4.0 and prdc 0.2 on the same features."""

import runpy
from pathlib import Path

import pytest

# Printed by `benchmarks/reference_metrics.py --constants`, whose header says what it needs. Frechet, kernel and IS are
# torch-fidelity's; precision and recall of prdc and of torch-fidelity are the same; density and coverage are prdc's.
THEIRS = {
    "normal": {
        "frechet": 1.92389832,
        "kernel": 0.127228852,
        "precision": 0.849166667,
        "recall": 0.42,
        "density": 1.84133333,
        "coverage": 0.970666667,
        "inception score": 1.43505286,
        "IS deviation": 0.0165614519,
    },
    "activations": {
        "frechet": 31.6408822,
        "kernel": 2.10273103,
        "precision": 0.897857143,
        "recall": 0.657857143,
        "density": 1.48885714,
        "coverage": 0.984285714,
        "inception score": 15.0870692,
        "IS deviation": 0.677337138,
    },
    "fewer rows than columns": {
        "frechet": 248.51551,
        "kernel": 0.00384180734,
        "precision": 0.125,
        "recall": 0.973333333,
        "density": 0.0816666667,
        "coverage": 0.28,
        "inception score": 1.64967204,
        "IS deviation": 0.0355041013,
    },
    "far from 0": {
        "frechet": 2.46558235,
        "kernel": -13984435.2,
        "precision": 0.481,
        "recall": 0.737,
        "density": 0.6372,
        "coverage": 0.919,
        "inception score": 1.67720983,
        "IS deviation": 0.0228419881,
    },
    "equal": {
        "frechet": 0.0,
        "kernel": -0.0153729678,
        "precision": 1.0,
        "recall": 1.0,
        "density": 1.0,
        "coverage": 1.0,
        "inception score": 1.57797648,
        "IS deviation": 0.0248012087,
    },
}


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "reference_metrics.py"))


@pytest.mark.parametrize("name", THEIRS)
def test_the_same_features_have_the_same_scores(benchmark, name):
    ours = benchmark["ours"](*benchmark["arrays"]()[name])
    assert ours == pytest.approx(THEIRS[name], rel=1e-4, abs=1e-9)  # asked for is 1e-3
