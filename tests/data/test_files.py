import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pytest
from making import noise, save
from PIL import Image

from zoo.data.sources import files
from zoo.files.errors import ZooError


def test_sub_folders_give_labels(tmp_path, prepare):
    for name, value in (("dog", 10), ("cat/tabby", 20), ("cat/black/old", 30), ("emu", 40)):
        save(tmp_path / "animals" / name / "0.png", np.full((8, 8), value, np.uint8))
    store = prepare(tmp_path / "animals", channels=1)
    assert store.classes == ("cat", "dog", "emu")
    names = [store.classes[label] for label in store.labels]
    named = dict(zip(store.images[:, 0, 0, 0].tolist(), names, strict=True))
    assert named == {10: "dog", 20: "cat", 30: "cat", 40: "emu"}


def test_images_outside_the_sub_folders_mean_no_labels(tmp_path, prepare, said):
    for name in ("a/0.png", "b/0.png", "0.png"):
        save(tmp_path / "flat" / name, noise(8, 8, 3))
    prepare(tmp_path / "flat")
    said.clear()
    store = prepare(tmp_path / "flat")  # which is there: it is said again
    assert store.labels is None and store.heldout_labels is None and store.classes == ()
    assert len(store.images) == 3
    assert "the folders a, b are not taken for classes, since images lie outside them, 1 in all: 0.png" in said


EMPTY = "these folders have no image, so they are no classes: dog, emu"


def test_a_class_folder_without_an_image_is_named_each_time(tmp_path, prepare):
    for name in ("ape", "cat"):
        save(tmp_path / "animals" / name / "0.png", noise(8, 8, 3))
    complete = prepare(tmp_path / "animals").path
    assert not any("no image" in line for line in prepare.said)
    (tmp_path / "animals" / "dog" / "young").mkdir(parents=True)
    (tmp_path / "animals" / "ape" / "old").mkdir()  # of a class that has images
    (tmp_path / "animals" / ".trash").mkdir()
    (tmp_path / "animals" / "emu").mkdir()
    (tmp_path / "animals" / "emu" / "list.txt").write_text("no image")
    for _ in range(2):
        prepare.said.clear()
        store = prepare(tmp_path / "animals")
        assert store.classes == ("ape", "cat") and store.labels.tolist() == [0, 1] and EMPTY in prepare.said
    assert store.path != complete
    for name in ("dog", "emu"):
        save(tmp_path / "animals" / name / "0.png", noise(8, 8, 3))
    prepare.said.clear()
    assert prepare(tmp_path / "animals").classes == ("ape", "cat", "dog", "emu") and EMPTY not in prepare.said


def test_a_source_without_empty_folders_keeps_the_identity_that_it_had(tmp_path):
    """It names the store: runs that go on find theirs."""
    save(tmp_path / "animals" / "ape" / "old" / "0.png", noise(8, 8, 3))
    stat = (tmp_path / "animals" / "ape" / "old" / "0.png").stat()
    identity = files.folder_source(tmp_path / "animals").identity
    listed = [("ape/old/0.png", stat.st_size, stat.st_mtime_ns)]
    assert identity == ["folder", 2, str(tmp_path / "animals"), listed]
    (tmp_path / "animals" / "dog").mkdir()
    assert files.folder_source(tmp_path / "animals").identity == [*identity, ["dog"]]


def test_a_class_folder_without_an_image_is_named_within_a_part(tmp_path, prepare):
    save(tmp_path / "set" / "train" / "cat" / "0.png", noise(8, 8, 3))
    for name in ("train/dog", "train/emu", "test/cat", "test"):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
    assert prepare(tmp_path / "set").labels is None and prepare.said[-1] == EMPTY


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
    hidden, left_out, outside = prepare.said
    assert outside.startswith("the folders a, b are not taken for classes, since images lie outside them, ")
    assert hidden == "1 hidden files and folders were not read: .hidden.png"
    assert left_out.startswith("2 images were read, 9 left out: ")
    assert (
        all(name in left_out for name in bad)
        and "bomb.png (it has 400 megapixels, more than 89; make it smaller)" in left_out
    )
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


# --- by content ---------------------------------------------------------------------------------------------


def test_files_are_read_by_their_content(tmp_path, prepare):
    pixels = noise(8, 8, 3)
    for name, kind in (("plain", "PNG"), ("UP.PNG", "PNG"), ("really_png.jpg", "PNG"), ("x.png_large", "BMP")):
        save(tmp_path / "names" / name, pixels, format=kind)
    store = prepare(tmp_path / "names")
    np.testing.assert_array_equal(store.images, np.stack([pixels] * 4))
    assert prepare.said == []


def test_a_raw_file_of_a_camera_is_not_its_preview(tmp_path, prepare):
    save(tmp_path / "camera" / "a.NEF", noise(8, 8, 3), format="TIFF")
    save(tmp_path / "camera" / "a.jpg", noise(8, 8, 3))
    assert prepare(tmp_path / "camera").skipped == (("a.NEF", "a camera's raw file: develop it first"),)


def test_hidden_folders_are_not_read(tmp_path, prepare):
    for name in ("a.png", ".ipynb_checkpoints/a-checkpoint.png", "more/.cache/b.png", "more/c.png"):
        save(tmp_path / "set" / name, noise(8, 8, 3))
    assert len(prepare(tmp_path / "set").images) == 2
    assert prepare.said == ["2 hidden files and folders were not read: .ipynb_checkpoints, more/.cache"]


def test_names_are_shown_on_one_line(tmp_path, prepare):
    save(tmp_path / "set" / "good.png", noise(8, 8, 3))
    (tmp_path / "set" / "bad\n\x1b[31mred.png").write_bytes(b"x")
    assert len(prepare(tmp_path / "set").images) == 1
    (line,) = prepare.said
    assert line.isprintable() and r"1 left out: bad\n\x1b[31mred.png" in line


def test_a_file_that_is_not_an_image_neither_ends_the_classes_nor_renews_the_store(tmp_path, prepare):
    for name in ("cat/0.png", "dog/0.png"):
        save(tmp_path / "set" / name, noise(8, 8, 3))
    (tmp_path / "set" / "notes.txt").write_text("one")
    store = prepare(tmp_path / "set")
    assert store.classes == ("cat", "dog") and [name for name, _ in store.skipped] == ["notes.txt"]
    assert prepare.said[0] == "2 folders are taken for classes: cat, dog"
    (tmp_path / "set" / "notes.txt").write_text("another")
    assert prepare(tmp_path / "set").path == store.path


# --- parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "valid"), ("training", "testing")])
def test_parts_of_a_data_set_are_no_classes(tmp_path, prepare, names):
    for i, name in enumerate(names):
        save(tmp_path / "set" / name / "0.png", np.full((8, 8, 3), 50 * (i + 1), np.uint8))
    whole = prepare(tmp_path / "set")
    assert (len(whole.images), whole.labels, whole.classes) == (len(names), None, ())
    one = f"give it as the source, {str(tmp_path / 'set' / names[0])!r} for instance"
    assert "are taken for parts of one data set, not for classes" in prepare.said[0] and one in prepare.said[0]
    part = prepare(tmp_path / "set" / names[0])
    assert len(part.images) == 1 and part.images.max() == 50


def test_classes_stand_within_the_parts(tmp_path, prepare):
    for name in ("train/cat/0", "train/dog/0", "test/cat/1"):
        save(tmp_path / "set" / f"{name}.png", noise(8, 8, 3))
    store = prepare(tmp_path / "set")
    assert store.classes == ("cat", "dog") and store.labels.tolist() == [0, 0, 1]  # test/cat, train/cat, train/dog


def test_a_class_may_be_called_train(tmp_path, prepare):
    for name in ("train/0.png", "bus/0.png"):
        save(tmp_path / "vehicles" / name, noise(8, 8, 3))
    assert prepare(tmp_path / "vehicles").classes == ("bus", "train")


# --- zip ----------------------------------------------------------------------------------------------------


@pytest.fixture
def zipped(tmp_path):
    """Writes a .zip archive of images and other files; returns its path."""

    def zipped(contents, name="set.zip", **options):
        with zipfile.ZipFile(tmp_path / name, "w", **options) as archive:
            for path, content in contents.items():
                if isinstance(content, np.ndarray):
                    buffer = io.BytesIO()
                    Image.fromarray(content).save(buffer, "PNG")
                    content = buffer.getvalue()
                archive.writestr(path, content)
        return tmp_path / name

    return zipped


def test_an_archive_of_the_stylegan_tools(zipped, prepare):
    images = noise(4, 8, 8, 3)
    names = [f"{i // 2:05}/img{i:08}.png" for i in range(4)]
    labels = [[name, label] for name, label in zip(names, (3, 1, 3, 0), strict=True)]
    contents = dict(zip(names, images, strict=True))
    store = prepare(zipped(contents | {"dataset.json": json.dumps({"labels": labels})}))
    np.testing.assert_array_equal(store.images, images)
    assert store.labels.tolist() == [3, 1, 3, 0] and store.classes == () and store.skipped == ()
    unlabelled = prepare(zipped(contents | {"dataset.json": '{"labels": null}'}))
    assert unlabelled.labels is None and len(unlabelled.images) == 4


def test_an_archive_with_a_class_folder_without_an_image(zipped, prepare):
    contents = {"in/ape/0.png": noise(8, 8, 3), "in/cat/0.png": noise(8, 8, 3), "in/dog/": b"", "in/emu/a.txt": b"no"}
    source = zipped(contents | {"in/ape/old/": b"", "__MACOSX/in/": b"", "other/": b""})
    for _ in range(2):
        prepare.said.clear()
        assert prepare(source / "in").classes == ("ape", "cat") and EMPTY in prepare.said


def test_a_folder_with_the_table_of_the_stylegan_tools(tmp_path, prepare):
    for i in range(2):
        save(tmp_path / "set" / f"0000{i}" / "a.png", noise(8, 8, 3))
    table = tmp_path / "set" / "dataset.json"
    table.write_text(json.dumps({"labels": [["00000\\a.png", 7], ["00001/a.png", 2]]}))
    store = prepare(tmp_path / "set")
    assert store.labels.tolist() == [7, 2] and store.skipped == ()
    table.write_text(json.dumps({"labels": [["00000/a.png", 5], ["00001/a.png", 2]]}))
    assert prepare(tmp_path / "set").labels.tolist() == [5, 2]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('{"labels": [["a/0.png", 1]]}', "dataset.json has no label for 1 images, so none are used: b/0.png"),
        ('{"labels": [["a/0.png", [0.5, 1]]]}', "the labels in dataset.json are vectors and not classes"),
    ],
)
def test_tables_without_a_class_for_each_image_are_named(zipped, prepare, table, line):
    source = zipped({"a/0.png": noise(8, 8, 3), "b/0.png": noise(8, 8, 3), "dataset.json": table})
    for _ in range(2):  # also of a store that is there
        prepare.said.clear()
        store = prepare(source)
        assert store.labels is None and store.classes == () and len(prepare.said) == 1
        assert prepare.said[0].startswith(line)
    record = json.loads((store.path / "store.json").read_text())
    del record["warnings"]
    (store.path / "store.json").write_text(json.dumps(record))  # as stores were before
    prepare.said.clear()
    assert len(prepare(source).images) == 2 and not prepare.said


def test_a_table_of_another_kind_is_left_alone(zipped, prepare):
    store = prepare(zipped({"a/0.png": noise(8, 8, 3), "b/0.png": noise(8, 8, 3), "dataset.json": '{"year": 2020}'}))
    assert store.classes == ("a", "b") and [name for name, _ in store.skipped] == ["dataset.json"]


DAMAGED = {
    "cut": "{",
    "a list": "[]",
    "a number": '{"labels": 3}',
    "no label": '{"labels": [["a.png"]]}',
    "a word": '{"labels": [["a.png", "cat"]]}',
    "beyond int64": f'{{"labels": [["a.png", {2**64}]]}}',
    "deep": "[" * 100_000,
    "deep inside": '{"x": ' + "[" * 100_000,
}


@pytest.mark.parametrize("table", DAMAGED.values(), ids=DAMAGED)
def test_damaged_tables_are_refused_in_one_line(zipped, prepare, table):
    with pytest.raises(ZooError, match=r"not as the StyleGAN tools write it.* Received: '.*dataset\.json'") as caught:
        prepare(zipped({"a.png": noise(8, 8, 3), "dataset.json": table}))
    assert "\n" not in str(caught.value)


def test_an_archive_is_read_like_a_folder(zipped, prepare):
    visible = {"cat/A.PNG": noise(8, 8, 3), "dog/b": noise(8, 8, 3), "notes.txt": "text"}
    hidden = {"__MACOSX/cat/._A.PNG": "x", ".hidden/c.png": noise(8, 8, 3)}
    store = prepare(zipped(visible | hidden, "SET.ZIP", compression=zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(store.images, np.stack([visible["cat/A.PNG"], visible["dog/b"]]))
    assert store.classes == ("cat", "dog") and [name for name, _ in store.skipped] == ["notes.txt"]


def test_one_part_of_an_archive(zipped, prepare):
    archive = zipped({f"{name}/0.png": noise(8, 8, 3) for name in ("train/cat", "train/dog", "test/cat")})
    part = prepare(archive / "train")
    assert part.classes == ("cat", "dog") and len(part.images) == 2
    with pytest.raises(ZooError, match="no readable image"):
        prepare(archive / "validation")


def test_damaged_and_foreign_archives_are_refused(zipped, prepare, tmp_path):
    with pytest.raises(ZooError, match=r"no readable image .* Received: .*set\.zip"):
        prepare(zipped({"a.txt": "text"}))
    whole = zipped({"a.png": noise(64, 64, 3)}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ZooError, match=r"the zip archive is damaged.*cut\.zip"):
        prepare(tmp_path / "cut.zip")


def test_a_member_that_unpacks_to_too_much_is_left_out(zipped, prepare, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    bomb = zipped({"a.png": noise(8, 8, 3), "b.png": bytes(10_000)}, compression=zipfile.ZIP_DEFLATED)
    assert prepare(bomb).skipped == (("b.png", "it unpacks to more than 1,000 bytes"),)
