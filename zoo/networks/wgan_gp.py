"""WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville 2017, arXiv:1704.00028, appendix F (CIFAR-10 ResNet).

Parameters at 32 pixels, 3 channels, z of 128, g = 256, d = 128, the CIFAR-10 comparison: generator 4,276,739, critic
1,053,825. The paper's own CIFAR-10 network has 128 channels in both: 1,204,483 and 1,053,825 in these layers.

Differs from the paper: the comparison's width for G (256), and sum instead of mean pooling before the critic's last
layer, as in the widely compared reimplementations. As in the paper, no layer of the critic is normalised at 32 pixels.
"""

from __future__ import annotations

import keras
from keras.layers import Conv2D, Dense

from zoo.networks.parts.layers import ConvPool2D, Initializers
from zoo.networks.parts.resnet import build_discriminator, build_generator
from zoo.recipe import Model


def build(model: Model, resolution: int, channels: int, seed: int) -> tuple[keras.Model, keras.Model]:
    """Returns the generator z [N, latent_dim] -> [N, H, W, C] and the critic [N, H, W, C] -> [N, 1]."""
    init = Initializers(seed)
    generator = build_generator(model, resolution, channels, init)
    return generator, build_discriminator(Conv2D, ConvPool2D, Dense, model, resolution, channels, init)
