import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend
from zoo.networks.parts.layers import (
    ConvPool2D,
    GroupedConv2D,
    Initializers,
    SNConv2D,
    SNConvPool2D,
    SNDense,
    UpConv2D,
    spectral_layers,
)

RNG = np.random.default_rng(0)


def test_up_conv_is_nearest_upsampling_then_convolution():
    x = RNG.standard_normal((2, 5, 6, 3)).astype("float32")
    fused, plain = UpConv2D(4), keras.layers.Conv2D(4, 3, padding="same")
    y = fused(x)
    plain.build((None, 10, 12, 3))
    plain.set_weights(fused.get_weights())
    np.testing.assert_allclose(y, plain(keras.layers.UpSampling2D(2)(x)), atol=1e-5)
    assert fused.compute_output_shape((2, 5, 6, 3)) == tuple(y.shape)


def test_conv_pool_is_convolution_then_average_pooling():
    x = RNG.standard_normal((2, 6, 8, 3)).astype("float32")
    fused, plain = ConvPool2D(4), keras.layers.Conv2D(4, 3, padding="same")
    y = fused(x)
    plain.build(x.shape)
    plain.set_weights(fused.get_weights())
    np.testing.assert_allclose(y, keras.layers.AveragePooling2D(2)(plain(x)), atol=1e-5)
    assert fused.compute_output_shape(x.shape) == tuple(y.shape)


@pytest.mark.parametrize("groups, channels", [(1, 6), (6, 6), (3, 24), (4, 64), (2, 64)])
def test_grouped_conv_is_a_convolution_of_each_group(groups, channels):
    x = RNG.standard_normal((2, 5, 6, channels)).astype("float32")
    layer = GroupedConv2D(2 * channels, 3, padding="same", groups=groups)
    y = np.asarray(layer(x))
    kernel, bias = (np.asarray(weight) for weight in layer.get_weights())
    for part, of_x, of_kernel, of_bias in zip(
        *(np.split(array, groups, axis=-1) for array in (y, x, kernel, bias)), strict=True
    ):
        plain = keras.layers.Conv2D(2 * channels // groups, 3, padding="same")
        plain.build(of_x.shape)
        plain.set_weights([of_kernel, of_bias])
        np.testing.assert_allclose(part, plain(of_x), atol=1e-5)


@pytest.mark.parametrize("make", [lambda: SNConv2D(5, 3), lambda: SNConvPool2D(5), lambda: SNDense(5)])
def test_spectral_norm_divides_by_the_largest_singular_value_and_keeps_the_kernel(make):
    keras.utils.set_random_seed(0)
    layer = make()
    layer.build((None, 8, 8, 4) if "Conv" in type(layer).__name__ else (None, 30))
    raw = np.asarray(layer._kernel).copy()
    largest = np.linalg.svd(raw.reshape(-1, 5), compute_uv=False)[0]
    for _ in range(300):
        layer.power_iteration()
    assert float(layer.sigma) == pytest.approx(largest, rel=1e-5)
    np.testing.assert_allclose(layer.kernel, raw / largest, rtol=1e-4, atol=1e-7)
    u = np.asarray(layer._u).copy()
    layer(np.ones((2, 8, 8, 4) if "Conv" in type(layer).__name__ else (2, 30), "float32"), training=True)
    np.testing.assert_array_equal(layer._kernel, raw)
    np.testing.assert_array_equal(layer._u, u)  # applying the layer changes nothing


def test_spectral_norm_gradient_flows_through_sigma():
    layer = SNDense(3, use_bias=False)
    layer.build((None, 4))
    for _ in range(200):
        layer.power_iteration()
    direction = RNG.standard_normal((4, 3)).astype("float32")

    def value():
        return ops.sum(layer.kernel * direction), None

    (_, _), (gradient,) = backend.value_and_grad(value, layer.trainable_variables, layer.variables)
    raw = np.asarray(layer._kernel, "float64")

    def exact(w):
        return np.sum(w / np.linalg.svd(w, compute_uv=False)[0] * direction)

    for index in np.ndindex(4, 3):
        step = np.zeros_like(raw)
        step[index] = 1e-5
        assert float(gradient[index]) == pytest.approx((exact(raw + step) - exact(raw - step)) / 2e-5, abs=1e-3)
    assert float(ops.sum(gradient * layer._kernel)) == pytest.approx(0.0, abs=1e-4)  # the scale of W does not matter


def test_spectral_norm_keeps_float32_master_weights_under_mixed_precision():
    layer = SNConv2D(6, 3, dtype="mixed_bfloat16")
    y = layer(np.ones((1, 8, 8, 4), "float32"), training=True)
    raw = np.asarray(layer._kernel)
    assert y.dtype == "bfloat16"
    assert raw.dtype == np.float32
    assert np.asarray(layer._u).dtype == np.float32
    assert np.any(raw != np.asarray(ops.cast(ops.cast(raw, "bfloat16"), "float32")))


def test_initializers_repeat_and_differ():
    a, b = Initializers(7), Initializers(7)
    first = a.normal(0.02)((100, 100))
    np.testing.assert_array_equal(first, b.normal(0.02)((100, 100)))
    assert first.std() == pytest.approx(0.02, rel=0.03)
    assert not np.array_equal(first, a.normal(0.02)((100, 100)))
    assert not np.array_equal(first, Initializers(8).normal(0.02)((100, 100)))
    kernel = a.glorot_uniform(2.0)((3, 3, 20, 30))
    assert np.abs(kernel).max() == pytest.approx(2.0 * np.sqrt(6 / (9 * 50)), rel=0.01)


def test_spectral_layers_finds_them():
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, SNDense(1)(keras.layers.Flatten()(SNConv2D(2, 3)(x))))
    assert [type(layer) for layer in spectral_layers(model)] == [SNConv2D, SNDense]
