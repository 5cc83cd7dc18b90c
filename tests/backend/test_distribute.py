"""tf.distribute: replicas and workers are one computation. Each runs in processes of its own."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from zoo import networks
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run

REPLICAS = """
import json, sys
import numpy as np, tensorflow as tf
count = int(sys.argv[3])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * count)
from zoo import backend, recipe
from zoo.step import noise
from zoo.step.gan import GAN
arrays = {}
with backend.strategy("mirrored" if count > 1 else "none").scope():
    assert backend.replicas() == count
    for values in json.loads(sys.argv[1]):
        chosen = recipe.from_dict(values)
        gan = GAN(chosen)
        engine = backend.Engine(gan)
        for step in range(int(sys.argv[4])):
            real = np.random.default_rng(step).integers(0, 256, (8, 1, 32, 32, 3), np.uint8)
            one_hot = np.eye(3, dtype=np.float32)[np.arange(8)[:, None] // 3]  # each replica lacks a class
            labels = {"real_label": one_hot} if chosen.model.classes else {}
            engine.run(("d", "g"), {"real": real, **labels, **noise.batch(chosen, gan.generator, step)})
        arrays |= {f"{chosen.name}|{chosen.model.classes}|{file}|{name}": np.asarray(variable)
                   for file, variables in gan.saved().items() for name, variable in variables.items()}
np.savez(sys.argv[2], **arrays)
"""

WORKER = """
import json, sys
import zoo
from zoo import recipe
zoo.train(recipe.from_dict(json.loads(sys.argv[1])), sys.argv[2], strategy="multi-worker")
"""


def run_all(commands, environments, timeout=600):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", *command],
            env=os.environ | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command, environment in zip(commands, environments, strict=True)
    ]
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    return outputs


COMPARED = [
    ("dcgan", {}),
    ("sngan", {"loss.gradient_penalty": 10.0}),
    ("sngan", {"model.classes": 3}),
    ("stylegan-lite", {"model.classes": 3}),
    ("r3gan", {"augment.ada_p": 0.0, "loss.r1_every_steps": 2}),
]
PROJECTED = [("projected-gan", {"model.classes": 3})]
LIKE_OTHERS = {"wgan-gp": "sngan"}  # without u


def test_no_network_is_left_out():
    assert {network for network, _ in COMPARED + PROJECTED} | set(LIKE_OTHERS) == set(networks.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "steps", "share"), [(COMPARED, 3, 0.0), (PROJECTED, 1, 0.01)], ids=["others", "projected-gan"]
)
def test_two_replicas_give_the_weights_of_one(small, tmp_path, kinds, steps, share):
    """`share` of the largest value of an array may differ. Projected GAN magnifies rounding: its first images are
    nearly grey, D normalises over them, and each step makes it more. On one device, another z by 1e-6 changes G's
    gradient by 1e-3 in the first step, and by 6e-2 in the third.
    """
    recipes = [
        small(
            f"{network}-cifar10",
            **{
                "schedule.batch_size": 8,
                "schedule.d_steps": 1,
                "augment.diffaugment": ["color", "translation"],
                # Adam must not magnify rounding where gradients are zero
                "optimizer.d.epsilon": 1e-3,
                "optimizer.g.epsilon": 1e-3,
                **more,
            },
        ).to_dict()
        for network, more in kinds
    ]
    files = [tmp_path / f"{count}.npz" for count in (1, 2)]
    run_all(
        [[REPLICAS, json.dumps(recipes), str(file), str(count), str(steps)] for count, file in enumerate(files, 1)],
        [{}, {}],
    )
    one, two = (np.load(file) for file in files)
    assert set(one.files) == set(two.files)
    for key in one.files:
        np.testing.assert_allclose(
            one[key], two[key], rtol=2e-3, atol=2e-5 + share * np.abs(one[key]).max(initial=0), err_msg=key
        )


@pytest.mark.slow
def test_two_workers_train_and_the_first_alone_writes(small, images, tmp_path):
    recipe = small("dcgan-fashion-mnist", **{"data.source": images, "schedule.images": 32})
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (one, other)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    environments = [
        {
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
            "GANZOO_TEST_WEIGHTS": str(tmp_path / f"worker{index}.npz"),
        }
        for index in range(2)
    ]
    report = """
import os, numpy as np
from zoo.training import loop as trainer
original = trainer.loop
def loop(gan, *others):
    result = original(gan, *others)
    np.savez(os.environ["GANZOO_TEST_WEIGHTS"], **{
        f"{file}|{name}": np.asarray(v) for file, variables in gan.saved().items() for name, v in variables.items()})
    return result
trainer.loop = loop
"""
    runs = [tmp_path / "run0", tmp_path / "run1"]
    run_all([[report + WORKER, json.dumps(recipe.to_dict()), str(run)] for run in runs], environments)
    first, second = (np.load(environment["GANZOO_TEST_WEIGHTS"]) for environment in environments)
    for key in first.files:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)
    assert Run(runs[0]).latest()
    assert not runs[1].exists()
    saved = checkpoint.open_checkpoint(Run(runs[0]).latest()).arrays("training")
    for name, array in saved.items():
        np.testing.assert_array_equal(array, first[f"training|{name}"])
