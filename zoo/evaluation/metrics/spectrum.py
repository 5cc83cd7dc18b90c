"""Frequencies that a generator gets wrong: the spectral gap of Durall 2020, arXiv:2003.01826, and checkerboards.

Checkerboards come from strided transposed convolutions: Odena 2016, distill.pub/2016/deconv-checkerboard. A stride of s
leaves energy at multiples of 1 / s cycles in a pixel.
"""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics import checks
from zoo.files.errors import ZooError

STRIDES = (2, 4)
BATCH_NUMBERS = 2**20
ROUNDING = 1.0 / 12.0  # power that rounding to whole numbers gives each frequency: below, nothing is measured


def power_spectrum(images: np.ndarray) -> np.ndarray:
    """Mean power of each frequency, [H, W] in the order of `numpy.fft.fft2`.

    Args:
        images: uint8 [N, H, W, C]; the mean of each image and channel is taken off.

    Returns:
        float64, |FFT|^2 / (H W), so that white noise has its variance, in squared levels of 0 to 255, everywhere.
    """
    images = checks.images(images)
    height, width = images.shape[1:3]
    total = np.zeros((height, width))
    step = max(1, BATCH_NUMBERS // images[0].size)
    for start in range(0, len(images), step):
        total += np.sum(abs(np.fft.fft2(images[start : start + step], axes=(1, 2))) ** 2, axis=(0, 3))
    total[0, 0] = 0.0
    return total / (len(images) * images.shape[3] * height * width)


def radial_power(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The power averaged over all directions.

    Args:
        images: uint8 [N, H, W, C].

    Returns:
        (frequencies in cycles per pixel, up to 0.5; float64 power), both [min(H, W) // 2].
    """
    power = power_spectrum(images)
    size = min(power.shape)
    radii = np.rint(size * np.hypot(*np.meshgrid(*map(np.fft.fftfreq, power.shape), indexing="ij"))).astype(int).ravel()
    means = np.bincount(radii, power.ravel()) / np.bincount(radii)
    kept = np.arange(1, size // 2 + 1)
    return kept / size, means[kept]


def high_frequency_gap(real: np.ndarray, fake: np.ndarray) -> float:
    """Power of generated over real images in decibels, mean over the top third of frequencies: negative is blurred.

    Args:
        real, fake: uint8 [N, H, W, C] and [M, H, W, C].
    """
    real, fake = checks.image_pair(real, fake)
    (frequencies, real_power), (_, fake_power) = radial_power(real), radial_power(fake)
    top = frequencies > 2 / 3 * 0.5
    return float(np.mean(_decibels(fake_power[top], real_power[top])))


def checkerboard(real: np.ndarray, fake: np.ndarray) -> dict[int, float]:
    """How much more the power at a stride's frequencies stands out in generated images than in real ones, in decibels.

    It stands out by its mean over that of the frequencies around it. Positive values are checkerboards.

    Args:
        real, fake: uint8 [N, H, W, C] and [M, H, W, C], H and W multiples of 4.

    Returns:
        {stride: decibels} for the strides 2 and 4.
    """
    real, fake = checks.image_pair(real, fake, smallest=8)
    if real.shape[1] % max(STRIDES) or real.shape[2] % max(STRIDES):
        raise ZooError(
            f"height and width must be multiples of {max(STRIDES)}. Received: {real.shape[1]} x {real.shape[2]}"
        )
    real_power, fake_power = power_spectrum(real), power_spectrum(fake)
    return {
        stride: float(_decibels(*_prominence(fake_power, stride)) - _decibels(*_prominence(real_power, stride)))
        for stride in STRIDES
    }


def _prominence(power: np.ndarray, stride: int) -> tuple[float, float]:
    """Mean power at the frequencies of a stride, without those of half the stride, and of their neighbours."""
    at = np.zeros(power.shape, bool)
    at[:: power.shape[0] // stride, :: power.shape[1] // stride] = True
    at[:: 2 * power.shape[0] // stride, :: 2 * power.shape[1] // stride] = False
    shifts = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
    around = np.any([np.roll(at, shift, axis=(0, 1)) for shift in shifts], axis=0)
    return power[at].mean(), power[around].mean()


def _decibels(power: np.ndarray, over: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10((power + ROUNDING) / (over + ROUNDING))
