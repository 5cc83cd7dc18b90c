"""StyleGAN-lite: Karras, Laine and Aila 2019, arXiv:1812.04948, and Karras et al. 2020, arXiv:1912.04958.

A mapping network turns z into w, and w styles every convolution of a skip generator (2020, figure 7b); the
discriminator is residual (figure 7c). Both are g or d channels wide at full resolution and twice as wide at
every halving, at most 8 times as wide:

    resolution   generator (g = g_channels)                     discriminator (d = d_channels)
    32           4x4x8g -> 8x8x4g -> 16x16x2g -> 32x32xg        d -> 2d -> 4d -> 8d -> logit
    64           4x4x8g -> 8g -> 4g -> 2g -> 64x64xg            d -> 2d -> 4d -> 8d -> 8d -> logit
    128          4x4x8g -> 8g -> 8g -> 4g -> 2g -> 128x128xg    d -> 2d -> 4d -> 8d -> 8d -> 8d -> logit
    256          one more 8g                                    one more 8d

Parameters at 32 pixels, 3 channels, z of 128, 2 mapping layers, g = d = 64: generator 5,090,515,
discriminator 9,055,809; with 10 classes 5,091,795 and 9,060,929. With 512 channels at every resolution
and a z of 512, as in StyleGAN2 for CIFAR-10, this generator has 19,947,539, and so has StyleGAN2's, with
2,622,465 in each 512 -> 512 convolution, its style, bias and noise.

All weights are equalised: they start as normal(1) and are divided by sqrt(fan-in) when used. The mapping
network learns 100 times slower (learning-rate multiplier 0.01). The image is a sum of linear layers, as in
the paper: it lies about [-1, 1], training takes it as it is, and only the conversion to uint8 clips.

With classes, an embedded label is added to the normalised z, and D ends in a projection (Karras et al. 2020,
arXiv:2006.06676, who concatenate the two, and whose projection alone is the logit).

Differs from the paper: features are resampled by a 2 x 2 box inside the convolution, in half the time that
the filter [1, 3, 3, 1] takes on a CPU (images are still up-sampled by that filter); a to-image layer shares
the style of the convolution before it; minibatch standard deviation groups consecutive images; no path
length penalty.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from zoo.networks.parts.label import embedded, joined, label_input, plus, projected
from zoo.networks.parts.lazy import keras, layers, ops, own, style
from zoo.networks.parts.network import Facts, Model, sizes


class Config(Model, frozen=True, kw_only=True, tag="stylegan-lite"):
    """[model] of a StyleGAN-lite recipe."""

    mapping_layers: Annotated[int, Meta(ge=1, le=64)]
    style_mixing: Annotated[float, Meta(ge=0, lt=1)]  # the share of images made from two styles

    facts: ClassVar[Facts] = Facts(
        title="StyleGAN-lite",
        paper="Karras 2019, arXiv:1812.04948, and 2020, arXiv:1912.04958",
        resolutions=(32, 64, 128, 256),
        equalised=True,
        truncation=True,
        styles=True,
        plain_keras=False,
    )
    space: ClassVar[dict[str, Any]] = {
        "loss.r1": {"low": 0.05, "high": 10.0, "log": True},  # gamma follows the images: 0.05 to 50 in Karras 2020
        "model.style_mixing": {"choices": [0.0, 0.9]},
    }

    def widest(self, resolution: int) -> tuple[int, int]:
        return 8 * self.g_channels, 8 * self.d_channels

    def least_weights(self, resolution: int) -> dict[str, int]:
        least = super().least_weights(resolution)
        return least | {"generator": least["generator"] + self.mapping_layers * self.latent_dim**2}


def noise_size(resolution: int) -> int:
    """The noise values that one image takes: one for each pixel of each layer."""
    return sum(size * size for size in _layer_sizes(resolution))


def _layer_sizes(resolution: int) -> list[int]:
    """The size of each styled convolution: 4, 8, 8, 16, 16, ..."""
    return [size for size in sizes(resolution) for _ in range(1 if size == 4 else 2)]


def _width(channels: int, size: int, resolution: int) -> int:
    return channels * min(8, resolution // size)


def generator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """The inputs below -> images [N, H, W, C], float32, about [-1, 1].

    z            normal [N, latent_dim]
    z_mixing     normal [N, latent_dim], the second style
    mixing       uniform [N, 1] in [0, 1): below `model.style_mixing`, the layers from a random one on take the
                 second style; 1 switches mixing off
    noise        normal [N, noise_size(resolution)], the noise maps of the layers, coarse to fine
    truncation   [N, 1], psi in w_mean + psi (w - w_mean); 1 switches truncation off
    label        [N, classes], if there are any; w_mean is then that of the class
    """
    z, label = keras.Input((model.latent_dim,), name="z"), label_input(model)
    z_mixing = keras.Input((model.latent_dim,), name="z_mixing")
    mixing = keras.Input((1,), name="mixing")
    noise = keras.Input((noise_size(resolution),), name="noise")
    truncation = keras.Input((1,), name="truncation")

    normalise = style.PixelNorm(dtype="float32", name="normalise")
    rows = embedded(label, model.latent_dim, "z", lambda: init.normal(1.0), dtype="float32")
    w, w_mixing = plus(normalise(z), rows, "z"), plus(normalise(z_mixing), rows, "z_mixing")
    for i in range(1, model.mapping_layers + 1):
        dense = style.EqualizedDense(
            model.latent_dim,
            multiplier=0.01,
            activation=style.leaky_relu,
            dtype="float32",
            kernel_initializer=init.normal(100.0),
            name=f"mapping{i}",
        )
        w, w_mixing = dense(w), dense(w_mixing)
    layer_sizes = _layer_sizes(resolution)
    per_layer = iter(
        style.Styles(len(layer_sizes), model.style_mixing, dtype="float32", name="styles")(
            w, w_mixing, mixing, truncation, label
        )
    )
    maps = iter(style.NoiseMaps(layer_sizes, name="noise_maps")(noise))

    def modulated(kind, x, w, filters, kernel_size, name, **options):
        scales = style.EqualizedDense(
            x.shape[-1],
            dtype="float32",
            kernel_initializer=init.normal(1.0),
            bias_initializer="ones",
            name=f"{name}_style",
        )(w)
        return kind(
            filters, kernel_size=kernel_size, padding="same", kernel_initializer=init.normal(1.0), name=name, **options
        )(x, scales)

    x = style.Constant((4, 4, _width(model.g_channels, 4, resolution)), init.normal(1.0), name="constant")(z)
    image = None
    for size in sizes(resolution):
        filters = _width(model.g_channels, size, resolution)
        kinds = [style.ModulatedConv2D] if size == 4 else [style.ModulatedUpConv2D, style.ModulatedConv2D]
        for i, kind in enumerate(kinds, start=1):
            name, w_here = f"conv{size}_{i}", next(per_layer)
            x = modulated(kind, x, w_here, filters, 3, name)
            x = style.AddNoise(name=f"{name}_noise")(x, next(maps))
            x = layers.Activation(style.leaky_relu, name=f"{name}_relu")(x)
        update = modulated(style.ModulatedConv2D, x, w_here, channels, 1, f"to_image{size}", demodulate=False)
        if image is None:
            image = update
        else:
            image = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name=f"up_image{size}")(image)
            image = layers.Add(dtype="float32", name=f"image{size}")([image, update])
    return keras.Model(joined([z, z_mixing, mixing, noise, truncation], label), image, name="generator")


def styled(generator: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The two parts of a generator, with its own variables, and together the same function.

    mapping      {"z", "z_mixing", "mixing", "truncation", ...} -> w of each layer, [N, layers, latent_dim]
    synthesis    {"w": [N, layers, latent_dim], "noise": [N, noise_size(resolution)]} -> images [N, H, W, C]
    """
    inputs = {tensor.name: tensor for tensor in generator.inputs}
    noise = inputs.pop("noise")
    per_layer = generator.get_layer("styles").output
    mapping = keras.Model(inputs, ops.stack(per_layer, axis=1), name="mapping")
    late = keras.Model([inputs["z"], noise, *per_layer], generator.output)  # z for the number of images alone
    w = keras.Input((len(per_layer), inputs["z"].shape[-1]), name="w")
    noise = keras.Input(noise.shape[1:], name="noise")
    image = late([w[:, 0], noise, *(w[:, i] for i in range(len(per_layer)))])
    return mapping, keras.Model({"w": w, "noise": noise}, image, name="synthesis")


def affine(generator: keras.Model) -> list[np.ndarray]:
    """The kernels of the layers that turn w into the scales of each convolution: [latent_dim, channels] each."""
    return [np.asarray(layer.kernel) for layer in generator.layers if layer.name.endswith("_style")]


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C], and label [N, classes] if there are any -> logits [N, 1], float32."""
    width = model.d_channels

    def conv(kind, x, filters, kernel_size, name, **options):
        return kind(
            filters, kernel_size=kernel_size, padding="same", kernel_initializer=init.normal(1.0), name=name, **options
        )(x)

    image, label = keras.Input((resolution, resolution, channels), name="image"), label_input(model)
    x = conv(style.EqualizedConv2D, image, width, 1, "from_image", activation=style.leaky_relu)
    for size in reversed(sizes(resolution)[:-1]):
        name, filters = f"down{size}", _width(width, size, resolution)
        h = conv(style.EqualizedConv2D, x, x.shape[-1], 3, f"{name}_conv1", activation=style.leaky_relu)
        h = conv(style.EqualizedConvPool2D, h, filters, 3, f"{name}_conv2", activation=style.leaky_relu)
        x = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        x = conv(style.EqualizedConv2D, x, filters, 1, f"{name}_shortcut", use_bias=False)
        x = layers.Add(name=f"{name}_add")([h, x])
        x = layers.Rescaling(0.5**0.5, name=name)(x)
    x = style.MinibatchStd(name="minibatch_std")(x)
    x = conv(style.EqualizedConv2D, x, filters, 3, "last", activation=style.leaky_relu)
    x = layers.Flatten(name="flatten")(x)
    x = style.EqualizedDense(filters, activation=style.leaky_relu, kernel_initializer=init.normal(1.0), name="dense")(x)
    logit = style.EqualizedDense(1, dtype="float32", kernel_initializer=init.normal(1.0), name="logit")(x)
    logit = projected(logit, x, label, lambda: init.normal(1.0), scale=filters**-0.5)
    return keras.Model(joined(image, label), logit, name="discriminator")
