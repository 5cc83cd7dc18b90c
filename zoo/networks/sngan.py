"""SNGAN: Miyato, Kataoka, Koyama and Yoshida 2018, arXiv:1802.05957, tables 4 (32 pixels), 5 and 6.

Parameters at 32 pixels, 3 channels, z of 128, g = 256, d = 128, the CIFAR-10 comparison: generator 4,276,739,
discriminator 1,053,825: the network of the paper's table 4, and the same numbers as the usual reimplementations. With
10 classes: 4,312,579 and 1,055,105.

With classes, D has a spectrally normalised projection, and G conditional batch normalisation: Miyato and Koyama 2018,
arXiv:1802.05637. Each normalisation of G keeps the scale and shift that all classes share. Behind them stand a scale
and a shift of each class: x becomes (shared scale * x + shared shift) * (1 + own scale) + own shift. Those of a class
begin at 0, so that at first all classes look alike. In the paper each class has its own alone, and nothing is shared.

With `model.pyramid` the widths at 32 pixels double as the size halves, as those of tables 5 and 6 do at 48 and 128.

Differs from the paper: the vector u of spectral normalisation moves once for each D update, not at each call.
"""

from __future__ import annotations

from typing import Any, ClassVar

from zoo.networks.parts import resnet
from zoo.networks.parts.lazy import keras, own
from zoo.networks.parts.network import BETA_1, Facts


class Config(resnet.ResNet, frozen=True, kw_only=True, tag="sngan"):
    """[model] of an SNGAN recipe."""

    facts: ClassVar[Facts] = Facts(
        title="SNGAN", paper="Miyato 2018, arXiv:1802.05957", d_lipschitz=True, activations="block8"
    )
    space: ClassVar[dict[str, Any]] = BETA_1 | {"schedule.d_steps": {"choices": [1, 2, 3, 5]}}


generator = resnet.generator


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C] -> logits [N, 1]."""
    return resnet.discriminator(own.SNConv2D, own.SNConvPool2D, own.SNDense, model, resolution, channels, init)
