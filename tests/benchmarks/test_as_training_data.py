"""Generated images as training data: what the classifiers get, and that the script goes on where it stopped."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.evaluation.metrics.extractors import classifier

SCRIPT = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "as_training_data.py")))


def test_the_small_set_has_as_many_of_each_class_and_is_always_the_same():
    images, labels = np.arange(300).reshape(300, 1, 1, 1), np.arange(300) % 3
    some, theirs = SCRIPT.small_set(images, labels, 20)
    assert np.bincount(theirs).tolist() == [20, 20, 20]
    np.testing.assert_array_equal(some.ravel() % 3, theirs)
    assert len(np.unique(some)) == 60
    np.testing.assert_array_equal(SCRIPT.small_set(images, labels, 20)[0], some)


def test_both_kinds_come_as_often():
    real, drawn = (np.zeros(7), np.arange(7)), (np.ones(20), np.arange(20))
    images, labels = SCRIPT.mixed(real, drawn)
    assert images.mean() == 0.5 and len(images) == len(labels) == 40
    assert set(labels[images == 0]) == set(range(7))
    assert SCRIPT.mixed(real, None) is real and SCRIPT.mixed(None, drawn) is drawn


def test_augmentation_is_for_training_alone(monkeypatch):
    monkeypatch.setattr(classifier, "WIDTHS", (4, 8, 16))
    model = SCRIPT.augmented((32, 32, 1), 3)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 1)).astype(np.uint8)
    first, second = (np.asarray(model(images, training=False)["logits"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (8, 3)
    seen = np.asarray(model.layers[1](images.astype(np.float32), training=True))
    assert sorted(seen.ravel()) == sorted(images.ravel()), "mirrored, and nothing else"


def test_accuracies_are_kept_for_one_set_of_options(tmp_path):
    options = {"steps": 10, "seeds": 2, "out": tmp_path}
    known = SCRIPT.Known(tmp_path / "a.json", options)
    known.add("real", 1, 0.5)
    known.add("real", 0, 0.25)
    again = SCRIPT.Known(tmp_path / "a.json", {**options, "seeds": 3})
    assert again.of("real") == [0.25, 0.5] and again.has("real", 1) and not again.has("real", 2)
    with pytest.raises(SystemExit, match="is of other options"):
        SCRIPT.Known(tmp_path / "a.json", {**options, "steps": 11})
