"""Shares, means and deviations of pixels."""

import numpy as np
import pytest

from zoo.evaluation.metrics.pixels import pixels


def test_the_numbers_are_those_of_numpy(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 12, 3), dtype=np.uint8)
    images[..., 1] //= 2
    images[:10, ..., 2] = 255
    monkeypatch.setattr("zoo.evaluation.metrics.pixels.BATCH_NUMBERS", 1000)
    found = pixels(images)
    assert found.black == pytest.approx(np.mean(images == 0))
    assert found.white == pytest.approx(np.mean(images == 255))
    np.testing.assert_allclose(found.means, images.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(found.deviations, images.std(axis=(0, 1, 2)))


def test_saturation_is_0_and_255_alone():
    images = np.full((1, 4, 4, 1), 254, np.uint8)
    images[0, 0] = 1
    assert pixels(images)[:2] == (0, 0)
    images[0, 0] = 0
    assert pixels(images)[:2] == (0.25, 0)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"must be uint8 .* Received: float64 \[2, 4, 4, 1\]"):
        pixels(np.zeros((2, 4, 4, 1)))
