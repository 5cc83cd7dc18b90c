"""Runs: what they leave, how they stop and go on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import networks
from zoo.backend import device
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.step.gan import GAN
from zoo.training import loop

TRAIN = """
import json, logging, sys
import zoo
from zoo import recipe
logging.basicConfig(level="INFO", stream=sys.stdout)
zoo.train(recipe.from_dict(json.loads(sys.argv[1])), sys.argv[2], strategy="none")
"""


def weights(run):
    opened = checkpoint.open_checkpoint(run.latest())
    return {file: opened.arrays(file) for file in ("generator", "discriminator", "training")}


def steps(run):
    return [entry["step"] for entry in run.entries() if "machine" not in entry]


def assert_same_weights(a, b):
    for file, arrays in a.items():
        assert arrays.keys() == b[file].keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, b[file][name], err_msg=f"{file}: {name}")


@pytest.fixture
def recipe(small, images):
    """Sixteen steps of DCGAN, a checkpoint every eight."""
    return small("dcgan-fashion-mnist", **{"data.source": images, "optimizer.d.learning_rate": 2e-4})


def test_a_run_is_a_complete_folder(recipe, tmp_path):
    recipe = recipe.replace(**{"log.kid_images": 40})
    run = zoo.train(recipe, tmp_path / "run")
    assert {path.name for path in run.path.iterdir()} - {".lock"} == {
        "recipe.toml",
        "log.jsonl",
        "curves.png",
        "samples",
        "samples.gif",
        "events",
        "checkpoints",
    }
    assert [path.name for path in run.checkpoints()] == ["step-000000008", "step-000000016"]
    entries = run.entries()
    assert [entry["step"] for entry in entries if "d_loss" in entry] == [4, 8, 12, 16]
    assert all(entry["images"] == 4 * entry["step"] for entry in entries)
    kids = [entry["kid"] for entry in entries if "kid" in entry]
    assert len(kids) == 2
    assert all(kid > 0 for kid in kids)
    assert all(0 <= entry["recall"] <= 1 for entry in entries if "kid" in entry)
    with Image.open(run.path / "samples.gif") as animation, Image.open(run.path / "samples/0000000064.png") as sheet:
        assert animation.n_frames == 3, "before the first step, and with each checkpoint"
        assert sheet.size == (256, 256)
    assert run.recipe == recipe
    info = checkpoint.open_checkpoint(run.latest()).info
    assert info["images"] == 64
    assert info["data"]["images"] == 118
    assert list((run.path / "events").glob("events.*"))
    generator = zoo.load_generator(run.path)
    assert generator.sample(3).shape == (3, 32, 32, 1)


@pytest.mark.parametrize(
    ("flags", "kind", "computed"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 clzero", "cpu", True),
        ("flags\t\t: fpu amx_bf16", "cpu", True),
        ("flags\t\t: fpu avx2 avx512f", "cpu", False),
        ("model name\t: amx_bf16\nflags\t\t: fpu", "cpu", False),
        (None, "cpu", False),
        (None, "gpu", True),
    ],
)
def test_bfloat16_is_not_emulated(recipe, tmp_path, monkeypatch, flags, kind, computed):
    monkeypatch.setattr(device, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(device, "device", lambda: {"kind": kind, "name": "a processor", "count": 2})
    if flags:
        device.CPU.write_text(f"processor\t: 0\n{flags}\nbogomips\t: 5000\n")
    if kind == "cpu" and keras.backend.backend() == "jax":
        computed = False
    precision = "mixed_bfloat16" if computed else "float32"
    gan = GAN(recipe.replace(precision="mixed_bfloat16"))
    assert gan.discriminator.get_layer("from_image").dtype_policy.name == precision
    assert device.precision("float32") == "float32"


def test_a_run_says_that_it_computes_in_float32_instead(recipe, tmp_path, monkeypatch, said):
    recipe = recipe.replace(precision="mixed_bfloat16", **{"schedule.images": 32})
    monkeypatch.setattr(device, "precision", lambda wanted: "float32")
    run = zoo.train(recipe, tmp_path / "run")
    assert any("float32 instead" in line for line in said)
    assert checkpoint.open_checkpoint(run.latest()).info["precision"] == "float32"
    assert run.recipe == recipe


def test_only_the_latest_two_and_the_best_checkpoints_stay(recipe, tmp_path):
    run = Run(tmp_path)
    for step, kid in ((1, 5.0), (2, 3.0), (3, 4.0), (4, 6.0), (5, None)):
        checkpoint.save(run.checkpoint_path(step), recipe, {}, {"kid": kid})
        run.prune()
    assert [int(path.name[5:]) for path in run.checkpoints()] == [2, 4, 5]
    assert run.best() == run.checkpoint_path(2)
    assert run.latest() == run.checkpoint_path(5)


RESUMED = {  # with what has a state of its own
    "sngan": {"schedule.d_steps": 1},
    "r3gan": {"loss.r1_every_steps": 3},
    "stylegan-lite": {"augment.ada": True, "loss.r1_every_steps": 3},
}
MIXED = {"precision": "mixed_bfloat16", "schedule.d_steps": 2, "schedule.images": 128}


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("dcgan", {"schedule.wait_above": 0.0001}),
        pytest.param("dcgan", MIXED, marks=pytest.mark.slow),
        *(
            pytest.param(network, RESUMED.get(network, {}), marks=pytest.mark.slow)
            for network, config in networks.configs().items()
            if network != "dcgan" and not config.facts.teacher  # that takes long, and is resumed with classes
        ),
    ],
    ids=str,
)
def test_interrupted_and_resumed_equals_uninterrupted(small, images, tmp_path, monkeypatch, network, changes, said):
    monkeypatch.setattr(device, "precision", lambda wanted: wanted)  # on any processor
    recipe = small(f"{network}-fashion-mnist", **{"data.source": images, **changes})
    whole = zoo.train(recipe, tmp_path / "whole")
    half = Run(tmp_path / "half")
    shutil.copytree(whole.path, half.path)
    shutil.rmtree(half.checkpoint_path(16))
    zoo.train(recipe, half.path)
    assert any("going on from" in line for line in said)
    assert_same_weights(weights(whole), weights(half))
    assert steps(half) == steps(whole)


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_equals_uninterrupted(recipe, tmp_path):
    recipe = recipe.replace(**{"schedule.images": 160})
    whole = zoo.train(recipe, tmp_path / "whole")
    run = Run(tmp_path / "killed")
    command = [sys.executable, "-c", TRAIN, json.dumps(recipe.to_dict()), str(run.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not run.checkpoints() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run.checkpoints()
    assert not run.checkpoint_path(recipe.schedule.steps).exists(), "the run was over before it could be killed"
    zoo.train(recipe, run.path)
    assert_same_weights(weights(whole), weights(run))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["shutil.rmtree", "os.replace"])
def test_killed_while_it_saves_or_deletes_a_checkpoint(recipe, tmp_path, moment):
    """A process of its own that kills itself in the middle of a file operation, in one that has begun to delete."""
    killer = f"""
import os, signal, shutil
from pathlib import Path
original = {moment}
def fatal(path, *rest, **options):
    if "step-000000008" in str(path) or "step-000000008" in str(rest):
        started = Path(path) / "recipe.toml"
        if started.exists():  # else what is deleted is no checkpoint
            started.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return original(path, *rest, **options)
{moment} = fatal
"""
    long = recipe.replace(**{"log.checkpoint_every_images": 32, "schedule.images": 160})
    run = Run(tmp_path / "run")
    process = subprocess.run(
        [sys.executable, "-c", killer + TRAIN, json.dumps(long.to_dict()), str(run.path)],
        capture_output=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    zoo.train(long, run.path)
    assert checkpoint.open_checkpoint(run.latest()).info["images"] == 160
    assert zoo.load_generator(run.path).sample(1).shape == (1, 32, 32, 1)
    assert not list(run.path.rglob(".partial-*"))


def test_weights_that_break_in_the_last_step_of_a_window_are_not_saved(recipe, tmp_path, monkeypatch):
    original = loop.backend.Engine.run

    def poisoned(self, players, batch):
        logs = original(self, players, batch)
        self.sync()
        if int(self._gan.step) == 16:
            variable = self._gan.discriminator.get_layer("logit").kernel
            variable.assign(variable * np.inf)
        return logs

    monkeypatch.setattr(loop.backend.Engine, "run", poisoned)
    with pytest.raises(loop.NonFinite, match="discriminator: logit/kernel"):
        zoo.train(recipe, tmp_path / "run")
    assert [path.name for path in Run(tmp_path / "run").checkpoints()] == ["step-000000008"]


def test_other_images_than_the_run_was_started_with_are_refused(recipe, tmp_path):
    zoo.train(recipe.replace(**{"schedule.images": 32}), tmp_path / "run")
    np.savez(recipe.data.source, images=np.zeros((60, 32, 32), np.uint8))
    with pytest.raises(ValueError, match="not those that the run was started with"):
        zoo.train(recipe.replace(**{"schedule.images": 32}), tmp_path / "run")


def test_images_may_move_between_two_parts_of_a_run(recipe, tmp_path):
    run = zoo.train(recipe.replace(**{"schedule.images": 32}), tmp_path / "run")
    moved = str(tmp_path / "moved.npz")
    os.rename(recipe.data.source, moved)
    recipe = run.recipe.replace(**{"data.source": moved})
    zoo.train(recipe, run.path)
    assert run.recipe == recipe
    empty = Run(tmp_path / "empty")
    empty.start(recipe)
    empty.log({"step": 4, "images": 16})
    with pytest.raises(ValueError, match=r"another recipe \(data.source"):  # nothing tells that they are the same
        empty.check(recipe.replace(**{"data.source": "elsewhere"}))


def test_two_processes_do_not_train_in_one_folder(recipe, tmp_path):
    run = zoo.train(recipe.replace(**{"schedule.images": 32}), tmp_path / "run")
    log = (run.path / "log.jsonl").read_text()
    with run.locked(), pytest.raises(ValueError, match=r"another process is training in this folder.* Received: "):
        zoo.train(run.recipe, run.path)
    assert (run.path / "log.jsonl").read_text() == log
    zoo.train(run.recipe, run.path)


def test_ctrl_c_saves_and_says_how_to_go_on(recipe, tmp_path):
    long = recipe.replace(**{"schedule.images": 1_000_000, "log.checkpoint_every_images": 1_000_000})
    run = Run(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, json.dumps(long.to_dict()), str(run.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not steps(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f"ganzoo train --resume {run.path}" in output
    assert checkpoint.open_checkpoint(run.latest()).info["step"] == run.entries()[-1]["step"]


def test_a_changed_recipe_is_refused_with_the_difference(recipe, tmp_path):
    run = Run(tmp_path / "run")
    run.start(recipe)
    run.log({"step": 4, "images": 16})
    with pytest.raises(ValueError, match=r"optimizer.d.learning_rate: 0.0002 -> 0.001"):
        zoo.train(recipe.replace(**{"optimizer.d.learning_rate": 1e-3}), run.path)


def test_a_folder_that_is_no_run_is_left_alone(recipe, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not a run"):
        zoo.train(recipe, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_values_that_are_not_finite_stop_the_run_and_keep_the_last_healthy_checkpoint(recipe, tmp_path, monkeypatch):
    original = loop.backend.Engine.run

    def poisoned(self, players, batch):
        self.sync()
        if int(self._gan.step) == 9:
            variable = self._gan.discriminator.get_layer("logit").kernel
            variable.assign(variable * np.nan)
        return original(self, players, batch)

    monkeypatch.setattr(loop.backend.Engine, "run", poisoned)
    expected = r"in steps 9 to 12.*d_loss.*discriminator: from_image/kernel and \d+ more"
    with pytest.raises(loop.NonFinite, match=expected):
        zoo.train(recipe, tmp_path / "run")
    assert [path.name for path in Run(tmp_path / "run").checkpoints()] == ["step-000000008"]


def test_a_full_disk_leaves_the_old_checkpoint(recipe, tmp_path, monkeypatch):
    path = checkpoint.save(tmp_path / "one", recipe, {"generator": {"w": np.ones(3)}}, {"step": 1})

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(ValueError, match=r"No space left.*make room.*Received: "):
        checkpoint.save(path, recipe, {"generator": {"w": np.zeros(3)}}, {"step": 2})
    monkeypatch.undo()
    opened = checkpoint.open_checkpoint(path)
    assert opened.info["step"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"one", "squares.npz"}


@pytest.mark.slow
def test_the_leader_waits_in_a_run(recipe, tmp_path):
    recipe = recipe.replace(**{"schedule.wait_above": 0.0001, "log.every_images": 4})
    run = zoo.train(recipe, tmp_path / "run")
    waiting = [entry for entry in run.entries() if "images_per_second" in entry and "d_loss" not in entry]
    assert waiting
    for entry in waiting:
        assert "g_loss" in entry


def test_batch_size_must_fit_the_replicas(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.backend, "devices", lambda: 3)
    with pytest.raises(ValueError, match="multiple of the 3 devices"):
        zoo.train(recipe, tmp_path / "run")


def test_a_folder_with_what_a_killed_process_left_is_still_free(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".partial-abc.toml").touch()
    Run(tmp_path / "run").check(recipe)


def test_a_rewound_log_still_counts_its_rollbacks(recipe, tmp_path):
    run = Run(tmp_path / "run")
    run.start(recipe)
    back = {"from_step": 20, "why": "it failed"}
    run.log({"step": 5, "images": 20})
    run.rolled_back({"step": 10, "images": 40, "rollback": back})
    run.log({"step": 20, "images": 80})
    run.rolled_back({"step": 5, "images": 20, "rollback": back})
    run.rewind(5)
    assert run.rollbacks() == 2
    assert [entry["step"] for entry in run.entries()] == [5, 10, 5]


@pytest.mark.slow
def test_a_run_that_may_roll_back_begins_with_a_checkpoint(recipe, tmp_path):
    steps = []

    def note(self, step, hurry=False, save=loop.Recorder.checkpoint):
        steps.append(step)
        save(self, step, hurry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Recorder, "checkpoint", note)
        zoo.train(recipe.replace(watch="rollback"), tmp_path / "run")
    assert steps[:2] == [0, 8]
