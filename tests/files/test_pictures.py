"""Pictures and the files that samples go to."""

import math
import os
import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli import samples
from zoo.files import pictures

ABOUT = {"checkpoint": "mine", "step": 12, "seed": 3, "truncation": 0.5}


def noise(count, size=8, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)


def test_a_grid_is_filled_row_by_row():
    images = np.arange(1, 5 * 2 * 3 * 3 + 1, dtype=np.uint8).reshape(5, 2, 3, 3)
    sheet = pictures.grid(images, columns=3)
    assert (sheet.mode, sheet.size) == ("RGB", (9, 4))
    empty = np.zeros_like(images[0])
    rows = [np.concatenate(row, axis=1) for row in ([*images[:3]], [*images[3:], empty])]
    np.testing.assert_array_equal(sheet, np.concatenate(rows))


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (5, 3, 2), (64, 8, 8), (65, 9, 8)])
def test_a_grid_is_nearly_square(count, columns, rows):
    assert pictures.grid(noise(count, size=4)).size == (4 * columns, 4 * rows)


def test_one_channel_is_grey():
    images = noise(1, channels=1)
    sheet = pictures.grid(images)
    assert sheet.mode == "L"
    np.testing.assert_array_equal(sheet, images[0, :, :, 0])


def test_a_scaled_grid_repeats_pixels():
    images = noise(6)
    np.testing.assert_array_equal(
        pictures.grid(images, scale=3), np.asarray(pictures.grid(images)).repeat(3, axis=0).repeat(3, axis=1)
    )


def test_an_animation_has_every_frame_and_stays_on_the_last(tmp_path):
    images = noise(4, channels=1)
    pictures.gif([pictures.grid(image[None]) for image in images], tmp_path / "walk.gif", 100, 700)
    with Image.open(tmp_path / "walk.gif") as animation:
        assert (animation.n_frames, animation.info["loop"]) == (4, 0)
        durations = []
        for index, image in enumerate(images):
            animation.seek(index)
            np.testing.assert_array_equal(animation.convert("L"), image[:, :, 0])
            durations.append(animation.info["duration"])
    assert durations == [100, 100, 100, 700]


def test_an_animation_keeps_colours(tmp_path):
    shades = np.linspace(0, 255, 32)
    frames = [
        np.stack(np.broadcast_arrays(shades, shades[:, None], blue), axis=-1).astype(np.uint8) for blue in (60, 90)
    ]
    pictures.gif([Image.fromarray(frame) for frame in frames], tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as animation:
        shown = np.asarray(animation.convert("RGB"), int)
    assert np.abs(shown - frames[0]).mean() < 8  # levels: 256 colours suffice, a fixed palette does not


@pytest.mark.parametrize("odd", [1e308, -1e308, math.inf, math.nan, 10**39])
def test_curves_have_a_gap_where_a_number_cannot_be_drawn(odd, tmp_path):
    entries = [{"images": 100 * i, "d_loss": value} for i, value in enumerate((1.0, odd, 2.0, -odd, 1e-300))]
    pictures.curves(entries, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 100


def test_curves_leave_out_what_was_not_logged(tmp_path):
    entries = [
        {"images": 100, "d_loss": 1.0, "g_loss": 2.0, "d_real": 0.5},
        {"images": 150, "g_loss": 1.5},
        {"images": 200, "kid": 30.0},
        {"images": 200, "d_loss": 0.9, "real_accuracy": 0.8},
    ]
    for count in (1, 4):
        pictures.curves(entries[:count], tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as picture:
            assert picture.format == "PNG"
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_npz_file_holds_the_images(channels, tmp_path):
    images = noise(10, channels=channels)
    samples.writer(str(tmp_path / "images.npz"), 10)([images[:4], images[4:8], images[8:]], ABOUT)
    with np.load(tmp_path / "images.npz", allow_pickle=False) as archive:
        assert archive.files == ["images", *ABOUT]
        assert {key: archive[key].item() for key in ABOUT} == ABOUT
        assert archive["images"].dtype == np.uint8
        np.testing.assert_array_equal(archive["images"], images)


@pytest.mark.parametrize("name", ["images.npz", "images/"])
def test_batches_stream_to_the_disk(name, tmp_path):
    batch = np.zeros((50, 64, 64, 3), np.uint8)
    samples.writer(str(tmp_path / f"first-{name}"), 400)([batch], {})  # what is loaded on first use is not counted
    write = samples.writer(str(tmp_path / name), 400)
    tracemalloc.start()
    write((batch.copy() for _ in range(8)), {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * batch.nbytes


def test_a_folder_holds_pictures_that_sort_as_they_were_drawn(tmp_path):
    images = noise(11, channels=1)
    samples.writer(f"{tmp_path}/new/images/", 11)([images[:8], images[8:]], ABOUT)
    files = sorted((tmp_path / "new" / "images").iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(11)]
    for index, (file, image) in enumerate(zip(files, images, strict=True)):
        with Image.open(file) as picture:
            np.testing.assert_array_equal(picture, image[:, :, 0])
            assert picture.text == {
                "Checkpoint": "mine",
                "Step": "12",
                "Seed": "3",
                "Truncation": "0.5",
                "Image": str(index),
            }


def test_a_folder_belongs_to_one_command(tmp_path, monkeypatch):
    """What is there already stays, and nothing is added to it; an empty folder is filled."""
    (tmp_path / "images").mkdir()
    for count in (2, 3):
        if count == 3:
            with pytest.raises(ValueError, match="something already, and a folder holds what one command wrote"):
                samples.writer(f"{tmp_path}/images", count)
        else:
            samples.writer(f"{tmp_path}/images", count)([noise(count)], {})
    assert len(list((tmp_path / "images").iterdir())) == 2
    (tmp_path / "nowhere").symlink_to("gone")
    with pytest.raises(ValueError, match="something already"):
        samples.writer(f"{tmp_path}/nowhere", 2)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ValueError, match="the current folder cannot be replaced"):
        samples.writer("./", 2)


def test_an_animation_says_what_made_it(tmp_path):
    frames = [pictures.grid(image[None]) for image in noise(3)]
    pictures.gif(frames, tmp_path / "walk.gif", about=ABOUT)
    with Image.open(tmp_path / "walk.gif") as animation:
        assert animation.info["comment"] == b"checkpoint: mine; step: 12; seed: 3; truncation: 0.5"


def test_what_a_picture_says_is_one_line_of_text():
    chunks = pictures.text_chunks({"checkpoint": "a\x1b[31m\nb" + "x" * 5_000})
    ((kind, content),) = [chunk[:2] for chunk in chunks.chunks]
    assert kind == b"tEXt"
    assert content.startswith(rb"Checkpoint" + b"\0" + rb"a\x1b[31m\nbx")
    assert len(content) < 1_100


@pytest.mark.parametrize("display", ["inline", "module://matplotlib_inline.backend_inline", "nonsense", "svg"])
def test_curves_are_drawn_whatever_the_display(display, tmp_path):
    """A notebook sets MPLBACKEND for the commands that it starts, whose environment may lack that display."""
    script = """
from zoo.files import pictures
pictures.curves([{"images": 1, "d_loss": 1.0}, {"images": 2, "d_loss": 0.5}], "curves.png")
import matplotlib, os
print(matplotlib.get_backend(), os.environ["MPLBACKEND"])
"""
    environment = os.environ | {"MPLBACKEND": display, "PYTHONPATH": str(Path(zoo.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (tmp_path / "curves.png").stat().st_size > 1_000
    there = display == "svg" or ("inline" in display and find_spec("matplotlib_inline"))
    assert done.stdout.split() == [display if there else "agg", display]


def test_a_grid_becomes_a_file(tmp_path):
    images = noise(9)
    samples.writer(str(tmp_path / "grid.png"), 9, scale=2)([images[:5], images[5:]], ABOUT)
    with Image.open(tmp_path / "grid.png") as picture:
        np.testing.assert_array_equal(picture, pictures.grid(images, scale=2))
        assert picture.text["Seed"] == "3"


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("grid.jpg", 4, r"\.png grid, an \.npz file or a folder"),
        ("grid.png", 5_000, r"a grid holds up to 4,096 images"),
        ("file", 4, "something already"),
        ("file/grid.png", 4, "nothing can be written"),
        ("file/images/", 4, "nothing can be written"),
        ("folder.png", 4, "folder of that name"),
        ("folder.npz", 4, "folder of that name"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_at_once(name, count, message, tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in ("folder.png", "folder.npz"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ValueError, match=rf"{message}.* Received: .*{name.rstrip('/')}"):
        samples.writer(f"{tmp_path}/{name}", count)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.png", "folder.npz"}


@pytest.mark.parametrize("name", ["images.npz", "images/"])
def test_a_full_disk_leaves_nothing_and_says_what_to_do(name, tmp_path):
    if name == "images.npz":
        (tmp_path / name).write_text("old")

    def batches():
        yield noise(4)
        raise OSError(28, "No space left on device")

    with pytest.raises(ValueError, match=rf"the disk is full .*make room, .*Received: .*{name.rstrip('/')}"):
        samples.writer(str(tmp_path / name), 8)(batches(), {})
    left = [(path.name, path.read_text()) for path in tmp_path.iterdir()]
    assert left == ([("images.npz", "old")] if name == "images.npz" else [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("a bug")])
def test_any_other_failure_leaves_nothing_either(error, tmp_path):
    def batches():
        yield noise(4)
        raise error

    for name in ("images.npz", "images/", "grid.png"):
        with pytest.raises(type(error) if isinstance(error, Exception) else error):
            samples.writer(str(tmp_path / name), 8)(batches(), {})
    assert not list(tmp_path.iterdir())
