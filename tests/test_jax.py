"""The JAX engine takes the same steps: each backend in a process of its own, from the same weights, images and noise.

float32 leaves two things to rounding, and training magnifies a difference there a thousandfold; the settings here keep
clear of both. A ReLU's slope jumps at 0: the networks are narrow and their biases start at 1 or -1, not at 0. Adam
divides by the gradient's size even where the true gradient is 0 (a bias before batch normalisation): epsilon is 1e-3.
With them, TensorFlow itself stays within 6e-6 when its initial weights change by 1e-7; without, it does not.
"""

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
y, x = np.mgrid[:32, :32, :1][:2] * 2 * np.pi / 32
for values in json.loads(sys.argv[1]):
    chosen = recipe.from_dict(values)
    gan = GAN(chosen)
    rng = np.random.default_rng(0)
    trained = [*gan.generator.trainable_variables, *gan.discriminator.trainable_variables]
    for variable in trained:
        if not np.asarray(variable).any():
            size = 0.1 if variable.path.startswith("to_image") or len(variable.shape) == 0 else 1.0
            variable.assign(rng.choice([-size, size], variable.shape))
    before = [np.array(variable) for variable in trained]
    engine = backend.Engine(gan)
    for step in range(20):
        shape = (chosen.schedule.batch_size, 1, 1, 1, 3)
        across, down, phase = rng.uniform(-2, 2, shape), rng.uniform(-2, 2, shape), rng.uniform(0, 6, shape)
        real = np.uint8(127.5 + 127.5 * np.sin(down * y + across * x + phase))
        engine.run(("d", "g"), {"real": real, **noise.batch(chosen, gan.generator, step)})
    engine.sync()
    arrays |= {f"{chosen.name}: {file}: {name}": np.asarray(variable)
               for file, variables in gan.saved().items() for name, variable in variables.items()}
    arrays[f"moved: {chosen.name}"] = np.median([np.linalg.norm(variable - start) / np.linalg.norm(start)
                                                 for variable, start in zip(trained, before)])
np.savez(sys.argv[2], **arrays)
"""
SIZES = {"dcgan": (4, 16), "wgan-gp": (8, 16), "sngan": (8, 16), "stylegan-lite": (1, 8)}  # channels, batch


@pytest.fixture
def weights(small, tmp_path):
    """{backend: {name: array}} after 20 steps of the four networks."""
    recipes = [small(f"{network}-cifar10", **{
        "model.latent_dim": 16, "model.g_channels": channels, "model.d_channels": channels,
        "schedule.batch_size": batch, "schedule.d_steps": 1,
        "optimizer.d.epsilon": 1e-3, "optimizer.g.epsilon": 1e-3}).to_dict()
        for network, (channels, batch) in SIZES.items()]
    for backend in ("tensorflow", "jax"):
        subprocess.run([sys.executable, "-c", STEPS, json.dumps(recipes), str(tmp_path / f"{backend}.npz")],
                       env=os.environ | {"KERAS_BACKEND": backend}, check=True)
    return {backend: dict(np.load(tmp_path / f"{backend}.npz")) for backend in ("tensorflow", "jax")}


def test_twenty_steps_on_jax_give_the_weights_of_tensorflow(weights):
    ours, theirs = weights["jax"], weights["tensorflow"]
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        if name.startswith("moved"):
            assert array > 1e-4, name
        elif "_adam/" not in name:
            assert np.linalg.norm(ours[name] - array) <= 1e-5 * np.linalg.norm(array), name
