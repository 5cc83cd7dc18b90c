"""The Inception-v3 graph of 2015 that FID is defined on: Heusel 2017, arXiv:1706.08500; Szegedy 2015, arXiv:1512.00567.

It is not `keras.applications.InceptionV3`: other weights, 1008 classes, average pooling that does not count its
padding, max pooling in the last block, TensorFlow 1's resizing to 299 pixels. Layers are named as in pytorch-fid and
torch-fidelity. The logits are without bias, as the Inception Score takes them (Salimans 2016, arXiv:1606.03498).
"""

from __future__ import annotations

import keras
from keras import layers

from zoo.evaluation.metrics.extractors import inception_weights
from zoo.evaluation.metrics.extractors.extractor import Extractor
from zoo.evaluation.metrics.extractors.resize import tensorflow_1
from zoo.networks.parts.variables import assign, by_path

RESOLUTION = 299


def load() -> Extractor:
    """The extractor with FID's weights, which are downloaded once; ValueError when they cannot be had."""
    arrays, model = inception_weights.read(), network()
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    variables = inception_weights.folded(arrays, names)
    assign(by_path(model.variables), variables, "network")
    return Extractor(
        model,
        tensorflow_1,
        name="inception",
        label=None,
        resizer=f"bilinear to {RESOLUTION}, as TensorFlow 1 (align_corners=False), float32",
        weights_sha256=inception_weights.SHA256,
    )


def network() -> keras.Model:
    """Images float32 [N, 299, 299, 3] in 0..255 -> [features (pool3) [N, 2048], logits [N, 1008]]."""
    x = images = keras.Input((RESOLUTION, RESOLUTION, 3), name="images")
    x = layers.Rescaling(1 / 128, -1.0, dtype="float32", name="scale")(x)
    x = _convolution(x, "Conv2d_1a_3x3", 32, 3, 2)
    x = _convolution(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _convolution(x, "Conv2d_2b_3x3", 64, 3)
    x = _shrink(x)
    x = _convolution(x, "Conv2d_3b_1x1", 80)
    x = _convolution(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = _shrink(x)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _block_a(x, name, pooled)
    x = _block_b(x, "Mixed_6a")
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _block_c(x, name, width)
    x = _block_d(x, "Mixed_7a")
    x = _block_e(x, "Mixed_7b", layers.AveragePooling2D)
    x = _block_e(x, "Mixed_7c", layers.MaxPooling2D)
    features = layers.GlobalAveragePooling2D(dtype="float32", name="pool3")(x)
    logits = layers.Dense(1008, use_bias=False, kernel_initializer="zeros", dtype="float32", name="fc")(features)
    return keras.Model(images, [features, logits], name="inception")


def _block_a(x, name: str, pooled: int):
    a = _convolution(x, f"{name}.branch1x1", 64)
    b = _convolution(x, f"{name}.branch5x5_1", 48)
    b = _convolution(b, f"{name}.branch5x5_2", 64, 5)
    c = _convolution(x, f"{name}.branch3x3dbl_1", 64)
    c = _convolution(c, f"{name}.branch3x3dbl_2", 96, 3)
    c = _convolution(c, f"{name}.branch3x3dbl_3", 96, 3)
    d = _convolution(_pool(x, layers.AveragePooling2D), f"{name}.branch_pool", pooled)
    return _join(a, b, c, d)


def _block_b(x, name: str):
    a = _convolution(x, f"{name}.branch3x3", 384, 3, 2)
    b = _convolution(x, f"{name}.branch3x3dbl_1", 64)
    b = _convolution(b, f"{name}.branch3x3dbl_2", 96, 3)
    b = _convolution(b, f"{name}.branch3x3dbl_3", 96, 3, 2)
    return _join(a, b, _shrink(x))


def _block_c(x, name: str, width: int):
    a = _convolution(x, f"{name}.branch1x1", 192)
    b = _convolution(x, f"{name}.branch7x7_1", width)
    b = _convolution(b, f"{name}.branch7x7_2", width, (1, 7))
    b = _convolution(b, f"{name}.branch7x7_3", 192, (7, 1))
    c = _convolution(x, f"{name}.branch7x7dbl_1", width)
    c = _convolution(c, f"{name}.branch7x7dbl_2", width, (7, 1))
    c = _convolution(c, f"{name}.branch7x7dbl_3", width, (1, 7))
    c = _convolution(c, f"{name}.branch7x7dbl_4", width, (7, 1))
    c = _convolution(c, f"{name}.branch7x7dbl_5", 192, (1, 7))
    d = _convolution(_pool(x, layers.AveragePooling2D), f"{name}.branch_pool", 192)
    return _join(a, b, c, d)


def _block_d(x, name: str):
    a = _convolution(x, f"{name}.branch3x3_1", 192)
    a = _convolution(a, f"{name}.branch3x3_2", 320, 3, 2)
    b = _convolution(x, f"{name}.branch7x7x3_1", 192)
    b = _convolution(b, f"{name}.branch7x7x3_2", 192, (1, 7))
    b = _convolution(b, f"{name}.branch7x7x3_3", 192, (7, 1))
    b = _convolution(b, f"{name}.branch7x7x3_4", 192, 3, 2)
    return _join(a, b, _shrink(x))


def _block_e(x, name: str, pooling: type):
    a = _convolution(x, f"{name}.branch1x1", 320)
    b = _convolution(x, f"{name}.branch3x3_1", 384)
    b = _join(
        _convolution(b, f"{name}.branch3x3_2a", 384, (1, 3)), _convolution(b, f"{name}.branch3x3_2b", 384, (3, 1))
    )
    c = _convolution(x, f"{name}.branch3x3dbl_1", 448)
    c = _convolution(c, f"{name}.branch3x3dbl_2", 384, 3)
    c = _join(
        _convolution(c, f"{name}.branch3x3dbl_3a", 384, (1, 3)), _convolution(c, f"{name}.branch3x3dbl_3b", 384, (3, 1))
    )
    d = _convolution(_pool(x, pooling), f"{name}.branch_pool", 192)
    return _join(a, b, c, d)


def _convolution(x, name: str, filters: int, size=1, stride: int = 1, padding: str = "same"):
    """Convolution, batch normalisation (folded) and ReLU; what has a stride has no padding."""
    return layers.Conv2D(
        filters,
        size,
        stride,
        "valid" if stride > 1 else padding,
        activation="relu",
        kernel_initializer="zeros",
        dtype="float32",
        name=name,
    )(x)


def _pool(x, pooling: type):
    return pooling(3, 1, "same", dtype="float32")(x)


def _shrink(x):
    return layers.MaxPooling2D(3, 2, dtype="float32")(x)


def _join(*branches):
    return layers.Concatenate(dtype="float32")(branches)
