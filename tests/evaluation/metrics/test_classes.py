"""Shares of classes."""

import numpy as np
import pytest

from zoo.evaluation.metrics.classes import compare_classes


def test_equal_shares_are_equal():
    labels = np.arange(100) % 10
    result = compare_classes(labels, labels[::-1], 10)
    assert (result.total_variation, result.smallest_ratio) == (0, 1)
    assert result.real_entropy == result.fake_entropy == pytest.approx(np.log(10))


def test_shares_by_hand():
    result = compare_classes(np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 0, 0, 1]), 5)
    np.testing.assert_array_equal(result.real_shares, [0.25, 0.25, 0.25, 0.25, 0])
    np.testing.assert_array_equal(result.fake_shares, [0.75, 0.25, 0, 0, 0])
    assert result.total_variation == 0.5
    assert result.fake_entropy == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert (result.smallest_ratio, result.rarest) == (0, 2)


def test_an_under_represented_class_has_the_smallest_ratio():
    fake = np.concatenate([np.arange(90) % 9, [9] * 2])
    result = compare_classes(np.arange(100) % 10, fake, 10)
    assert result.rarest == 9
    assert result.smallest_ratio == pytest.approx(2 / 92 * 10)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], r"fake labels must be whole numbers \[N\]"),
        ([0.5], "Received: float64"),
        ([[1]], r"Received: int64 \[1, 1\]"),
        ([0, 3], "fake labels must be from 0 to 2. Received: 0 to 3"),
        ([-1], "Received: -1 to -1"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        compare_classes([0, 1, 2], labels, 3)
