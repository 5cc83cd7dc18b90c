"""Writes the generators that ship as ONNX graphs without weights, which `ganzoo sample` draws from.

    python benchmarks/graphs.py

Run it when a checkpoint is added, or when the function of a network changes. tests/checkpoints/test_graph.py compares
the images of each graph with those of Keras. Needs `pip install ".[onnx]"` alone.
"""

from __future__ import annotations

import keras
import tensorflow as tf
import tf2onnx
from onnx import ModelProto

from zoo import networks
from zoo.checkpoints import checkpoint, graph, resolve
from zoo.files import atomic


def main() -> None:
    for name in resolve.shipped():
        opened = checkpoint.open_checkpoint(checkpoint.SHIPPED / name)
        content = written(networks.build_generator(opened.recipe, precision="float32"))
        with atomic.replacing(graph.GRAPHS / f"{name}.onnx") as temporary:
            temporary.write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


def written(model: keras.Model) -> bytes:
    """The ONNX graph of (weights, inputs) -> images. Weights are called by their path, inputs by their name."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]

    def images(*given):
        weights, inputs = given[: len(variables)], given[len(variables) :]
        of_names = {tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)}
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return networks.generate(model, of_names)

    shapes = [*(variable.shape for variable in variables), *((None, *tensor.shape[1:]) for tensor in model.inputs)]
    names = [*(variable.path for variable in variables), *(tensor.name for tensor in model.inputs)]
    signature = [tf.TensorSpec(shape, tf.float32, f"given_{i}") for i, shape in enumerate(shapes)]
    proto, _ = tf2onnx.convert.from_function(tf.function(images, autograph=False), input_signature=signature, opset=17)
    renamed(proto, {f"given_{i}": name for i, name in enumerate(names)})
    return proto.SerializeToString(deterministic=True)


def renamed(proto: ModelProto, names: dict[str, str]) -> None:
    """Renames what a graph takes; TensorFlow's names hold no path."""
    for value in proto.graph.input:
        value.name = names[value.name.partition(":")[0]]
    for node in proto.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name.partition(":")[0], name)


if __name__ == "__main__":
    main()
