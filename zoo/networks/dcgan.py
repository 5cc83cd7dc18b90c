"""DCGAN: Radford, Metz and Chintala 2016, arXiv:1511.06434, figure 1 and section 3.

    resolution   generator (g = g_channels)                   discriminator (d = d_channels)
    32           4x4x4g -> 8x8x2g -> 16x16xg -> 32x32         16x16xd -> 8x8x2d -> 4x4x4d -> logit
    64           4x4x8g -> 4g -> 2g -> g -> 64x64             d -> 2d -> 4d -> 8d -> logit
    128          4x4x16g -> 8g -> 4g -> 2g -> g -> 128x128    d -> 2d -> 4d -> 8d -> 16d -> logit
    256          4x4x32g -> 16g -> 8g -> 4g -> 2g -> g -> 256x256    d -> 2d -> 4d -> 8d -> 16d -> 32d -> logit

The paper's LSUN network is resolution 64 with g = d = 128. Parameters at 64 pixels, 3 channels, z of 100, g = d = 64:
generator 3,576,707, discriminator 2,765,633; with 10 classes 3,658,627 and 2,847,553. The widespread PyTorch example
leaves out the outer biases, and has 3,576,704 and 2,765,568.

With classes, a label enters G beside z (Mirza and Osindero 2014, arXiv:1411.1784), and D through a projection of its
last features (Miyato and Koyama 2018, arXiv:1802.05637). The paper has no classes.

Differs from the paper: kernels are 4 x 4 instead of 5 x 5, since a kernel that the stride divides makes no checkerboard
(Odena 2016, distill.pub). Convolutions before batch normalisation have no bias, which the normalisation would remove.
"""

from __future__ import annotations

from typing import Any, ClassVar

from zoo.networks.parts.label import embedded, joined, label_input, plus, projected
from zoo.networks.parts.lazy import backend, keras, layers, own
from zoo.networks.parts.network import BETA_1, Facts, Model, sizes


def _as_sngan(model: Config, resolution: int) -> dict[str, Any]:
    """SNGAN is as wide at 4 pixels, where its channels are counted; DCGAN's are counted at half the size.

    It does not build at 256 pixels.
    """
    if resolution > 128:
        return {}
    keys = {f"{player}_channels": getattr(model, f"{player}_channels") * resolution // 8 for player in ("d", "g")}
    return {"network": "sngan", **keys} | ({"pyramid": True} if resolution == 32 else {})


class Config(Model, frozen=True, kw_only=True, tag="dcgan"):
    """[model] of a DCGAN recipe."""

    facts: ClassVar[Facts] = Facts(
        title="DCGAN",
        paper="Radford 2016, arXiv:1511.06434",
        resolutions=(32, 64, 128, 256),
        d_batch_norm=True,
        beta_1=0.5,
        activations="up8_relu",
        without_batch_norm=_as_sngan,
    )
    space: ClassVar[dict[str, Any]] = BETA_1

    def widest(self, resolution: int) -> tuple[int, int]:
        return self.g_channels * resolution // 8, self.d_channels * resolution // 8


def generator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """z [N, latent_dim], and label [N, classes] if there are any -> images [N, H, W, C] in [-1, 1]."""
    between = sizes(resolution)[1:-1]  # 8, 16, ..., resolution / 2
    z, label = keras.Input((model.latent_dim,), name="z"), label_input(model)
    width = model.g_channels * 2 ** len(between)
    x = layers.Dense(4 * 4 * width, use_bias=False, kernel_initializer=init.normal(0.02), name="project")(z)
    x = plus(x, embedded(label, 4 * 4 * width, "project", lambda: init.normal(0.02)), "project")
    x = layers.Reshape((4, 4, width), name="reshape")(x)
    x = _normalise(x, init, "project", slope=0.0)
    for size in between:
        width //= 2
        x = layers.Conv2DTranspose(
            width, 4, 2, padding="same", use_bias=False, kernel_initializer=init.normal(0.02), name=f"up{size}"
        )(x)
        x = _normalise(x, init, f"up{size}", slope=0.0)
    x = layers.Conv2DTranspose(channels, 4, 2, padding="same", kernel_initializer=init.normal(0.02), name="to_image")(x)
    return keras.Model(joined(z, label), layers.Activation("tanh", dtype="float32", name="tanh")(x), name="generator")


def discriminator(model: Config, resolution: int, channels: int, init: own.Initializers) -> keras.Model:
    """Images [N, H, W, C], and label [N, classes] if there are any -> logits [N, 1]."""
    image, label = keras.Input((resolution, resolution, channels), name="image"), label_input(model)
    width = model.d_channels
    x = layers.Conv2D(width, 4, 2, padding="same", kernel_initializer=init.normal(0.02), name="from_image")(image)
    x = layers.LeakyReLU(0.2, name="from_image_relu")(x)
    for size in (size // 2 for size in reversed(sizes(resolution)[1:-1])):
        width *= 2
        x = layers.Conv2D(
            width, 4, 2, padding="same", use_bias=False, kernel_initializer=init.normal(0.02), name=f"down{size}"
        )(x)
        x = _normalise(x, init, f"down{size}", slope=0.2)
    x = layers.Flatten(name="flatten")(x)
    logit = layers.Dense(1, dtype="float32", kernel_initializer=init.normal(0.02), name="logit")(x)
    logit = projected(logit, x, label, lambda: init.normal(0.02))
    return keras.Model(joined(image, label), logit, name="discriminator")


def _normalise(x, init: own.Initializers, name: str, slope: float):
    x = layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=init.normal(0.02, mean=1.0),
        synchronized=backend.replicas() > 1,
        name=f"{name}_norm",
    )(x)
    return layers.LeakyReLU(slope, name=f"{name}_relu")(x)
