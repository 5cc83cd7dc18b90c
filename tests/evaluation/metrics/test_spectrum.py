"""Spectra of noise, waves, blur and checkerboards."""

import numpy as np
import pytest

from zoo.evaluation.metrics.spectrum import checkerboard, high_frequency_gap, power_spectrum, radial_power


def noise(count, size=32, deviation=20.0, seed=0, channels=3):
    values = np.random.default_rng(seed).normal(128, deviation, (count, size, size, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def blurred(images):
    around = sum(np.roll(images, shift, axis).astype(float) for shift in (-1, 1) for axis in (1, 2))
    return ((around + 4.0 * images) / 8).astype(np.uint8)


def upsampled(images, stride):
    """As a transposed convolution with too small a kernel: every `stride`-th pixel is brighter."""
    images = blurred(blurred(images))
    images[:, ::stride, ::stride] += 15
    return images


@pytest.mark.parametrize("size", [28, 32, 64])
def test_white_noise_has_its_variance_at_every_frequency(size):
    frequencies, power = radial_power(noise(200, size))
    assert (frequencies[0], frequencies[-1], len(power)) == (1 / size, 0.5, size // 2)
    np.testing.assert_allclose(power, 20**2, rtol=0.1)
    assert power_spectrum(noise(3, size))[0, 0] == 0


def test_a_wave_has_its_power_at_its_frequency():
    wave = np.rint(128 + 100 * np.sin(2 * np.pi * 5 * np.arange(32) / 32)).astype(np.uint8)
    power = power_spectrum(np.broadcast_to(wave[None, None, :, None], (2, 32, 32, 1)))
    assert np.unravel_index(power.argmax(), power.shape) in [(0, 5), (0, 27)]
    assert power[0, 5] == pytest.approx(100**2 / 4 * 32 * 32, rel=0.01)
    frequencies, radial = radial_power(np.broadcast_to(wave[None, None, :, None], (2, 32, 32, 1)))
    assert frequencies[radial.argmax()] == 5 / 32


def test_batches_make_no_difference(monkeypatch):
    whole = power_spectrum(noise(7))
    monkeypatch.setattr("zoo.evaluation.metrics.spectrum.BATCH_NUMBERS", 1)
    np.testing.assert_allclose(power_spectrum(noise(7)), whole, rtol=1e-12)


def test_blur_lowers_high_frequencies_and_noise_raises_them():
    real = blurred(noise(100))
    assert high_frequency_gap(real, real) == 0
    assert high_frequency_gap(real, blurred(noise(100, seed=1))) == pytest.approx(0, abs=0.3)
    assert high_frequency_gap(real, blurred(real)) < -3
    assert high_frequency_gap(real, noise(100, seed=1)) > 3
    assert high_frequency_gap(real, np.full_like(real, 7)) < -10, "flat images have a gap too, not an infinite one"


def test_checkerboards_stand_out_at_their_stride():
    real, plain = blurred(blurred(noise(100))), blurred(blurred(noise(100, seed=1)))
    assert checkerboard(real, plain) == pytest.approx({2: 0, 4: 0}, abs=1)
    two, four = (checkerboard(real, upsampled(noise(100, seed=1), stride)) for stride in (2, 4))
    assert two[2] > 5
    assert abs(two[4]) < 1
    assert four[4] > 5, "a stride of 4 has energy at the frequencies of 2 as well"
    assert checkerboard(plain, blurred(plain)) == pytest.approx({2: 0, 4: 0}, abs=3), "blur alone is no checkerboard"


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 4. Received: 30 x 30"):
        checkerboard(noise(2, 30), noise(2, 30))
    with pytest.raises(ValueError, match=r"same height, width and channels. Received: \[32, 32, 3\] and \[28, 28, 3\]"):
        high_frequency_gap(noise(2), noise(2, 28))
    with pytest.raises(ValueError, match=r"must be uint8 .* Received: float64 \[2, 32, 32, 3\]"):
        radial_power(noise(2) / 255)
    with pytest.raises(ValueError, match=r"images: 1 or more are needed. Received: 0"):
        radial_power(noise(0))
