"""R3GAN: Huang, Gokaslan, Kuleshov and Tompkin 2024, arXiv:2501.05441, configuration E.

No normalisation, no mapping network, no noise maps: both networks are stacks of residual blocks at 4, 8, ... pixels. A
block is an inverted bottleneck: 1 x 1 to twice the channels, 3 x 3 in groups of `group_channels`, 1 x 1 back, with a
leaky ReLU after the first two. A 1 x 1 convolution changes the width between two sizes.

    resolution    channels at each size (g or d)
    32            4x4: g, g, g, 32x32: g
    64            4x4: g, g, g, g, 64x64: g/2
    128           4x4: g, g, g, g, g/2, 128x128: g/4
    256           4x4: g, g, g, g, g/2, g/4, 256x256: g/8
    pyramid       4x4: g, 8x8: g/2, 16x16: g/4, ...

G starts from a learned 4 x 4 tensor, each channel of which is multiplied by a number that is linear in z. D ends in a
4 x 4 depthwise convolution and a dense layer. Weights start as normal with a gain that keeps the variance of the sum of
all blocks near 1, and the last convolution of each block starts at 0 (fix-up initialisation: Zhang 2019,
arXiv:1901.09321). The image is linear: it lies about [-1, 1], and only the conversion to uint8 clips.

Parameters at 32 pixels, 3 channels, z of 64, g = d = 768, 2 blocks, groups of 16, as wide as the paper's CIFAR-10
network: generator 20,732,160, discriminator 20,683,776. With 10 classes: 20,739,840 and 20,691,456.

With classes, G's first linear layer sees the label beside z, and D ends in a projection, as the paper has it.

Differs from the paper: features are halved by 2 x 2 means; `pyramid`, for CPUs; the projection is added to a logit that
all classes share.
"""

from __future__ import annotations

from typing import Any, ClassVar

from zoo.networks.parts.label import embedded, joined, label_input, plus, projected
from zoo.networks.parts.lazy import keras, layers, own
from zoo.networks.parts.network import Count, Facts, Model, sizes

SLOPE = 0.2
GAIN = (2.0 / (1.0 + SLOPE**2)) ** 0.5  # of the leaky ReLU, He 2015, arXiv:1502.01852


class Config(Model, frozen=True, kw_only=True, tag="r3gan"):
    """[model] of an R3GAN recipe."""

    blocks: Count  # at each size
    group_channels: Count  # of the 3 x 3 convolutions
    pyramid: bool = False  # half as wide wherever the image is twice as large

    facts: ClassVar[Facts] = Facts(
        title="R3GAN", paper="Huang 2024, arXiv:2501.05441", resolutions=(32, 64, 128, 256), activations="size8_block1"
    )
    space: ClassVar[dict[str, Any]] = {
        "loss.r2": {"times": "loss.r1"},
        "model.g_channels": {"factors": [0.5, 1.0]},  # which the groups divide
        "model.d_channels": {"factors": [0.5, 1.0]},
    }

    def widths(self, width: int, resolution: int) -> list[int]:
        """The channels at 4, 8, ... pixels."""
        return [
            max(1, width * 4 // size if self.pyramid else width * 32 // max(32, size)) for size in sizes(resolution)
        ]

    def groups(self, width: int) -> int:
        """How many groups the 3 x 3 convolutions between `width` channels have."""
        return max(1, 2 * width // self.group_channels)

    def problem(self, resolution: int) -> str:
        for key in ("g_channels", "d_channels"):
            for width in self.widths(getattr(self, key), resolution):
                if 2 * width > self.group_channels and 2 * width % self.group_channels:
                    return f"model.{key} gives {2 * width} channels that model.group_channels does not divide"
        return ""

    def least_weights(self, resolution: int) -> dict[str, int]:
        g, d = self.g_channels, self.d_channels
        return {
            "generator": 4 * self.blocks * g * g + g * (self.latent_dim + self.rows),
            "discriminator": 4 * self.blocks * d * d + d * self.rows,
        }


def generator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """z [N, latent_dim], and label [N, classes] if there are any -> images [N, H, W, C], float32, about [-1, 1]."""
    z, label = keras.Input((model.latent_dim,), name="z"), label_input(model)
    widths = model.widths(model.g_channels, resolution)
    scale = layers.Dense(
        widths[0], use_bias=False, kernel_initializer=init.normal(model.latent_dim**-0.5), name="scale"
    )(z)
    scale = plus(scale, embedded(label, widths[0], "scale", lambda: init.normal(1.0)), "scale")
    x = layers.EinsumDense(
        "nc,hwc->nhwc", output_shape=(4, 4, widths[0]), kernel_initializer=init.normal(1.0), name="basis"
    )(scale)
    for i, width in enumerate(widths):
        name = f"size{4 * 2**i}"
        if i:
            x = _resized(x, width, init, name)
            x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(x)
        x = _stage(x, model, len(widths), init, name)
    x = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=init.normal(widths[-1] ** -0.5), name="to_image")(
        x
    )
    return keras.Model(
        joined(z, label), layers.Activation("linear", dtype="float32", name="image")(x), name="generator"
    )


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C], and label [N, classes] if there are any -> logits [N, 1], float32."""
    image, label = keras.Input((resolution, resolution, channels), name="image"), label_input(model)
    widths = model.widths(model.d_channels, resolution)
    x = layers.Conv2D(widths[-1], 1, use_bias=False, kernel_initializer=init.normal(channels**-0.5), name="from_image")(
        image
    )
    for i in reversed(range(len(widths))):
        name = f"size{4 * 2**i}"
        x = _stage(x, model, len(widths), init, name)
        if i:
            x = layers.AveragePooling2D(2, name=f"{name}_down")(x)
            x = _resized(x, widths[i - 1], init, name)
    x = layers.DepthwiseConv2D(4, use_bias=False, depthwise_initializer=init.normal(0.25), name="basis")(x)
    x = layers.Flatten(name="flatten")(x)
    logit = layers.Dense(
        1, use_bias=False, dtype="float32", kernel_initializer=init.normal(widths[0] ** -0.5), name="logit"
    )(x)
    logit = projected(logit, x, label, lambda: init.normal(widths[0] ** -0.5))
    return keras.Model(joined(image, label), logit, name="discriminator")


def _resized(x, width: int, init: own.Initializers, name: str):
    """A 1 x 1 convolution to another number of channels; nothing where it stays."""
    before = x.shape[-1]
    if before == width:
        return x
    return layers.Conv2D(width, 1, use_bias=False, kernel_initializer=init.normal(before**-0.5), name=f"{name}_width")(
        x
    )


def _stage(x, model: Config, stages: int, init: own.Initializers, name: str):
    """The residual blocks at one size."""
    width = x.shape[-1]
    groups = model.groups(width)
    gain = GAIN * (model.blocks * stages) ** -0.25  # fix-up: L ** (-1 / (2 m - 2)) for L blocks of m = 3 convolutions
    for i in range(1, model.blocks + 1):
        block = f"{name}_block{i}"
        h = _conv(x, 2 * width, 1, 1, init.normal(gain * width**-0.5), f"{block}_conv1")
        h = _conv(h, 2 * width, 3, groups, init.normal(gain * (9 * 2 * width // groups) ** -0.5), f"{block}_conv2")
        h = layers.Conv2D(width, 1, use_bias=False, kernel_initializer="zeros", name=f"{block}_conv3")(h)
        x = layers.Add(name=block)([x, h])
    return x


def _conv(x, filters: int, kernel_size: int, groups: int, initializer, name: str):
    x = own.GroupedConv2D(
        filters, kernel_size, padding="same", groups=groups, kernel_initializer=initializer, name=name
    )(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)
