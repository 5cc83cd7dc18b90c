import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend
from zoo.networks import stylegan_lite
from zoo.networks.parts import inputs
from zoo.networks.parts.layers import Initializers
from zoo.networks.parts.style import (
    EqualizedConv2D,
    EqualizedConvPool2D,
    EqualizedDense,
    MinibatchStd,
    ModulatedConv2D,
    ModulatedUpConv2D,
    NoiseMaps,
    Styles,
    leaky_relu,
)
from zoo.networks.stylegan_lite import Config, noise_size
from zoo.training.estimate import parameters

SMALL = Config(latent_dim=16, g_channels=4, d_channels=4, mapping_layers=2, style_mixing=0.9)
LAYERS = 7  # styled convolutions at 32 pixels


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def starting(std):
    return Initializers(0).normal(std)


def build(model, resolution, channels, seed):
    init = Initializers(seed)
    parts = model, resolution, channels, init
    return stylegan_lite.generator(*parts), stylegan_lite.discriminator(*parts)


def latents(generator, count=4, **replaced):
    draws = inputs.draw_training(generator, (count,), np.random.default_rng(0))
    for name, value in replaced.items():
        draws[name] = np.broadcast_to(np.float32(value), draws[name].shape)
    return draws


@pytest.fixture(scope="module")
def networks():
    return build(SMALL, 32, 3, seed=0)


@pytest.fixture(scope="module")
def generator(networks):
    return networks[0]


def convolve(x, kernel):
    """One image [H, W, C] with a 3 x 3 kernel [3, 3, C, F] and zeros around it, tap by tap."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width = x.shape[:2]
    return sum(padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize(("kind", "scale"), [(ModulatedConv2D, 1), (ModulatedUpConv2D, 2)])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_a_kernel_of_its_own_for_each_image(kind, scale, demodulate):
    layer = kind(5, kernel_size=3, padding="same", kernel_initializer=starting(1.0), demodulate=demodulate)
    x, s = normal(3, 6, 8, 4), normal(3, 4, seed=1)
    y = np.asarray(layer(x, s))
    layer.bias.assign(normal(5))
    kernel = np.asarray(layer._kernel) / np.sqrt(3 * 3 * 4)
    for i in range(3):
        own = kernel * s[i][:, None]  # equation 1
        if demodulate:
            own = own / np.sqrt((own**2).sum((0, 1, 2)) + 1e-8)  # equation 3
        expected = convolve(x[i].repeat(scale, 0).repeat(scale, 1), own)
        np.testing.assert_allclose(y[i], expected, atol=1e-5)
        np.testing.assert_allclose(layer(x, s)[i], expected + normal(5), atol=1e-5)


@pytest.mark.parametrize("kind", [ModulatedConv2D, ModulatedUpConv2D])
def test_demodulation_keeps_unit_variance_whatever_the_style(kind):
    layer = kind(64, kernel_size=3, padding="same", kernel_initializer=starting(1.0))
    y = np.asarray(layer(normal(2, 32, 32, 32), 100.0 * normal(2, 32, seed=1)))[:, 2:-2, 2:-2]
    np.testing.assert_allclose(y.var(axis=(1, 2, 3)), 1.0, atol=0.1)


@pytest.mark.parametrize(
    ("layer", "x", "std"),
    [
        (EqualizedDense(4096, kernel_initializer=starting(1.0)), normal(8, 50), 1.0),
        (EqualizedDense(4096, multiplier=0.01, kernel_initializer=starting(100.0)), normal(8, 50), 1.0),
        (EqualizedConv2D(256, 3, kernel_initializer=starting(1.0)), normal(2, 10, 10, 20), 1.0),
        (EqualizedConvPool2D(256, kernel_initializer=starting(1.0)), normal(2, 16, 16, 20), 0.5),
    ],
)
def test_equalised_layers_keep_unit_variance(layer, x, std):
    assert float(ops.std(layer(x))) == pytest.approx(std, rel=0.1)


def test_the_multiplier_scales_kernel_and_bias():
    layer = EqualizedDense(2, multiplier=0.01, kernel_initializer="ones", bias_initializer="ones")
    np.testing.assert_allclose(layer(np.ones((1, 4), np.float32)), [[0.01 * (4 / 2 + 1)] * 2], rtol=1e-6)


def test_leaky_relu():
    y = leaky_relu(np.float32([-1, 0, 1]))
    np.testing.assert_allclose(y, np.sqrt(2) * np.array([-0.2, 0, 1]), rtol=1e-6)


def test_the_crossover_is_uniform_below_the_share_and_absent_above():
    draws = np.random.default_rng(0).random((20_000, 1), np.float32)
    crossover = np.asarray(Styles(LAYERS, share=0.9).crossover(draws))
    assert set(crossover[draws >= 0.9]) == {LAYERS}
    counts = np.bincount(crossover[draws < 0.9])
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 0.9 * 20_000 / (LAYERS - 1), rtol=0.1)
    for share in (0.0, 0.5):
        assert np.all(np.asarray(Styles(LAYERS, share).crossover(np.ones((3, 1), np.float32))) == LAYERS)


def test_mixing_gives_the_second_style_to_the_layers_from_the_crossover_on():
    w, second = np.zeros((3, 5), np.float32), np.ones((3, 5), np.float32)
    one = np.ones((3, 1), np.float32)
    mixing = np.float32([[0.0], [0.26], [0.5]])  # of a share of 0.5: layer 1, 1 + floor(0.52 * 6) and never
    styles = np.stack(Styles(LAYERS, share=0.5)(w, second, mixing, one))[..., 0]
    assert styles.T.tolist() == [[0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1], [0] * LAYERS]


def test_mixing_leaves_coarse_features_and_changes_the_image(generator):
    coarse = generator.get_layer("conv16_1_relu").output
    model = keras.Model(generator.inputs, [coarse, generator.output])
    same = latents(generator, mixing=1.0)
    late = latents(generator, mixing=0.9 * 4.5 / 6)  # the crossover is layer 5, conv16_2 is layer 4
    (coarse, image), (coarse_mixed, image_mixed) = model(same), model(late)
    np.testing.assert_array_equal(coarse, coarse_mixed)
    assert np.abs(image - image_mixed).max() > 0.01


def test_without_mixing_the_second_latent_changes_nothing(generator):
    draws = latents(generator, mixing=1.0)
    first, second = (generator(draws | {"z_mixing": normal(4, 16, seed=i)}) for i in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_truncation_to_zero_is_the_mean_image_and_one_is_none():
    generator, _ = build(SMALL, 32, 3, seed=0)
    generator.get_layer("styles").w_mean.assign(normal(16))
    mean = np.asarray(generator(latents(generator, truncation=0.0)))
    np.testing.assert_array_equal(mean, np.repeat(mean[:1], 4, axis=0))  # noise has no strength yet
    whole = generator(latents(generator))
    half = generator(latents(generator, truncation=0.5))
    assert np.abs(whole - mean).mean() > np.abs(half - mean).mean() > 0.01
    generator.get_layer("styles").w_mean.assign(normal(16, seed=1))
    np.testing.assert_array_equal(generator(latents(generator)), whole)


def test_w_mean_follows_the_batches_of_training_alone():
    layer = Styles(LAYERS, share=0.9)
    w, zeros = normal(8, 5), np.zeros((8, 1), np.float32)
    rest = (normal(8, 5, seed=1), zeros, zeros + 1)
    layer(w, *rest)
    np.testing.assert_array_equal(layer.w_mean, np.zeros(5))
    layer(w, *rest, training=True)
    np.testing.assert_allclose(layer.w_mean, 0.002 * w.mean(0), atol=1e-6)
    layer(w, *rest, training=True)
    np.testing.assert_allclose(layer.w_mean, (1 - 0.998**2) * w.mean(0), atol=1e-6)
    assert not layer.trainable_variables


def test_the_generator_tracks_w_mean_in_training():
    generator, _ = build(SMALL, 32, 3, seed=0)
    draws = latents(generator)
    w = keras.Model(generator.inputs, generator.get_layer("mapping2").output)(draws)
    generator(draws, training=False)
    assert not np.any(generator.get_layer("styles").w_mean)
    generator(draws, training=True)
    np.testing.assert_allclose(generator.get_layer("styles").w_mean, 0.002 * np.mean(w, axis=0), atol=1e-6)


REPLICAS = """
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from zoo.networks.parts.style import Styles
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layer = Styles(7, 0.0)
    layer.build((None, 3))
w = strategy.experimental_distribute_values_from_function(
    lambda context: tf.fill((2, 3), 500.0 * (1 + 2 * context.replica_id_in_sync_group)))
one = tf.ones((2, 1))
tf.function(lambda w: strategy.run(lambda w: layer(w, w, one, one, training=True)[0], (w,)))(w)
for value in layer.w_mean.value.values:
    np.testing.assert_allclose(value, 2.0, rtol=1e-5)  # 0.002 times the mean of 500 and 1500
"""


@pytest.mark.slow
def test_replicas_average_w_mean():
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_noise_acts_with_its_strength_which_starts_at_zero():
    generator, _ = build(SMALL, 32, 1, seed=0)
    first, second = (latents(generator) | {"noise": normal(4, noise_size(32), seed=i)} for i in (0, 1))
    np.testing.assert_array_equal(generator(first), generator(second))
    generator.get_layer("conv32_2_noise").strength.assign(0.1)
    assert np.abs(generator(first) - generator(second)).max() > 0.01


def test_noise_is_cut_into_the_maps_of_the_layers():
    maps = NoiseMaps([4, 8, 8])(np.arange(2 * 144, dtype="float32").reshape(2, 144))
    assert [tuple(m.shape) for m in maps] == [(2, 4, 4, 1), (2, 8, 8, 1), (2, 8, 8, 1)]
    np.testing.assert_array_equal(maps[1][1, :, :, 0], 144 + 16 + np.arange(64).reshape(8, 8))
    assert noise_size(32) == 4**2 + 2 * (8**2 + 16**2 + 32**2)


def test_minibatch_std_by_hand():
    x = np.zeros((8, 1, 1, 2), np.float32)
    x[:4, 0, 0] = [[0, 0], [0, 0], [2, 6], [2, 6]]  # standard deviations 1 and 3; none in the second group
    y = np.asarray(MinibatchStd()(x))
    np.testing.assert_array_equal(y[..., :2], x)
    np.testing.assert_allclose(y[:, 0, 0, 2], [2] * 4 + [1e-4] * 4, rtol=1e-5)


@pytest.mark.parametrize(("count", "group"), [(1, 1), (3, 1), (6, 2), (12, 4)])
def test_minibatch_std_has_groups_that_divide_the_batch(count, group):
    x, layer = normal(count, 4, 4, 3), MinibatchStd()
    expected = [np.sqrt(part.var(0) + 1e-8).mean() for part in x.reshape(-1, group, 4, 4, 3)]
    expected = np.broadcast_to(np.repeat(expected, group)[:, None, None], (count, 4, 4))
    np.testing.assert_allclose(layer(x)[..., 3], expected, rtol=1e-4)
    unknown = keras.Sequential([keras.Input((4, 4, 3)), layer]).predict(x, batch_size=count, verbose=0)
    np.testing.assert_allclose(unknown[..., 3], expected, rtol=1e-4)


@pytest.mark.parametrize(("resolution", "channels"), [(32, 3), (64, 1), (128, 3)])
def test_shapes(resolution, channels):
    generator, discriminator = build(SMALL, resolution, channels, seed=0)
    image = generator(latents(generator, 2))
    assert image.shape == (2, resolution, resolution, channels)
    assert discriminator(image).shape == (2, 1)
    shapes = {tensor.name: tensor.shape for tensor in generator.inputs}
    assert shapes == {
        "z": (None, 16),
        "z_mixing": (None, 16),
        "mixing": (None, 1),
        "noise": (None, noise_size(resolution)),
        "truncation": (None, 1),
    }


def test_every_variable_has_a_gradient(networks):
    generator, discriminator = networks

    def objective():
        return ops.sum(discriminator(generator(latents(generator, 8), training=True), training=True)), None

    variables = generator.trainable_variables + discriminator.trainable_variables
    _, gradients = backend.value_and_grad(objective, variables, generator.variables + discriminator.variables)
    assert not [v.path for v, gradient in zip(variables, gradients, strict=True) if not np.any(gradient)]


def test_styles_are_float32_in_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed, _ = build(SMALL, 32, 3, seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    for name in ("normalise", "mapping1", "styles", "conv8_1_style", "up_image32", "image32"):
        assert mixed.get_layer(name).compute_dtype == "float32"
    assert mixed.get_layer("conv8_1").compute_dtype == "bfloat16"
    assert mixed.get_layer("conv4_1").demodulation(normal(2, 32)).dtype == "float32"
    exact, _ = build(SMALL, 32, 3, seed=0)
    difference = np.asarray(mixed(latents(mixed))) - np.asarray(exact(latents(exact)))
    assert np.abs(difference).mean() < 0.02


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, with NumPy 2
def test_a_saved_model_loads(networks, tmp_path):
    for model in networks:
        inputs = latents(model) if model.name == "generator" else normal(4, 32, 32, 3)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded(inputs), model(inputs))
        assert [v.path for v in loaded.variables] == [v.path for v in model.variables]


def test_the_parameter_counts_of_the_header(monkeypatch):
    recipe = Config(latent_dim=128, g_channels=64, d_channels=64, mapping_layers=2, style_mixing=0.0)
    counts = [parameters(model) for model in build(recipe, 32, 3, seed=0)]
    monkeypatch.setattr(stylegan_lite, "_width", lambda *_: 512)
    monkeypatch.setattr(Initializers, "normal", lambda *_: "zeros")
    generator, _ = build(
        Config(latent_dim=512, g_channels=512, d_channels=512, mapping_layers=2, style_mixing=0.0), 32, 3, seed=0
    )
    block = [generator.get_layer(name) for name in ("conv32_2", "conv32_2_style", "conv32_2_noise")]
    counts += [parameters(generator), sum(parameters(layer) for layer in block)]
    assert counts[2:] == [19_947_539, 2_622_465]  # StyleGAN2's own
    for count in counts:
        assert f"{count:,}" in stylegan_lite.__doc__
