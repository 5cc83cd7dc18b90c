"""Projected GAN: Sauer, Chitta, Müller and Geiger 2021, arXiv:2111.01007, with FastGAN's generator.

D looks at an image through a network that was trained to name objects, EfficientNet-Lite0, and that does not learn
here. It gives features at 1/2, 1/4, 1/8 and 1/16 of the size. Fixed random convolutions mix them across channels and
scales (section 3.2), and a small discriminator, a head, judges each scale. So D knows edges and parts from the first
step, and G needs fewer images. A fifth head sees the image itself, small, since names of objects say little about
colour.

    a head sees               channels, with d = d_channels
    mixed features at 1/2     d
    at 1/4                    d
    at 1/8                    2d
    at 1/16                   4d
    16 x 16 pixels            those of the image

Each head has strided 4 x 4 convolutions of 2d, 4d, 8d, 8d, ... channels, as many as lead to 4 x 4 places. They are
spectrally normalised, and have batch normalisation and a leaky ReLU. Then comes one logit for each place.

G is after Liu, Zhu, Song and Elgammal 2021, arXiv:2101.04775. Each size begins with a nearest up-sampling and a
convolution, and has one more convolution. Both have batch normalisation and a gated linear unit. From 64 pixels on,
features of a 16th of the size choose the channels that pass (skip-layer excitation).

    resolution   channels of G at 4, 8, ... pixels, with g = g_channels
    32           8g, 4g, 2g, g
    64           8g, 8g, 4g, 2g, g
    128, 256     one and two more 8g

Parameters at 64 pixels, 3 channels, z of 128, g = 20, d = 32: generator 2,078,503, discriminator 1,059,826. With 10
classes: 2,129,703 and 1,066,916.

With classes, G's first layer sees the label beside z, and each head of D ends in a projection (Miyato and Koyama 2018,
arXiv:1802.05637).

The judge must not be the teacher: efficientnet-lite0 gives these images too good a score. Compare by another.

Differs from the papers in D: features at 1/2 to 1/16 of the image's own size (64 pixels at least), instead of 1/4 to
1/32 of 224 pixels; mixing across scales by a 3 x 3 convolution before the up-sampling, that keeps the variance; the
head for colours; minibatch standard deviation (Karras 2018, arXiv:1710.10196) at the end of each head. In G: two
convolutions at every size but the last, none of them spectrally normalised, and no noise. With classes: the linear
layer and the projections, instead of conditional normalisation and an embedding.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

from zoo.networks.parts.label import embedded, joined, label_input, plus, projected
from zoo.networks.parts.lazy import backend, features, keras, layers, ops, own, style
from zoo.networks.parts.network import Facts, Model, sizes

MIXED = (1, 1, 2, 4)  # d_channels of the mixed features at 1/2, 1/4, 1/8 and 1/16


class Config(Model, frozen=True, kw_only=True, tag="projected-gan"):
    """[model] of a Projected GAN recipe."""

    facts: ClassVar[Facts] = Facts(
        title="Projected GAN",
        paper="Sauer 2021, arXiv:2111.01007",
        resolutions=(32, 64, 128, 256),
        d_batch_norm=True,
        teacher="efficientnet-lite0",
        activations="size8_norm",
    )

    def widest(self, resolution: int) -> tuple[int, int]:
        return 8 * self.g_channels, 8 * self.d_channels

    def least_weights(self, resolution: int) -> dict[str, int]:
        width = _widths(self.g_channels, resolution)
        convolutions = sum(18 * a * b for a, b in itertools.pairwise(width.values()))
        first = 32 * width[4] * (self.latent_dim + self.rows)
        filters = [self.d_channels, *_filters(self.d_channels, max(64, resolution) // 2)]
        head = sum(16 * a * b for a, b in itertools.pairwise(filters))
        return {"generator": convolutions + first, "discriminator": head + 15 * self.rows * self.d_channels}


def generator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """z [N, latent_dim], and label [N, classes] if there are any -> images [N, H, W, C] in [-1, 1]."""
    z, label = keras.Input((model.latent_dim,), name="z"), label_input(model)
    width = _widths(model.g_channels, resolution)

    def gated(kind, x, filters, name, **options):
        """A convolution to twice the filters, half of which open and close the other half."""
        x = kind(2 * filters, use_bias=False, kernel_initializer=init.normal(0.02), name=name, **options)(x)
        return ops.glu(_normalised(x, name))

    x = layers.UnitNormalization(dtype="float32", name="direction")(z)
    x = layers.Dense(32 * width[4], use_bias=False, kernel_initializer=init.normal(1.0), name="project")(x)
    x = plus(x, embedded(label, 32 * width[4], "project", lambda: init.normal(0.3)), "project")
    x = ops.glu(_normalised(layers.Reshape((4, 4, 2 * width[4]), name="reshape")(x), "project"))
    coarse = {4: x}
    for size in sizes(resolution)[1:]:
        x = gated(own.UpConv2D, x, width[size], f"up{size}")
        if size < resolution:
            x = gated(layers.Conv2D, x, width[size], f"size{size}", kernel_size=3, padding="same")
        if size >= 64:
            x = layers.Multiply(name=f"skip{size}")([x, _excitation(coarse[size // 16], width[size], init, size)])
        coarse[size] = x
    x = layers.Conv2D(channels, 3, padding="same", kernel_initializer=init.normal(0.02), name="to_image")(x)
    return keras.Model(joined(z, label), layers.Activation("tanh", dtype="float32", name="tanh")(x), name="generator")


def _excitation(x, filters: int, init: own.Initializers, size: int):
    """How much of each channel passes, [N, 1, 1, filters], from coarse features."""
    x = layers.AveragePooling2D(x.shape[1] // 4, name=f"skip{size}_pool")(x)
    x = layers.Conv2D(filters, 4, activation="silu", kernel_initializer=init.normal(0.02), name=f"skip{size}_conv1")(x)
    return layers.Conv2D(
        filters, 1, activation="sigmoid", kernel_initializer=init.normal(0.02), name=f"skip{size}_conv2"
    )(x)


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C], and label [N, classes] if there are any -> logits [N, 16 for each head]."""
    image, label = keras.Input((resolution, resolution, channels), name="image"), label_input(model)
    maps = features.Frozen(max(64, resolution), name="features")(image)
    widths = [share * model.d_channels for share in MIXED]
    maps = [_fixed(x, widths[i], 1, init, f"across{i}") for i, x in enumerate(maps)]
    for i in reversed(range(len(maps) - 1)):
        x = layers.UpSampling2D(2, name=f"up{i}")(_fixed(maps[i + 1], widths[i], 3, init, f"coarser{i}"))
        maps[i] = layers.Add(name=f"mixed{i}")([maps[i], x])
    maps.append(layers.AveragePooling2D(max(1, resolution // 16), name="colours")(image))
    logits = [_judged(x, label, model.d_channels, init, f"head{i}") for i, x in enumerate(maps)]
    logits = layers.Concatenate(dtype="float32", name="logits")(logits)
    return keras.Model(joined(image, label), logits, name="discriminator")


def _fixed(x, filters: int, size: int, init: own.Initializers, name: str):
    """A random convolution that keeps the variance, and does not learn."""
    kernel = init.normal((size * size * x.shape[-1]) ** -0.5)
    return layers.Conv2D(
        filters, size, padding="same", use_bias=False, kernel_initializer=kernel, trainable=False, name=name
    )(x)


def _judged(x, label, width: int, init: own.Initializers, name: str):
    """Features [N, H, W, C] -> logits [N, 16]."""
    for filters in _filters(width, x.shape[1]):
        size = x.shape[1] // 2
        x = own.SNConv2D(
            filters, 4, 2, "same", use_bias=False, kernel_initializer=init.normal(0.05), name=f"{name}_down{size}"
        )(x)
        x = layers.LeakyReLU(0.2, name=f"{name}_relu{size}")(_normalised(x, f"{name}_down{size}"))
    x = style.MinibatchStd(name=f"{name}_std")(x)
    logits = own.SNConv2D(1, 3, padding="same", kernel_initializer=init.normal(0.05), name=f"{name}_logit")(x)
    logits = layers.Flatten(dtype="float32", name=f"{name}_logits")(logits)
    mean = layers.GlobalAveragePooling2D(dtype="float32", name=f"{name}_mean")(x)
    return projected(logits, mean, label, lambda: init.normal(0.05), dense=own.SNDense, name=f"{name}_")


def _filters(width: int, size: int) -> list[int]:
    """Of the convolutions that bring features of this size down to 4 x 4."""
    return [width * min(8, 2**i) for i in range(1, size.bit_length() - 2)]


def _widths(channels: int, resolution: int) -> dict[int, int]:
    """G's channels at each size."""
    return {size: channels * min(8, resolution // size) for size in sizes(resolution)}


def _normalised(x, name: str):
    """In float32, which is faster than to convert there and back."""
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=backend.replicas() > 1, dtype="float32", name=f"{name}_norm"
    )(x)
