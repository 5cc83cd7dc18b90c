"""StyleGAN-lite: Karras, Laine and Aila 2019, arXiv:1812.04948, and Karras et al. 2020, arXiv:1912.04958.

A mapping network turns z into w, and w styles every convolution of a skip generator (2020, figure 7b); the
discriminator is residual (figure 7c). Both are g or d channels wide at full resolution and twice as wide at
every halving, at most 8 times as wide:

    resolution   generator (g = g_channels)                     discriminator (d = d_channels)
    32           4x4x8g -> 8x8x4g -> 16x16x2g -> 32x32xg        d -> 2d -> 4d -> 8d -> logit
    64           4x4x8g -> 8g -> 4g -> 2g -> 64x64xg            d -> 2d -> 4d -> 8d -> 8d -> logit
    128          4x4x8g -> 8g -> 8g -> 4g -> 2g -> 128x128xg    d -> 2d -> 4d -> 8d -> 8d -> 8d -> logit

Parameters at 32 pixels, 3 channels, z of 128, 2 mapping layers, g = d = 64: generator 5,090,515,
discriminator 9,055,809. With 512 channels at every resolution and a z of 512, as in StyleGAN2 for CIFAR-10,
this generator has 19,947,539, and so has StyleGAN2's, with 2,622,465 in each 512 -> 512 convolution, its
style, bias and noise.

All weights are equalised: they start as normal(1) and are divided by sqrt(fan-in) when used. The mapping
network learns 100 times slower (learning-rate multiplier 0.01). The image is a sum of linear layers, as in
the paper: it lies about [-1, 1], training takes it as it is, and only the conversion to uint8 clips.

Differs from the paper: features are resampled by a 2 x 2 box inside the convolution, in half the time that
the filter [1, 3, 3, 1] takes on a CPU (images are still up-sampled by that filter); a to-image layer shares
the style of the convolution before it; minibatch standard deviation groups consecutive images; no path
length penalty.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from zoo.networks.parts.layers import ConvPool2D, Initializers, UpConv2D
from zoo.recipe import Model

register = keras.saving.register_keras_serializable(package="zoo")


def build(model: Model, resolution: int, channels: int, seed: int) -> tuple[keras.Model, keras.Model]:
    """Returns the generator, inputs below -> [N, H, W, C], and the discriminator, [N, H, W, C] -> [N, 1].

    The generator's inputs are float32 and have one row for each image:

        z            normal [N, latent_dim]
        z_mixing     normal [N, latent_dim], the second style
        mixing       uniform [N, 1] in [0, 1): below `model.style_mixing`, the layers from a random one on
                     take the second style; 1 switches mixing off
        noise        normal [N, noise_size(resolution)], the noise maps of the layers, coarse to fine
        truncation   [N, 1], psi in w_mean + psi (w - w_mean); 1 switches truncation off
    """
    init = Initializers(seed)
    generator = _generator(model, resolution, channels, init)
    return generator, _discriminator(model.d_channels, resolution, channels, init)


def noise_size(resolution: int) -> int:
    """The noise values that one image takes: one for each pixel of each layer."""
    return sum(size * size for size in _layer_sizes(resolution))


def _sizes(resolution: int) -> list[int]:
    return [2**i for i in range(2, resolution.bit_length())]


def _layer_sizes(resolution: int) -> list[int]:
    """The size of each styled convolution: 4, 8, 8, 16, 16, ..."""
    return [size for size in _sizes(resolution) for _ in range(1 if size == 4 else 2)]


def _width(channels: int, size: int, resolution: int) -> int:
    return channels * min(8, resolution // size)


def _generator(model: Model, resolution: int, channels: int, init: Initializers) -> keras.Model:
    z = keras.Input((model.latent_dim,), name="z")
    z_mixing = keras.Input((model.latent_dim,), name="z_mixing")
    mixing = keras.Input((1,), name="mixing")
    noise = keras.Input((noise_size(resolution),), name="noise")
    truncation = keras.Input((1,), name="truncation")

    normalise = PixelNorm(dtype="float32", name="normalise")
    w, w_mixing = normalise(z), normalise(z_mixing)
    for i in range(1, model.mapping_layers + 1):
        dense = EqualizedDense(
            model.latent_dim,
            multiplier=0.01,
            activation=leaky_relu,
            dtype="float32",
            kernel_initializer=init.normal(100.0),
            name=f"mapping{i}",
        )
        w, w_mixing = dense(w), dense(w_mixing)
    layer_sizes = _layer_sizes(resolution)
    styles = iter(
        Styles(len(layer_sizes), model.style_mixing, dtype="float32", name="styles")(w, w_mixing, mixing, truncation)
    )
    maps = iter(NoiseMaps(layer_sizes, name="noise_maps")(noise))

    def modulated(kind, x, style, filters, kernel_size, name, **options):
        scales = EqualizedDense(
            x.shape[-1],
            dtype="float32",
            kernel_initializer=init.normal(1.0),
            bias_initializer="ones",
            name=f"{name}_style",
        )(style)
        return kind(
            filters, kernel_size=kernel_size, padding="same", kernel_initializer=init.normal(1.0), name=name, **options
        )(x, scales)

    x = Constant((4, 4, _width(model.g_channels, 4, resolution)), init.normal(1.0), name="constant")(z)
    image = None
    for size in _sizes(resolution):
        filters = _width(model.g_channels, size, resolution)
        kinds = [ModulatedConv2D] if size == 4 else [ModulatedUpConv2D, ModulatedConv2D]
        for i, kind in enumerate(kinds, start=1):
            name, style = f"conv{size}_{i}", next(styles)
            x = modulated(kind, x, style, filters, 3, name)
            x = AddNoise(name=f"{name}_noise")(x, next(maps))
            x = layers.Activation(leaky_relu, name=f"{name}_relu")(x)
        update = modulated(ModulatedConv2D, x, style, channels, 1, f"to_image{size}", demodulate=False)
        if image is None:
            image = update
        else:
            image = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name=f"up_image{size}")(image)
            image = layers.Add(dtype="float32", name=f"image{size}")([image, update])
    return keras.Model([z, z_mixing, mixing, noise, truncation], image, name="generator")


def _discriminator(width: int, resolution: int, channels: int, init: Initializers) -> keras.Model:
    def conv(kind, x, filters, kernel_size, name, **options):
        return kind(
            filters, kernel_size=kernel_size, padding="same", kernel_initializer=init.normal(1.0), name=name, **options
        )(x)

    image = keras.Input((resolution, resolution, channels), name="image")
    x = conv(EqualizedConv2D, image, width, 1, "from_image", activation=leaky_relu)
    for size in reversed(_sizes(resolution)[:-1]):
        name, filters = f"down{size}", _width(width, size, resolution)
        h = conv(EqualizedConv2D, x, x.shape[-1], 3, f"{name}_conv1", activation=leaky_relu)
        h = conv(EqualizedConvPool2D, h, filters, 3, f"{name}_conv2", activation=leaky_relu)
        x = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        x = conv(EqualizedConv2D, x, filters, 1, f"{name}_shortcut", use_bias=False)
        x = layers.Add(name=f"{name}_add")([h, x])
        x = layers.Rescaling(0.5**0.5, name=name)(x)
    x = MinibatchStd(name="minibatch_std")(x)
    x = conv(EqualizedConv2D, x, filters, 3, "last", activation=leaky_relu)
    x = layers.Flatten(name="flatten")(x)
    x = EqualizedDense(filters, activation=leaky_relu, kernel_initializer=init.normal(1.0), name="dense")(x)
    logit = EqualizedDense(1, dtype="float32", kernel_initializer=init.normal(1.0), name="logit")(x)
    return keras.Model(image, logit, name="discriminator")


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
    """

    def __init__(self, count: int, share: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.count, self.share = count, share

    def build(self, w_shape, *_) -> None:
        self.w_mean = self.add_weight(
            name="w_mean", shape=(w_shape[-1],), initializer="zeros", trainable=False, aggregation="mean"
        )

    def call(self, w, w_mixing, mixing, truncation, training=False):
        if training:
            batch_mean = ops.mean(ops.stop_gradient(w), axis=0)
            self.w_mean.assign(batch_mean + 0.998 * (self.w_mean - batch_mean))
        late = ops.arange(self.count) >= self.crossover(mixing)
        w = ops.where(late[:, :, None], w_mixing[:, None], w[:, None])
        psi = truncation[:, None]
        return ops.unstack(psi * w + (1.0 - psi) * self.w_mean, self.count, axis=1)

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
        group = (count | 4) & -(count | 4)  # gcd(N, 4), the lowest bit set, for numbers and tensors alike
        grouped = ops.reshape(ops.cast(x, "float32"), (-1, group, height, width, channels))
        std = ops.sqrt(ops.var(grouped, axis=1, keepdims=True) + 1e-8)
        std = ops.mean(std, axis=(2, 3, 4), keepdims=True)
        std = ops.reshape(ops.broadcast_to(std, ops.shape(grouped[..., :1])), (-1, height, width, 1))
        return ops.concatenate([x, ops.cast(std, x.dtype)], axis=-1)

    def compute_output_shape(self, x_shape):
        return *x_shape[:-1], x_shape[-1] + 1
