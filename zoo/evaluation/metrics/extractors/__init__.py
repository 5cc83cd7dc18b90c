"""Extractors: uint8 images [N, H, W, C] -> (features float32 [N, D], logits float32 [N, K]), by name."""

from __future__ import annotations

from zoo.files.errors import ZooError
from zoo.recipe import nearest

NAMES = ("efficientnet-lite0", "inception", "classifier")


def load(name: str, store=None):
    """The extractor of that name.

    Args:
        name: "efficientnet-lite0" ships with the package; "inception" is downloaded; "classifier" is trained on labels.
        store: the `zoo.data.Store` of the real images, for the classifier.

    Raises:
        ZooError: unknown name, weights that cannot be had, or images without labels for a classifier.
    """
    if name == "efficientnet-lite0":
        from zoo.evaluation.metrics.extractors import efficientnet_lite0

        return efficientnet_lite0.load()
    if name == "inception":
        from zoo.evaluation.metrics.extractors import inception

        return inception.load()
    if name == "classifier":
        from zoo.evaluation.metrics.extractors.classifier import Classifier

        return Classifier(store)
    raise ZooError(f"there is no extractor of that name{nearest(name, list(NAMES))} Received: {name!r}")
