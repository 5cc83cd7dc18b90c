import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from making import noise, save

from zoo import data
from zoo.data import store as stores
from zoo.data.sources import Source
from zoo.files.errors import ZooError


@pytest.fixture
def numbered(tmp_path):
    """Makes an .npz whose image i holds the number i in its first two pixels, and label i."""

    def numbered(count):
        images = np.full((count, 8, 8, 1), 200, np.uint8)
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


@pytest.fixture
def split(tmp_path, prepare):
    """Which of 300 images, by number, are in training and held out, beside the store: `split(labels)`."""
    numbers = np.arange(300)
    images = np.full((300, 8, 8, 1), 200, np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(numbers, 256)

    def split(labels=None):
        np.savez(tmp_path / "split.npz", images=images, **({} if labels is None else {"labels": labels}))
        store = prepare(tmp_path / "split.npz", channels=1)
        train, held = (part[:, 0, 0, 0].astype(int) * 256 + part[:, 0, 1, 0] for part in (store.images, store.heldout))
        np.testing.assert_array_equal(np.sort([*train, *held]), numbers)
        if labels is not None:
            np.testing.assert_array_equal(store.labels, labels[train])
            np.testing.assert_array_equal(store.heldout_labels, labels[held])
        return train, held, store

    return split


def test_what_is_held_out_stays_as_it_was(split):
    """To the bit: runs that go on and cards that were measured know it. Labels change it only where a class is lost."""
    _, held, store = split()
    assert held.tolist() == [12, 91, 80, 152, 190, 255]
    assert store.fingerprint == "4eb5f6c530a433b768f5c469afc6875f35413f838b27336741fd825033ded025"
    assert split(np.arange(300) % 7)[2].fingerprint == store.fingerprint


def test_a_class_keeps_an_image_to_train_on(split):
    before_train, before, _ = split()
    labels = np.zeros(300, np.int64)
    labels[before_train[:20]] = 1
    labels[before[0]], labels[before[1:3]] = 2, 3  # one image alone, and two, all of them held out
    train, held, _ = split(labels)
    assert np.bincount(labels[train]).tolist() == [272, 20, 1, 1]
    assert held[[2, 3, 4, 5]].tolist() == before[[2, 3, 4, 5]].tolist()
    assert np.bincount(labels[held]).tolist() == [5, 0, 0, 1]
    assert np.sum(train != before_train) == 2  # those that changed places


def test_at_most_1000_images_are_held_out():
    labels = np.arange(60_000)
    assert stores._move_heldout_to_end([labels]) == 1000
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
    monkeypatch.setattr(stores, "_write", None)
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


def test_stores_of_tfds_keep_the_name_that_they_had():
    source = Source("fashion_mnist-train", ["tfds", "fashion_mnist/3.0.1", "train"], None)
    settings = {"version": 1, "resolution": 32, "channels": 1, "fit": "pad", "white": 0}
    assert stores._name(source, settings) == "fashion_mnist-train-32x1-34f044953e179d35"


def test_environment_names_the_cache(tmp_path, prepare, numbered, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "elsewhere"))
    assert prepare(numbered(5), channels=1, cache_dir=None).path.parent == tmp_path / "elsewhere" / "data"


def test_damaged_store_is_named(prepare, numbered):
    store = prepare(numbered(5), channels=1)
    os.truncate(store.path / "images.bin", 10)
    with pytest.raises(ValueError, match=r"damaged image store.*Received: .*numbered"):
        prepare(store.source, channels=1)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("file", "place"), [("images.bin", 0), ("images.bin", -1), ("labels.npy", -8)])
def test_one_flipped_bit_is_found_when_the_store_is_opened(prepare, numbered, file, place):
    store = prepare(numbered(60), channels=1)
    flip(store.path / file, place)
    with pytest.raises(ZooError, match=rf"damaged image store: {file} .*Delete it\. Received: .*numbered"):
        prepare(store.source, channels=1)
    flip(store.path / file, place)
    assert prepare(store.source, channels=1).fingerprint == store.fingerprint


def rewrite(store, **values):
    record = json.loads((store.path / "store.json").read_text())
    record = {name: value for name, value in (record | values).items() if value is not None}
    (store.path / "store.json").write_text(json.dumps(record))


def test_a_changed_class_is_found_and_a_store_without_its_digest_opens(prepare, numbered):
    store = prepare(numbered(60), channels=1)
    rewrite(store, classes=["other"])
    with pytest.raises(ZooError, match=r"classes in store\.json are not as they were written"):
        prepare(store.source, channels=1)
    rewrite(store, classes=[], labels_sha256=None)  # as stores were before
    assert prepare(store.source, channels=1).fingerprint == store.fingerprint


@pytest.mark.parametrize("value", [-1, 2**31, 2**70, 1.5, "60", [60], {}, True])
@pytest.mark.parametrize("name", ["images", "heldout", "resolution", "channels", "labels", "classes", "skipped"])
def test_wrong_values_in_the_record_are_one_line(prepare, numbered, name, value):
    store = prepare(numbered(60), channels=1)
    if (name, value) == ("labels", True):
        value = None
    rewrite(store, **{name: value})
    with pytest.raises(ZooError, match=r"damaged image store: .*Delete it\. Received: '.*numbered") as caught:
        prepare(store.source, channels=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"3", b"[]", b"\xff", b"[" * 100_000, b'{"a": ' * 100_000], ids=range(6))
def test_wrong_forms_of_the_record_are_one_line(prepare, numbered, tmp_path, monkeypatch, content):
    store = prepare(numbered(60), channels=1)
    (store.path / "store.json").write_bytes(content)
    with pytest.raises(ZooError, match=r"damaged image store: .*Received: '.*store\.json'"):
        prepare(store.source, channels=1)
    monkeypatch.setattr(stores, "find_spec", lambda name: None)  # where copied stores are looked through
    with pytest.raises(ZooError, match="reading TFDS needs tensorflow"):
        prepare("tfds:toy", channels=1)


def test_killed_preparation_leaves_no_store(tmp_path, prepare, numbered):
    source = numbered(200)
    script = f"""
import os, signal
from pathlib import Path
from zoo import data
from zoo.data import pixels
calls = []
scaled = pixels.scaled
def dies(*arguments, **options):
    calls.append(0)
    return scaled(*arguments, **options) if len(calls) < 150 else os.kill(os.getpid(), signal.SIGKILL)
pixels.scaled = dies
data.prepare({str(source)!r}, resolution=8, channels=1, cache_dir=Path({str(tmp_path / "cache")!r}))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(data.__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    (partial,) = (tmp_path / "cache").iterdir()
    assert partial.name.startswith(".partial-")
    assert len(prepare(source, channels=1).images) == 196
    os.utime(partial / "new" / "images.bin", (0, 0))  # left long ago: the next one removes it
    prepare(source, channels=3)
    assert not partial.exists()


def test_interrupted_preparation_leaves_nothing(tmp_path, prepare, numbered, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(stores, "_move_heldout_to_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(numbered(60), channels=1)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_preparations_at_once_share_one_store(tmp_path, prepare, numbered, monkeypatch):
    write, source = stores._write, numbered(60)

    def overtaken(*arguments):
        monkeypatch.setattr(stores, "_write", write)
        other.append(prepare(source, channels=1))  # the other process, from start to end
        write(*arguments)

    other = []
    monkeypatch.setattr(stores, "_write", overtaken)
    store = prepare(source, channels=1)
    assert store.path == other[0].path and store.fingerprint == other[0].fingerprint
    assert list((tmp_path / "cache").iterdir()) == [store.path]


def test_labels_have_names(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32), np.uint8)
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.arange(60) % 3)
    np.savez(tmp_path / "plain.npz", images=images)
    labelled, plain = (
        data.prepare(str(tmp_path / name), resolution=32, channels=1) for name in ("labelled.npz", "plain.npz")
    )
    assert labelled.class_names == ("0", "1", "2") and labelled.classes == ()
    assert plain.class_names == ()
    assert dataclasses.replace(labelled, classes=("a", "b", "c")).class_names == ("a", "b", "c")
