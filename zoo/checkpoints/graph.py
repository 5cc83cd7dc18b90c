"""The generators that ship as ONNX graphs. ONNX Runtime draws 64 images in less time than TensorFlow takes to import.

A graph is the function of a network, inputs -> images. `benchmarks/graphs.py` writes it from the Keras model. It names
its weights and holds none: they come from the checkpoint. Graphs are part of this package; none is read from elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from zoo.checkpoints.checkpoint import Checkpoint
from zoo.checkpoints.generator import Generator
from zoo.files.errors import ZooError

GRAPHS = Path(__file__).parent / "graphs"


def built(name: str, opened: Checkpoint) -> Generator:
    """The generator of the shipped checkpoint of that name, without Keras.

    It draws the images of the Keras model; a pixel may differ by 1 of 255. It draws from z and not from w, and has no
    directions, projection or export.

    Raises:
        ZooError: a damaged installation.
    """
    graph = Graph(GRAPHS / f"{name}.onnx", opened.arrays("generator"))
    return Generator(graph, opened.recipe, opened.info, name=name, draw=graph.draw)


class Graph:
    """A generator in ONNX Runtime, on the CPU.

    Attributes:
        inputs: what it takes; each has a `name` and a `shape`, [N, ...], as the inputs of a Keras model.
    """

    def __init__(self, file: Path, weights: dict[str, np.ndarray]) -> None:
        import onnxruntime

        values = {name: np.asarray(array, np.float32, order="C") for name, array in weights.items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait take no core
        options.add_external_initializers(
            list(values), [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in values.values()]
        )
        try:
            self._session = onnxruntime.InferenceSession(file.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # no such file, and what ONNX Runtime raises for one that is damaged or does not fit
            raise ZooError(
                f"the graph does not fit the weights ({type(error).__name__}); install keras-ganzoo again, or run "
                f"python benchmarks/graphs.py. Received: {file.name}"
            ) from None
        self.inputs = self._session.get_inputs()

    def draw(self, drawn: dict[str, np.ndarray]) -> np.ndarray:
        """float32 images [N, H, W, C] from one array [N, ...] for each of `inputs`."""
        return self._session.run(
            None, {value.name: np.asarray(drawn[value.name], np.float32) for value in self.inputs}
        )[0]
