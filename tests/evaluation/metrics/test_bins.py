"""NDB and the Jensen-Shannon divergence: their levels under equality, and what moves them."""

import numpy as np
import pytest

from zoo.evaluation.metrics.bins import compare_bins, jensen_shannon

CENTRES = 20 * np.random.default_rng(9).standard_normal((20, 6))


def images(count, seed, classes=20):
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(0, classes, count)] + rng.standard_normal((count, 6))


def test_equal_distributions_differ_in_no_bin():
    result = compare_bins(images(4000, 0), images(4000, 1), 20)
    assert result.different == 0
    assert result.divergence < 0.003
    assert abs(result.deviations).max() < 4
    assert compare_bins(images(2000, 0), images(2000, 0), 20)[:2] == (0.0, 0.0)


def test_dropped_modes_are_bins_with_too_few_images():
    result = compare_bins(images(4000, 0), images(4000, 1, classes=15), 20)
    empty = result.fake_shares < 0.01
    assert empty.sum() == 5, "five of twenty modes are missing"
    assert np.all(result.deviations[empty] < -3)
    assert result.different >= 0.25
    assert result.divergence > 0.05


def test_the_test_is_that_of_two_proportions():
    real, fake = images(3000, 0), images(1000, 1)
    result = compare_bins(real, fake, 20)
    p, q = result.real_shares[3], result.fake_shares[3]
    pooled = (3000 * p + 1000 * q) / 4000
    assert result.deviations[3] == pytest.approx((q - p) / np.sqrt(pooled * (1 - pooled) * (1 / 3000 + 1 / 1000)))
    assert result.real_shares.sum() == pytest.approx(1)
    assert result.centres.shape == (20, 6)


def test_the_divergence_is_0_for_equal_shares_and_log_2_for_others():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(p, q) == pytest.approx(np.log(2))
    assert jensen_shannon(np.array([1.0, 0]), np.array([0.5, 0.5])) == pytest.approx(
        0.5 * np.log(1 / 0.75) + 0.5 * (0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25))
    )


def test_too_few_images_are_refused_or_warned_of():
    with pytest.raises(ValueError, match=r"fake: at least 100 rows are needed. Received: 99"):
        compare_bins(images(200, 0), images(99, 1))
    with pytest.warns(UserWarning, match=r"300 images in 20 bins are too few .* at least 400, or fewer bins"):
        compare_bins(images(400, 0), images(300, 1), 20)
    with pytest.raises(ValueError, match=r"same width. Received: 6 and 5"):
        compare_bins(images(200, 0), images(200, 0)[:, 1:], 10)
