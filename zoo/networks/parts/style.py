"""Layers of style-based generators and their discriminators (Karras 2019, arXiv:1812.04948; 2020, arXiv:1912.04958)."""

from __future__ import annotations

import math

from zoo.networks.parts.layers import ConvPool2D, UpConv2D
from zoo.networks.parts.lazy import backend, keras, layers, ops

register = keras.saving.register_keras_serializable(package="zoo")


@register
def leaky_relu(x):
    """Leaky ReLU of slope 0.2 times sqrt(2), which keeps the variance of a normal variable near 1."""
    return ops.leaky_relu(x, 0.2) * 2.0**0.5


@register
class PixelNorm(layers.Layer):
    """Divides each row by the root of its mean square: [N, C] -> [N, C]."""

    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)


@register
class EqualizedDense(layers.Dense):
    """`Dense` with kernel / sqrt(inputs), and both kernel and bias times `multiplier`.

    For outputs of unit variance the kernel starts as normal(1 / multiplier). Adam, whose steps do not depend
    on the size of the gradient, then learns the layer `multiplier` times as fast.
    """

    def __init__(self, units: int, multiplier: float = 1.0, **kwargs) -> None:
        super().__init__(units, **kwargs)
        self.multiplier = multiplier

    def call(self, x):
        scale = self.multiplier * x.shape[-1] ** -0.5
        return self.activation(ops.matmul(x, self.kernel) * scale + self.bias * self.multiplier)

    def get_config(self) -> dict:
        return super().get_config() | {"multiplier": self.multiplier, "kernel_initializer": "zeros"}


class _Equalized:
    """Mixin before a convolution: kernel / sqrt(fan-in), for a kernel that starts as normal(1).

    A layer read from a file starts at zero instead, and then receives its weights.
    """

    @property
    def scale(self) -> float:
        return math.prod(self._kernel.shape[:-1]) ** -0.5

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel * self.scale)

    def get_config(self) -> dict:
        return super().get_config() | {"kernel_initializer": "zeros"}


@register
class EqualizedConv2D(_Equalized, layers.Conv2D):
    """`Conv2D` with an equalised kernel."""


@register
class EqualizedConvPool2D(_Equalized, ConvPool2D):
    """`ConvPool2D` with an equalised kernel."""


class _Modulated(_Equalized):
    """Mixin before a convolution: each image has its own scale for each input channel, 2020, section 2.2.

    Equation 1 scales the kernel by s, and equation 3 divides it by its norm. A convolution is linear, so this
    scales the inputs and the outputs instead, and all images share one kernel W:

        y = conv(x s, W) / sqrt(sum over taps and inputs (W s)^2 + 1e-8)

    x: [N, H, W, C], s: [N, C].
    """

    def __init__(self, *args, demodulate: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.demodulate = demodulate

    def build(self, x_shape, scales_shape) -> None:
        super().build(x_shape)

    def call(self, x, scales):
        y = self.convolution_op(x * ops.expand_dims(scales, (1, 2)), self.kernel)
        if self.demodulate:
            y = y * ops.cast(ops.expand_dims(self.demodulation(scales), (1, 2)), y.dtype)
        return y + self.bias

    def demodulation(self, scales):
        """1 / sqrt(sum (W s)^2) in float32: [N, C] -> [N, filters]."""
        kernel = ops.cast(self.kernel, "float32") * self.scale
        squares = ops.sum(ops.square(kernel), axis=(0, 1))
        return ops.rsqrt(ops.matmul(ops.square(ops.cast(scales, "float32")), squares) + 1e-8)

    def compute_output_shape(self, x_shape, scales_shape=None):
        return super().compute_output_shape(x_shape)

    def get_config(self) -> dict:
        return super().get_config() | {"demodulate": self.demodulate}


@register
class ModulatedConv2D(_Modulated, layers.Conv2D):
    """`Conv2D` with a modulated kernel."""


@register
class ModulatedUpConv2D(_Modulated, UpConv2D):
    """`UpConv2D` with a modulated kernel."""


@register
class Styles(layers.Layer):
    """The w of each layer: style mixing (2019, section 3.1), then truncation (2019, appendix B).

    Where mixing < share, the layers from the crossover on, uniform in 1 .. count - 1, take the second style.
    Each call with training=True moves `w_mean` by 0.2 % towards the batch mean of w; replicas average theirs.

    w, w_mixing: [N, Z]; mixing, truncation: [N, 1]; the result is a list of `count` tensors [N, Z].

    With a label [N, K], truncation moves a style towards the mean of its class: `w_label` [K, Z] is that mean less
    `w_mean`, and follows the batch means of the classes that a batch holds.
    """

    def __init__(self, count: int, share: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.count, self.share = count, share

    def build(self, w_shape, w_mixing_shape=None, mixing_shape=None, truncation_shape=None, label_shape=None) -> None:
        self.w_mean = self.add_weight(
            name="w_mean", shape=(w_shape[-1],), initializer="zeros", trainable=False, aggregation="mean"
        )
        self.w_label = label_shape and self.add_weight(
            name="w_label",
            shape=(label_shape[-1], w_shape[-1]),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )

    def call(self, w, w_mixing, mixing, truncation, label=None, training=False):
        if training:
            batch_mean = ops.mean(ops.stop_gradient(w), axis=0)
            self.w_mean.assign(batch_mean + 0.998 * (self.w_mean - batch_mean))
        mean = self.w_mean
        if label is not None:
            if training:
                self.follow_classes(ops.stop_gradient(w), label)
            mean = ops.expand_dims(mean + ops.matmul(label, self.w_label), 1)
        late = ops.arange(self.count) >= self.crossover(mixing)
        w = ops.where(late[:, :, None], w_mixing[:, None], w[:, None])
        psi = truncation[:, None]
        return ops.unstack(psi * w + (1.0 - psi) * mean, self.count, axis=1)

    def follow_classes(self, w, label) -> None:
        """Follows the classes of the whole batch: a replica that has none of a class would hold the others back."""
        counts = backend.total(ops.sum(label, axis=0)[:, None])
        means = backend.total(ops.matmul(ops.transpose(label), w)) / ops.maximum(counts, 1.0) - self.w_mean
        moved = means + 0.998 * (self.w_label - means)
        self.w_label.assign(ops.where(counts > 0.0, moved, self.w_label.value))

    def crossover(self, mixing):
        """The first layer of the second style, int32 [N, 1]; `count` where there is none."""
        if not self.share:
            return ops.full_like(mixing, self.count, dtype="int32")
        crossover = 1 + ops.cast(ops.floor(mixing / self.share * (self.count - 1)), "int32")
        return ops.minimum(crossover, self.count)

    def get_config(self) -> dict:
        return super().get_config() | {"count": self.count, "share": self.share}


@register
class NoiseMaps(layers.Layer):
    """Cuts [N, P] into one square map for each layer: a list of [N, size, size, 1]."""

    def __init__(self, sizes: list[int], **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = list(sizes)

    def call(self, noise):
        maps, start = [], 0
        for size in self.sizes:
            maps.append(ops.reshape(noise[:, start : start + size * size], (-1, size, size, 1)))
            start += size * size
        return maps

    def get_config(self) -> dict:
        return super().get_config() | {"sizes": self.sizes}


@register
class AddNoise(layers.Layer):
    """x + strength * noise, [N, H, W, C] and [N, H, W, 1]; the learned strength starts at 0."""

    def build(self, x_shape, noise_shape) -> None:
        self.strength = self.add_weight(name="strength", shape=(), initializer="zeros")

    def call(self, x, noise):
        return x + self.strength * noise


@register
class Constant(layers.Layer):
    """A learned tensor, repeated for each row of the input: [N, ...] -> [N, *shape]."""

    def __init__(self, shape: tuple[int, ...], initializer="zeros", **kwargs) -> None:
        super().__init__(**kwargs)
        self.shape, self.initializer = tuple(shape), initializer

    def build(self, like_shape) -> None:
        self.value = self.add_weight(name="value", shape=self.shape, initializer=self.initializer)

    def call(self, like):
        return ops.broadcast_to(self.value, (ops.shape(like)[0], *self.shape))

    def compute_output_shape(self, like_shape):
        return like_shape[0], *self.shape

    def get_config(self) -> dict:
        return super().get_config() | {"shape": self.shape}


@register
class MinibatchStd(layers.Layer):
    """Adds one channel, the mean standard deviation over a group of images: [N, H, W, C] -> [N, H, W, C + 1].

    Karras 2018, arXiv:1710.10196, section 3, in groups of 4 consecutive images, or of gcd(N, 4) where 4 does
    not divide N. The standard deviations of all values over the group are averaged to one number.
    """

    def call(self, x):
        count, (height, width, channels) = ops.shape(x)[0], x.shape[1:]
        group = _gcd_with_4(count)
        grouped = ops.reshape(ops.cast(x, "float32"), (-1, group, height, width, channels))
        std = ops.sqrt(ops.var(grouped, axis=1, keepdims=True) + 1e-8)
        std = ops.mean(std, axis=(2, 3, 4), keepdims=True)
        std = ops.reshape(ops.broadcast_to(std, ops.shape(grouped[..., :1])), (-1, height, width, 1))
        return ops.concatenate([x, ops.cast(std, x.dtype)], axis=-1)

    def compute_output_shape(self, x_shape):
        return *x_shape[:-1], x_shape[-1] + 1


def _gcd_with_4(count):
    """The greatest common divisor of a count and 4, for numbers and tensors alike: the lowest bit of count | 4."""
    return (count | 4) & -(count | 4)
