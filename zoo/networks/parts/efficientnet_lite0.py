"""EfficientNet-Lite0 with its ImageNet weights: Tan and Le 2019, arXiv:1905.11946; the TPU repository's lite variant.

4.6 million weights, batch normalisation folded, kernels in half precision beside this file.
benchmarks/convert_efficientnet_lite0.py wrote them and compares with the original.
"""

from __future__ import annotations

import math
from pathlib import Path

from safetensors.numpy import load

from zoo.networks.parts.lazy import keras, layers, ops
from zoo.networks.parts.variables import assign, by_path

WEIGHTS = Path(__file__).with_name("efficientnet-lite0.safetensors")
STAGES = (  # blocks, kernel size, stride of the first block, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = ("stem", "block2_add", "block4_add", "block10_add")  # the last block at each of four sizes


def pretrained(resolution: int, content: bytes | None = None) -> keras.Model:
    """`network` with the weights that ship, or those of another safetensors file of this content."""
    model = network(resolution)
    assign(by_path(model.variables), load(content or WEIGHTS.read_bytes()), "network")
    return model


def scales(resolution: int, dtype: str = "float32") -> keras.Model:
    """Images float32 [N, R, R, 3] in 0..255 -> feature maps at 1/2, 1/4, 1/8 and 1/16 of R.

    Only the first five stages are built: 0.7 million weights.
    """
    images = keras.Input((resolution, resolution, 3), name="images")
    model = keras.Model(images, _body(images, dtype, STAGES[:5]))
    model = keras.Model(images, [model.get_layer(name).output for name in SCALES], name="scales")
    variables, arrays = by_path(model.variables), load(WEIGHTS.read_bytes())
    assign(variables, {name: arrays[name] for name in variables}, "network")
    return model


def network(resolution: int) -> keras.Model:
    """Images float32 [N, R, R, 3] in 0..255 -> [features [N, 1280], logits [N, 1000]]."""
    images = keras.Input((resolution, resolution, 3), name="images")
    x = _convolution(_body(images, "float32", STAGES), "head", "float32", 1280)
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = layers.Dense(1000, kernel_initializer="zeros", dtype="float32", name="logits")(features)
    return keras.Model(images, [features, logits], name="efficientnet-lite0")


def _body(images, dtype: str, stages: tuple):
    """The stem and these stages."""
    x = layers.Rescaling(1 / 128, -127 / 128, dtype="float32", name="scale")(images)
    x = _convolution(x, "stem", dtype, 32, 3, 2)
    number = 0
    for blocks, size, stride, expansion, filters in stages:
        for index in range(blocks):
            x = _block(x, f"block{number}", dtype, size, 1 if index else stride, expansion, filters, residual=index > 0)
            number += 1
    return x


def _block(x, name: str, dtype: str, size: int, stride: int, expansion: int, filters: int, residual: bool):
    """Expand, filter each channel, project; without squeeze and excitation, in which the lite variant differs."""
    y = _convolution(x, f"{name}_expand", dtype, expansion * x.shape[-1]) if expansion > 1 else x
    y = Depthwise(
        size,
        stride,
        "same",
        activation="relu6",
        depthwise_initializer="zeros",
        dtype="float32",
        name=f"{name}_depthwise",
    )(y)
    y = _convolution(y, f"{name}_project", dtype, filters, activation=None)
    return layers.Add(dtype=dtype, name=f"{name}_add")([x, y]) if residual else y


def _convolution(
    x, name: str, dtype: str, filters: int, size: int = 1, stride: int = 1, activation: str | None = "relu6"
):
    return layers.Conv2D(
        filters, size, stride, "same", activation=activation, kernel_initializer="zeros", dtype=dtype, name=name
    )(x)


class Depthwise(layers.DepthwiseConv2D):
    """`DepthwiseConv2D`, in float32: TensorFlow's gradient in bfloat16 takes ten times as long on a CPU.

    On a CPU, XLA computes a sum of shifted products several times faster.
    """

    def call(self, inputs):
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        size, stride = self.kernel_size[0], self.strides[0]
        length = math.ceil(inputs.shape[1] / stride)
        padding = (length - 1) * stride + size - inputs.shape[1]
        around = (padding // 2, padding - padding // 2)
        x = ops.pad(inputs, ((0, 0), around, around, (0, 0)))
        reach = (length - 1) * stride + 1
        products = (
            x[:, i : i + reach : stride, j : j + reach : stride] * self.kernel[i, j, :, 0]
            for i in range(size)
            for j in range(size)
        )
        return self.activation(sum(products) + self.bias)
