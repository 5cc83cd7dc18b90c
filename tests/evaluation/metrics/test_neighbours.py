"""Precision, recall, density, coverage and realism against their definitions."""

import numpy as np
import pytest

from zoo.evaluation.metrics import distances, neighbours
from zoo.evaluation.metrics.neighbours import neighbour_scores, recall


@pytest.fixture(autouse=True)
def small_sets(monkeypatch):
    monkeypatch.setattr(neighbours, "MEANINGFUL", 2)


def by_definition(real, fake, k, density_k):
    def squared(x, y):
        return np.sum((x[:, None].astype(np.float64) - y[None]) ** 2, axis=-1)

    between = squared(real, fake)
    real_squared, fake_squared = (np.sort(squared(x, x), axis=1) for x in (real, fake))
    radii, dense = real_squared[:, [k]], real_squared[:, [density_k]]
    small = radii[:, 0] <= np.median(radii)
    with np.errstate(divide="ignore"):
        realism = np.sqrt(np.max(radii[small] / between[small], axis=0))
    return (
        (between < radii).any(axis=0).mean(),
        (between < fake_squared[None, :, k]).any(axis=1).mean(),
        (between < dense).sum() / (density_k * len(fake)),
        (between < dense).any(axis=1).mean(),
        realism,
    )


def normal(count, scale=1.0, shift=0.0, seed=0, width=6):
    return scale * np.random.default_rng(seed).standard_normal((count, width)) + shift


@pytest.mark.parametrize("block", [2**24, 2**12])
@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (normal(300), normal(200, 0.8, 0.3, 1)),
        (normal(200).astype(np.float32), normal(300, 1.5, 0.0, 1).astype(np.float32)),
        (normal(200, shift=1e4), normal(200, 1.1, 1e4, 1)),
        (normal(200).astype(np.float16), normal(200, seed=1).astype(np.float16)),
        (normal(200), normal(200)[::-1]),
        (normal(200), np.vstack([normal(150, seed=1), normal(50)])),
        (normal(200), normal(200) + 1e-7),
    ],
)
def test_scores_are_their_definitions(real, fake, block, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", block)
    *expected, realism = by_definition(real, fake, 3, 5)
    *scores, ours = neighbour_scores(real, fake, 3, 5)
    assert scores == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(ours, realism, rtol=1e-9)
    assert recall(real, fake) == scores[1]


def test_equal_sets_have_the_best_scores():
    scores = neighbour_scores(normal(500), normal(500))
    assert scores[:4] == pytest.approx((1, 1, 1, 1))


def test_equal_distributions_have_density_and_coverage_near_1():
    scores = neighbour_scores(normal(2000, width=16), normal(2000, seed=1, width=16))
    assert scores.density == pytest.approx(1.0, abs=0.06)
    assert scores.coverage == pytest.approx(0.97, abs=0.02), "prdc's README: 0.97 for k = 5"


def test_realism_is_above_1_where_images_lie_inside_a_small_ball():
    real = normal(500)
    scores = neighbour_scores(real, np.vstack([normal(100, 0.5, seed=1), normal(100, 1.0, 10.0, seed=2)]))
    inside, outside = scores.realism[:100], scores.realism[100:]
    assert np.median(inside) > 1
    assert outside.max() < 0.2
    assert scores.precision == pytest.approx(np.mean(scores.realism > 1), abs=0.05)


def test_more_neighbours_reach_farther():
    near, far = (neighbour_scores(normal(300), normal(300, seed=1), k, k) for k in (1, 10))
    assert near.precision < far.precision
    assert near.coverage < far.coverage


def test_recall_falls_with_the_spread_of_the_samples():
    recalls = [recall(normal(500), normal(500, spread, seed=1)) for spread in (1.0, 0.8, 0.6, 0.0)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > 0.8
    assert recalls[-1] == 0


def test_collapse_is_measured_with_a_warning():
    with pytest.warns(UserWarning, match="has 5 exact copies or more, as after a collapse: recall is 0"):
        scores = neighbour_scores(normal(300), np.zeros((300, 6)))
    assert scores.recall == 0
    assert scores.precision == 1
    assert scores.coverage < 0.3


def test_some_real_images_may_be_duplicates_but_not_most():
    real = np.vstack([normal(40).repeat(5, axis=0), normal(250, seed=1)])
    *expected, _ = by_definition(real, normal(100, seed=2), 3, 5)
    assert neighbour_scores(real, normal(100, seed=2), 3, 5)[:4] == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"have 3 exact copies .*: remove duplicates, .* Received: 350 real images"):
        neighbour_scores(real[:350], real[-100:], 3, 5)


def test_few_images_have_a_warning(monkeypatch):
    monkeypatch.setattr(neighbours, "MEANINGFUL", 1000)
    with pytest.warns(UserWarning, match="mean little with 200 images: take at least 1,000"):
        neighbour_scores(normal(1000), normal(200))


def test_what_has_no_neighbours_is_refused():
    with pytest.raises(ValueError, match=r"fake: at least 6 rows are needed. Received: 5"):
        neighbour_scores(normal(10), normal(5))
    with pytest.raises(ValueError, match=r"half of the real images or more have 3 exact copies"):
        neighbour_scores(np.ones((20, 6)), normal(20))
    with pytest.raises(ValueError, match=r"precision_k must be at least 1. Received: 0"):
        neighbour_scores(normal(10), normal(10), 0)
    with pytest.raises(ValueError, match="must be finite"):
        neighbour_scores(normal(10), np.full((10, 6), np.nan))
