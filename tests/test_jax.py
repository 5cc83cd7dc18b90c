"""The JAX engine takes the same steps: each backend in a process of its own, from the same weights and noise."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

STEPS = """
import json, sys
import numpy as np
from zoo import backend, noise, recipe
from zoo.gan import GAN
arrays = {}
for values in json.loads(sys.argv[1]):
    chosen = recipe.from_dict(values)
    gan = GAN(chosen)
    engine = backend.Engine(gan)
    for step in range(4):
        real = np.random.default_rng(step).integers(0, 256, (8, 1, 32, 32, 3), np.uint8)
        engine.run(("d", "g"), {"real": real, **noise.batch(chosen, gan.generator, step)})
    engine.sync()
    arrays |= {f"{chosen.name}: {file}: {name}": np.asarray(variable)
               for file, variables in gan.saved().items() for name, variable in variables.items()}
assert ("tensorflow" in sys.modules) == (sys.argv[3] == "tensorflow")
np.savez(sys.argv[2], **arrays)
"""


@pytest.fixture
def weights(small, tmp_path):
    """{backend: {name: array}} after four steps of the four networks."""
    recipes = [small(f"{network}-cifar10", **{
        "schedule.batch_size": 8, "schedule.d_steps": 1, "augment.flip": True,
        # Adam must not magnify rounding where gradients are zero
        "optimizer.d.epsilon": 1e-3, "optimizer.g.epsilon": 1e-3,
    }).to_dict() for network in ("dcgan", "wgan-gp", "sngan", "stylegan-lite")]
    files = {backend: str(tmp_path / f"{backend}.npz") for backend in ("tensorflow", "jax")}
    for backend, file in files.items():
        subprocess.run([sys.executable, "-c", STEPS, json.dumps(recipes), file, backend], check=True,
                       env=os.environ | {"KERAS_BACKEND": backend})
    return {backend: dict(np.load(file)) for backend, file in files.items()}


def test_four_steps_on_jax_give_the_weights_of_tensorflow(weights):
    ours, theirs = weights["jax"], weights["tensorflow"]
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        if ": training: d_adam" not in name and ": training: g_adam" not in name:
            np.testing.assert_allclose(ours[name], array, rtol=1e-5, atol=1e-5, err_msg=name)
