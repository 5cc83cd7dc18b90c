"""MS-SSIM against TensorFlow's, and as a measure of variety."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.evaluation.metrics.ms_ssim import EXPONENTS, ms_ssim, pair_similarity, scale_count


def smooth(count, size=32, channels=3, seed=0):
    """Random images without fine detail."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (count, size // 8, size // 8, channels))
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("size", "scales"), [(32, 2), (64, 3), (128, 4), (256, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_value_is_that_of_tensorflow(size, scales, channels):
    assert scale_count(size, size) == scales
    a = smooth(6, size, channels)
    noise = np.random.default_rng(1).normal(0, 40, a.shape)
    b = np.clip(0.5 * a + 0.5 * smooth(6, size, channels, 2) + noise, 0, 255).astype(np.uint8)
    exponents = np.array(EXPONENTS[:scales]) / sum(EXPONENTS[:scales])
    expected = tf.image.ssim_multiscale(a, b, 255, power_factors=tuple(exponents))
    np.testing.assert_allclose(ms_ssim(a, b), expected, atol=2e-5)


def test_equal_images_have_1_and_unlike_ones_less():
    images = smooth(4, 28, 1)
    np.testing.assert_allclose(ms_ssim(images, images), 1)
    assert scale_count(28, 28) == 2
    values = [
        ms_ssim(
            images, np.clip(images + np.random.default_rng(0).normal(0, noise, images.shape), 0, 255).astype(np.uint8)
        ).mean()
        for noise in (5, 20, 80)
    ]
    assert values[0] > values[1] > values[2] > 0


def test_batches_make_no_difference(monkeypatch):
    a, b = smooth(7), smooth(7, seed=1)
    whole = ms_ssim(a, b)
    monkeypatch.setattr("zoo.evaluation.metrics.ms_ssim.BATCH_NUMBERS", 1)
    np.testing.assert_array_equal(ms_ssim(a, b), whole)


def test_a_generator_of_few_images_has_more_similar_pairs():
    varied, error = pair_similarity(smooth(400))
    few, few_error = pair_similarity(smooth(5).repeat(80, axis=0))
    assert few - varied > 5 * np.hypot(error, few_error), "a fifth of the pairs are equal"
    again, _ = pair_similarity(smooth(400), seed=1)
    assert again == pytest.approx(varied, abs=5 * error)
    assert pair_similarity(smooth(400), pairs=50)[1] == pytest.approx(2 * error, rel=0.4)


def test_what_has_no_pairs_is_refused():
    with pytest.raises(ValueError, match=r"from 2 to 5, half the number of images. Received: 6"):
        pair_similarity(smooth(10), pairs=6)
    with pytest.raises(ValueError, match=r"4 or more are needed. Received: 3"):
        pair_similarity(smooth(3))
    with pytest.raises(ValueError, match=r"at least 11 x 11 pixels. Received: 8 x 8"):
        pair_similarity(smooth(10, 8))
    with pytest.raises(ValueError, match="must be uint8 of shape"):
        pair_similarity(smooth(10).astype(np.float32))
    with pytest.raises(ValueError, match="two sets of the same shape"):
        ms_ssim(smooth(4), smooth(5))
