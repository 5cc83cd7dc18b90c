"""DINOv2 ViT-L/14 through KerasHub: Oquab 2023, arXiv:2304.07193; as a judge of images Stein 2023, arXiv:2306.04675.

It learned from 142 million images without labels. People find its judgement nearer to their own than Inception's.
Features are those of the class token after the last normalisation. Images are resized as in torch-fidelity's
"dinov2-vit-l-14". It has no classes, so its Inception Score is always 1.

The package `keras-hub` is the extra `[dinov2]`; the weights (1.2 GB, Apache-2.0) come with its preset.
"""

from __future__ import annotations

import hashlib

import keras
import numpy as np
from keras import layers

from zoo.evaluation.metrics.extractors.extractor import Extractor
from zoo.evaluation.metrics.extractors.resize import tensorflow_1
from zoo.files.errors import ZooError

PRESET = "dinov2_large"
RESOLUTION = 224  # 16 x 16 patches
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, from 0 to 1


def load(backbone: keras.Model | None = None) -> Extractor:
    """The extractor with the preset's weights, or another `DINOV2Backbone` for images of 224 pixels.

    Raises:
        ZooError: KerasHub is not installed, or the weights cannot be had.
    """
    model = network(backbone or pretrained())
    return Extractor(
        model,
        tensorflow_1,
        name="dinov2",
        label="dinov2",
        resizer=f"bilinear to {RESOLUTION}, as TensorFlow 1 (align_corners=False), float32",
        weights_sha256=digest(model),
    )


def pretrained() -> keras.Model:
    """The backbone of PRESET, which KerasHub downloads once."""
    try:
        from keras_hub.models import DINOV2Backbone
    except ImportError as error:
        raise ZooError(
            f"the extractor dinov2 needs KerasHub: pip install 'keras-hub>=0.22'. Received: {error}"
        ) from None
    shape = (RESOLUTION, RESOLUTION, 3)
    try:
        return DINOV2Backbone.from_preset(PRESET, image_shape=shape, data_format="channels_last", dtype="float32")
    except (OSError, ValueError) as error:
        raise ZooError(
            f"the weights of {PRESET} cannot be had: try again online, or take efficientnet-lite0, which ships. "
            f"Received: {error}"
        ) from None


def network(backbone: keras.Model) -> keras.Model:
    """Images float32 [N, 224, 224, 3] in 0..255 -> [features [N, width], logits [N, 2], which are 0]."""
    images = keras.Input((RESOLUTION, RESOLUTION, 3), name="images")
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="scale")(images)
    features = backbone({"images": x})[:, 0]
    return keras.Model(images, [features, 0.0 * features[:, :2]], name="dinov2")


def digest(model: keras.Model) -> str:
    """SHA-256 of all weights, in the order of their paths."""
    total = hashlib.sha256()
    for variable in sorted(model.variables, key=lambda variable: variable.path):
        total.update(np.asarray(variable).tobytes())
    return total.hexdigest()
