"""WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville 2017, arXiv:1704.00028, appendix F (CIFAR-10 ResNet).

Parameters at 32 pixels, 3 channels, z of 128, g = 256, d = 128, the CIFAR-10 comparison: generator 4,276,739, critic
1,053,825; with 10 classes 4,312,579 and 1,055,105. The paper's own CIFAR-10 network has 128 channels in both:
1,204,483 and 1,053,825 in these layers.

With classes, G has conditional batch normalisation, as the paper's labelled CIFAR-10 network, and the critic a
projection (Miyato and Koyama 2018, arXiv:1802.05637). The paper adds a classifier to the critic instead, an AC-GAN;
that favours samples that are easy to classify, and its second loss is none of a Wasserstein distance.

Differs from the paper: the comparison's width for G (256), and sum instead of mean pooling before the critic's last
layer, as in the widely compared reimplementations. As in the paper, no layer of the critic is normalised at 32 pixels.
"""

from __future__ import annotations

from typing import Any, ClassVar

from zoo.networks.parts import resnet
from zoo.networks.parts.lazy import keras, layers, own
from zoo.networks.parts.network import BETA_1, Facts


class Config(resnet.ResNet, frozen=True, kw_only=True, tag="wgan-gp"):
    """[model] of a WGAN-GP recipe."""

    facts: ClassVar[Facts] = Facts(title="WGAN-GP", paper="Gulrajani 2017, arXiv:1704.00028", activations="block8")
    space: ClassVar[dict[str, Any]] = BETA_1 | {"schedule.d_steps": {"choices": [1, 2, 3, 5]}}


generator = resnet.generator


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C] -> the critic's values [N, 1]."""
    return resnet.discriminator(layers.Conv2D, own.ConvPool2D, layers.Dense, model, resolution, channels, init)
