"""How a class label enters a network: through layers of its own, named "..._label", beside the unconditional ones.

A label is a one-hot row [N, K]. What a layer makes of it is added to what the network has without a label. So both
kinds of network share every other weight, and fine-tuning can go from one to the other. Where a network has no classes,
each function here gives back what it was given.

- Into a vector: `embedded` and `plus`. A linear layer of z and label together, as in Mirza and Osindero 2014,
  arXiv:1411.1784, is the sum of one of z and one of the label.
- Into normalised features: `modulated`, conditional batch normalisation in the form of de Vries 2017, arXiv:1707.00683,
  which adds to the scale and shift that all classes share, and begins with nothing.
- Into a discriminator: `projected`, the projection of Miyato and Koyama 2018, arXiv:1802.05637, equation 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.networks.parts.lazy import keras, layers, ops
from zoo.networks.parts.network import Model


def name_sees_label(variable: str) -> bool:
    """Whether a variable of this path belongs to a layer here, or to class-wise statistics: its rows are classes."""
    return "_label/" in variable or variable.endswith("/w_label")


def label_input(model: Model) -> Any:
    """The input "label" [N, K]; None for an unconditional network."""
    return keras.Input((model.classes,), name="label") if model.classes else None


def joined(first: Any, label: Any) -> Any:
    """A network's inputs: those that it has without a label, a tensor or a list, and the label."""
    if label is None:
        return first
    return [*(first if isinstance(first, list) else [first]), label]


def embedded(label: Any, units: int, name: str, initializer: Callable, dense: Any = None, **options: Any) -> Any:
    """A row for each class: label [N, K] -> [N, units].

    Args:
        initializer: makes one; it is not called without a label, so that the seeds of other layers stay the same.
        dense: the kind of linear layer, by default Keras's.
    """
    if label is None:
        return None
    kind = dense or layers.Dense
    return kind(units, use_bias=False, kernel_initializer=initializer(), name=f"{name}_label", **options)(label)


def plus(x: Any, rows: Any, name: str) -> Any:
    """x + rows, of the same shape."""
    return x if rows is None else layers.Add(name=f"{name}_with_label", dtype=x.dtype)([x, rows])


def modulated(x: Any, label: Any, name: str) -> Any:
    """x [N, H, W, C], normalised -> x (1 + G[label]) + B[label]: each class has a scale and a shift of its own."""
    if label is None:
        return x
    scale, shift = (
        layers.Reshape((1, 1, x.shape[-1]), name=f"{name}_{kind}")(
            embedded(label, x.shape[-1], f"{name}_{kind}", keras.initializers.Zeros)
        )
        for kind in ("scale", "shift")
    )
    return layers.Add(name=f"{name}_with_label")([x, layers.Multiply(name=f"{name}_scaled")([x, scale]), shift])


def projected(
    logit: Any,
    features: Any,
    label: Any,
    initializer: Callable,
    *,
    scale: float = 1.0,
    dense: Any = None,
    name: str = "",
) -> Any:
    """logit [N, 1 or more] + scale <E[label], features [N, C]>, in float32; `name` begins the names of the layers."""
    if label is None:
        return logit
    rows = embedded(label, features.shape[-1], f"{name}projection", initializer, dense, dtype="float32")
    product = layers.Dot(axes=1, dtype="float32", name=f"{name}projection")([rows, features])
    product = layers.Rescaling(scale, dtype="float32", name=f"{name}projection_scaled")(product)
    if logit.shape[-1] > 1:  # on TensorFlow, Keras adds [N, 1] to [N, M] as if it were a bias where N is M
        product = ops.repeat(product, logit.shape[-1], axis=-1)
    return plus(logit, product, f"{name}logit")
