"""DINOv2 through KerasHub, with random weights: the path of an image, and what is said when it cannot be had."""

import sys

import numpy as np
import pytest

from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.extractors import dinov2
from zoo.evaluation.metrics.extractors.resize import resize, tensorflow_1

SHAPE = (dinov2.RESOLUTION, dinov2.RESOLUTION, 3)


def small(seed=0, **settings):
    import keras
    from keras_hub.models import DINOV2Backbone

    keras.utils.set_random_seed(seed)
    sizes = {"patch_size": 14, "num_layers": 2, "hidden_dim": 32, "num_heads": 2, "intermediate_dim": 64}
    return DINOV2Backbone(**sizes, image_shape=SHAPE, data_format="channels_last", dtype="float32", **settings)


def noise(channels=3):
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, channels)).astype(np.uint8)


def test_features_are_the_class_token_of_the_normalised_image():
    backbone = small()
    judge = dinov2.load(backbone)
    features, logits = judge(noise())
    assert (features.shape, features.dtype, logits.shape) == ((3, 32), np.float32, (3, 2))
    assert (judge.name, judge.label, judge.dimensions) == ("dinov2", "dinov2", 32)
    assert not logits.any()

    images = np.asarray(resize(noise(), *[tensorflow_1(32, dinov2.RESOLUTION)] * 2)) / 255
    tokens = np.asarray(backbone({"images": (images - dinov2.MEAN) / dinov2.DEVIATION}))
    assert tokens.shape == (3, 1 + 16 * 16, 32)
    np.testing.assert_allclose(features, tokens[:, 0], atol=1e-4)
    assert np.abs(features[0] - features[1]).max() > 1e-2, "it sees the images"


def test_grey_images_are_coloured_ones():
    judge = dinov2.load(small())
    np.testing.assert_array_equal(judge(noise(1))[0], judge(noise(1).repeat(3, axis=-1))[0])


def test_the_digest_is_that_of_the_weights():
    one, same, other = (dinov2.load(small(seed)).weights_sha256 for seed in (0, 0, 1))
    assert one == same != other


def test_without_the_extra_or_its_weights_one_line_says_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no network")

    import keras_hub

    monkeypatch.setattr(keras_hub.models.DINOV2Backbone, "from_preset", offline)
    with pytest.raises(
        ValueError, match=r"weights of dinov2_large cannot be had: try again online.* Received: no netw"
    ):
        extractors.load("dinov2")
    monkeypatch.setitem(sys.modules, "keras_hub.models", None)
    with pytest.raises(ValueError, match=r"needs KerasHub: pip install 'keras-hub>=0.22'. Received: import of"):
        extractors.load("dinov2")
