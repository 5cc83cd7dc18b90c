"""Training from the command line: rehearsed, for a time, stopped, resumed with changes."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from tiny import TINY, ganzoo, settings

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.cli.terminal import Duration
from zoo.training import rehearsal


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1H5s", 3605), (" 5m ", 300)]
)
def test_a_duration_is_read(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "30", "0s", "-5m", "1.5h", "m", "30m2h", "soon", "9999999h"])
@pytest.mark.parametrize("command", [["train", "dcgan-64"], ["finetune", "dcgan-fashion-mnist", "--data", "x"]])
def test_what_is_no_duration_is_said(text, command):
    result = ganzoo(*command, "--for", text)
    assert result.exit_code == 2
    assert "write 30m, 2h, 90s or 1h30m" in result.stderr


def test_a_dry_run_reads_the_images_tries_the_steps_and_leaves_nothing(images, here):
    arguments = ["train", "dcgan-fashion-mnist", "--data", images, "--dry-run"]
    result = ganzoo(*arguments, *settings(**{"schedule.images": 236_000}))
    assert result.exit_code == 0, result.output
    assert "# 118 images to train on, each shown 2e+03 times; 2 held out\n" in result.stdout
    assert re.search(
        r"^# [\d.]+ images/s on this machine: the whole run takes about \d+ (h|min|s)", result.stdout, re.M
    )
    assert re.search(r"^# memory: [\d,]+ MiB, the libraries included$", result.stdout, re.M)
    assert not list(here.iterdir())


@pytest.mark.slow
def test_a_dry_run_counts_the_classes_of_the_images(images, here):
    auto = ["train", "dcgan-fashion-mnist", "--dry-run", "--set", "model.classes=auto", *settings()]
    result = ganzoo(*auto, "--data", images)
    assert result.exit_code == 0, result.output
    assert "classes = 3\n" in result.stdout
    without = ganzoo("train", "quick-64", "--dry-run", "--set", "model.classes=auto")
    assert "name them with --data" in without.stderr
    wrong = ganzoo(*auto, "--data", images, "--set", "model.classes=10")
    assert "have 3 classes (0, 1, 2)" in wrong.stderr


PEAK = """
import sys
from pathlib import Path
from zoo.cli import main
main(sys.argv[1:], standalone_mode=False)
print(*(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.slow  # two processes that train networks of real size
@pytest.mark.skipif(not rehearsal.STATUS.exists(), reason="only Linux tells a process what it held")
def test_the_memory_that_a_dry_run_tells_is_that_of_the_run(images, here):
    arguments = ["train", "dcgan-64", "--data", images, "--set", "data.channels=1", "--set", "schedule.images=1280"]
    arguments += ["--set", "log.every_images=640", "--set", "log.checkpoint_every_images=640"]
    told, held = (
        subprocess.run([sys.executable, "-c", PEAK, *arguments, *more], capture_output=True, text=True, check=True)
        for more in (["--dry-run"], ["--out", "run"])
    )
    told = int(re.search(r"^# memory: ([\d,]+) MiB", told.stdout, re.M)[1].replace(",", ""))
    held = int(re.search(r"^VmHWM:\s+(\d+) kB$", held.stdout, re.M)[1]) / 1024
    assert abs(told / held - 1) < 0.25, f"{told} MiB told, {held:.0f} MiB held"


@pytest.mark.parametrize("data", ["nowhere", "tfds:no_such_set"])
def test_a_dry_run_without_its_images_is_an_error(data, here):
    result = ganzoo("train", "dcgan-fashion-mnist", "--data", data, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Received: " in result.stderr.splitlines()[-1]


def test_a_dry_run_does_not_try_what_cannot_fit(images, here, monkeypatch):
    monkeypatch.setattr(rehearsal, "free_memory", lambda: 2**29)
    result = ganzoo("train", "dcgan-fashion-mnist", "--data", images, "--dry-run", *settings())
    assert result.exit_code == 1
    assert re.search(r"needs about [\d.]+ GiB of memory, and 0.5 GiB are free", result.stderr)


def test_ctrl_c_ends_a_dry_run(images, here, monkeypatch):
    monkeypatch.setattr(rehearsal, "attempt", lambda *arguments: rehearsal.STOPPED)
    result = ganzoo("train", "dcgan-fashion-mnist", "--data", images, "--dry-run", *settings())
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_the_memory_of_this_process_is_its_own(tmp_path, monkeypatch):
    """A process that a large one starts inherits its peak in getrusage."""
    monkeypatch.setattr(rehearsal, "STATUS", tmp_path / "status")
    assert rehearsal.peak_memory() > 2**20
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t       5 kB\n")
    assert rehearsal.peak_memory() == 5120


def test_the_free_memory_is_read_where_the_system_tells_it(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "MEMORY", tmp_path / "meminfo")
    assert rehearsal.free_memory() == 0
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       3 kB\n")
    assert rehearsal.free_memory() == 3072


@pytest.mark.slow
def test_a_run_is_made_longer_and_its_folder_is_quoted(images, here):
    arguments = ["train", "dcgan-fashion-mnist", "--data", images, *settings(), "--strategy", "none"]
    result = ganzoo(*arguments, "--out", "my run", "--for", "1s")
    assert result.exit_code == 0, result.output
    run = Run("my run")
    if checkpoint.open_checkpoint(run.latest()).info["step"] < 8:
        assert "go on with: ganzoo train --resume 'my run'\n" in result.stderr
    assert "draw from its best checkpoint with: ganzoo sample 'my run'\n" in result.stderr
    assert "ganzoo doctor 'my run'\n" in result.stderr
    refused = ganzoo(*arguments, "--out", "my run", "--set", "schedule.images=48")
    assert refused.exit_code == 1
    assert "ganzoo train --resume 'my run' --set KEY=VALUE" in refused.stderr
    longer = ganzoo("train", "--resume", "my run", "--strategy", "none", "--set", "schedule.images=48")
    assert longer.exit_code == 0, longer.output
    assert checkpoint.open_checkpoint(run.latest()).info["images"] == 48
    assert run.recipe.schedule.images == 48
    refused = ganzoo("train", "--resume", "my run", "--set", "seed=1")
    assert refused.exit_code == 1
    assert "seed: 0 -> 1: seed cannot change in the middle of a run" in refused.stderr


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_the_exit_status_tells_the_signal_and_the_run_is_saved(number, images, here):
    endless = settings(**{"schedule.images": 10_000_000, "log.checkpoint_every_images": 10_000_000})
    command = [
        sys.executable,
        "-m",
        "zoo.cli",
        "train",
        "dcgan-fashion-mnist",
        "--data",
        images,
        "--out",
        "run",
        *endless,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    run, deadline = Run("run"), time.monotonic() + 120
    while not any(entry["step"] for entry in run.entries()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said
    assert "stopped and saved; go on with: ganzoo train --resume run\n" in said
    assert checkpoint.open_checkpoint(run.latest()).info["step"] == run.entries()[-1]["step"]


def test_ctrl_c_before_there_is_a_run_is_one_word(here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "load", interrupted)
    result = ganzoo("train", "dcgan-fashion-mnist")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_a_reader_that_hangs_up_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "zoo.cli", "list"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert done.stderr == ""


def test_the_name_of_a_recipe_leads_nowhere_else(here, images):
    values = recipes.load("dcgan-fashion-mnist").replace(**TINY).to_dict()
    import tomli_w

    (here / "evil.toml").write_text(tomli_w.dumps({**values, "name": "../../x"}))
    result = ganzoo("train", "evil.toml", "--data", images)
    assert result.exit_code == 1
    assert "slashes" in result.stderr
    assert [path.name for path in here.iterdir()] == ["evil.toml"]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "3", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), json.dumps({"cluster": ["a:1"]}),
     json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}})],
)  # fmt: skip
def test_a_bad_tf_config_is_named(text, monkeypatch):
    tensorflow = pytest.importorskip("zoo.backend.tensorflow")
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"TF_CONFIG is not what multi-worker training reads.* Received: TF_CONFIG = "):
        tensorflow.strategy("auto")
