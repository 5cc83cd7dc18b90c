"""The generators that ship as ONNX graphs: ONNX Runtime draws from one while TensorFlow would still be importing.

A graph is the function of a network, (weights, inputs) -> images; `benchmarks/graphs.py` makes it of the Keras model.
It holds no weights: these come from the checkpoint. It is part of this package, and none is read from elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from zoo.checkpoints import resolve
from zoo.checkpoints.checkpoint import open_checkpoint
from zoo.checkpoints.generator import Generator
from zoo.files.errors import ZooError

GRAPHS = Path(__file__).parent / "graphs"


def load_shipped(name: str) -> Generator:
    """The generator of a shipped checkpoint without Keras: it draws the same images, to one level of 255.

    It has no Keras model. So it draws from z and not from w, and has no directions, projection or export.

    Raises:
        ZooError: a damaged installation.

    Example:
        >>> load_shipped("dcgan-fashion-mnist").sample(4, seed=0).shape
        (4, 32, 32, 1)
    """
    opened = open_checkpoint(resolve.resolve(name))
    graph = Graph(GRAPHS / f"{name}.onnx", opened.arrays("generator"))
    return Generator(graph, opened.recipe, opened.info, name=name, draw=graph.draw)


class Graph:
    """A generator in ONNX Runtime, on the processor.

    Attributes:
        inputs: what it takes beside weights; each has a `name` and a `shape`, [N, ...], as those of a Keras model.
    """

    def __init__(self, file: Path, weights: dict[str, np.ndarray]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1  # where fewer may be used, its own choice prints errors
        self._session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
        takes = self._session.get_inputs()
        self.inputs = [value for value in takes if value.name not in weights]
        self._weights = {name: array.astype(np.float32) for name, array in weights.items()}
        wanted = {value.name: tuple(value.shape) for value in takes if value.name in weights}
        if wanted != {name: array.shape for name, array in weights.items()}:
            raise ZooError(
                f"the graph does not fit the weights; install keras-ganzoo again, or run: python benchmarks/graphs.py. "
                f"Received: {file.name}"
            )

    def draw(self, drawn: dict[str, np.ndarray]) -> np.ndarray:
        """float32 images [N, H, W, C] from one array [N, ...] for each of `inputs`."""
        given = {value.name: np.asarray(drawn[value.name], np.float32) for value in self.inputs}
        return self._session.run(None, self._weights | given)[0]
