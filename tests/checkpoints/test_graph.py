"""The graphs that ship draw what Keras draws, and `ganzoo sample` needs no backend for them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.checkpoints import checkpoint, graph, resolve
from zoo.files.errors import ZooError


@pytest.mark.slow
@pytest.mark.parametrize("name", resolve.shipped())
def test_a_graph_draws_what_keras_draws(name):
    quick, exact = graph.load_shipped(name), zoo.load_generator(name)
    psi = 0.5 if exact.recipe.model.facts.truncation else 1.0
    for images, others in (
        (quick.sample(80, seed=3), exact.sample(80, seed=3)),
        (quick.sample(4, truncation=psi), exact.sample(4, truncation=psi)),
        (quick.interpolate(8, seed=1), exact.interpolate(8, seed=1)),
    ):
        levels = np.abs(images.astype(int) - others)
        assert levels.max() <= 1
        assert (levels > 0).mean() < 1e-3
    assert quick.about(3) == exact.about(3)


def test_a_class_is_drawn_from_a_graph():
    quick, exact = graph.load_shipped("sngan-cond-fashion-mnist"), zoo.load_generator("sngan-cond-fashion-mnist")
    sandals = quick.sample(8, label="Sandal")
    assert np.abs(sandals.astype(int) - exact.sample(8, label="Sandal")).max() <= 1
    assert np.abs(sandals.astype(int) - quick.sample(8, label="Coat")).max() > 50


def test_each_graph_has_its_checkpoint():
    assert [file.stem for file in sorted(graph.GRAPHS.iterdir())] == resolve.shipped()


def test_a_graph_of_other_weights_says_so():
    weights = checkpoint.open_checkpoint(checkpoint.SHIPPED / "sngan-fashion-mnist").arrays("generator")
    with pytest.raises(ZooError, match=r"install keras-ganzoo again.*Received: dcgan-fashion-mnist\.onnx"):
        graph.Graph(graph.GRAPHS / "dcgan-fashion-mnist.onnx", weights)


def test_the_command_draws_without_a_backend(tmp_path):
    """With modules that cannot be imported in place of Keras and its backends."""
    for name in ("keras", "tensorflow", "jax"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    for command in (["sample", "dcgan-fashion-mnist", "-o", "s.png"], ["interpolate", "dcgan-fashion-mnist"]):
        done = subprocess.run(
            [sys.executable, "-m", "zoo.cli", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.text["Checkpoint"] == "dcgan-fashion-mnist"
        drawn = np.asarray(picture).astype(int)
    shipped = json.loads((checkpoint.SHIPPED / "dcgan-fashion-mnist" / "ganzoo.json").read_text("utf-8"))
    assert picture.text["Sha256"] == shipped["files"]["generator.safetensors"]["sha256"]
    with Image.open(checkpoint.SHIPPED / "dcgan-fashion-mnist" / "samples.png") as picture:
        assert np.abs(drawn - np.asarray(picture)).max() <= 1
