"""The birthday test finds how many images there are to draw from."""

import numpy as np
import pytest

from zoo.evaluation.metrics.birthday import birthday, pairs_within


def normal(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 12)).astype(np.float32)


@pytest.mark.parametrize("support", [50, 500, 5000])
def test_the_support_is_found(support):
    rng = np.random.default_rng(support)
    fake = normal(support, 1)[rng.integers(0, support, 2000)] + 0.01 * normal(2000, 2)
    result = birthday(normal(2000), fake)
    assert result.support == pytest.approx(support, rel=0.2)
    assert result.batch == pytest.approx(1.18 * np.sqrt(result.support), rel=0.01)
    assert not result.bounded
    a, b = fake[result.closest[0]]
    assert 0 < np.linalg.norm(a - b) < 0.1


def test_half_of_the_batches_have_a_duplicate():
    rng = np.random.default_rng(0)
    fake = normal(200, 1)[rng.integers(0, 200, 3000)]
    size = round(birthday(normal(3000), fake).batch)
    found = [len(np.unique(fake[rng.permutation(3000)[:size]], axis=0)) < size for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)


def test_as_varied_images_have_as_many_pairs():
    result = birthday(normal(3000), normal(2000, 1))
    assert result.images == 2000
    assert 10 <= result.real_pairs <= 20, "1 % of 2,000 images have a neighbour, most of them one another"
    assert result.fake_pairs == pytest.approx(result.real_pairs, abs=15)


def test_without_pairs_the_support_has_a_bound():
    result = birthday(normal(500), 10 * normal(500, 1))
    assert result.fake_pairs == 0
    assert result.bounded
    assert result.support == pytest.approx(500 * 499 / 2 / 3)


def test_exact_duplicates_among_real_images_still_leave_a_threshold():
    real = normal(500)
    real[:20] = real[20:40]
    result = birthday(real, np.vstack([normal(250, 1)] * 2))
    assert result.threshold == pytest.approx(0, abs=1e-100)
    assert (result.real_pairs, result.fake_pairs) == (20, 250)


def test_pairs_are_counted_once():
    rows = np.array([[0.0], [1.0], [2.0], [10.0]])
    assert [pairs_within(rows, limit) for limit in (0.9, 1.0, 1.1, 4.1, 1000)] == [0, 0, 2, 3, 6]


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"fake: at least 100 rows are needed. Received: 99"):
        birthday(normal(200), normal(99))
