"""Projected GAN's frozen features, fixed mixing and heads."""

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo import backend, networks
from zoo import recipe as recipes
from zoo.networks.parts import efficientnet_lite0, features

NAME = "projected-gan-64"


@pytest.fixture(scope="module")
def discriminator():
    sizes = {"model.latent_dim": 8, "model.g_channels": 2, "model.d_channels": 4, "precision": "float32"}
    return networks.build(recipes.load(NAME, sizes))[1]


@pytest.fixture
def pictures():
    return np.random.default_rng(0).uniform(-1, 1, (4, 64, 64, 3)).astype("float32")


def test_the_features_are_those_of_the_network_that_names_objects(pictures):
    frozen = features.Frozen(64, dtype="float32")
    maps = frozen(pictures)
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 32, 32), (16, 16, 24), (8, 8, 40), (4, 4, 112)]
    for ours, theirs in zip(maps, efficientnet_lite0.scales(64)(127.5 * pictures + 127.5), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    grey = pictures[..., :1]
    for one, three in zip(frozen(grey), frozen(np.repeat(grey, 3, axis=-1)), strict=True):
        np.testing.assert_array_equal(one, three)


def test_they_do_not_learn_and_no_checkpoint_keeps_them(discriminator):
    assert discriminator.get_layer("features").variables == []
    learning = {variable.path.split("/")[0] for variable in discriminator.trainable_variables}
    assert not {name for name in learning if name.startswith(("across", "coarser"))}
    assert sum(np.prod(variable.shape) for variable in discriminator.variables) < 100_000


def test_an_image_gets_gradients_through_them(discriminator, pictures):
    gradient = np.asarray(backend.input_gradient(discriminator, ops.convert_to_tensor(pictures)))
    assert np.all(np.abs(gradient).mean(axis=(1, 2, 3)) > 0)


def test_five_heads_judge_sixteen_places_each(discriminator, pictures):
    assert discriminator.output_shape == (None, 5 * 16)
    other = np.array(pictures)
    other[:, :16, :16] = 0  # one of 4 x 4 places
    moved = np.abs(np.asarray(discriminator(pictures)) - np.asarray(discriminator(other))).mean(axis=0)
    finest, colours = moved[:16].reshape(4, 4), moved[64:].reshape(4, 4)
    assert finest[0, 0] > 0 and colours[0, 0] > 0
    assert colours[3, 3] < colours[0, 0]


def test_fixed_mixing_keeps_the_variance():
    mixed = networks.module("projected-gan")._fixed
    x = ops.convert_to_tensor(np.random.default_rng(0).standard_normal((2, 16, 16, 64)).astype("float32"))
    init = networks.own.Initializers(0)
    assert 0.9 < np.std(np.asarray(mixed(x, 256, 1, init, "one"))) < 1.1
    assert 0.9 < np.std(np.asarray(mixed(x, 256, 3, init, "three"))[:, 1:-1, 1:-1]) < 1.1


def test_a_file_of_the_layer_holds_no_weights(tmp_path):
    frozen = features.Frozen(64, name="features")
    assert features.Frozen.from_config(frozen.get_config()).size == 64
    image = keras.Input((64, 64, 3))
    keras.Model(image, frozen(image)).save_weights(tmp_path / "kept.weights.h5")
    assert (tmp_path / "kept.weights.h5").stat().st_size < 100_000  # 2.8 million bytes of weights are not there


def test_mixed_precision_gives_nearly_the_same_features(pictures):
    exact, mixed = features.Frozen(64, dtype="float32"), features.Frozen(64, dtype="mixed_bfloat16")
    for ours, theirs in zip(mixed(pictures), exact(pictures), strict=True):
        difference = np.linalg.norm(np.asarray(ours, "float32") - np.asarray(theirs))
        assert difference < 0.05 * np.linalg.norm(np.asarray(theirs))


def test_what_does_not_learn_is_not_counted_by_freeze_d():
    sizes = {"model.latent_dim": 8, "model.g_channels": 2, "model.d_channels": 4, "schedule.freeze_d": 1}
    gan = zoo.GAN(recipes.load(NAME, sizes))
    learning = [layer for layer in gan.discriminator.layers if hasattr(layer, "kernel") and layer.trainable]
    free = networks.build(recipes.load(NAME, sizes))[1]
    assert len(learning) == len([layer for layer in free.layers if hasattr(layer, "kernel") and layer.trainable]) - 1
