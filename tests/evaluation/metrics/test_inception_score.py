"""The Inception Score at its ends, and on images sorted by class."""

import numpy as np
import pytest

from zoo.evaluation.metrics.inception_score import inception_score


def logits(labels, classes=10, certainty=50.0):
    return certainty * np.eye(classes)[labels]


def test_it_is_1_for_no_idea_and_the_number_of_classes_at_best():
    assert inception_score(np.zeros((1000, 10))) == pytest.approx((1.0, 0.0))
    assert inception_score(logits(np.arange(1000) % 10), splits=1)[0] == pytest.approx(10.0)
    assert inception_score(logits(np.full(1000, 3))) == pytest.approx((1.0, 0.0))
    assert inception_score(logits(np.arange(1000) % 4), splits=1)[0] == pytest.approx(4.0), "dropped classes"


def test_it_is_the_formula():
    values = np.random.default_rng(0).standard_normal((60, 5))
    p = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    expected = np.exp(np.mean(np.sum(p * np.log(p / p.mean(axis=0)), axis=1)))
    assert inception_score(values, splits=1) == pytest.approx((expected, 0.0))
    assert inception_score(values - 1000, splits=1)[0] == pytest.approx(expected), "any constant may be added"


def test_images_sorted_by_class_score_as_others():
    assert inception_score(logits(np.repeat(np.arange(10), 500)))[0] == pytest.approx(10, rel=0.02)


def test_parts_must_be_large_enough():
    with pytest.warns(UserWarning, match="7 images in a part is too low: take at least 10"):
        inception_score(np.zeros((70, 10)))
    with pytest.raises(ValueError, match=r"at least 10 rows are needed. Received: 9"):
        inception_score(np.zeros((9, 10)))
    with pytest.raises(ValueError, match=r"splits must be at least 1. Received: 0"):
        inception_score(np.zeros((9, 10)), splits=0)
    with pytest.raises(ValueError, match="at least 2 classes"):
        inception_score(np.zeros((50, 1)))
