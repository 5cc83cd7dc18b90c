"""Keras, and our layers on it, imported when they are first used.

A network's file says what is known of the network. Recipes, cards and lists read that, and need no Keras for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class Lazy:
    """Stands for a module that is imported when an attribute of it is asked for, after the backend was chosen."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        importlib.import_module("zoo.backend")  # says what is wrong where Keras cannot be imported
        return getattr(importlib.import_module(self._name), attribute)


if TYPE_CHECKING:
    import keras
    from keras import layers, ops

    from zoo import backend
    from zoo.networks.parts import features, style
    from zoo.networks.parts import layers as own
else:
    keras = Lazy("keras")
    layers = Lazy("keras.layers")
    ops = Lazy("keras.ops")
    backend = Lazy("zoo.backend")
    features = Lazy("zoo.networks.parts.features")
    own = Lazy("zoo.networks.parts.layers")
    style = Lazy("zoo.networks.parts.style")
