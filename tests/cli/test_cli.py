"""The command: what people type, what they read, and what is left on the disk."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image
from tiny import TINY, ganzoo, settings, tensors

import zoo
from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.cli import main
from zoo.training.estimate import parameters


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint folder of a tiny DCGAN that draws images of strong contrast."""
    recipe = recipes.load("dcgan-fashion-mnist").replace(**TINY)
    info = {"images": 640, "step": 10, "data": {"source": "tfds:fashion_mnist", "images": 60_000}}
    return checkpoint.save(tmp_path_factory.mktemp("checkpoint") / "saved", recipe, tensors(recipe, contrast=20), info)


def succeeds(*arguments):
    return ganzoo(*arguments, status=0)


def fails(*arguments, match, said=""):
    """Exit status 1, nothing on stdout, and on stderr one line, perhaps after what was `said` before."""
    result = ganzoo(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(rf"{said}Error: .*{match}.* Received: .+\n", result.stderr), result.stderr


def misused(*arguments, match):
    """What click says of a wrong command line: the usage and one line with the error."""
    result = ganzoo(*arguments)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert (result.exit_code, result.stdout, len(errors)) == (2, "", 1)
    assert re.search(match, errors[0]), errors[0]


def process(*arguments):
    """Runs the command as people do, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "zoo.cli", *map(str, arguments)], env=environment, text=True, capture_output=True
    )


WORK = [
    *(f"zoo.cli.{name}.load_backend" for name in ("card", "draw", "evaluate", "explore", "publish", "search", "train")),
    "zoo.checkpoints.loading.built",
    "zoo.checkpoints.graph.built",
    "zoo.training.loop.train",
]
TYPOS = [
    ("sample", "dcgan-fashon-mnist"),
    ("interpolate", "dcgan-fashon-mnist"),
    ("project", "dcgan-fashon-mnist", "picture.png"),
    ("directions", "dcgan-fashon-mnist"),
    ("demo", "dcgan-fashion-mnist", "dcgan-fashon-mnist"),
    ("finetune", "dcgan-fashon-mnist", "--data", "images"),
    ("evaluate", "dcgan-fashon-mnist"),
    ("compare", "dcgan-fashion-mnist", "dcgan-fashon-mnist"),
    ("card", "dcgan-fashon-mnist", "--measure"),
    ("export", "dcgan-fashon-mnist", "--format", "keras", "-o", "out.keras"),
    ("push", "dcgan-fashon-mnist", "org/name"),
]


@pytest.mark.parametrize("arguments", TYPOS, ids=lambda arguments: arguments[0])
def test_a_mistyped_name_is_found_before_any_work(arguments, here, no_backend):
    fails(*arguments, match=r"there is no checkpoint of that name, did you mean 'dcgan-fashion-mnist'\?")
    assert list(here.iterdir()) == []


def test_a_mistyped_name_loads_no_backend(here):
    script = f"""
import sys
from zoo.cli import main
for arguments in {TYPOS}:
    try:
        main(arguments)
    except SystemExit as stop:
        assert stop.code == 1, arguments
print("loaded", *{{"tensorflow", "keras", "jax"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "loaded\n", done.stderr
    assert done.stderr.count("did you mean 'dcgan-fashion-mnist'?") == len(TYPOS)


def test_a_command_that_is_added_is_tried_with_a_mistyped_name():
    """Without those that load no backend, and those that take a recipe."""
    assert {name for name, *_ in TYPOS} == {*main.commands} - {"list", "show", "doctor", "pull", "train", "search"}


@pytest.fixture
def no_backend(monkeypatch):
    """Loading Keras or a generator fails the test: the error must come before."""

    def work(*arguments, **options):
        pytest.fail("work began before the error was found")

    for name in WORK:
        monkeypatch.setattr(name, work)


# Help, list, show


@pytest.mark.parametrize("command", [None, *main.commands])
def test_help_has_examples(command):
    text = succeeds(*filter(None, [command]), "--help").stdout
    assert re.search(rf"^ +ganzoo {command or 'sample'}\b", text, re.MULTILINE)


def test_the_commands_are_there():
    assert list(main.commands) == [
        "list",
        "show",
        "sample",
        "interpolate",
        "project",
        "directions",
        "demo",
        "train",
        "finetune",
        "search",
        "doctor",
        "evaluate",
        "compare",
        "card",
        "export",
        "push",
        "pull",
    ]
    assert succeeds("--version").stdout == f"ganzoo, version {zoo.__version__}\n"
    assert succeeds("-h").stdout == succeeds("--help").stdout


def test_help_list_and_show_load_no_backend(saved):
    script = """
import sys
from zoo.cli import main
for arguments in (["--help"], ["list"], ["list", "--json"], ["show", "dcgan-fashion-mnist"],
                  ["show", sys.argv[1]], ["sample", "--help"], ["train", "--help"]):
    try:
        main(arguments)
    except SystemExit as stop:
        assert not stop.code, arguments
print("LOADED", *{"tensorflow", "keras", "jax", "torch"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_list_shows_recipes_and_checkpoints(monkeypatch):
    monkeypatch.setattr("zoo.checkpoints.resolve.shipped", lambda: ["dcgan-fashion-mnist"])
    trained, known = (
        [line.split()[0] for line in part.splitlines()] for part in succeeds("list").stdout.strip().split("\n\n")
    )
    assert trained == ["trained", "dcgan-fashion-mnist"]
    assert known == ["recipe", *recipes.names()]


def test_list_is_json_for_scripts(monkeypatch):
    monkeypatch.setattr("zoo.checkpoints.resolve.shipped", lambda: ["dcgan-fashion-mnist"])
    rows = {row["name"]: row for row in json.loads(succeeds("list", "--json").stdout)}
    assert list(rows) == recipes.names()
    assert rows["dcgan-fashion-mnist"] == {
        "name": "dcgan-fashion-mnist",
        "network": "dcgan",
        "data": "tfds:fashion_mnist",
        "resolution": 32,
        "channels": 1,
        "classes": 0,
        "recipe": True,
        "checkpoint": True,
    }
    assert rows["sngan-64"]["checkpoint"] is False


def test_show_prints_a_recipe():
    text = succeeds("show", "sngan-cifar10").stdout
    assert recipes.from_dict(tomllib.loads(text)) == recipes.load("sngan-cifar10")


def test_show_prints_where_a_checkpoint_comes_from(saved):
    text = succeeds("show", saved).stdout
    opened = checkpoint.open_checkpoint(saved)
    assert recipes.from_dict(tomllib.loads(text)) == opened.recipe
    for words in (
        "# images: 640",
        "# data: tfds:fashion_mnist, 60",
        "generator.safetensors",
        opened.info["files"]["generator.safetensors"]["sha256"][:16],
    ):
        assert words in text


def test_show_wants_a_known_name(here, saved):
    fails("show", "sngan-cifar", match="did you mean 'sngan-cifar10'")
    fails("show", here, match="neither a checkpoint")


def test_show_takes_any_words_in_ganzoo_json(here):
    for words in ({}, {"data": None}, {"data": {"images": "many"}}, {"step": [[]]}):
        checkpoint.save(here / "odd", recipes.load("sngan-64"), {}, words)
        assert ganzoo("show", "odd").exit_code in (0, 1)


# Sample, interpolate


def test_sample_draws_a_grid(saved, here):
    result = succeeds("sample", saved, "-n", "5", "--scale", "2", "-o", "new/grid.png")
    assert result.stdout == "wrote 5 images to new/grid.png, from saved, step 10\n"
    assert result.stderr == ""
    with Image.open("new/grid.png") as picture:
        assert picture.size == (3 * 64, 2 * 64)
        expected = zoo.load_generator(saved).sample(5, seed=0)
        np.testing.assert_array_equal(np.asarray(picture)[:64:2, :64:2], expected[0, :, :, 0])


def test_sample_draws_64_images_unless_told(saved, here):
    succeeds("sample", saved)
    assert [path.name for path in here.iterdir()] == ["samples.png"]
    with Image.open("samples.png") as picture:
        assert picture.size == (8 * 32, 8 * 32)


def test_sample_fills_an_npz_file_or_a_folder(saved, here):
    succeeds("sample", saved, "-n", "70", "--seed", "3", "-o", "images.npz")
    succeeds("sample", saved, "-n", "70", "--seed", "3", "-o", "images/")
    with np.load("images.npz", allow_pickle=False) as archive:
        images = archive["images"]
    np.testing.assert_array_equal(images, zoo.load_generator(saved).sample(70, seed=3))
    files = sorted((here / "images").iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(70)]
    np.testing.assert_array_equal([np.asarray(Image.open(file)) for file in files], images[..., 0])


def test_sample_works_in_a_process_of_its_own_and_says_nothing_else(saved, tmp_path):
    done = process("sample", saved, "-n", "4", "-o", tmp_path / "grid.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote 4 images to {tmp_path / 'grid.png'}, from saved, step 10\n"


@pytest.mark.parametrize(
    "options", [("-n", "0"), ("-n", "-3"), ("-n", "many"), ("--seed", "-1"), ("--truncation", "2"), ("--scale", "0")]
)
def test_sample_wants_sensible_numbers(options, saved, here, no_backend):
    misused("sample", saved, *options, match=f"Invalid value for '{options[0]}'.*{options[1]}")
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("command", "out", "match"),
    [
        ("sample", "grid.jpg", r"\.png grid"),
        ("sample", "file/grid.png", "can be written there"),
        ("sample", "file/images.npz", "can be written there"),
        ("sample", "file/images/", "can be written there"),
        ("sample", "file", "something already"),
        ("sample", "folder.png", "folder of that name"),
        ("sample", "folder.npz", "folder of that name"),
        ("interpolate", "walk.jpg", r"\.gif, \.webp, \.mp4 or \.png"),
        ("interpolate", "walk", r"\.gif, \.webp, \.mp4 or \.png"),
        ("interpolate", "walk.gif/", r"\.gif, \.webp, \.mp4 or \.png"),
        ("interpolate", "file/walk.gif", "can be written there"),
        ("interpolate", "folder.png", "folder of that name"),
    ],
)
def test_a_bad_target_is_found_before_any_work(command, out, match, saved, here, no_backend):
    (here / "file").write_text("mine")
    for name in ("folder.png", "folder.npz"):
        (here / name).mkdir()
    fails(command, saved, "-o", out, match=match)
    assert {path.name for path in here.iterdir()} == {"file", "folder.png", "folder.npz"}


def test_a_large_number_of_images_goes_elsewhere_than_into_a_grid(saved, here, no_backend):
    fails("sample", saved, "-n", "1000000000", match="holds up to 4,096 images.*-o images/")


@pytest.mark.parametrize(
    "command", ["sample", "interpolate", "export --format keras -o new.keras", "finetune --data images.npz"]
)
def test_an_unknown_name_suggests_the_nearest(command, here, monkeypatch):
    monkeypatch.setattr("zoo.checkpoints.resolve.shipped", lambda: ["dcgan-fashion-mnist"])
    fails(*command.split(), "dcgan-fashon-mnist", match="did you mean 'dcgan-fashion-mnist'")
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    "command", ["sample", "interpolate", "export --format keras -o new.keras", "finetune --out new --data"]
)
def test_a_corrupt_checkpoint_is_one_line(command, saved, here, tmp_path, images):
    command = [*command.split(), *([images] if command.endswith("--data") else [])]
    broken = shutil.copytree(saved, tmp_path / "broken")
    (broken / "generator.safetensors").write_bytes(b"")
    fails(*command, broken, match=r"generator\.safetensors has 0 bytes instead of", said="(fine-tuning .*\n)?")
    (broken / "ganzoo.json").write_text("{")
    fails(*command, broken, match=r"ganzoo\.json is corrupt")
    assert not list(here.iterdir())


def test_only_debug_shows_the_traceback():
    plain, debug = process("show", "nothing"), process("--debug", "show", "nothing")
    assert plain.returncode == 1
    assert re.fullmatch(r"Error: .* known: dcgan-256, .* Received: 'nothing'\n", plain.stderr)
    assert debug.returncode == 1
    assert debug.stderr.startswith("Traceback (most recent call last):\n")
    assert debug.stderr.rstrip().endswith("Received: 'nothing'")


def test_dcgan_has_no_truncation(saved, here):
    fails("sample", saved, "--truncation", "0.5", match="dcgan has no truncation; leave it at 1")
    fails("sample", "runs/none", match="no such folder")
    assert not list(here.iterdir())


def test_interpolate_makes_an_animation_or_a_sheet(saved, here):
    result = succeeds("interpolate", saved, "--steps", "10", "--stops", "3")
    assert result.stdout == "wrote 10 steps to walk.gif, from saved, step 10\n"
    with Image.open("walk.gif") as animation:
        assert (animation.n_frames, animation.size) == (10, (4 * 32, 4 * 32))
    succeeds("interpolate", saved, "--steps", "10", "--stops", "3", "--scale", "1", "-o", "walk.png")
    walk = zoo.load_generator(saved).interpolate(10, 3)
    with Image.open("walk.png") as sheet:
        assert sheet.size == (4 * 32, 3 * 32)
        np.testing.assert_array_equal(np.asarray(sheet)[:32, 32:64], walk[1, :, :, 0])
    fails("interpolate", saved, "--steps", "2", "--stops", "3", match="a step for each")


# Train, finetune, export


def test_a_dry_run_prints_what_a_run_would_be_and_makes_nothing(here):
    text = succeeds("train", "dcgan-64", "--dry-run", *settings()).stdout
    recipe = recipes.from_dict(tomllib.loads(text))
    assert recipe == recipes.load("dcgan-64").replace(**TINY)
    generator, discriminator = (f"{parameters(model):,}" for model in networks.build(recipe))
    assert f"# parameters: generator {generator}, discriminator {discriminator}\n" in text
    assert re.search(r"^# memory of weights and optimizers: \d+ MiB", text, re.MULTILINE)
    assert "# no images yet; with --data" in text
    assert re.search(rf"^# {recipe.schedule.steps:,} steps", text, re.MULTILINE)
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["dcgan-fashon-mnist"], "did you mean 'dcgan-fashion-mnist'"),
        (["nowhere.toml"], "does not exist"),
        (["dcgan-64"], "--data"),
        (
            ["dcgan-fashion-mnist", "--set", "optimizer.d.learning_rat=1e-4"],
            "optimizer.d.learning_rat.*did you mean 'learning_rate'",
        ),
        (["dcgan-fashion-mnist", "--set", "optimizer.d.learning_rate=fast"], "learning_rate must be a number"),
        (["dcgan-fashion-mnist", "--set", "model.network=cyclegan"], 'model.network must be one of "dcgan"'),
        (["dcgan-fashion-mnist", "--set", "loss.r1=1"], "batch normalisation"),
        (["dcgan-fashion-mnist", "--set", "seed"], "key=value"),
        (["dcgan-fashion-mnist", "--set", "seed=2020-01-01"], "seed must be a whole number"),
        (["dcgan-fashion-mnist", "--set", "seed.a=1"], "is a value, not a table"),
        (["--resume", "nowhere"], "no run"),
        (["dcgan-fashion-mnist", "--out", "file/run"], "can be written there"),
    ],
)
def test_an_impossible_run_is_one_line_and_makes_nothing(arguments, match, here):
    (here / "file").write_text("mine")
    fails("train", *arguments, match=match)
    assert [path.name for path in here.iterdir()] == ["file"]


def test_a_network_that_no_memory_holds_is_one_line(here):
    fails("train", "dcgan-64", "--dry-run", "--set", "model.g_channels=1000000000000", match=r"model\.g_channels")


@pytest.mark.parametrize("arguments", [[], ["dcgan-64", "--resume", "run"]])
def test_a_run_is_either_new_or_resumed(arguments, here, no_backend):
    misused("train", *arguments, match="either a RECIPE or --resume RUN")


@pytest.mark.parametrize("data", ["nowhere", "empty", "text"])
def test_data_that_are_no_images_leave_no_run(data, saved, here, images):
    (here / "empty").mkdir()
    (here / "text").mkdir()
    (here / "text" / "a.png").write_text("no picture")
    before = set(here.iterdir())
    fails("train", "dcgan-fashion-mnist", *settings(), "--data", data, "--out", "run", match="data source")
    fails("finetune", saved, "--data", data, "--out", "tuned", match="data source")
    assert set(here.iterdir()) == before


def test_train_and_resume(images, here):
    arguments = ["dcgan-fashion-mnist", "--data", images, *settings(), "--strategy", "none"]
    said = succeeds("train", *arguments).stderr
    run = Run(here / "runs" / "dcgan-fashion-mnist")
    assert "draw from its best checkpoint with: ganzoo sample runs/dcgan-fashion-mnist" in said
    assert re.search(r"the watcher found .*few_images.*: ganzoo doctor runs/dcgan-fashion-mnist\n", said)
    assert [path.name for path in run.checkpoints()] == ["step-000000004", "step-000000008"]
    assert run.recipe == recipes.load("dcgan-fashion-mnist").replace(**TINY, **{"data.source": images})

    weights = checkpoint.open_checkpoint(run.latest()).content("training.safetensors")
    shutil.rmtree(run.latest())
    assert "going on from" in succeeds("train", "--resume", run.path, "--strategy", "none").stderr
    assert checkpoint.open_checkpoint(run.latest()).content("training.safetensors") == weights

    fails("train", "--resume", run.path, "--set", "seed=1", match="seed: 0 -> 1")
    succeeds("sample", run.path, "-n", "2")


def test_finetune(saved, images, here):
    said = succeeds(
        "finetune", saved, "--data", images, "--images", "16", "--freeze-d", "1", "--strategy", "none"
    ).stderr
    run = Run(here / "runs" / "saved-finetuned")
    assert "32 pixels, with 1 channel" in said
    assert "augmentation: none" in said, "each image is seen but once"
    assert "rates 0.0004 (D) and 0.008 (G)" in said, "G's kernels are 20 times as large as they began"
    assert "ganzoo sample runs/saved-finetuned" in said
    assert (run.recipe.schedule.images, run.recipe.schedule.freeze_d) == (16, 1)
    assert checkpoint.open_checkpoint(run.latest()).info["images"] == 16


def test_export(saved, here):
    assert succeeds("export", saved, "--format", "checkpoint", "-o", "mine/").stderr.endswith("wrote mine/\n")
    succeeds("sample", "mine", "-n", "1")
    fails("export", saved, "--format", "checkpoint", "-o", "mine/", match="there is something already")
    fails("export", saved, "--format", "keras", "-o", "mine.h5", match="generator.keras")
    misused("export", saved, "--format", "pickle", "-o", "mine", match="pickle")
