import numpy as np
import pytest
from making import noise, save
from PIL import Image


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
    assert prepare.said == ["1 of 1 images had more than 8 bits per value and were scaled to 8"]


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
