"""What a recipe will need, before it runs."""

from __future__ import annotations

import keras
import numpy as np

from zoo import networks
from zoo.backend import device
from zoo.recipe import Recipe


def parameters(model: keras.Model) -> int:
    """The trained parameters of a network, as papers count them."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def estimate(recipe: Recipe) -> dict[str, int]:
    """Parameter counts and an estimate of the memory that training takes, in bytes.

    The weights count five times for G (raw, average, gradient, Adam's two moments) and four times for D; the outputs of
    every layer twice (forward and backward), for real and fake images in D. What the libraries take is not in it.
    """
    generator, discriminator = networks.build(recipe, device.precision(recipe.precision))
    g, d = parameters(generator), parameters(discriminator)
    batch = recipe.schedule.batch_size
    activations = 2 * batch * (_outputs(generator) + 2 * _outputs(discriminator))
    return {
        "generator": g,
        "discriminator": d,
        "weights_bytes": 4 * (5 * g + 4 * d),
        "activations_bytes": activations,
        "memory_bytes": 4 * (5 * g + 4 * d) + activations,
    }


def _outputs(model: keras.Model) -> int:
    """Bytes that the layers of a functional model put out for one image."""
    tensors = [tensor for layer in model.layers for node in layer._inbound_nodes for tensor in node.output_tensors]
    inner = sum(_outputs(layer.network()) for layer in model.layers if hasattr(layer, "network"))
    return inner + sum(_bytes(tensor.dtype) * int(np.prod(tensor.shape[1:])) for tensor in tensors)


def _bytes(dtype: str) -> int:
    return 2 if dtype in ("bfloat16", "float16") else 4
