"""The probe measures a GAN and leaves it as it is."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from zoo import backend, data
from zoo.step import noise, schedule
from zoo.step.gan import GAN
from zoo.watch import probe
from zoo.watch.probe import Probe, above


@pytest.fixture
def store(images):
    return data.prepare(images, resolution=32, channels=1)


@pytest.fixture
def many(tmp_path):
    """Enough images for 50 held-out ones: bright squares."""
    rng = np.random.default_rng(0)
    array = np.zeros((2600, 32, 32), np.uint8)
    for image in array:
        top, left = rng.integers(2, 20, 2)
        image[top : top + 8, left : left + 8] = rng.integers(100, 255)
    np.savez(tmp_path / "many.npz", images=array)
    return data.prepare(str(tmp_path / "many.npz"), resolution=32, channels=1)


def batch_of(gan, store, step=0):
    real = data.Batches(
        store.images, seed=0, batch_size=gan.recipe.schedule.batch_size, d_steps=gan.recipe.schedule.d_steps
    )[step]
    return {"real": real, **noise.batch(gan.recipe, gan.generator, step)}


def test_the_area_under_the_curve():
    assert above(np.array([1.0, 2.0]), np.array([0.0])) == 1
    assert above(np.zeros(3), np.zeros(4)) == 0.5
    assert above(np.array([0.0, 2.0]), np.array([1.0, 3.0])) == 0.25


def test_an_image_with_several_logits_counts_once():
    """D of a Projected GAN judges many places of an image: their mean is what D says of the image."""
    flat = np.zeros((2, 4, 4, 1))
    seen = {"real": np.array([[9.0, -7.0], [3.0, -1.0]]), "fake": np.array([[2.0, -2.0], [0.0, 0.0]])}
    seen |= {"slopes": flat, "image_gradients": flat, "real_range": np.array([-1.0, 1.0])}
    signals = Probe._judgement(SimpleNamespace(has_heldout=False), seen)
    assert signals["separation"] == 1
    assert (signals["probe_real"], signals["probe_fake"]) == (1, 0)
    assert signals["probe_spread"] == 0.5


def test_large_images_are_measured_in_parts_with_the_same_result(small, many, monkeypatch):
    gan = GAN(small("r3gan-fashion-mnist", **{"data.source": many.source}))
    at_once = Probe(gan, many).measure(0)
    monkeypatch.setattr(probe, "AT_ONCE", 16)  # these images of 32 pixels are large then
    monkeypatch.setattr(probe, "LARGE_REAL_IMAGES", probe.REAL_IMAGES)
    in_parts = Probe(gan, many)
    assert in_parts.parts == 4
    assert in_parts.measure(0) == pytest.approx(at_once, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["dcgan-fashion-mnist", pytest.param("wgan-gp-fashion-mnist", marks=pytest.mark.slow)])
def test_measuring_changes_nothing_and_repeats(small, many, name):
    gan = GAN(small(name, **{"data.source": many.source}))
    engine, probe = backend.Engine(gan), Probe(gan, many)
    first = probe.measure(0)
    weights = [np.asarray(variable).copy() for variable in gan.variables]
    again = Probe(gan, many).measure(0)
    assert first == again
    for variable, value in zip(gan.variables, weights, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    for step in range(3):
        engine.run(schedule.BOTH, batch_of(gan, many, step))
    engine.sync()
    after = probe.measure(3)
    assert after["d_update"] > 0
    assert after["g_update"] > 0
    assert after["movement"] > 0
    assert 0 <= after["separation"] <= 1
    assert 0 <= after["memorised"] <= 1
    assert after["real_low"] == -1.0
    assert after["real_high"] <= 1.0
    assert np.isfinite(list(after.values())).all()
    probe.measure(6)
    assert probe.before["step"] == 6


@pytest.fixture
def labelled(tmp_path):
    """Bright squares of three classes, by their height."""
    rng = np.random.default_rng(0)
    array, labels = np.zeros((2600, 32, 32), np.uint8), np.arange(2600) % 3
    for image, label in zip(array, labels, strict=True):
        top, left = 2 + 8 * label + rng.integers(0, 3), rng.integers(2, 20)
        image[top : top + 8, left : left + 8] = rng.integers(100, 255)
    np.savez(tmp_path / "labelled.npz", images=array, labels=labels)
    return data.prepare(str(tmp_path / "labelled.npz"), resolution=32, channels=1)


def scale_of(gan, label, value):
    """Sets what one class multiplies normalised features by in the generator's last layers, less 1."""
    for variable in gan.generator.variables:
        if "scale_label" in variable.path:
            kernel = np.asarray(variable).copy()
            kernel[label] = value
            variable.assign(kernel)


def test_a_class_that_collapses_alone_is_seen_and_named(small, labelled):
    recipe = small("sngan-fashion-mnist", **{"data.source": labelled.source, "model.classes": 3})
    gan = GAN(recipe)
    healthy = Probe(gan, labelled).measure(0)
    scale_of(gan, 1, -1.0)  # x (1 - 1) + 0: the same for every latent
    broken = Probe(gan, labelled).measure(0)
    assert healthy["class_diversity"] > 0.2
    assert broken["class_diversity"] == pytest.approx(0, abs=1e-4)
    assert broken["class_least"] == 1
    assert broken["class_median"] > 0.2
    assert broken["diversity"] > 0.2, "all together look varied"


def test_a_rare_class_that_collapses_alone_is_seen(small, labelled, monkeypatch):
    """One image in 130: of 128 random ones there may be none, and of 300 too few to compare with."""
    monkeypatch.setattr(probe, "REAL_IMAGES", 300)
    rare = np.flatnonzero(labelled.labels == 1)[13:]
    stay = np.setdiff1d(np.arange(len(labelled.labels)), rare)
    store = dataclasses.replace(labelled, images=labelled.images[stay], labels=labelled.labels[stay])
    gan = GAN(small("sngan-fashion-mnist", **{"data.source": labelled.source, "model.classes": 3}))
    healthy = Probe(gan, store)
    assert healthy.classes.distances.keys() == {0, 1, 2}
    assert healthy.measure(0)["class_diversity"] > 0.2
    scale_of(gan, 1, -1.0)
    broken = Probe(gan, store).measure(0)
    assert (broken["class_diversity"], broken["class_least"]) == (pytest.approx(0, abs=1e-4), 1)


def test_signals_of_classes_are_those_of_conditional_models_alone(small, labelled):
    gan = GAN(small("sngan-fashion-mnist", **{"data.source": labelled.source}))
    assert not [name for name in Probe(gan, labelled).measure(0) if name.startswith("class_")]


def test_the_extremes_are_those_before_augmentation(small, many):
    gan = GAN(small("dcgan-fashion-mnist", **{"data.source": many.source, "augment.diffaugment": ["color"]}))
    signals = Probe(gan, many).measure(0)
    assert -1.0 == signals["real_low"] < signals["real_high"] <= 1.0


def test_frozen_networks_do_not_move(small, many):
    gan = GAN(small("dcgan-fashion-mnist", **{"data.source": many.source}))
    engine, probe = backend.Engine(gan), Probe(gan, many)
    probe.measure(0)
    engine.run(schedule.G_ONLY, batch_of(gan, many))
    engine.sync()
    signals = probe.measure(1)
    assert signals["d_update"] == 0
    assert signals["g_update"] > 0


def test_images_that_change_on_the_disk_are_seen(small, many):
    gan = GAN(small("dcgan-fashion-mnist", **{"data.source": many.source}))
    images = np.array(many.images)
    probe = Probe(gan, data.Store(many.path, "mine", images, many.heldout, None, None, (), "", ()))
    before = probe.measure(0)["data_digest"]
    assert probe.measure(1)["data_digest"] == before
    images[:] = 255 - images
    assert probe.measure(2)["data_digest"] != before


def test_what_stands_still_beside_the_weights_is_seen(small, many):
    gan = GAN(small("dcgan-fashion-mnist", **{"data.source": many.source}))
    engine, probe = backend.Engine(gan), Probe(gan, many)
    probe.measure(0)
    engine.run(schedule.BOTH, batch_of(gan, many))
    engine.sync()
    moved = probe.measure(1)
    assert moved["ema_update"] > 0 and moved["statistics_update"] > 0
    still = probe.measure(2)
    assert still["ema_update"] == 0 and still["statistics_update"] == 0


def test_the_first_look_is_at_the_data(small, many, store):
    gan = GAN(small("dcgan-fashion-mnist", **{"data.source": many.source}))
    first = Probe(gan, many).first
    assert first["data_images"] == len(many.images)
    assert first["data_shift"] < 0.2
    assert "data_shift" not in Probe(gan, store).first  # two held-out images tell nothing
    by_place = many.images[np.argsort(many.images.argmax(axis=1).sum(axis=(1, 2)), kind="stable")]
    ordered = data.Store(many.path, "sorted", by_place, many.heldout, None, None, (), "", ())
    assert Probe(gan, ordered).first["data_shift"] < 0.2, "as in a folder, class by class"
    one = data.Store(many.path, "one", np.repeat(many.images[:1], 100, axis=0), many.heldout, None, None, (), "", ())
    first = Probe(gan, one).first
    assert first["data_distance"] == 0
    assert first["data_shift"] > 0.1
