"""Work on one array is done once, and only as long as nothing can change it."""

import numpy as np

from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.once import once, read_only


def counted():
    calls = []

    @once
    def total(array, factor=1):
        calls.append(factor)
        return float(array.sum()) * factor

    return total, calls


def test_a_read_only_array_is_worked_on_once_for_each_argument():
    total, calls = counted()
    array = read_only(np.ones(3))
    assert [total(array), total(array), total(array, 2), total(array, 2)] == [3.0, 3.0, 6.0, 6.0]
    assert calls == [1, 2]


def test_an_array_that_may_change_is_worked_on_anew():
    total, calls = counted()
    array = np.ones(3)
    assert total(array) == 3.0
    array[0] = 5.0
    assert total(array) == 7.0
    assert len(calls) == 2


def test_nothing_is_kept_of_an_array_that_is_gone():
    """Another array at the same place in memory must not get its answer."""
    total, calls = counted()
    for value in range(50):
        assert total(read_only(np.full(3, float(value)))) == 3.0 * value
    assert len(calls) == 50


def test_a_distance_from_read_only_features_is_the_same():
    real, fake = np.random.default_rng(0).standard_normal((2, 300, 8))
    plain = frechet_distance(real, fake)
    kept = read_only(real.copy())
    assert [frechet_distance(kept, fake) for _ in range(2)] == [plain, plain]
