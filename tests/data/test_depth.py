import struct
import zlib

import numpy as np
import pytest
from making import noise, save

from zoo.files.errors import ZooError


@pytest.fixture
def stored(tmp_path, prepare):
    """Prepares one file for each array; returns the stored pixels `[N, 8, 8]`."""

    def stored(*arrays, suffix="png", **options):
        for i, array in enumerate(arrays):
            save(tmp_path / "deep" / f"{i}.{suffix}", array)
        store = prepare(tmp_path / "deep", channels=1, **options)
        assert store.skipped == ()
        return store.images[..., 0]

    return stored


def spread(top, dtype=np.uint16):
    """Values from 0 to `top`: `[8, 8]`."""
    return np.linspace(0, top, 64).astype(dtype).reshape(8, 8)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize(("top", "white"), [(250, 255), (900, 1023), (4000, 4095), (16000, 16383)])
def test_values_of_fewer_bits_get_full_contrast_and_it_is_said(stored, prepare, top, white, suffix):
    dark, bright = spread(top // 5), spread(top)
    images = stored(dark, bright, suffix=suffix)
    np.testing.assert_allclose(images, np.stack([dark, bright]) * 255.0 / white, atol=1)
    assert prepare.said[0].startswith(
        f"the images have more than 8 bits per value and reach from 0 to {top}: {white} is taken for white"
    )


@pytest.mark.parametrize("top", [20000, 65535])
def test_values_that_need_16_bits_are_scaled_as_ever(stored, prepare, top):
    np.testing.assert_array_equal(stored(spread(top))[0], spread(top) >> 8)
    assert prepare.said == ["1 of 1 images had more than 8 bits per value and were scaled to 8"]


@pytest.mark.parametrize(("top", "white"), [(1.0, 1), (0.8, 1), (255.0, 255)])
def test_floating_point_images(stored, top, white):
    values = spread(top, np.float32)
    np.testing.assert_allclose(stored(values, suffix="tiff")[0], values * 255 / white, atol=1)


def test_integers_of_32_bits(stored):
    np.testing.assert_array_equal(stored(spread(65535, np.int32), suffix="tiff")[0], spread(65535) >> 8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (spread(100), r"not clear what is white.*--set data\.white=255\. Received: 0 in '0\.tiff' to 100"),
        (spread(1900), r"--set data\.white=4095"),
        (spread(70000, np.int32), r"--set data\.white=70000"),
        (spread(0.3, np.float32), r"--set data\.white=1\."),
        (spread(90.0, np.float32), r"--set data\.white=255"),
        (spread(255, np.float32) - 128, r"negative values.*Received: -128"),
    ],
)
def test_what_is_ambiguous_is_refused(stored, array, message):
    with pytest.raises(ZooError, match=message):
        stored(array, suffix="tiff")


@pytest.mark.parametrize(("array", "white"), [(spread(1900), 4095), (spread(90, np.float32), 90), (spread(4000), 2000)])
def test_white_decides_and_what_is_above_it_becomes_white(stored, array, white):
    np.testing.assert_allclose(
        stored(array, suffix="tiff", white=white)[0], np.minimum(array * 255.0 / white, 255), atol=1
    )


def test_white_names_the_store_and_0_is_as_before(tmp_path, prepare):
    save(tmp_path / "one" / "a.png", spread(65535))
    paths = {prepare(tmp_path / "one", channels=1, white=white).path for white in (0, 65535, 4095)}
    assert len(paths) == 3
    with pytest.raises(ZooError, match="white=-1"):
        prepare(tmp_path / "one", white=-1)


def test_integers_beside_floats_are_refused(tmp_path, prepare):
    save(tmp_path / "both" / "a.tiff", spread(4095))
    save(tmp_path / "both" / "b.tiff", spread(1.0, np.float32))
    with pytest.raises(ZooError, match=r"some images hold integers and some floating-point.*'a\.tiff'"):
        prepare(tmp_path / "both")


def test_8_bit_images_beside_deep_ones_keep_their_pixels(tmp_path, prepare):
    plain = noise(8, 8)
    save(tmp_path / "both" / "a.png", plain)
    save(tmp_path / "both" / "b.png", spread(4095))
    first, second = prepare(tmp_path / "both", channels=1).images[..., 0]
    np.testing.assert_array_equal(first, plain)
    np.testing.assert_array_equal(second, spread(4095) >> 4)


def test_a_pgm_says_what_is_white(tmp_path, prepare):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.pgm").write_bytes(b"P5 8 8 4095\n" + spread(500).astype(">u2").tobytes())
    images = prepare(tmp_path / "set", channels=1).images[0, ..., 0]
    np.testing.assert_allclose(images, spread(500) * 255.0 / 4095, atol=1)


def rgb_png(path, values):
    """Writes uint16 `[H, W, 3]` as a PNG of 16 bits per colour, which Pillow cannot."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def test_16_bit_colours_are_read_and_those_of_fewer_bits_refused(tmp_path, prepare):
    full = np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    rgb_png(tmp_path / "full" / "a.png", full)
    np.testing.assert_allclose(prepare(tmp_path / "full").images[0], full / 257, atol=1)
    rgb_png(tmp_path / "dark" / "a.png", full >> 4)
    with pytest.raises(ZooError, match=r"no readable image \(a\.png: .*65535 for white, not 4095: save it with 8 bits"):
        prepare(tmp_path / "dark")


def test_an_image_that_holds_no_numbers_is_left_out(tmp_path, prepare):
    save(tmp_path / "set" / "a.tiff", spread(1.0, np.float32))
    save(tmp_path / "set" / "b.tiff", np.full((8, 8), np.nan, np.float32))
    save(tmp_path / "set" / "c.tiff", np.full((8, 8), np.inf, np.float32))
    store = prepare(tmp_path / "set", channels=1)
    assert [name for name, _ in store.skipped] == ["b.tiff", "c.tiff"] and len(store.images) == 1
