"""Extractors: uint8 images [N, H, W, C] -> (features float32 [N, D], logits float32 [N, K]), by name or your own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

import zoo.backend  # noqa: F401 - before Keras, and says what is wrong where Keras cannot be imported
from zoo.evaluation import EXTRACTORS
from zoo.files.errors import ZooError
from zoo.recipe import nearest

ATTRIBUTES = ("name", "label", "resizer", "dimensions", "weights_sha256")


class Extractor(Protocol):
    """What scores are taken with. Any object of yours with these attributes will do.

    Attributes:
        name: of the extractor; no other extractor has it.
        label: what its scores are named after: of "mine" they are FD-mine, KID-mine and IS-mine. None is for Inception
            alone, whose scores are FID, KID and IS.
        resizer: how images reach the resolution of the network; part of the protocol.
        dimensions: D.
        weights_sha256: of the weights. The features of real images are kept on disk under this name, so that it must
            be another one when the features change.
        classes, accuracy: of a classifier alone: the names of the classes, in the order of the logits, and the share
            of held-out images that it labels right.

    Example:
        >>> class Mean:
        ...     name, label, resizer, dimensions, weights_sha256 = "mean", "mean", "none", 3, "none"
        ...
        ...     def __call__(self, images):
        ...         features = images.mean(axis=(1, 2)).astype("float32")
        ...         return features, features
        >>> zoo.evaluate("sngan-small-cifar10", extractor=Mean())
    """

    name: str
    label: str | None
    resizer: str
    dimensions: int
    weights_sha256: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [N, H, W, C] -> (features float32 [N, D], logits float32 [N, K]); K is at least 2."""


def load_all(wanted: str | Extractor | Sequence[str | Extractor], store=None) -> list[Extractor]:
    """One extractor or several, by name or as objects, each once."""
    several = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    found = [load(one, store) for one in dict.fromkeys(several)]
    names = [one.name for one in found]
    if not names or len(set(names)) < len(names):
        raise ZooError(f"give at least one extractor, and each another name. Received: {names}")
    return found


def load(name: str | Extractor, store=None) -> Extractor:
    """The extractor of that name; an object is the extractor itself.

    Args:
        name: "efficientnet-lite0" ships with the package; "inception" and "dinov2" are downloaded; "classifier" is
            trained on labels.
        store: the `zoo.data.Store` of the real images, for the classifier.

    Raises:
        ZooError: unknown name, an object that is no extractor, weights that cannot be had, or images without labels
            for a classifier.
    """
    if not isinstance(name, str):
        lacking = [attribute for attribute in ATTRIBUTES if not hasattr(name, attribute)]
        if lacking or not callable(name):
            raise ZooError(
                f"an extractor is a callable with the attributes {', '.join(ATTRIBUTES)}. Received: {name!r}, which "
                f"{'lacks ' + ', '.join(lacking) if lacking else 'cannot be called'}"
            )
        return name
    if name == "efficientnet-lite0":
        from zoo.evaluation.metrics.extractors import efficientnet_lite0

        return efficientnet_lite0.load()
    if name == "inception":
        from zoo.evaluation.metrics.extractors import inception

        return inception.load()
    if name == "dinov2":
        from zoo.evaluation.metrics.extractors import dinov2

        return dinov2.load()
    if name == "classifier":
        from zoo.evaluation.metrics.extractors.classifier import Classifier

        return Classifier(store)
    raise ZooError(f"there is no extractor of that name{nearest(name, list(EXTRACTORS))} Received: {name!r}")
