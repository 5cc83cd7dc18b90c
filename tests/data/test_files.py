import json
import struct
import zlib

import numpy as np
import pytest
from making import noise, save
from PIL import Image


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
    save(root / "measured.tiff", np.full((8, 8), np.nan, np.float32))
    bomb(root / "bomb.png")
    (root / "notes.txt").write_text("Python")  # begins like a PPM, for Pillow
    (root / ".hidden.png").write_text("not counted")
    store = prepare(root)
    bad = {"bomb.png", "empty.gif", "gone.png", "loop", "measured.tiff", "notes.txt", "phone.heic", "text.png"}
    bad.add("truncated.jpg")
    assert {name for name, _ in store.skipped} == bad and all(reason for _, reason in store.skipped)
    assert len(store.images) == 2
    hidden, left_out = prepare.said
    assert hidden == "1 hidden files and folders were not read: .hidden.png"
    assert left_out.startswith("2 images were read, 9 left out: ")
    assert all(name in left_out for name in bad) and "DecompressionBomb" in left_out
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
