"""What each fault of a generator moves, and what it leaves alone, on drawn images.

| fault | moves | does not move |
|---|---|---|
| equal sets | Frechet 0, kernel at most 0, precision, recall, coverage 1 | |
| other images of the same kind | nothing: the floor of all below | |
| blur | Frechet, kernel, precision, high-frequency gap down | class shares |
| noise | Frechet, kernel, precision, high-frequency gap up | class shares |
| dropped classes | recall, coverage, NDB, class shares | precision |
| few images, duplicated | birthday support, recall, coverage | precision |
| near-equal images | MS-SSIM, recall, coverage | precision |
| copies of the training set | C_T | Frechet, precision, recall: only C_T tells copies from good images |

Features stand in for a network's: the 16 first principal components of the real images, and how rough the quarters of
an image are.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from zoo.evaluation.metrics.bins import compare_bins
from zoo.evaluation.metrics.birthday import birthday
from zoo.evaluation.metrics.classes import compare_classes
from zoo.evaluation.metrics.copying import copying
from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.ms_ssim import pair_similarity
from zoo.evaluation.metrics.neighbours import neighbour_scores
from zoo.evaluation.metrics.spectrum import high_frequency_gap

COUNT, SIZE, CLASSES = 1000, 32, 8


def draw(count, seed, classes=CLASSES):
    """Gratings of eight directions (the classes), of any phase, wavelength and contrast: images and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    angle = np.pi * (labels + rng.uniform(-0.2, 0.2, count)) / CLASSES
    down, across = np.mgrid[:SIZE, :SIZE]
    along = down * np.sin(angle)[:, None, None] + across * np.cos(angle)[:, None, None]
    frequency, phase, contrast = (
        rng.uniform(low, high, (count, 1, 1)) for low, high in ((0.25, 0.3), (0, 2 * np.pi), (40, 100))
    )
    values = 128 + contrast * np.sin(2 * np.pi * frequency * along + phase) + rng.normal(0, 8, (count, SIZE, SIZE))
    return np.rint(values.clip(0, 255)).astype(np.uint8)[..., None], labels


def blurred(images):
    around = sum(np.roll(images, shift, axis).astype(float) for shift in (-1, 1) for axis in (1, 2))
    return np.rint((around + 4.0 * images) / 8).astype(np.uint8)


def noisy(images):
    return np.clip(images + np.random.default_rng(7).normal(0, 40, images.shape), 0, 255).astype(np.uint8)


TRAIN, TRAIN_LABELS = draw(COUNT, 0)
HELDOUT = draw(400, 1)[0]
OTHER = draw(COUNT, 2)[0]
MEAN = TRAIN.reshape(COUNT, -1).mean(axis=0)
COMPONENTS = np.linalg.eigh(np.cov(TRAIN.reshape(COUNT, -1).T))[1][:, -16:] / 255
TEMPLATES = np.stack(
    [np.mean(abs(np.fft.fft2(TRAIN[label == TRAIN_LABELS, ..., 0] - 128.0)), axis=0) for label in range(CLASSES)]
).reshape(CLASSES, -1)


def features(images):
    edges = 4.0 * images - sum(np.roll(images, shift, axis).astype(float) for shift in (-1, 1) for axis in (1, 2))
    quarters = edges.reshape(len(images), 2, SIZE // 2, 2, SIZE // 2)
    roughness = np.log(np.mean(quarters**2, axis=(2, 4))).reshape(len(images), -1)
    return np.column_stack([(images.reshape(len(images), -1) - MEAN) @ COMPONENTS, 2 * (roughness - 8)])


def labels_of(images):
    """The class whose mean spectrum is most like an image's."""
    spectra = abs(np.fft.fft2(images[..., 0] - 128.0)).reshape(len(images), -1)
    return np.argmax(spectra @ (TEMPLATES / np.linalg.norm(TEMPLATES, axis=1, keepdims=True)).T, axis=1)


def measured(images):
    real, fake = features(TRAIN), features(images)
    scores = neighbour_scores(real, fake)
    classes = compare_classes(labels_of(TRAIN), labels_of(images), CLASSES)
    return SimpleNamespace(
        frechet=frechet_distance(real, fake),
        kernel=kernel_distance(real, fake, subset_size=None),
        precision=scores.precision,
        recall=scores.recall,
        coverage=scores.coverage,
        different_bins=compare_bins(real, fake, 40).different,
        support=birthday(real, fake).support,
        copying=copying(real, features(HELDOUT), fake, 4),
        gap=high_frequency_gap(TRAIN, images),
        similarity=pair_similarity(images),
        smallest_class=classes.smallest_ratio,
        variation=classes.total_variation,
    )


@pytest.fixture(scope="module")
def floor():
    return measured(OTHER)


def test_the_stand_in_classifier_works():
    images, labels = draw(500, 5)
    assert np.mean(labels_of(images) == labels) > 0.95


def test_equal_sets_are_at_the_floor():
    same = features(TRAIN)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-6)
    assert kernel_distance(same, same, subset_size=None)[0] <= 0
    assert neighbour_scores(same, same)[:4] == pytest.approx((1, 1, 1, 1))


def test_other_images_of_the_same_kind_are_at_the_floor(floor):
    kernel, error = floor.kernel
    assert abs(kernel) < 3 * error
    assert min(floor.precision, floor.recall) > 0.75
    assert floor.coverage > 0.9
    assert floor.different_bins == 0
    assert abs(floor.copying.z) < 3
    assert abs(floor.gap) < 0.2
    assert floor.smallest_class > 0.8
    assert floor.similarity[0] == pytest.approx(pair_similarity(TRAIN)[0], abs=4 * floor.similarity[1])


@pytest.mark.parametrize(("change", "sign"), [(blurred, -1), (noisy, 1)])
def test_blur_and_noise(floor, change, sign):
    found = measured(change(OTHER))
    assert found.frechet > 3 * floor.frechet
    assert found.kernel[0] > floor.kernel[0] + 5 * found.kernel[1]
    assert found.precision < floor.precision - 0.1
    assert sign * found.gap > 2
    assert found.variation < floor.variation + 0.05


def test_dropped_classes(floor):
    found = measured(draw(COUNT, 3, classes=6)[0])
    assert found.frechet > 3 * floor.frechet
    assert found.recall < floor.recall - 0.1
    assert found.coverage < floor.coverage - 0.1
    assert found.different_bins > 0.2
    assert found.smallest_class < 0.1
    assert found.variation > 0.2
    assert found.precision > floor.precision - 0.05


def test_few_images_duplicated(floor):
    with pytest.warns(UserWarning, match="each generated image has 5 exact copies or more"):
        found = measured(OTHER[:100].repeat(COUNT // 100, axis=0))
    assert found.support == pytest.approx(100, rel=0.15)
    assert floor.support > 50 * found.support
    assert found.recall == 0
    assert found.coverage < floor.coverage - 0.3
    assert found.precision > floor.precision - 0.1


def test_images_that_are_near_equal(floor):
    rng = np.random.default_rng(0)
    near = OTHER[:5].repeat(COUNT // 5, axis=0) + rng.normal(0, 5, OTHER.shape)
    found = measured(np.rint(near.clip(0, 255)).astype(np.uint8))
    assert found.similarity[0] > floor.similarity[0] + 5 * np.hypot(found.similarity[1], floor.similarity[1])
    assert found.recall < 0.1
    assert found.coverage < 0.3
    assert found.precision > floor.precision - 0.15


def test_copies_of_the_training_set(floor):
    found = measured(TRAIN[: COUNT // 2].repeat(2, axis=0))
    assert found.copying.z < -10
    assert found.copying.c_t < -5
    assert found.frechet < 2 * floor.frechet
    assert found.precision == 1
    slightly_changed = TRAIN + np.random.default_rng(0).normal(0, 2, TRAIN.shape)
    found = measured(np.rint(slightly_changed.clip(0, 255)).astype(np.uint8))
    assert found.copying.z < -10
    assert min(found.precision, found.recall) > floor.precision - 0.05
    assert found.frechet < floor.frechet
