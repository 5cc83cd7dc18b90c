"""The residual networks that WGAN-GP and SNGAN share: Gulrajani 2017, appendix F, and Miyato 2018, tables 4 to 6.

    resolution   generator (g)                              discriminator (d)
    32           4x4xg, blocks g g g, up                    blocks d d down, then d d
    32, pyramid  4x4xg, blocks g/2 g/4 g/8, up              blocks d/8 d/4 d/2 down, then d
    64           4x4xg, blocks g/2 g/4 g/8 g/16, up         blocks d/16 d/8 d/4 d/2 d, down
    128          4x4xg, blocks g g/2 g/4 g/8 g/16, up       blocks d/16 d/8 d/4 d/2 d, down, then d

A block is two 3 x 3 convolutions beside a shortcut. It resamples inside its convolutions (`UpConv2D`, `ConvPool2D`),
and a 1 x 1 shortcut runs at the smaller of its two resolutions: the same result for a quarter of the work. Biases
before a normalisation stay, as in those papers' parameter counts. Kernels start as Glorot uniform with gain sqrt(2),
shortcuts and outer layers with gain 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from zoo.networks.parts.label import joined, label_input, modulated, projected
from zoo.networks.parts.lazy import backend, keras, layers, own
from zoo.networks.parts.network import Model

GAIN = 2.0**0.5


@dataclass(frozen=True)
class Shape:
    g: tuple[int, ...]  # block by block, g divided by its width; each doubles the size
    d: tuple[int, ...]
    down: int  # so many of D's blocks, the first ones, halve the size


SHAPES = {
    32: Shape((1, 1, 1), (1, 1, 1, 1), 2),
    64: Shape((2, 4, 8, 16), (16, 8, 4, 2, 1), 5),
    128: Shape((1, 2, 4, 8, 16), (16, 8, 4, 2, 1, 1), 5),
}
PYRAMID = Shape((2, 4, 8), (8, 4, 2, 1), 3)  # at 32


class ResNet(Model, frozen=True, kw_only=True):
    """[model] of a recipe with these networks."""

    pyramid: bool = False  # at 32 pixels: wider where the image is smaller, as at 64 and 128

    def problem(self, resolution: int) -> str:
        if self.pyramid and resolution != 32:
            return "model.pyramid is for 32 pixels; at other sizes these networks are pyramids already"
        return ""

    def shape(self, resolution: int) -> Shape:
        return PYRAMID if self.pyramid else SHAPES[resolution]


def generator(model: ResNet, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """z [N, latent_dim], and label [N, classes] if there are any -> images [N, H, W, C] in [-1, 1].

    Before each activation stands a batch normalisation, conditional where there are classes.
    """

    def norm_relu(x, name):
        x = layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, synchronized=backend.replicas() > 1, name=f"{name}_norm"
        )(x)
        return layers.ReLU(name=f"{name}_relu")(modulated(x, label, name))

    width = model.g_channels
    z, label = keras.Input((model.latent_dim,), name="z"), label_input(model)
    x = layers.Dense(4 * 4 * width, kernel_initializer=init.glorot_uniform(), name="project")(z)
    x = layers.Reshape((4, 4, width), name="reshape")(x)
    size = 4
    for divisor in model.shape(resolution).g:
        size, filters = 2 * size, max(1, width // divisor)
        name = f"block{size}"
        h = norm_relu(x, f"{name}_1")
        h = own.UpConv2D(filters, kernel_initializer=init.glorot_uniform(GAIN), name=f"{name}_conv1")(h)
        h = norm_relu(h, f"{name}_2")
        h = layers.Conv2D(
            filters, 3, padding="same", kernel_initializer=init.glorot_uniform(GAIN), name=f"{name}_conv2"
        )(h)
        shortcut = layers.Conv2D(filters, 1, kernel_initializer=init.glorot_uniform(), name=f"{name}_shortcut")(x)
        shortcut = layers.UpSampling2D(2, name=f"{name}_up")(shortcut)
        x = layers.Add(name=name)([h, shortcut])
    x = norm_relu(x, "last")
    x = layers.Conv2D(channels, 3, padding="same", kernel_initializer=init.glorot_uniform(), name="to_image")(x)
    return keras.Model(joined(z, label), layers.Activation("tanh", dtype="float32", name="tanh")(x), name="generator")


def discriminator(
    conv: type, conv_pool: type, dense: type, model: ResNet, resolution: int, channels: int, init: own.Initializers
) -> keras.Model:
    """Images [N, H, W, C], and label [N, classes] if there are any -> logits [N, 1].

    It is made of the given kinds of convolution, pooled convolution and dense layer.
    """
    image, label = keras.Input((resolution, resolution, channels), name="image"), label_input(model)
    plan = model.shape(resolution)
    x, before = image, channels
    for index, divisor in enumerate(plan.d):
        first, down = index == 0, index < plan.down
        filters = max(1, model.d_channels // divisor)
        name = f"block{index + 1}"
        h = x if first else layers.ReLU(name=f"{name}_relu1")(x)
        h = conv(
            filters if first else before,
            3,
            padding="same",
            kernel_initializer=init.glorot_uniform(GAIN),
            name=f"{name}_conv1",
        )(h)
        h = layers.ReLU(name=f"{name}_relu2")(h)
        last = (
            conv_pool(filters, kernel_initializer=init.glorot_uniform(GAIN), name=f"{name}_conv2")
            if down
            else conv(filters, 3, padding="same", kernel_initializer=init.glorot_uniform(GAIN), name=f"{name}_conv2")
        )
        h = last(h)
        if down:
            x = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        if down or before != filters:
            x = conv(filters, 1, kernel_initializer=init.glorot_uniform(), name=f"{name}_shortcut")(x)
        x, before = layers.Add(name=name)([h, x]), filters
    x = layers.ReLU(name="last_relu")(x)
    x = own.GlobalSumPooling2D(dtype="float32", name="sum")(x)
    logit = dense(1, dtype="float32", kernel_initializer=init.glorot_uniform(), name="logit")(x)
    logit = projected(logit, x, label, lambda: init.glorot_uniform(), dense=dense)
    return keras.Model(joined(image, label), logit, name="discriminator")
