"""SNGAN: Miyato, Kataoka, Koyama and Yoshida 2018, arXiv:1802.05957, tables 4 (32 pixels), 5 and 6.

Parameters at 32 pixels, 3 channels, z of 128, g = 256, d = 128, the CIFAR-10 comparison: generator 4,276,739,
discriminator 1,053,825: the network of the paper's table 4, and the same numbers as the usual reimplementations.

With `model.pyramid` the widths at 32 pixels double as the size halves, as those of tables 5 and 6 do at 48 and 128.

Differs from the paper: the vector u of spectral normalisation moves once for each D update, not at each call.
"""

from __future__ import annotations

import keras

from zoo.networks.parts.layers import Initializers, SNConv2D, SNConvPool2D, SNDense
from zoo.networks.parts.resnet import build_discriminator, build_generator
from zoo.recipe import Model


def build(model: Model, resolution: int, channels: int, seed: int) -> tuple[keras.Model, keras.Model]:
    """Returns the generator z [N, latent_dim] -> [N, H, W, C] and the discriminator [N, H, W, C] -> [N, 1]."""
    init = Initializers(seed)
    generator = build_generator(model, resolution, channels, init)
    return generator, build_discriminator(SNConv2D, SNConvPool2D, SNDense, model, resolution, channels, init)
