"""The Frechet Wavelet Distance: its transform, a value of the authors' code, and what moves it."""

import numpy as np
import pytest

from zoo.evaluation.metrics.wavelet import default_levels, packet_distances, walsh, wavelet_distance

COUNT, SIZE = 400, 32


def squares(count, seed, kinds=4, channels=1):
    """Coloured squares, one corner for each kind, with a little noise: uint8 [N, 32, 32, channels]."""
    rng = np.random.default_rng(seed)
    values = rng.normal(60, 10, (count, SIZE, SIZE, channels))
    for image, kind in zip(values, rng.integers(0, kinds, count), strict=True):
        top, left = np.array(divmod(kind, 2)) * SIZE // 2 + rng.integers(0, SIZE // 8, 2)
        image[top : top + SIZE // 4, left : left + SIZE // 4] += rng.uniform(60, 150, channels)
    return values.clip(0, 255).astype(np.uint8)


REAL, OTHER = squares(COUNT, 0), squares(COUNT, 1)


def blurred(images):
    around = sum(np.roll(images, shift, axis).astype(float) for shift in (-1, 1) for axis in (1, 2))
    return ((around + 4.0 * images) / 8).astype(np.uint8)


def noisy(images, deviation):
    values = images + np.random.default_rng(2).normal(0, deviation, images.shape)
    return values.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_the_filters_are_orthonormal_and_in_the_order_of_frequency(levels):
    filters = walsh(levels)
    np.testing.assert_allclose(filters @ filters.T, np.eye(2**levels), atol=1e-6)
    assert np.all(filters[0] > 0)
    assert [np.sum(row[1:] * row[:-1] < 0) for row in filters] == list(range(2**levels))


def test_a_packet_sees_its_own_frequencies_only():
    columns = np.tile(np.array([100, 200] * (SIZE // 2), np.uint8), (COUNT, SIZE, 1))[..., None]
    flat = np.full((COUNT, SIZE, SIZE, 1), 150, np.uint8)
    distances = packet_distances(flat, columns, levels=2)
    others = np.ones((4, 4), bool)
    others[0, -1] = False
    # 4 x 50 / 255 at each of 8 x 8 places
    assert distances[0, -1] == pytest.approx(64 * (4 * 50 / 255) ** 2, rel=1e-5)
    np.testing.assert_allclose(distances[others], 0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:the Frechet distance of")
def test_it_is_that_of_the_authors():
    real, fake = squares(300, 3, channels=3), blurred(squares(260, 4, channels=3))
    quarters = [images[:, :16, :16] for images in (real, fake)]
    assert wavelet_distance(*quarters, 2) == pytest.approx(0.0407087437, rel=1e-5)
    assert wavelet_distance(*quarters, 3) == pytest.approx(0.00919665874, rel=1e-5)


@pytest.mark.filterwarnings("ignore:the Frechet distance of")
def test_equal_sets_are_at_0_and_faults_rise_above_the_floor():
    def distance(fake):
        return wavelet_distance(REAL, fake, 2)

    floor = distance(OTHER)
    assert distance(REAL) == pytest.approx(0, abs=1e-6)
    assert distance(REAL[::-1]) == pytest.approx(0, abs=1e-6)
    noise = [distance(noisy(OTHER, deviation)) for deviation in (10, 20, 40)]
    assert 1.2 * floor < noise[0] < noise[1] < noise[2]
    blur = [distance(blurred(OTHER)), distance(blurred(blurred(OTHER)))]
    assert 1.2 * floor < blur[0] < blur[1]
    dropped = [distance(squares(COUNT, 1, kinds)) for kinds in (3, 2, 1)]
    assert 1.2 * floor < dropped[0] < dropped[1] < dropped[2]


@pytest.mark.filterwarnings("ignore:the Frechet distance of")
def test_noise_shows_in_high_frequencies_and_missing_kinds_in_low_ones():
    floor = packet_distances(REAL, OTHER, 2)
    noise = packet_distances(REAL, noisy(OTHER, 20), 2) - floor
    assert noise[-1, -1] > noise[0, 0]
    dropped = packet_distances(REAL, squares(COUNT, 1, kinds=1), 2) - floor
    assert dropped[0, 0] == dropped.max()


def test_packets_keep_4_places_where_they_can():
    sizes = {5: 1, 8: 1, 16: 2, 28: 2, 32: 3, 48: 3, 64: 4, 100: 2, 256: 4, 512: 4}
    assert {size: default_levels(size, size) for size in sizes} == sizes
    assert default_levels(64, 40) == 3


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 8 for 3 levels: take fewer levels. Received: 28 x 28"):
        wavelet_distance(np.zeros((4, 28, 28, 1), np.uint8), np.zeros((4, 28, 28, 1), np.uint8), 3)
    with pytest.raises(ValueError, match=r"levels must be at least 1. Received: 0"):
        wavelet_distance(REAL, OTHER, 0)
    with pytest.raises(ValueError, match=r"same height, width and channels. Received: \[32, 32, 1\] and \[28, 28, 1\]"):
        wavelet_distance(REAL, np.zeros((4, 28, 28, 1), np.uint8))
    with pytest.raises(ValueError, match=r"at least 2 rows are needed. Received: 1"):
        wavelet_distance(REAL, OTHER[:1])
