import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.data import Batches


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


@pytest.fixture
def prepare(tmp_path, said):
    """`data.prepare` into a cache of this test; `prepare.said` collects what it says."""

    def prepare(source, resolution=8, channels=3, **options):
        options = {"cache_dir": tmp_path / "cache"} | options
        return data.prepare(str(source), resolution=resolution, channels=channels, **options)

    prepare.said = said
    return prepare


@pytest.fixture
def only(tmp_path, prepare):
    """Prepares a folder of a single image; returns the stored pixels."""

    def only(pixels, name="image.png", options=None, **settings):
        save(tmp_path / "only" / name, pixels, **options or {})
        store = prepare(tmp_path / "only", **settings)
        assert store.skipped == () and len(store.images) == 1
        return np.array(store.images[0])

    return only


# --- batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 12, 24, 100])
def test_each_epoch_is_a_permutation_and_epochs_differ(size):
    batches = Batches(noise(size, 2, 2, 1), seed=3, batch_size=4, d_steps=3)
    steps = np.stack([batches.indices(step) for step in range(size)])  # [step, batch, d_step]: 12 epochs
    epochs = steps.transpose(0, 2, 1).reshape(12, size)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(size), (12, 1)))
    if size >= 7:
        assert len(np.unique(epochs, axis=0)) == 12


def test_random_access_equals_sequential():
    images = noise(10, 2, 2, 3)
    sequential = Batches(images, seed=1, batch_size=4, d_steps=2)
    expected = [sequential[step] for step in range(20)]
    for step in (19, 3, 0, 11):
        np.testing.assert_array_equal(Batches(images, seed=1, batch_size=4, d_steps=2)[step], expected[step])
        np.testing.assert_array_equal(sequential[step], expected[step])


def test_batch_holds_the_images_of_its_indices():
    images = noise(50, 4, 6, 3)
    batches = Batches(images, seed=0, batch_size=5, d_steps=2)
    assert batches[3].shape == (5, 2, 4, 6, 3) and batches[3].dtype == np.uint8
    assert batches[3].flags.c_contiguous
    np.testing.assert_array_equal(batches[3], images[batches.indices(3)])


def test_d_updates_within_one_epoch_see_different_images():
    assert len(np.unique(Batches(noise(40, 2, 2, 1), seed=0, batch_size=8, d_steps=5).indices(0))) == 40


def test_small_data_set_repeats_no_image_within_a_d_update_of_its_size():
    indices = Batches(noise(6, 2, 2, 1), seed=0, batch_size=6, d_steps=4).indices(7)
    np.testing.assert_array_equal(np.sort(indices, axis=0), np.tile(np.arange(6)[:, None], (1, 4)))


def test_seed_changes_the_order():
    images = noise(100, 2, 2, 1)
    first, second = (Batches(images, seed=seed, batch_size=50).indices(0) for seed in (0, 1))
    assert (first != second).any()


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"d_steps": 0}, {"seed": -1}, {"images": noise(0, 2, 2, 1)}])
def test_batches_refuses(wrong):
    arguments = {"images": noise(3, 2, 2, 1), "seed": 0, "batch_size": 2, "d_steps": 1} | wrong
    with pytest.raises(ValueError, match="Received: "):
        Batches(**arguments)
    with pytest.raises(ValueError, match="Received: step=-1"):
        Batches(noise(3, 2, 2, 1), seed=0, batch_size=2)[-1]


# --- one image: fit -----------------------------------------------------------------------------------------


def test_pad_centres_on_zeros(only):
    pixels = noise(28, 28) | 1
    padded = only(pixels, resolution=32, channels=1, fit="pad")
    np.testing.assert_array_equal(padded[2:30, 2:30, 0], pixels)
    assert (padded[:2] == 0).all() and padded.sum() == pixels.sum(dtype=np.int64)


def test_pad_scales_larger_images_down_whole(only):
    padded = only(np.full((20, 40, 3), 200, np.uint8), resolution=8, fit="pad")
    np.testing.assert_array_equal(padded[2:6], 200)
    assert (padded[:2] == 0).all() and (padded[6:] == 0).all()


def test_crop_takes_the_centre(only):
    pixels = noise(8, 20, 3)
    np.testing.assert_array_equal(only(pixels), pixels[:, 6:14])


@pytest.mark.parametrize("size", [5, 8, 60])
def test_crop_scales_to_the_resolution(only, size):
    ramp = np.tile(np.linspace(0, 255, size).astype(np.uint8)[:, None], (1, 2 * size))
    column = only(ramp, channels=1)[:, :, 0].astype(int)
    assert (np.diff(column, axis=0) > 0).all() and np.ptp(column, axis=1).max() == 0
    assert abs(column.mean() - 127) < 2


def test_reducing_does_not_alias(only):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    np.testing.assert_allclose(only(stripes, channels=1)[:, 1:-1].astype(float), 127.5, atol=3)


def test_large_jpeg_is_decoded_small_and_alike(tmp_path, prepare):
    pixels = np.array(Image.fromarray(noise(12, 16, 3)).resize((640, 480), Image.Resampling.BICUBIC))
    save(tmp_path / "photos" / "whole.png", pixels)  # no draft decoding for PNG
    save(tmp_path / "photos" / "draft.jpg", pixels, quality=95)
    draft, whole = prepare(tmp_path / "photos").images.astype(int)
    np.testing.assert_allclose(draft, whole, atol=3)


# --- one image: modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tiff", "ppm", "gif"])
def test_lossless_formats_keep_their_pixels(only, suffix):
    pixels = noise(8, 8, 3)
    options = {"webp": {"lossless": True}}.get(suffix, {})
    image = Image.fromarray(pixels)
    image = image.quantize(256) if suffix == "gif" else image
    stored = only(image, f"image.{suffix.upper()}", options)
    np.testing.assert_array_equal(stored, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_honoured(only, orientation):
    upright = noise(8, 8, 3)
    stored_as = {  # how a camera stores `upright` under each orientation tag
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(only(np.ascontiguousarray(stored_as), options={"exif": exif}), upright)


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bit_grey_is_scaled_not_clipped(only, prepare, suffix):
    values = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    stored = only(values, f"deep.{suffix}", channels=1)
    np.testing.assert_array_equal(stored[..., 0], values >> 8)
    assert prepare.said == ["1 of 1 images had 16 bits per pixel and were scaled to 8"]


def test_palette_with_transparency_is_composited_on_white(only):
    image = Image.new("P", (8, 8))
    image.paste(1, (1, 0, 2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    stored = only(image, options={"transparency": 1})
    np.testing.assert_array_equal(stored[0, :2], [[255, 0, 0], [255, 255, 255]])


def test_alpha_is_composited_on_white(only, prepare):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    pixels[4:, :, 3] = 51
    stored = only(pixels)
    np.testing.assert_array_equal(stored[:4], 0)
    np.testing.assert_array_equal(stored[4:], 204)
    assert prepare.said == ["1 of 1 images had transparency and were laid on white"]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_modes_keep_their_values(only, mode):
    pixels = np.where(noise(8, 8) > 127, np.uint8(255), np.uint8(0))
    stored = only(Image.fromarray(pixels).convert(mode), channels=1)
    np.testing.assert_array_equal(stored[..., 0], pixels)


def test_cmyk_becomes_rgb(only):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    np.testing.assert_array_equal(only(image, "print.tiff")[0, 0], [255, 0, 0])


def test_conversion_is_said_once_with_counts(tmp_path, prepare):
    for i in range(4):
        save(tmp_path / "mixed" / f"{i}.png", noise(8, 8) if i else noise(8, 8, 3))
    store = prepare(tmp_path / "mixed")
    assert prepare.said == ["3 of 4 images were grey and became RGB"]
    assert np.ptp(store.images[1:], axis=3).max() == 0
    prepare.said.clear()
    grey = prepare(tmp_path / "mixed", channels=1)
    assert prepare.said == ["1 of 4 images were in colour and became grey"]
    assert grey.images.shape == (4, 8, 8, 1)
    prepare(tmp_path / "mixed", channels=1)
    assert len(prepare.said) == 1


# --- folders ------------------------------------------------------------------------------------------------


def test_sub_folders_give_labels(tmp_path, prepare):
    for name, value in (("dog", 10), ("cat/tabby", 20), ("cat/black/old", 30), ("emu", 40)):
        save(tmp_path / "animals" / name / "0.png", np.full((8, 8), value, np.uint8))
    store = prepare(tmp_path / "animals", channels=1)
    assert store.classes == ("cat", "dog", "emu")
    names = [store.classes[label] for label in store.labels]
    named = dict(zip(store.images[:, 0, 0, 0].tolist(), names, strict=True))
    assert named == {10: "dog", 20: "cat", 30: "cat", 40: "emu"}


def test_images_outside_the_sub_folders_mean_no_labels(tmp_path, prepare):
    for name in ("a/0.png", "b/0.png", "0.png"):
        save(tmp_path / "flat" / name, noise(8, 8, 3))
    store = prepare(tmp_path / "flat")
    assert store.labels is None and store.heldout_labels is None and store.classes == ()
    assert len(store.images) == 3


def bomb(path):
    """A PNG whose header promises 20,000 x 20,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_unreadable_files_are_skipped_and_listed(tmp_path, prepare):
    root = tmp_path / "some"
    save(root / "a" / "good.png", noise(8, 8, 3))
    save(root / "b" / "good.jpg", noise(8, 8, 3))
    save(root / "truncated.jpg", noise(64, 64, 3))
    (root / "truncated.jpg").write_bytes((root / "truncated.jpg").read_bytes()[:900])
    (root / "text.png").write_text("no image")
    (root / "empty.gif").touch()
    (root / "phone.heic").write_bytes(b"\0" * 100)
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "loop").symlink_to(root)
    save(root / "measured.tiff", np.ones((8, 8), np.float32))
    bomb(root / "bomb.png")
    (root / "notes.txt").write_text("not counted")
    (root / ".hidden.png").write_text("not counted")
    store = prepare(root)
    bad = {"bomb.png", "empty.gif", "gone.png", "loop", "measured.tiff", "phone.heic", "text.png"}
    bad.add("truncated.jpg")
    assert {name for name, _ in store.skipped} == bad and all(reason for _, reason in store.skipped)
    assert len(store.images) == 2
    assert len(prepare.said) == 1 and prepare.said[0].startswith("8 of 10 could not be read")
    assert all(name in prepare.said[0] for name in bad) and "DecompressionBomb" in prepare.said[0]
    assert {name for name, _ in json.loads((store.path / "store.json").read_text())["skipped"]} == bad


def test_slightly_too_large_images_count_as_bombs(tmp_path, prepare, monkeypatch):
    save(tmp_path / "large" / "large.png", noise(12, 12, 3))
    save(tmp_path / "large" / "small.png", noise(8, 8, 3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow itself only warns below twice this
    assert [name for name, _ in prepare(tmp_path / "large").skipped] == ["large.png"]


def test_folders_without_readable_images_are_refused(tmp_path, prepare):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no image")
    for name in ("empty", "texts", "bad"):
        with pytest.raises(ValueError, match=f"no readable image.*Received: .*{name}"):
            prepare(tmp_path / name)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"fit": "stretch"}, {"channels": 4}, {"resolution": 0}, {"source": "missing"}, {"source": "text.txt"}]
)
def test_prepare_refuses(tmp_path, prepare, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "one" / "a.png", noise(8, 8, 3))
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(ValueError, match="Received: ") as caught:
        prepare(**({"source": "one"} | wrong))
    message = str(caught.value)
    assert str(next(iter(wrong.values()))) in message and "\n" not in message
    assert "source" not in wrong or ("tfds:NAME" in message and "npz" in message)


def test_unwritable_cache_is_refused(tmp_path, prepare):
    save(tmp_path / "one" / "a.png", noise(8, 8, 3))
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="GANZOO_CACHE"):
        prepare(tmp_path / "one", cache_dir=tmp_path / "file" / "cache")


# --- npz ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train"), ("x", "y")])
@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3)])
def test_npz(tmp_path, prepare, keys, shape):
    images, labels = noise(*shape), np.arange(5)[:, None]
    np.savez(tmp_path / "set.npz", **dict(zip(keys, (images, labels), strict=True)))
    channels = 3 if shape[3:] == (3,) else 1
    store = prepare(tmp_path / "set.npz", channels=channels)
    np.testing.assert_array_equal(store.images, images.reshape(5, 8, 8, channels))
    np.testing.assert_array_equal(store.labels, np.arange(5))
    assert store.heldout.shape == (0, 8, 8, channels) and len(store.heldout_labels) == 0
    assert prepare.said == []


def test_npz_with_alpha(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 8, 8, 4), np.uint8))
    assert (prepare(tmp_path / "set.npz").images == 255).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 8, 8), np.float32)}, "255"),
        ({"images": np.zeros((2, 8, 8), np.uint16)}, "uint16"),
        ({"images": noise(8, 8)}, r"\(8, 8\)"),
        ({"images": noise(2, 8, 8, 2)}, r"\(2, 8, 8, 2\)"),
        ({"pictures": noise(2, 8, 8)}, "x_train"),
        ({"images": noise(2, 8, 8), "labels": np.arange(3)}, "labels"),
        ({"images": noise(2, 8, 8), "labels": np.zeros(2)}, "float64"),
        ({"images": np.array([None, {}], object)}, "pickle"),
        ({"images": noise(0, 8, 8)}, "no readable image"),
    ],
)
def test_npz_refuses(tmp_path, prepare, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(ValueError, match=f"(?s){message}.*Received: |Received: .*{message}"):
        prepare(tmp_path / "set.npz")


def test_damaged_npz_is_refused(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=noise(9, 8, 8))
    whole = (tmp_path / "set.npz").read_bytes()
    for damaged in (whole[:300], b"", b"text"):
        (tmp_path / "set.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged.*Received: "):
            prepare(tmp_path / "set.npz")


# --- the store ----------------------------------------------------------------------------------------------


@pytest.fixture
def numbered(tmp_path):
    """Makes an .npz whose image i holds the number i in its first two pixels, and label i."""

    def numbered(count):
        images = np.zeros((count, 8, 8, 1), np.uint8)
        images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(count), 256)
        np.savez(tmp_path / "numbered.npz", images=images, labels=np.arange(count))
        return tmp_path / "numbered.npz"

    return numbered


@pytest.mark.parametrize(("count", "heldout"), [(49, 0), (50, 1), (74, 1), (500, 10)])
def test_heldout_images_are_removed_from_the_training_images(prepare, numbered, count, heldout):
    store = prepare(numbered(count), channels=1)
    assert store.images.shape == (count - heldout, 8, 8, 1) and store.heldout.shape == (heldout, 8, 8, 1)
    for images, labels in ((store.images, store.labels), (store.heldout, store.heldout_labels)):
        np.testing.assert_array_equal(images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 1, 0], labels)
    np.testing.assert_array_equal(np.sort([*store.labels, *store.heldout_labels]), np.arange(count))


def test_at_most_1000_images_are_held_out():
    labels = np.arange(60_000)
    assert data._move_heldout_to_end([labels]) == 1000
    np.testing.assert_array_equal(np.sort(labels), np.arange(60_000))
    assert abs(labels[-1000:].mean() - 30_000) < 3000


def test_store_is_memory_mapped_read_only_and_fingerprinted(prepare, numbered):
    store = prepare(numbered(60), channels=1)
    assert isinstance(store.images, np.memmap) and not store.images.flags.writeable
    shapes = json.dumps([store.images.shape, store.heldout.shape]).encode()
    expected = hashlib.sha256(shapes + store.images.tobytes() + store.heldout.tobytes()).hexdigest()
    assert store.fingerprint == expected
    assert store.path.parent.name == "cache" and store.source.endswith("numbered.npz")


def test_second_call_opens_the_store(prepare, numbered, monkeypatch):
    first = prepare(numbered(60), channels=1)
    monkeypatch.setattr(data, "_write", None)
    second = prepare(first.source, channels=1)
    assert second.path == first.path and second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(second.images, first.images)


def test_settings_and_content_name_the_store(tmp_path, prepare, numbered):
    source = numbered(5)
    paths = {
        prepare(source, channels=1).path,
        prepare(source, channels=3).path,
        prepare(source, channels=1, resolution=4).path,
        prepare(source, channels=1, fit="pad").path,
    }
    assert len(paths) == 4
    changed = prepare(numbered(6), channels=1)
    assert changed.path not in paths and len(changed.images) == 6

    save(tmp_path / "folder" / "a.png", noise(8, 8, 3))
    before = prepare(tmp_path / "folder").path
    os.utime(tmp_path / "folder" / "a.png", (1, 1))
    assert prepare(tmp_path / "folder").path != before


def test_environment_names_the_cache(tmp_path, prepare, numbered, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "elsewhere"))
    assert prepare(numbered(5), channels=1, cache_dir=None).path.parent == tmp_path / "elsewhere" / "data"


def test_damaged_store_is_named(prepare, numbered):
    store = prepare(numbered(5), channels=1)
    os.truncate(store.path / "images.bin", 10)
    with pytest.raises(ValueError, match=r"damaged image store.*Received: .*numbered"):
        prepare(store.source, channels=1)


def test_killed_preparation_leaves_no_store(tmp_path, prepare, numbered):
    source = numbered(200)
    script = f"""
import os, signal
from pathlib import Path
from zoo import data
calls = []
to_pixels = data._to_pixels
def dies(*arguments):
    calls.append(0)
    return to_pixels(*arguments) if len(calls) < 150 else os.kill(os.getpid(), signal.SIGKILL)
data._to_pixels = dies
data.prepare({str(source)!r}, resolution=8, channels=1, cache_dir=Path({str(tmp_path / "cache")!r}))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(data.__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    (partial,) = (tmp_path / "cache").iterdir()
    assert partial.name.startswith(".partial-")
    assert len(prepare(source, channels=1).images) == 196
    os.utime(partial / "store" / "images.bin", (0, 0))  # left long ago: the next one removes it
    prepare(source, channels=3)
    assert not partial.exists()


def test_interrupted_preparation_leaves_nothing(tmp_path, prepare, numbered, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "_move_heldout_to_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(numbered(60), channels=1)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_preparations_at_once_share_one_store(tmp_path, prepare, numbered, monkeypatch):
    write, source = data._write, numbered(60)

    def overtaken(*arguments):
        monkeypatch.setattr(data, "_write", write)
        other.append(prepare(source, channels=1))  # the other process, from start to end
        write(*arguments)

    other = []
    monkeypatch.setattr(data, "_write", overtaken)
    store = prepare(source, channels=1)
    assert store.path == other[0].path and store.fingerprint == other[0].fingerprint
    assert list((tmp_path / "cache").iterdir()) == [store.path]


# --- TFDS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """TFDS sets "toy" (train, test, labels), "plain" (60 training images only) and "numbers" (no images)."""
    tf = pytest.importorskip("tensorflow")
    tfds = pytest.importorskip("tensorflow_datasets")
    directory = tmp_path_factory.mktemp("tfds")
    image = tfds.features.Image(shape=(None, None, 3))
    label = tfds.features.ClassLabel(names=["low", "high"])

    def dataset(first, last):
        numbers = np.arange(first, last, dtype=np.uint8)
        images = np.broadcast_to(numbers[:, None, None, None], (len(numbers), 8, 8, 3))
        labels = (numbers >= 30).astype(np.int64)
        return tf.data.Dataset.from_tensor_slices({"image": images, "label": labels})

    def store(name, splits, **features):
        features = tfds.features.FeaturesDict(features)
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=features,
            split_datasets=splits,
            data_dir=directory,
            disable_shuffling=True,
        )

    store("toy", {"train": dataset(0, 60), "test": dataset(100, 110)}, image=image, label=label)
    plain = dataset(0, 60).map(lambda example: {"picture": example["image"]})
    store("plain", {"train": plain}, picture=image)
    store("numbers", {"train": dataset(0, 3).map(lambda example: {"label": example["label"]})}, label=label)
    return directory


def test_tfds_test_split_is_held_out(prepare, tfds_dir):
    store = prepare("tfds:toy", data_dir=tfds_dir)
    np.testing.assert_array_equal(store.images[:, 0, 0, 0], np.arange(60))
    np.testing.assert_array_equal(store.heldout[:, 0, 0, 0], np.arange(100, 110))
    assert store.classes == ("low", "high")
    np.testing.assert_array_equal(store.labels, np.arange(60) >= 30)
    np.testing.assert_array_equal(store.heldout_labels, np.ones(10))
    assert prepare("tfds:toy/train", data_dir=tfds_dir).path == store.path and store.source == "tfds:toy"


def test_without_tfds_a_copied_store_serves(prepare, tfds_dir, tmp_path, monkeypatch):
    made, other = prepare("tfds:toy", data_dir=tfds_dir), tmp_path / "other"
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"reading TFDS needs tensorflow.* and copy the folder .*'tfds:toy'"):
        prepare("tfds:toy", cache_dir=other)
    shutil.copytree(made.path, other / made.path.name)
    copied = prepare("tfds:toy", cache_dir=other)
    assert copied.fingerprint == made.fingerprint
    np.testing.assert_array_equal(copied.images, made.images)
    with pytest.raises(ValueError, match="reading TFDS needs tensorflow"):
        prepare("tfds:toy", channels=1, cache_dir=other)


def test_tfds_split(prepare, tfds_dir):
    assert len(prepare("tfds:toy/train[:20%]", data_dir=tfds_dir).images) == 12
    test = prepare("tfds:toy/test", data_dir=tfds_dir)
    assert (len(test.images), len(test.heldout)) == (10, 0)


def test_tfds_without_test_split_or_labels(prepare, tfds_dir):
    store = prepare("tfds:plain", data_dir=tfds_dir, channels=1)
    assert (len(store.images), len(store.heldout)) == (59, 1)
    assert store.labels is None and store.classes == ()
    assert prepare.said == ["60 of 60 images were in colour and became grey"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:cifra10", "Did you mean cifar10"),
        ("tfds:", "no such TFDS data set"),
        ("tfds:no_such_set_at_all", "catalog"),
        ("tfds:toy/validation", "split"),
        ("tfds:numbers", "no images"),
    ],
)
def test_tfds_refuses_in_one_line(prepare, tfds_dir, source, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepare(source, data_dir=tfds_dir)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(f"Received: {source!r}")
