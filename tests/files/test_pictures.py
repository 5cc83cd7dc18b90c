"""Pictures and the files that samples go to."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from zoo.cli import samples
from zoo.files import pictures


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
    samples.writer(str(tmp_path / "images.npz"), 10)([images[:4], images[4:8], images[8:]])
    with np.load(tmp_path / "images.npz", allow_pickle=False) as archive:
        assert archive.files == ["images"]
        assert archive["images"].dtype == np.uint8
        np.testing.assert_array_equal(archive["images"], images)


@pytest.mark.parametrize("name", ["images.npz", "images/"])
def test_batches_stream_to_the_disk(name, tmp_path):
    batch = np.zeros((50, 64, 64, 3), np.uint8)
    write = samples.writer(str(tmp_path / name.rstrip("/")), 400)
    write([batch])  # what is loaded on first use is not counted
    tracemalloc.start()
    write(batch.copy() for _ in range(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * batch.nbytes


def test_a_folder_holds_pictures_that_sort_as_they_were_drawn(tmp_path):
    images = noise(11, channels=1)
    samples.writer(f"{tmp_path}/new/images/", 11)([images[:8], images[8:]])
    files = sorted((tmp_path / "new" / "images").iterdir())
    assert [file.name for file in files] == [f"{index:02d}.png" for index in range(11)]
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(Image.open(file), image[:, :, 0])


def test_a_grid_becomes_a_file(tmp_path):
    images = noise(9)
    samples.writer(str(tmp_path / "grid.png"), 9, scale=2)([images[:5], images[5:]])
    np.testing.assert_array_equal(Image.open(tmp_path / "grid.png"), pictures.grid(images, scale=2))


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("grid.jpg", 4, r"\.png grid, an \.npz file or a folder"),
        ("grid.png", 5_000, r"a grid holds up to 4,096 images"),
        ("file", 4, "exists and is a file"),
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
    with pytest.raises(ValueError, match=rf"{message}.* Received: .*{name}"):
        samples.writer(f"{tmp_path}/{name}", count)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.png", "folder.npz"}


def test_a_failure_halfway_leaves_the_old_file(tmp_path):
    (tmp_path / "images.npz").write_text("old")

    def batches():
        yield noise(4)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        samples.writer(str(tmp_path / "images.npz"), 8)(batches())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("images.npz", "old")]
