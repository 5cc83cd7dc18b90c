"""The graphs that ship draw what Keras draws, and `ganzoo sample` needs no backend for them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny import ganzoo

import zoo
from zoo.checkpoints import checkpoint, graph, latents, resolve
from zoo.files.errors import ZooError

STUBS = "raise ImportError('not here')\n"


def opened(name):
    return graph.built(name, checkpoint.open_checkpoint(checkpoint.SHIPPED / name))


@pytest.mark.slow
@pytest.mark.parametrize("name", resolve.shipped())
def test_a_graph_draws_what_keras_draws(name):
    quick, exact = opened(name), zoo.load_generator(name)
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
    quick, exact = opened("sngan-cond-fashion-mnist"), zoo.load_generator("sngan-cond-fashion-mnist")
    sandals = quick.sample(8, label="Sandal")
    assert np.abs(sandals.astype(int) - exact.sample(8, label="Sandal")).max() <= 1
    assert np.abs(sandals.astype(int) - quick.sample(8, label="Coat")).max() > 50


def test_each_graph_has_its_checkpoint():
    assert [file.stem for file in sorted(graph.GRAPHS.iterdir())] == resolve.shipped()


def test_a_graph_that_does_not_fit_or_is_damaged_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.SHIPPED / "sngan-fashion-mnist")  # no weight that is missing comes from its files
    file = graph.GRAPHS / "dcgan-fashion-mnist.onnx"
    own = checkpoint.open_checkpoint(checkpoint.SHIPPED / "dcgan-fashion-mnist").arrays("generator")
    others = checkpoint.open_checkpoint(checkpoint.SHIPPED / "sngan-fashion-mnist").arrays("generator")
    (tmp_path / file.name).write_bytes(file.read_bytes()[:-100])
    first = next(iter(own))
    cases = [
        (file, others),
        (file, {name: array for name, array in own.items() if name != first}),
        (file, own | {first: own[first][:1]}),
        (tmp_path / file.name, own),
        (tmp_path / "none" / file.name, own),
    ]
    for path, weights in cases:
        with pytest.raises(ZooError, match=r"install keras-ganzoo again.*Received: dcgan-fashion-mnist\.onnx"):
            graph.Graph(path, weights)
    assert graph.Graph(file, own).inputs[0].name == "z"


@pytest.fixture
def no_backend(tmp_path, monkeypatch):
    """Runs the command where Keras and its backends cannot be imported."""
    for name in ("keras", "tensorflow", "jax"):
        (tmp_path / f"{name}.py").write_text(STUBS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    monkeypatch.chdir(tmp_path)

    def run(*command):
        return subprocess.run(
            [sys.executable, "-m", "zoo.cli", *command], env=environment, capture_output=True, text=True
        )

    return run


def test_the_command_draws_without_a_backend(no_backend, tmp_path):
    name = "dcgan-fashion-mnist"
    for command in (
        ["sample", name, "-o", "s.png"],
        ["sample", name, "--seeds", "0-2", "--save-latents", "z.npz", "-o", "seeds/"],
        ["sample", name, "--latents", "z.npz", "-o", "again/"],
        ["interpolate", name, "--latents", "z.npz", "--steps", "6", "--scale", "1", "-o", "walk.png"],
    ):
        done = no_backend(*command)
        assert (done.returncode, done.stderr) == (0, ""), command
    with Image.open("s.png") as picture, Image.open(checkpoint.SHIPPED / name / "samples.png") as shipped:
        assert np.abs(np.asarray(picture, int) - np.asarray(shipped)).max() <= 1
        info = json.loads((checkpoint.SHIPPED / name / "ganzoo.json").read_text("utf-8"))
        assert picture.text["Sha256"] == info["files"]["generator.safetensors"]["sha256"]
    seeds = [np.asarray(Image.open(file)) for file in sorted(tmp_path.glob("seeds/*.png"))]
    again = [np.asarray(Image.open(file)) for file in sorted(tmp_path.glob("again/*.png"))]
    np.testing.assert_array_equal(seeds, again)
    walk = np.asarray(Image.open("walk.png"))
    np.testing.assert_array_equal(seeds[0], walk[:32, :32])


def test_a_mistake_is_named_before_a_backend_is_looked_for(no_backend):
    assert "did you mean 'dcgan-fashion-mnist'?" in no_backend("sample", "dcgan-fasion-mnist").stderr
    assert "only the folder of a run" in no_backend("sample", "dcgan-fashion-mnist", "--checkpoint", "best").stderr


def test_directions_and_latents_in_w_take_the_keras_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exact = zoo.load_generator("stylegan-lite-fashion-mnist")
    latents.save("w.npz", exact.in_w(exact.latents(2)), exact.about())
    ganzoo("sample", exact.name, "--latents", "w.npz", "-o", "w/", status=0)
    drawn = np.stack([np.asarray(Image.open(file)) for file in sorted(tmp_path.glob("w/*.png"))])
    assert np.abs(drawn[..., None].astype(int) - exact.sample(2)).max() <= 1
    ganzoo("interpolate", exact.name, "--direction", "1", "--steps", "4", "-o", "direction.png", status=0)
