"""DCGAN: Radford, Metz and Chintala 2016, arXiv:1511.06434, figure 1 and section 3.

    resolution   generator (g = g_channels)                   discriminator (d = d_channels)
    32           4x4x4g -> 8x8x2g -> 16x16xg -> 32x32         16x16xd -> 8x8x2d -> 4x4x4d -> logit
    64           4x4x8g -> 4g -> 2g -> g -> 64x64             d -> 2d -> 4d -> 8d -> logit
    128          4x4x16g -> 8g -> 4g -> 2g -> g -> 128x128    d -> 2d -> 4d -> 8d -> 16d -> logit

The paper's LSUN network is resolution 64 with g = d = 128. Parameters at 64 pixels, 3 channels, z of 100, g = d = 64:
generator 3,576,707, discriminator 2,765,633; the widespread PyTorch example, which leaves out the outer biases,
has 3,576,704 and 2,765,568.

Differs from the paper: kernels are 4 x 4 instead of 5 x 5, since a kernel that the stride divides makes no checkerboard
(Odena 2016, distill.pub); convolutions before batch normalisation have no bias, which the normalisation would remove.
"""

from __future__ import annotations

import keras
from keras import layers

from zoo import backend
from zoo.networks.parts.layers import Initializers
from zoo.recipe import Model


def build(model: Model, resolution: int, channels: int, seed: int) -> tuple[keras.Model, keras.Model]:
    """Returns the generator z [N, latent_dim] -> [N, H, W, C] and the discriminator [N, H, W, C] -> [N, 1]."""
    init = Initializers(seed)
    doublings = {32: 3, 64: 4, 128: 5}[resolution]

    def normalise(x, name, slope):
        x = layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=init.normal(0.02, mean=1.0),
            synchronized=backend.replicas() > 1,
            name=f"{name}_norm",
        )(x)
        return layers.LeakyReLU(slope, name=f"{name}_relu")(x)

    z = keras.Input((model.latent_dim,), name="z")
    width = model.g_channels * 2 ** (doublings - 1)
    x = layers.Dense(4 * 4 * width, use_bias=False, kernel_initializer=init.normal(0.02), name="project")(z)
    x = layers.Reshape((4, 4, width), name="reshape")(x)
    x = normalise(x, "project", slope=0.0)
    for size in (8, 16, 32, 64)[: doublings - 1]:
        width //= 2
        x = layers.Conv2DTranspose(
            width, 4, 2, padding="same", use_bias=False, kernel_initializer=init.normal(0.02), name=f"up{size}"
        )(x)
        x = normalise(x, f"up{size}", slope=0.0)
    x = layers.Conv2DTranspose(channels, 4, 2, padding="same", kernel_initializer=init.normal(0.02), name="to_image")(x)
    generator = keras.Model(z, layers.Activation("tanh", dtype="float32", name="tanh")(x), name="generator")

    image = keras.Input((resolution, resolution, channels), name="image")
    width = model.d_channels
    x = layers.Conv2D(width, 4, 2, padding="same", kernel_initializer=init.normal(0.02), name="from_image")(image)
    x = layers.LeakyReLU(0.2, name="from_image_relu")(x)
    for size in (32, 16, 8, 4)[5 - doublings :]:
        width *= 2
        x = layers.Conv2D(
            width, 4, 2, padding="same", use_bias=False, kernel_initializer=init.normal(0.02), name=f"down{size}"
        )(x)
        x = normalise(x, f"down{size}", slope=0.2)
    x = layers.Flatten(name="flatten")(x)
    logit = layers.Dense(1, dtype="float32", kernel_initializer=init.normal(0.02), name="logit")(x)
    return generator, keras.Model(image, logit, name="discriminator")
