import struct

import numpy as np
import pytest
from making import noise, save
from PIL import Image, ImageCms


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


# --- one image: colour profiles ---


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile(gamma=None, **primaries):
    """The profile of sRGB with other primaries, `rXYZ=(X, Y, Z)` under D50, and perhaps a plain power for its curve."""
    content = bytearray(SRGB)
    for i in range(struct.unpack(">I", content[128:132])[0]):
        tag, offset, _ = struct.unpack(">4sII", content[132 + 12 * i : 144 + 12 * i])
        if (name := tag.decode()) in primaries:
            content[offset + 8 : offset + 20] = struct.pack(">3i", *(round(65536 * x) for x in primaries[name]))
        if gamma and name in ("rTRC", "gTRC", "bTRC"):
            content[offset : offset + 16] = struct.pack(">4sIHHi", b"para", 0, 0, 0, round(65536 * gamma))
    return bytes(content)


RED, GREEN, BLUE = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)
P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]


ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]


def to_srgb(colour, primaries, gamma):
    """What a colour of 0..255 is in sRGB, by the definition: linear light, XYZ under D50, and back."""
    values = np.asarray(colour) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = values**gamma if gamma else linear
    linear = np.linalg.solve(np.array([RED, GREEN, BLUE]).T, np.array(primaries).T @ linear).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("primaries", "gamma"),
    [(P3, None), ([BLUE, GREEN, RED], None), (ADOBE, 563 / 256)],
    ids=["P3", "swapped", "AdobeRGB"],
)
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_colours_with_a_profile_become_srgb(only, prepare, primaries, gamma, suffix):
    icc = profile(gamma, **dict(zip(("rXYZ", "gXYZ", "bXYZ"), primaries, strict=True)))
    options = {"icc_profile": icc} | {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(suffix, {})
    stored = only(np.full((8, 8, 3), (180, 100, 60), np.uint8), f"a.{suffix}", options)
    np.testing.assert_allclose(stored[4, 4], to_srgb((180, 100, 60), primaries, gamma), atol=2)
    assert prepare.said == ["1 of 1 images had a colour profile and were converted to sRGB"]


def test_the_profile_of_srgb_changes_nothing(only, prepare):
    pixels = noise(8, 8, 3)
    np.testing.assert_array_equal(only(pixels, options={"icc_profile": SRGB}), pixels)
    assert prepare.said == []


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA"])
def test_a_profile_applies_in_every_mode(only, mode):
    swapped = profile(rXYZ=BLUE, bXYZ=RED)
    image = Image.new("RGB", (8, 8), (200, 200, 200) if mode[0] == "L" else (230, 40, 20))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    if mode[-1] == "A":
        image.putalpha(Image.fromarray(np.tile(np.array([255, 0], np.uint8), (8, 4))))
    stored = only(image, options={"icc_profile": swapped})
    grey = mode[0] == "L"
    np.testing.assert_allclose(stored[0, 0], (200, 200, 200) if grey else (20, 40, 230), atol=2)
    if mode[-1] == "A":
        np.testing.assert_array_equal(stored[0, 1], 255)


@pytest.mark.parametrize("icc", [b"no profile", SRGB[:200], SRGB.replace(b"RGB XYZ ", b"CMYKLab ")])
def test_a_profile_that_does_not_fit_is_said(only, prepare, icc):
    pixels = noise(8, 8, 3)
    np.testing.assert_array_equal(only(pixels, options={"icc_profile": icc}), pixels)
    assert prepare.said == ["1 of 1 images had a colour profile that does not fit them, and were taken for sRGB"]


def test_opaque_alpha_is_no_change(only, prepare):
    pixels = noise(8, 8, 4)
    pixels[..., 3] = 255
    np.testing.assert_array_equal(only(pixels), pixels[..., :3])
    assert prepare.said == []


def linear_grey():
    """A profile of grey images in linear light: a header, a white point and a curve that is straight."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    body = SRGB[4:8] + struct.pack(">I", 0x02100000) + b"mntrGRAYXYZ " + SRGB[24:128] + tags + white + curve
    return struct.pack(">I", 4 + len(body)) + body


def test_a_grey_profile(only):
    stored = only(np.full((8, 8), 55, np.uint8), channels=1, options={"icc_profile": linear_grey()})
    np.testing.assert_allclose(stored, 128, atol=1)  # 55/255 of the light is 128/255 in sRGB
