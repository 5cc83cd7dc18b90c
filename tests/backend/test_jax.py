"""JAX does what TensorFlow does: the same steps and pictures; runs go on under the other; several devices are one.

float32 leaves two things to rounding, and twenty steps magnify a difference there a thousandfold; the settings here
keep clear of both. A ReLU's slope jumps at 0: the networks are narrow and their biases start at 1 or -1, not at 0.
Adam divides by the gradient's size even where the true gradient is 0 (a bias before batch normalisation): epsilon is
1e-3. With them, TensorFlow stays within 6e-6 of itself when its initial weights change by 1e-7; without, it does not.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import zoo
from zoo import networks
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run

pytestmark = pytest.mark.slow

STEPS = """
import json, sys
import numpy as np
from zoo import backend, networks, recipe
from zoo.checkpoints.generator import Generator
from zoo.networks.parts import inputs
from zoo.step import noise
from zoo.step.gan import GAN

arrays = {}
y, x = np.mgrid[:32, :32, :1][:2] * 2 * np.pi / 32
for values in json.loads(sys.argv[2]):
    chosen = recipe.from_dict(values)
    gan = GAN(chosen)
    rng = np.random.default_rng(0)
    trained = [*gan.generator.trainable_variables, *gan.discriminator.trainable_variables]
    for variable in trained:
        if not np.asarray(variable).any():
            small = variable.path.startswith("to_image") or len(variable.shape) != 1
            size = 0.1 if small else 1.0
            variable.assign(rng.choice([-size, size], variable.shape))
    before = [np.asarray(variable).copy() for variable in trained]
    engine = backend.Engine(gan)
    for step in range(20):
        shape = (chosen.schedule.batch_size, 1, 1, 1, 3)
        across, down, phase = rng.uniform(-2, 2, shape), rng.uniform(-2, 2, shape), rng.uniform(0, 6, shape)
        real = np.uint8(127.5 + 127.5 * np.sin(down * y + across * x + phase))
        labels = rng.integers(3, size=shape[:2]) if chosen.model.classes else None
        label = {} if labels is None else {"real_label": inputs.one_hot(labels, 3)}
        engine.run(("d", "g"), {"real": real, **label, **noise.batch(chosen, gan.generator, step)})
    engine.sync()
    arrays |= {f"{chosen.name}: {file}: {name}": np.asarray(variable)
               for file, variables in gan.saved().items() for name, variable in variables.items()}
    latents = inputs.draw_training(gan.generator, (8,), np.random.default_rng(1))
    latents |= {"label": inputs.one_hot(np.arange(8) % 3, 3)} if chosen.model.classes else {}
    arrays[f"{chosen.name}: images"] = np.asarray(networks.generate(gan.ema, latents))
    arrays[f"levels: {chosen.name}"] = Generator(gan.ema, chosen, {}).sample(8, seed=1)
    arrays[f"moved: {chosen.name}"] = np.median([np.linalg.norm(variable - start) / np.linalg.norm(start)
                                                 for variable, start in zip(trained, before)])
np.savez(sys.argv[1], **arrays)
"""
PUPILS = [name for name in networks.NAMES if networks.configs()[name].facts.teacher]  # D looks at frozen features
SIZES = dict.fromkeys([name for name in networks.NAMES if name not in PUPILS], (8, 16)) | {
    "dcgan": (4, 16),
    "r3gan": (4, 16),
    "stylegan-lite": (1, 8),
}  # channels, batch

FUNCTIONS = """
import json, sys
import numpy as np
from zoo import backend, networks, recipe
from keras import ops
from zoo.networks.parts import inputs

chosen = recipe.from_dict(json.loads(sys.argv[2]))
generator, discriminator = networks.build(chosen)
rng = np.random.default_rng(0)
latents = inputs.draw_training(generator, (16,), rng) | {"label": inputs.one_hot(np.arange(16) % 3, 3)}
latents = {name: ops.convert_to_tensor(value) for name, value in latents.items()}
real = ops.convert_to_tensor(rng.uniform(-1, 1, (16, 32, 32, 3)).astype("float32"))
judge = lambda images: networks.discriminate(discriminator, images, latents, training=True)
np.savez(sys.argv[1], images=np.asarray(networks.generate(generator, latents, training=True)),
         logits=np.asarray(judge(real)),
         gradient=np.asarray(backend.input_gradient(lambda images: judge(images) ** 2, real)))
"""

RUNS = """
import sys
import numpy as np
import zoo
from zoo.checkpoints.run import Run
run, images, tuned, samples = sys.argv[1:]
zoo.finetune(run, images, tuned, images=32)
zoo.train(Run(run).recipe, run)
np.save(samples, zoo.load_generator(run).sample(8, seed=1))
"""

TRAIN = """
import json, sys
import zoo
from zoo import backend, recipe
devices, transfer = int(sys.argv[3]), backend.Engine.transfer
def watched(self, batch):
    batch = transfer(self, batch)
    assert len(batch["real"].sharding.device_set) == devices
    return batch
backend.Engine.transfer = watched
strategy = "none" if devices == 1 else "mirrored"
zoo.train(recipe.from_dict(json.loads(sys.argv[1])), sys.argv[2], strategy=strategy)
"""


def python(backend: str, script: str, *arguments, devices: int = 1) -> None:
    """Runs a script on the CPU, as so many devices; RuntimeError with what it said if it fails."""
    environment = {
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def arrays(path) -> dict[str, np.ndarray]:
    """The weights of both networks in a checkpoint."""
    opened = checkpoint.open_checkpoint(path)
    return {
        f"{file}: {name}": array
        for file in ("generator", "discriminator")
        for name, array in opened.arrays(file).items()
    }


def assert_near(ours: dict, theirs: dict, error: float) -> None:
    """The norm of each difference is at most `error` times the norm."""
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert np.linalg.norm(ours[name] - array) <= error * np.linalg.norm(array), name


@pytest.fixture
def recipe(small, images):
    """Twelve steps of DCGAN, a checkpoint every four."""
    return small(
        "dcgan-fashion-mnist",
        **{
            "data.source": images,
            "schedule.images": 48,
            "log.checkpoint_every_images": 16,
            "optimizer.d.epsilon": 1e-3,
            "optimizer.g.epsilon": 1e-3,
        },
    )


@pytest.mark.parametrize("classes", [0, 3])
def test_twenty_steps_give_the_weights_and_the_pictures_of_tensorflow(small, tmp_path, classes):
    recipes = [
        small(
            f"{network}-cifar10",
            **{
                "model.latent_dim": 16,
                "model.classes": classes,
                "model.g_channels": channels,
                "model.d_channels": channels,
                "schedule.batch_size": batch,
                "schedule.d_steps": 1,
                "optimizer.d.epsilon": 1e-3,
                "optimizer.g.epsilon": 1e-3,
            },
        ).to_dict()
        for network, (channels, batch) in SIZES.items()
    ]
    for backend in ("tensorflow", "jax"):
        python(backend, STEPS, tmp_path / f"{backend}.npz", json.dumps(recipes))
    ours, theirs = (dict(np.load(tmp_path / f"{backend}.npz")) for backend in ("jax", "tensorflow"))
    assert ours.keys() == theirs.keys()
    for name in (recipe["name"] for recipe in recipes):
        assert theirs[f"moved: {name}"] > 1e-4
        assert np.abs(ours[f"levels: {name}"].astype(int) - theirs[f"levels: {name}"]).max() <= 1
    kept = [name for name in ours if "_adam/" not in name and not name.startswith(("moved", "levels"))]
    assert_near({name: ours[name] for name in kept}, {name: theirs[name] for name in kept}, 1e-5)


@pytest.mark.parametrize("network", PUPILS)
def test_a_discriminator_on_frozen_features_is_the_function_of_tensorflow(small, tmp_path, network):
    """Its ReLU6 bend in half a million places. Rounding moves some values over a bend, and so the gradient a little."""
    recipe = small(f"{network}-cifar10", **{"model.classes": 3, "model.g_channels": 8, "model.d_channels": 8})
    for backend in ("tensorflow", "jax"):
        python(backend, FUNCTIONS, tmp_path / f"{backend}.npz", json.dumps(recipe.to_dict()))
    ours, theirs = (np.load(tmp_path / f"{backend}.npz") for backend in ("jax", "tensorflow"))
    for name, most in (("images", 1e-5), ("logits", 1e-5), ("gradient", 5e-3)):
        assert np.linalg.norm(ours[name] - theirs[name]) < most * np.linalg.norm(theirs[name]), name


def test_a_run_of_either_backend_goes_on_and_is_fine_tuned_under_the_other(recipe, images, tmp_path):
    run = zoo.train(recipe, tmp_path / "run")
    whole, other = arrays(run.latest()), Run(shutil.copytree(run.path, tmp_path / "other"))
    shutil.rmtree(other.latest())
    python("jax", RUNS, other.path, images, tmp_path / "tuned", tmp_path / "samples.npy")
    assert checkpoint.open_checkpoint(other.latest()).info["backend"] == "jax"
    assert_near(arrays(other.latest()), whole, 1e-3)
    drawn = zoo.load_generator(other.path).sample(8, seed=1).astype(int)
    assert np.abs(np.load(tmp_path / "samples.npy") - drawn).max() <= 1

    tuned = Run(tmp_path / "tuned")
    whole = arrays(tuned.latest())
    shutil.rmtree(tuned.latest())
    assert checkpoint.open_checkpoint(tuned.latest()).info["backend"] == "jax"
    assert zoo.finetune(tuned.path, images, tmp_path / "again", images=4).latest().name == "step-000000001"
    zoo.train(tuned.recipe, tuned.path)
    assert_near(arrays(tuned.latest()), whole, 1e-3)


def test_two_devices_give_the_weights_of_one(recipe, tmp_path):
    for devices in (1, 2):
        python("jax", TRAIN, json.dumps(recipe.to_dict()), tmp_path / str(devices), devices, devices=devices)
    one, two = (arrays(Run(tmp_path / str(devices)).latest()) for devices in (1, 2))
    assert_near(two, one, 1e-5)
    odd = recipe.replace(**{"schedule.batch_size": 3}).to_dict()
    with pytest.raises(RuntimeError, match="multiple of the 2 devices"):
        python("jax", TRAIN, json.dumps(odd), tmp_path / "odd", 2, devices=2)
