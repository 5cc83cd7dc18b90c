"""Writes generators that ship as ONNX graphs without weights, which `ganzoo sample` draws from.

    python benchmarks/graphs.py flowers-64          # after a checkpoint was added
    python benchmarks/graphs.py                     # all of them, after the function of the networks has changed

A file that is written twice differs in the order of what it holds. tests/checkpoints/test_graph.py compares the images
of each graph with those of Keras. Needs `pip install ".[onnx]"` alone.
"""

from __future__ import annotations

import argparse

import keras
import tensorflow as tf
import tf2onnx
from onnx import ModelProto, TensorProto

from zoo import networks
from zoo.checkpoints import checkpoint, graph, resolve
from zoo.files import atomic

NO_FILE = "given-by-the-program/"  # of a weight that is missing; a name that a file can have would be read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="checkpoints that ship (default: all)")
    for name in parser.parse_args().names or resolve.shipped():
        opened = checkpoint.open_checkpoint(checkpoint.SHIPPED / name)
        content = written(networks.build_generator(opened.recipe, precision="float32"))
        with atomic.replacing(graph.GRAPHS / f"{name}.onnx") as temporary:
            temporary.write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


def written(model: keras.Model) -> bytes:
    """The ONNX graph of inputs -> images [N, H, W, C]. Inputs are called by their name, weights by their path."""
    weights = {variable.path: variable for variable in model.variables}

    def images(*given):
        values, inputs = given[: len(weights)], given[len(weights) :]
        of_names = {tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)}
        with keras.StatelessScope(state_mapping=list(zip(weights.values(), values, strict=True))):
            return networks.generate(model, of_names)

    shapes = {path: variable.shape for path, variable in weights.items()}
    shapes |= {tensor.name: (None, *tensor.shape[1:]) for tensor in model.inputs}
    signature = [tf.TensorSpec(shape, tf.float32, f"given_{i}") for i, shape in enumerate(shapes.values())]
    proto, _ = tf2onnx.convert.from_function(tf.function(images, autograph=False), input_signature=signature, opset=17)
    rename(proto, {f"given_{i}": name for i, name in enumerate(shapes)})
    leave_out(proto, set(weights))
    return proto.SerializeToString()


def rename(proto: ModelProto, names: dict[str, str]) -> None:
    """Renames what a graph takes: names of TensorFlow cannot hold a path."""
    for value in proto.graph.input:
        value.name = names[value.name.partition(":")[0]]
    for node in proto.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name.partition(":")[0], name)


def leave_out(proto: ModelProto, weights: set[str]) -> None:
    """Makes those inputs that are weights constants whose values are elsewhere."""
    for value in [value for value in proto.graph.input if value.name in weights]:
        shape = [size.dim_value for size in value.type.tensor_type.shape.dim]
        weight = TensorProto(name=value.name, dims=shape, data_type=TensorProto.FLOAT)
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=NO_FILE)
        proto.graph.initializer.append(weight)
        proto.graph.input.remove(value)


if __name__ == "__main__":
    main()
