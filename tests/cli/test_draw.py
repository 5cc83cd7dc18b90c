"""What is drawn, and from where: one checkpoint of a run, its step, and what pictures say of themselves."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image
from tiny import ganzoo as command

import zoo
from zoo import networks
from zoo.checkpoints import checkpoint
from zoo.networks.parts.variables import by_path

ganzoo = partial(command, status=0)


@pytest.fixture
def run(small, tmp_path, monkeypatch):
    """A run of three checkpoints, whose start has the smallest KID, as after fine-tuning that did harm."""
    recipe = small("dcgan-fashion-mnist")
    for step, kid, healthy in ((0, 0.1, True), (4, 0.2, True), (8, 0.3, False)):
        tensors = {
            model.name: {path: variable.numpy() * (1 + step) for path, variable in by_path(model.variables).items()}
            for model in networks.build(recipe)
        }
        info = {"images": 16 * step, "step": step, "kid": kid, "healthy": healthy}
        checkpoint.save(tmp_path / "mine" / "checkpoints" / f"step-{step:09}", recipe, tensors, info)
    (tmp_path / "mine" / "recipe.toml").write_bytes(
        (tmp_path / "mine" / "checkpoints" / "step-000000000" / "recipe.toml").read_bytes()
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine"


@pytest.mark.parametrize(("which", "step"), [("latest", 8), ("healthy", 4), ("4", 4), ("best", 4), ("0", 0)])
def test_the_chosen_checkpoint_is_drawn_and_named(which, step, run):
    folder = run / "checkpoints" / f"step-{step:09}"
    result = ganzoo("sample", "mine", "--checkpoint", which, "-n", "4", "-o", "grid.png")
    assert result.stdout == f"wrote 4 images to grid.png, from mine/{folder.name}, step {step}\n"
    assert f"mine: the {which} checkpoint, step {step}\n" in result.stderr
    with Image.open("grid.png") as picture:
        text = picture.text
        np.testing.assert_array_equal(picture, Image.open(_grid(folder)))
    assert text["Generated"] == "by a GAN; not a photograph"
    assert (text["Checkpoint"], text["Step"], text["Seed"]) == (f"mine/{folder.name}", str(step), "0")
    assert text["Software"] == f"ganzoo {zoo.__version__}"
    info = json.loads((folder / "ganzoo.json").read_text("utf-8"))
    assert text["Sha256"] == info["files"]["generator.safetensors"]["sha256"]
    assert str(run.parent) not in repr(text)


def _grid(folder):
    ganzoo("sample", folder, "-n", "4", "-o", "other.png")
    return "other.png"


def test_step_0_is_never_called_a_result(run):
    for arguments in (["mine", "--checkpoint", "0"], ["mine/checkpoints/step-000000000"]):
        said = ganzoo("sample", *arguments, "-n", "1").stderr
        assert len(re.findall("the start of (a|the) run, which training has not touched", said)) == 1
    assert "start" not in ganzoo("sample", "mine", "--checkpoint", "latest", "-n", "1").stderr


def test_an_unknown_choice_is_one_line(run):
    for which in ("worst", "5", "-1", "4.0", "../x", ""):
        error = ganzoo("sample", "mine", "--checkpoint", which, status=1).stderr
        assert error.count("\n") == 1
        assert re.search("choose best, latest, healthy or a step, of 0, 4, 8", error)
    error = ganzoo("interpolate", "dcgan-fashion-mnist", "--checkpoint", "best", status=1).stderr
    assert "only the folder of a run has several checkpoints" in error


def test_walks_and_arrays_say_what_made_them(run):
    ganzoo("interpolate", "mine", "--checkpoint", "4", "--steps", "4", "--stops", "2", "--seed", "3")
    with Image.open("walk.gif") as walk:
        assert b"checkpoint: mine/step-000000004;" in walk.info["comment"]
        assert b"seed: 3" in walk.info["comment"]
    ganzoo("interpolate", "mine", "--checkpoint", "4", "--steps", "4", "--stops", "2", "-o", "walk.png")
    with Image.open("walk.png") as walk:
        assert walk.text["Step"] == "4"
    ganzoo("sample", "mine", "--checkpoint", "4", "-n", "3", "--seed", "2", "-o", "images.npz")
    with np.load("images.npz", allow_pickle=False) as archive:
        assert archive["images"].shape == (3, 32, 32, 1)
        assert (archive["step"], archive["seed"], archive["checkpoint"]) == (4, 2, "mine/step-000000004")
        assert archive["generated"] == "by a GAN; not a photograph"
        assert archive["software"] == f"ganzoo {zoo.__version__}"


def test_each_seed_is_a_file_and_latents_draw_it_again(run):
    ganzoo("sample", "mine", "--checkpoint", "4", "--seeds", "2-4,0,3", "--save-latents", "z.npz")
    files = sorted(path.name for path in (run.parent / "samples").iterdir())
    assert files == [f"seed-{seed:06d}.png" for seed in (0, 2, 3, 4)]
    ganzoo("sample", "mine", "--checkpoint", "4", "--seed", "3", "-n", "1", "-o", "three.png")
    with Image.open("three.png") as alone, Image.open("samples/seed-000003.png") as one:
        assert np.abs(np.asarray(alone, int) - np.asarray(one, int)).max() <= 1  # level
        assert (one.text["Seed"], "Image" in one.text) == ("3", False)
    ganzoo("sample", "mine", "--checkpoint", "4", "--latents", "z.npz", "-o", "again/")
    for number, seed in enumerate((2, 3, 4, 0)):
        with Image.open(f"again/{number:06d}.png") as again, Image.open(f"samples/seed-{seed:06d}.png") as one:
            np.testing.assert_array_equal(again, one)
    error = ganzoo("sample", "mine", "--checkpoint", "8", "--latents", "z.npz", "-o", "other/", status=1).stderr
    assert "these latents belong to other weights, mine/step-000000004" in error
    assert error.count("\n") == 2  # with the line that names the checkpoint


def test_saving_latents_changes_no_image(run):
    for out, more in (("a.npz", []), ("b.npz", ["--save-latents", "z.npz"])):
        ganzoo("sample", "mine", "--checkpoint", "4", "-n", "5", "--seed", "2", "-o", out, *more)
    with np.load("a.npz") as a, np.load("b.npz") as b, np.load("z.npz") as z:
        np.testing.assert_array_equal(a["images"], b["images"])
        assert (z["z"].shape, z["seed"]) == ((5, 8), 2)


@pytest.mark.parametrize("seeds", ["", "a", "3-1", "1,,2", "-1", "0-10000", "1.5"])
def test_wrong_seeds_are_one_line(seeds, run):
    error = ganzoo("sample", "mine", f"--seeds={seeds}", status=2).stderr
    assert re.search(r"Error: Invalid value for '--seeds': .*seeds", error)


def test_one_way_to_choose_images(run):
    for given in (
        ["--seeds", "1", "-n", "2"],
        ["--seeds", "1", "--latents", "z.npz"],
        ["--seed", "1", "--latents", "z"],
    ):
        error = ganzoo("sample", "mine", *given, status=1).stderr
        assert "give -n with --seed, or --seeds, or --latents" in error
    assert "go to an .npz file" in ganzoo("sample", "mine", "--save-latents", "z.png", status=1).stderr
    assert "no such file of latents" in ganzoo("sample", "mine", "--latents", "none.npz", status=1).stderr


def test_a_walk_through_chosen_latents_and_back(run):
    ganzoo("sample", "mine", "--checkpoint", "4", "--seeds", "3,9", "--save-latents", "two.npz", "-o", "two/")
    ganzoo(
        *("interpolate", "mine", "--checkpoint", "4", "--latents", "two.npz", "--steps", "8"),
        *("--scale", "1", "-o", "walk.png"),
    )
    with Image.open("walk.png") as sheet:
        assert sheet.size == (4 * 32, 2 * 32)  # a row for each way
        assert "Seed" not in sheet.text
        for row, seed in enumerate((3, 9)):
            with Image.open(f"two/seed-{seed:06d}.png") as one:
                stop = np.asarray(sheet, int)[32 * row : 32 * row + 32, :32]
                assert np.abs(stop - np.asarray(one, int)).max() <= 1  # level
    error = ganzoo("interpolate", "mine", "-o", "walk.avi", status=1).stderr
    assert "the walk is written as .gif, .webp, .mp4 or .png. Received: 'walk.avi'" in error


def test_a_walk_is_a_film(run):
    pytest.importorskip("imageio_ffmpeg")
    for out in ("walk.webp", "walk.mp4"):
        said = ganzoo(
            *("interpolate", "mine", "--checkpoint", "4", "--steps", "6", "--stops", "2", "--fps", "25", "-o", out)
        )
        assert said.stdout == f"wrote 6 steps to {out}, from mine/step-000000004, step 4\n"
    with Image.open("walk.webp") as film:
        assert (film.n_frames, film.size) == (6, (128, 128))
        film.load()
        assert film.info["duration"] == 40  # ms


def test_a_direction_is_a_film_and_the_first_eight_a_sheet(run):
    ganzoo("directions", "mine", "--checkpoint", "4", "--scale", "1")
    with Image.open("directions.png") as sheet:
        assert (sheet.size, sheet.text["Directions"]) == ((9 * 32, 8 * 32), "GANSpace")
    ganzoo("interpolate", "mine", "--checkpoint", "4", "--direction", "2", "--steps", "8", "-o", "second.gif")
    with Image.open("second.gif") as film:
        assert (film.n_frames, film.size) == (8, (128, 128))
    for arguments in (["directions", "mine", "-o", "a.gif"], ["interpolate", "mine", "--direction", "60"]):
        assert re.search(r"written as \.png|from 1 to latent_dim", ganzoo(*arguments, status=1).stderr)


def test_a_picture_becomes_latents(run, monkeypatch):
    from zoo.evaluation import projection

    monkeypatch.setattr(projection, "POOL", 64)
    ganzoo("sample", "mine", "--checkpoint", "4", "-n", "1", "--seed", "77", "-o", "picture.png")
    said = ganzoo(
        *("project", "mine", "picture.png", "--checkpoint", "4", "--steps", "30", "--film", "way.gif", "-o", "z.npz")
    ).stdout
    assert float(re.search(r"to z\.npz: PSNR ([\d.]+) dB of mine/step-000000004\n", said)[1]) > 30
    ganzoo("sample", "mine", "--checkpoint", "4", "--latents", "z.npz", "-o", "again.png")
    with Image.open("again.png") as again, Image.open("picture.png") as picture:
        assert np.square(np.asarray(again, float) - picture).mean() < 65  # 30 dB
    with Image.open("way.gif") as film:
        assert (film.size, film.n_frames > 20) == ((2 * 128, 128), True)
    for wrong in ("z.npz", "none.png"):
        assert "picture" in ganzoo("project", "mine", wrong, "-o", "new.npz", status=1).stderr


def test_two_commands_do_not_share_a_folder(run):
    ganzoo("sample", "mine", "--checkpoint", "4", "-n", "3", "-o", "images/")
    before = {path.name: path.read_bytes() for path in (run.parent / "images").iterdir()}
    error = ganzoo("sample", "mine", "--checkpoint", "8", "-n", "20", "-o", "images/", status=1).stderr
    assert "a folder holds what one command wrote; name a new one" in error
    assert {path.name: path.read_bytes() for path in (run.parent / "images").iterdir()} == before


def test_show_writes_hostile_fields_as_escapes(run):
    folder = run / "checkpoints" / "step-000000004"
    info = json.loads((folder / "ganzoo.json").read_text("utf-8"))
    bad = "\x1b[31mred\x9b\u202e\nkid: 0.001" + "x" * 10_000
    info |= {"backend": bad, "processor": bad, "data": {"source": bad, "images": 7}}
    (folder / "ganzoo.json").write_text(json.dumps(info), "utf-8")
    shown = ganzoo("show", folder).stdout
    assert all(line.isprintable() for line in shown.splitlines())
    assert "# backend: \\x1b[31mred\\u009b\\u202e\\nkid: 0.001xxx" in shown
    assert len(shown) < 5_000


SETTINGS = {
    "display": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "channels_first": {"image_data_format": "channels_first"},
    "floatx": {"floatx": "float16", "epsilon": 0.1},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_environment_changes_no_pixel(setting, run):
    """A recipe with letters beyond ASCII, drawn in a process of its own."""
    folder = run / "checkpoints" / "step-000000004"
    opened = checkpoint.open_checkpoint(folder)
    tensors = {"generator": opened.arrays("generator"), "discriminator": opened.arrays("discriminator")}
    checkpoint.save(run.parent / "mäh", opened.recipe.replace(paper="Kynkäänniemi"), tensors, {"step": 4})
    ganzoo("sample", "mäh", "-n", "4", "-o", "here.png")

    extra = SETTINGS[setting]
    if "MPLBACKEND" not in extra and "LC_ALL" not in extra:
        (run.parent / "keras").mkdir()
        (run.parent / "keras" / "keras.json").write_text(json.dumps({"backend": "tensorflow"} | extra), "utf-8")
        extra = {"KERAS_HOME": str(run.parent / "keras")}
    command = [sys.executable, "-m", "zoo.cli", "sample", "mäh", "-n", "4", "-o", "there.png"]
    done = subprocess.run(command, env=os.environ | extra, capture_output=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(Image.open("here.png"), Image.open("there.png"))
    shown = subprocess.run([*command[:3], "show", "mäh"], env=os.environ | extra, capture_output=True)
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
def test_another_backend_is_a_backend_problem(backend, run):
    command = [sys.executable, "-m", "zoo.cli", "sample", "mine", "-n", "4"]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ganzoo runs on TensorFlow and JAX")
    assert f"set KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax. Received: KERAS_BACKEND='{backend}'" in done.stderr


def test_another_error_of_keras_is_no_backend_problem(tmp_path):
    """A Keras that cannot be imported for a reason of its own says that reason."""
    (tmp_path / "keras.py").write_text("raise ValueError('another reason')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-c", "import zoo.backend"], env=environment, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "ValueError: another reason"


def test_a_full_disk_leaves_nothing(run):
    """A disk of 300 KB, where the system lets us make one."""
    disk = run.parent / "disk"
    disk.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True
        ).returncode
    ):
        pytest.skip("no small disk can be made here")
    try:
        for out in ("images/", "images.npz"):
            error = ganzoo("sample", "mine", "--checkpoint", "4", "-n", "2000", "-o", disk / out, status=1).stderr
            assert "the disk is full (No space left on device)" in error
            assert "make room, or name another place" in error
            assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
