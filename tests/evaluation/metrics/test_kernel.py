"""The kernel distance: its definition, no bias, and a standard error that is one."""

import numpy as np
import pytest

from zoo.evaluation.metrics import kernel
from zoo.evaluation.metrics.kernel import kernel_distance


def normal(count, mean=0.0, seed=0, width=16):
    return np.random.default_rng(seed).standard_normal((count, width)) + mean


def test_the_value_is_the_unbiased_estimate_over_all_pairs():
    x, y = normal(7, width=3), normal(5, 0.5, 1, width=3)

    def mean_kernel(a, b, same):
        values = [(a[i] @ b[j] / 3 + 1) ** 3 for i in range(len(a)) for j in range(len(b)) if not (same and i == j)]
        return np.mean(values)

    expected = mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)
    assert kernel_distance(x, y, subset_size=None)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("options", [{"subset_size": None}, {"subsets": 20, "subset_size": 60}])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_standard_error_is_the_spread_over_new_images(options, shift):
    drawn = np.array(
        [kernel_distance(normal(200, seed=2 * i), normal(150, shift, 2 * i + 1), **options) for i in range(120)]
    )
    values, errors = drawn.T
    assert 0.85 < errors.mean() / values.std() < 1.7, "about right, rather too large than too small"
    if not shift:
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values)), "no bias"


def test_half_precision_is_enough_for_features():
    real, fake = normal(200).astype(np.float16), normal(200, 0.1, 1).astype(np.float16)
    exact = kernel_distance(real.astype(np.float64), fake.astype(np.float64), subset_size=None)
    assert kernel_distance(real, fake, subset_size=None) == pytest.approx(exact, rel=1e-9)


def test_few_images_are_noisy_and_not_biased():
    real, fake = normal(1200), normal(1000, 0.2, 1)
    whole, _ = kernel_distance(real, fake, subset_size=None)
    for size in (40, 200):
        value, error = kernel_distance(real, fake, subsets=40, subset_size=size)
        assert abs(value - whole) < 3 * error


def test_subsets_follow_the_seed():
    real, fake = normal(300), normal(300, 0.1, 1)
    first = kernel_distance(real, fake, 5, 50, seed=1)
    assert kernel_distance(real, fake, 5, 50, seed=1) == first
    assert kernel_distance(real, fake, 5, 50, seed=2) != first


def test_subsets_together_and_one_at_a_time_are_the_same(monkeypatch):
    real, fake = normal(120), normal(90, 0.1, 1)
    together = kernel_distance(real, fake, 20, 50)
    monkeypatch.setattr(kernel, "TOGETHER", 0)
    assert kernel_distance(real, fake, 20, 50) == pytest.approx(together, rel=1e-9)


def test_subsets_of_all_images_are_all_images():
    real, fake = normal(100), normal(100, 0.1, 1)
    assert kernel_distance(real, fake, 3, 100) == pytest.approx(kernel_distance(real, fake, subset_size=None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"subset_size": 1000},
            "here 20 real and 30 fake: take smaller subsets, or None for all images. Received: 1000",
        ),
        ({"subset_size": 2}, "from 3 to the number of images"),
        ({"subsets": 0}, "subsets must be at least 1. Received: 0"),
    ],
)
def test_subsets_must_fit(options, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(normal(20), normal(30), **options)
    with pytest.raises(ValueError, match=r"at least 3 rows are needed. Received: 2"):
        kernel_distance(normal(20), normal(2), subset_size=None)
