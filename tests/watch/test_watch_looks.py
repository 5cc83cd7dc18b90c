"""What samples look like beside real images."""

import numpy as np
import pytest

from zoo.watch import looks


@pytest.fixture(scope="module")
def real():
    """Five kinds of stripes with noise, float32 [400, 32, 32, 1]."""
    rng = np.random.default_rng(0)
    waves = np.stack([np.sin(np.arange(32) * (kind + 1) / 4) for kind in range(5)])[rng.integers(5, size=400)]
    return (0.7 * waves[:, None, :, None] + 0.1 * rng.standard_normal((400, 32, 32, 1))).clip(-1, 1).astype(np.float32)


def test_other_real_images_look_like_real_ones(real):
    signals = looks.Reference(real[:300]).compare(real[300:])
    assert signals["diversity"] == pytest.approx(1, abs=0.05)
    assert signals["ndb"] <= 0.1
    assert abs(signals["cell_kid"]) < 4 * signals["cell_kid_error"]


def test_one_image_again_and_again_has_no_variety(real):
    signals = looks.Reference(real).compare(np.repeat(real[:1], 64, axis=0))
    assert signals["diversity"] == pytest.approx(0, abs=1e-4)
    assert signals["empty_bins"] > 0.8


def test_a_missing_kind_leaves_bins_empty(real):
    waves = np.stack([np.sin(np.arange(32) * (kind + 1) / 4) for kind in range(5)])
    kinds = np.argmin(np.square(real.mean(axis=1) - 0.7 * waves[:, None, :, None]).sum(axis=(2, 3)), axis=0)
    whole = looks.Reference(real)
    missing = whole.compare(real[kinds != 2])["empty_bins"]
    assert missing == pytest.approx(np.mean(kinds == 2), abs=0.05)
    assert whole.compare(real)["empty_bins"] == 0


def test_the_coarse_kid_tells_worse_images(real):
    """Dark ones, one kind alone, and noise; each more than its error allows."""
    reference, rng = looks.Reference(real[:300]), np.random.default_rng(0)
    usual = reference.compare(real[300:])["cell_kid"]
    for images in (real[300:] - 0.3, real[300:301].repeat(100, axis=0), rng.uniform(-1, 1, (100, 32, 32, 1))):
        worse = reference.compare(images)
        assert worse["cell_kid"] > usual + 5 * worse["cell_kid_error"]


def test_saturated_pixels_are_counted_beyond_those_of_real_images(real):
    reference = looks.Reference(real)
    assert reference.compare(np.sign(real))["saturated"] > 0.8
    assert reference.compare(real)["saturated"] == pytest.approx(0, abs=0.02)


def test_values_that_are_not_finite_are_measured_without_complaint(real):
    broken = real[:64].copy()
    broken[0] = np.nan
    broken[1] = np.inf
    assert np.isfinite(list(looks.Reference(real).compare(broken).values())).all()


def test_equal_images_make_fewer_bins():
    grey = np.zeros((100, 32, 32, 1), np.float32)
    reference = looks.Reference(grey)
    assert len(reference.centres) == 1
    assert reference.compare(grey)["diversity"] == 0


def test_the_least_varied_class_is_named(real):
    labels = np.arange(len(real)) % 4
    classes = looks.Classes(real[:300], labels[:300])
    healthy = classes.compare(real[300:], labels[300:])
    assert healthy["class_diversity"] > 0.7 and healthy["class_median"] == pytest.approx(1, abs=0.15)
    images = real[300:].copy()
    images[labels[300:] == 2] = images[2]
    broken = classes.compare(images, labels[300:])
    assert broken["class_diversity"] == pytest.approx(0, abs=1e-4) and broken["class_least"] == 2
    assert broken["class_median"] > 0.7


def test_classes_that_say_too_little_are_not_judged(real):
    """Few real images, equal real images, few samples."""
    same = np.repeat(real[:1], 20, axis=0)
    images, labels = np.concatenate([real[:100], real[100:105], same]), np.repeat([0, 1, 2], [100, 5, 20])
    classes = looks.Classes(images, labels)
    assert classes.distances.keys() == {0}
    assert classes.compare(same, np.repeat([1, 2], 10)) == {}
    assert classes.compare(same[:5], np.array([0, 0, 0, 1, 2])) == {}
    assert classes.compare(same[:4], np.zeros(4, int))["class_diversity"] == pytest.approx(0, abs=1e-4)
    assert classes.compare(np.full_like(same, np.nan), np.zeros(20, int))["class_diversity"] == 0


def test_rare_classes_are_drawn_often_enough_to_be_seen():
    population = np.repeat(np.arange(8), [10_000, 500, 60, 9, 40, 7, 1, 20])
    drawn = np.resize(np.repeat([0, 1, 2], [120, 7, 1]), 256)
    changed = looks.with_rare_classes(drawn, 128, population)
    np.testing.assert_array_equal(changed[:128], drawn[:128])
    assert np.bincount(changed).tolist() == [240 - 14, 14, 4, 4, 4, 0, 0, 4]  # 5 and 6 have too few real images
    even = np.resize(np.arange(10), 256)
    np.testing.assert_array_equal(looks.with_rare_classes(even, 128, np.arange(100) % 10), even)


def test_of_many_classes_the_largest_are_drawn_often_enough():
    population = np.repeat(np.arange(100), np.arange(100) + 10)
    drawn = np.resize(np.random.default_rng(0).choice(population, 128), 256)
    before, after = (
        np.bincount(labels, minlength=100) for labels in (drawn, looks.with_rare_classes(drawn, 128, population))
    )
    assert np.all(after[before >= 4] >= 4) and np.sum(after >= 4) > np.sum(before >= 4)
    gained = np.flatnonzero((before < 4) & (after >= 4))
    assert gained.min() > np.flatnonzero(after < 4).max()


def test_distances_are_euclidean():
    features = np.random.default_rng(0).standard_normal((20, 5))
    expected = np.linalg.norm(features[:, None] - features, axis=2)
    np.testing.assert_allclose(looks.distances(features), expected, atol=1e-6)
    assert looks.pair_distance(features) == pytest.approx(expected.sum() / 380)
