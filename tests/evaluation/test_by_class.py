"""A conditional generator class by class: what stands beside what, and a class that is drawn badly."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lights import lights as lights_of

from zoo import data
from zoo import recipe as recipes
from zoo.evaluation import by_class, evaluate, features, results
from zoo.evaluation.measurement import Measurement, Reference, Subject
from zoo.evaluation.metrics import scores

CLASSES = ("left", "middle", "right")


class Judge:
    """A stand-in for an extractor: 12 random directions of the images, and in which third the light is."""

    name, label, resizer, weights_sha256, dimensions = "judge", "judge", "none", "0" * 64, 12
    classes, accuracy = CLASSES, 1.0

    def __call__(self, images):
        flat = images.reshape(len(images), -1) / 127.5 - 1.0
        values = (flat @ np.random.default_rng(0).standard_normal((flat.shape[1], 12)) / 8).astype(np.float32)
        columns = images.mean(axis=(1, 3))
        return values, np.stack([columns[:, i : i + 11].mean(axis=1) for i in (0, 11, 21)], axis=1)


class Drawn:
    """A generator that draws the images of each class in turn."""

    info, weights, classes = {}, "ema", CLASSES
    recipe = recipes.load("dcgan-fashion-mnist")

    def __init__(self, images, labels):
        self.drawn, self.of = images, labels

    def batches(self, count, seed, psi, batch_size):
        yield from features.in_batches(np.roll(self.drawn, seed, axis=0)[:count])

    def labels(self, count, seed):
        return np.roll(self.of, seed)[:count]


lights = partial(lights_of, noise=8, shades=(100, 240))


@pytest.fixture(scope="module")
def store():
    labels = np.random.default_rng(0).choice(3, 5_000, p=(0.5, 0.3, 0.2))
    images = lights(labels, 0)
    parts = images[:2_500], images[2_500:], labels[:2_500], labels[2_500:]
    return data.Store(Path("nowhere"), "lights", *parts, CLASSES, "f" * 64, ())


@pytest.fixture
def measured(store):
    """The evaluation of a generator that draws what is given, 1,000 of each seed."""

    def measure(images, labels, store=store, count=1_000):
        reference = Reference.of_store(store, "lights", "crop", count)
        subject = Subject.of_generator(Drawn(images, labels), seeds=(0, 7))
        return evaluate.evaluation(Measurement.take(subject, reference, [Judge()], most=100))

    return measure


@pytest.fixture
def drawn():
    """Labels, and images of them as good as real ones."""
    labels = np.random.default_rng(5).choice(3, 1_200, p=(0.5, 0.3, 0.2))
    return lights(labels, 5), labels


def test_images_as_good_as_real_ones_score_at_the_floor_in_each_class(measured, drawn, store):
    images, labels = drawn
    found = measured(images, labels).by_class
    shares = np.bincount(store.labels) / len(store.labels)
    assert [row.name for row in found.classes] == list(CLASSES)
    assert [row.share for row in found.classes] == pytest.approx(shares)
    for row, share in zip(found.classes, shares, strict=True):
        assert row.count == pytest.approx(1_000 * share, rel=0.15)
        assert [score.name for score in row.scores] == ["FD-judge", "KID-judge", "precision", "recall"]
        by_name = {score.name: score for score in row.scores}
        assert len(by_name["FD-judge"].values) == 2
        assert by_name["FD-judge"].ratio == pytest.approx(1, abs=0.6)
        assert by_name["KID-judge"].ratio is None and by_name["KID-judge"].standard_error > 0
        assert by_name["precision"].ratio == pytest.approx(1, abs=0.15)
        assert (row.accuracy, row.held_out_accuracy) == (1.0, 1.0)
    assert [score.name for score in found.mean] == ["intra-FD-judge", "KID-judge", "precision", "recall"]
    for i, score in enumerate(found.mean):
        assert score.mean == pytest.approx(np.mean([row.scores[i].mean for row in found.classes]))
        assert score.floor == pytest.approx(np.mean([row.scores[i].floor for row in found.classes]))
    errors = [row.scores[1].standard_error for row in found.classes]
    assert found.mean[1].standard_error == pytest.approx(np.linalg.norm(errors) / 3, rel=0.1)


def test_one_class_that_is_always_the_same_image_shows_in_its_row_alone(measured, drawn):
    images, labels = drawn
    images[labels == 1] = images[labels == 1][0]
    rows = {row.name: {score.name: score for score in row.scores} for row in measured(images, labels).by_class.classes}
    assert rows["middle"]["recall"].mean < 0.05 < 0.5 < rows["left"]["recall"].mean
    assert rows["middle"]["FD-judge"].ratio > 10 > 2 > rows["right"]["FD-judge"].ratio


def test_samples_of_another_class_than_asked_for_are_counted(measured, drawn):
    images, labels = drawn
    wrong = labels.copy()
    wrong[np.flatnonzero(labels == 0)[::2]] = 2  # half of what is asked for as right, roughly, is on the left
    rows = measured(images, wrong).by_class.classes
    assert [row.held_out_accuracy for row in rows] == [1.0, 1.0, 1.0]
    assert rows[0].accuracy == rows[1].accuracy == 1.0
    assert measured(images, wrong).by_class.accuracies[0] == pytest.approx((1 + 1 + rows[2].accuracy) / 3)
    share = np.mean(labels[wrong == 2] == 2)
    assert rows[2].accuracy == pytest.approx(share, abs=0.02)


def test_few_images_of_a_class_are_said_and_give_no_ratio(measured, drawn, store):
    images, labels = drawn
    kept = (labels != 2) | (np.cumsum(labels == 2) <= 8)  # 8 of the right
    result = measured(images[kept], labels[kept], count=900)
    left, _, right = result.by_class.classes
    assert right.count <= 8 and right.scores == () and left.scores[0].ratio is not None
    assert [line for line in result.warnings if "1 of 3 classes have fewer than 100 images on a side" in line]
    kept = (labels != 2) | (np.cumsum(labels == 2) <= 40)
    result = measured(images[kept], labels[kept], count=900)
    *_, right = result.by_class.classes
    assert 10 <= right.count <= 40 and all(score.ratio is None for score in (*right.scores, *result.by_class.mean))


def test_with_few_held_out_images_the_floor_is_the_other_half(measured, drawn, store):
    few = dataclasses.replace(store, heldout=store.heldout[:60], heldout_labels=store.heldout_labels[:60])
    result = measured(*drawn, few)
    assert result.evaluations[0].real.floor == "other half"
    for row in result.by_class.classes:
        assert row.scores[0].ratio == pytest.approx(1, abs=0.6)
        assert row.held_out_accuracy == 1.0


def test_an_unconditional_generator_and_other_classes_have_no_rows(measured, drawn, store, monkeypatch):
    other = dataclasses.replace(store, classes=("a", "b", "c"))
    assert measured(*drawn, other).by_class is None
    monkeypatch.setattr(Drawn, "classes", ())
    result = measured(*drawn)
    assert result.by_class is None
    assert b"by_class" not in results.encode(result) and b"cas" not in results.encode(result)


def test_the_rows_survive_the_file(measured, drawn):
    result = measured(*drawn)
    assert results.decode(json.loads(results.encode(result)), results.Evaluation, "evaluation.json") == result


def test_a_class_of_equal_real_images_is_left_out(measured, drawn, store):
    same = store.images.copy()
    same[store.labels == 1] = same[store.labels == 1][0]
    result = measured(*drawn, dataclasses.replace(store, images=same, fingerprint="e" * 64))
    assert [bool(row.scores) for row in result.by_class.classes] == [True, False, True]
    assert [line for line in result.warnings if line.startswith("the class middle is not scored")]


def test_the_smallest_number_of_images_for_a_ratio_is_above_the_smallest_for_a_score():
    assert by_class.FEW > by_class.LEAST


def test_scores_are_named_after_the_extractor_and_know_which_is_frechets():
    sides = [np.random.default_rng(seed).standard_normal((50, 4)) for seed in (0, 1)]
    for label, names in ((None, ["FID", "KID"]), ("mine", ["FD-mine", "KID-mine"])):
        values = scores.distances(*sides, label)
        assert [value.name for value in values] == names
        assert [value.is_frechet for value in values] == [True, False]
