"""What surrounds a process: keras.json and the settings of Keras in a notebook decide no number, and oneDNN is on."""

import json
import os
import platform
import subprocess
import sys

import keras
import pytest

SCRIPT = """
import hashlib, json, sys
import keras
if sys.argv[1:]:
    keras.config.set_dtype_policy(sys.argv[1])
import numpy as np
from zoo import backend, data, recipe
from zoo.evaluation.metrics import extractors
from zoo.step import noise
from zoo.step.gan import GAN

def digest(arrays):
    return hashlib.sha256(b"".join(np.asarray(array).tobytes() for array in arrays)).hexdigest()

rng = np.random.default_rng(0)
small = {"model.latent_dim": 8, "model.g_channels": 16, "model.d_channels": 16, "schedule.batch_size": 4}
gan = GAN(recipe.load("stylegan-lite-fashion-mnist", {**small, "precision": "float32"}))
batch = noise.batch(gan.recipe, gan.generator, 0)
batch["real"] = rng.integers(0, 256, (4, gan.recipe.schedule.d_steps, 32, 32, 1), np.uint8)
engine = backend.Engine(gan)
engine.run(("d", "g"), batch)
engine.sync()
images, labels = rng.integers(0, 256, (60, 32, 32, 1), np.uint8), np.arange(60) % 2
images[labels == 1, :16] = 0
np.savez("images.npz", images=images, labels=labels)
store = data.prepare("images.npz", resolution=32, channels=1)
seen = [extractors.load(name, store)(store.images[:4]) for name in ("efficientnet-lite0", "classifier")]
print(json.dumps([digest(gan.variables), *map(digest, seen)]))
"""
KERAS = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}


@pytest.mark.slow  # two processes that compile a step and train a classifier
def test_the_settings_of_keras_change_no_step_and_no_feature(tmp_path):
    printed = []
    for name, settings, policy in (("plain", {}, []), ("other", KERAS, ["mixed_float16"])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "keras.json").write_text(json.dumps({"backend": keras.backend.backend()} | settings))
        environment = os.environ | {"KERAS_HOME": str(folder), "GANZOO_CACHE": str(folder / "cache")}
        environment.pop("KERAS_BACKEND", None)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *policy], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        printed.append(json.loads(done.stdout.splitlines()[-1]))
        told = "ganzoo computes in float32 with channels last, and sets Keras so in this process: floatx was float16"
        assert (told in done.stderr) == bool(settings)
    assert printed[0] == printed[1]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="oneDNN is TensorFlow's")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="measured on x86 CPUs alone")
@pytest.mark.parametrize(("said", "on"), [({}, True), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, False)])
def test_onednn_is_on_unless_the_user_turns_it_off(said, on):
    script = (
        "import zoo.backend; from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"} | said
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(on)]
