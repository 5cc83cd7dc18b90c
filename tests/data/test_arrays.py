import io
import tracemalloc
import zipfile
from itertools import islice

import numpy as np
import pytest
from making import noise

from zoo.data import reading, sources
from zoo.data.sources.base import array_item
from zoo.files.errors import ZooError


@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train"), ("x", "y"), ("arr_0", "arr_1")])
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


def test_labels_stay_with_their_images_in_a_large_npz(tmp_path, prepare):
    """Images come in runs of 256 KB; labels once began anew with each run."""
    levels = np.arange(700) % 251
    images = np.broadcast_to(levels[:, None, None].astype(np.uint8), (700, 32, 32))
    np.savez(tmp_path / "set.npz", images=images, labels=levels)
    store = prepare(tmp_path / "set.npz", resolution=32)
    assert len(store.images) + len(store.heldout) == 700
    np.testing.assert_array_equal(store.labels, store.images[:, 0, 0, 0])
    np.testing.assert_array_equal(store.heldout_labels, store.heldout[:, 0, 0, 0])


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
        ({"images": np.array([None, {}], object)}, "object"),
        ({"images": noise(0, 8, 8)}, "no readable image"),
        ({"images": noise(64, 64, 3)}, r"one image \[H, W, C\]"),
        ({"images": noise(28, 28, 60)}, r"number of images seems to come last; give images.transpose\(2, 0, 1\)"),
        ({"images": noise(5, 3, 8, 8)}, r"channels must come last; give images.transpose\(0, 2, 3, 1\)"),
        ({"images": noise(5, 0, 0, 3)}, "no pixels"),
        ({"images": noise(5, 8, 0)}, "no pixels"),
        ({"images": noise(5, 8, 8, 3) // 128}, "multiply them by 255"),
        ({"images": np.zeros((1, 10_000, 9_000), np.uint8)}, "more than 89,478,485 pixels"),
        ({"images": np.asfortranarray(noise(5, 8, 8, 3))}, "ascontiguousarray"),
        ({"images": noise(2, 8, 8), "labels": np.full(2, 2**64 - 1, np.uint64)}, "18446744073709551615"),
        ({"images": noise(2, 8, 8), "labels": np.array([None, 1], object)}, "labels must be"),
    ],
)
def test_npz_refuses(tmp_path, prepare, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(ValueError, match=f"(?s){message}.*Received: |Received: .*{message}"):
        prepare(tmp_path / "set.npz")


def test_npy(tmp_path, prepare):
    images = noise(60, 8, 8, 3)
    np.save(tmp_path / "set.npy", images)
    store = prepare(tmp_path / "set.npy")
    assert (len(store.images), len(store.heldout), store.labels) == (59, 1, None)
    np.save(tmp_path / "columns.npy", np.asfortranarray(images))
    np.testing.assert_array_equal(prepare(tmp_path / "columns.npy").images, store.images)
    np.save(tmp_path / "one.npy", noise(64, 64, 3))
    with pytest.raises(ZooError, match="one image"):
        prepare(tmp_path / "one.npy")


def test_the_kind_of_a_file_is_its_content(tmp_path, prepare):
    images = noise(5, 8, 8, 3)
    with (tmp_path / "npz_without_suffix").open("wb") as file:
        np.savez(file, images=images)
    np.save(tmp_path / "set.NPY", images)
    (tmp_path / "set.NPY.npy").rename(tmp_path / "set.NPY")
    for name in ("npz_without_suffix", "set.NPY"):
        np.testing.assert_array_equal(prepare(tmp_path / name).images, images)


def test_very_small_npz_with_very_much_in_it_takes_little_memory(tmp_path):
    """300 MB of pixels in 0.3 MB: they pass through, one image at a time."""
    header = io.BytesIO()
    shape = (100_000, 32, 32, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with (
        zipfile.ZipFile(tmp_path / "much.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(header.getvalue())
        for _ in range(100):
            file.write(bytes(1000 * 32 * 32 * 3))
    assert (tmp_path / "much.npz").stat().st_size < 400_000
    tracemalloc.start()
    with sources.find(str(tmp_path / "much.npz")).open() as content:
        assert content.count == 100_000
        assert sum(len(item.load().getbands()) for item in islice(content.items(), 20_000)) == 60_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


def test_large_arrays_are_held_few_at_a_time():
    items = (array_item(str(i), np.zeros((1 << 22, 4), np.uint8)) for i in range(10))  # 16 MB each
    assert [len(chunk) for chunk in reading._chunks(items)] == [5, 5, 0]
    items = (array_item(str(i), np.zeros((8, 8), np.uint8)) for i in range(100))
    assert [len(chunk) for chunk in reading._chunks(items)] == [64, 36]


@pytest.mark.parametrize("declared", [(4, 8, 8), (6, 8, 8), (2**40, 8, 8)])
def test_a_header_that_lies_is_refused(tmp_path, prepare, declared):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": declared})
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + noise(5, 8, 8).tobytes())
    with pytest.raises(ZooError, match=r"damaged: images\.npy is not of the size that its header says"):
        prepare(tmp_path / "set.npz")


def test_a_flipped_byte_in_an_npz_is_found(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=noise(9, 8, 8))
    content = bytearray((tmp_path / "set.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(ZooError, match=r"damaged: Bad CRC-32"):
        prepare(tmp_path / "set.npz")
    assert list((tmp_path / "cache" / "data").glob("*")) == []


def test_damaged_npz_is_refused(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=noise(9, 8, 8))
    whole = (tmp_path / "set.npz").read_bytes()
    for damaged in (whole[:300], b"", b"text"):
        (tmp_path / "set.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged.*Received: "):
            prepare(tmp_path / "set.npz")
