"""An image to uint8 pixels, as a viewer shows it: upright, in sRGB, 8 bits per value, on white."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from zoo.data import depth

SCALED = "had more than 8 bits per value and were scaled to 8"
SAME_COLOUR = 2  # levels of 255; two tables of the same curve differ as much


def scaled(image: Image.Image, resolution: int, channels: int, fit: str, white: float) -> tuple[np.ndarray, list[str]]:
    """An image as uint8 `[resolution, resolution, channels]`, and the changes that its owner should hear of.

    fit: "crop" or "pad", see `zoo.data.prepare`.
    white: the value that is white, if the image has more than 8 bits per value.
    """
    image, changes = _plain(image, white)
    grey = image.mode in ("1", "L")
    if grey != (channels == 1):
        changes.append("were grey and became RGB" if grey else "were in colour and became grey")
    return _fitted(image, resolution, channels, fit), changes


def unscaled(image: Image.Image, white: float) -> tuple[np.ndarray, list[str]]:
    """An image in its own size, uint8 `[H, W, 1]` if it is grey, else `[H, W, 3]`, and its changes."""
    image, changes = _plain(image, white)
    return np.atleast_3d(np.asarray(_in_mode(image, "L" if image.mode in ("1", "L") else "RGB"))), changes


def _plain(image: Image.Image, white: float) -> tuple[Image.Image, list[str]]:
    """The image upright, in sRGB, with 8 bits per value, on white, and its changes. Grey ones have mode "1" or "L"."""
    changes, profile = [], image.info.get("icc_profile")
    if depth.is_deep_colour(image):
        depth.require_all_bits(white)
        changes.append(SCALED)
    ImageOps.exif_transpose(image, in_place=True)
    if depth.is_deep(image):
        image = depth.to_8_bits(image, white)
        changes.append(SCALED)
    grey, alpha = image.mode in ("1", "L", "LA", "La"), None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.getchannel("A").getextrema()[0] < 255 else None
        image = image.convert("RGB")
    if profile:
        try:
            image, changed = _in_srgb(image, profile, grey)
            changes += ["had a colour profile and were converted to sRGB"] if changed else []
        except (ImageCms.PyCMSError, KeyError, OSError, ValueError):
            changes.append("had a colour profile that does not fit them, and were taken for sRGB")
    if alpha is not None:
        image = image.convert("RGB")
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        changes.append("had transparency and were laid on white")
    return _in_mode(image, "L") if grey and image.mode != "1" else image, changes


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _in_srgb(image: Image.Image, profile: bytes, grey: bool) -> tuple[Image.Image, bool]:
    """The image in sRGB, and whether that changed it."""
    mode, transform = _transform(profile)
    if (mode == "L" and not grey) or (mode == "CMYK") != (image.mode == "CMYK"):
        raise ValueError("a profile of another kind of image")
    if transform is None:
        return image, False
    return ImageCms.applyTransform(_in_mode(image, mode), transform), True


@lru_cache(64)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that a profile is for, and the transform to sRGB; None where it changes nothing but by rounding."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space]
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, 0x2000  # black point compensation
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
    if mode == "CMYK":
        return mode, transform
    ramp = np.arange(256, dtype=np.uint8)
    colours = np.stack([*np.meshgrid(*[ramp[::15]] * 3)], axis=-1).reshape(1, -1, 3)
    probe = Image.fromarray(ramp[None] if mode == "L" else np.hstack([colours, np.dstack([ramp[None]] * 3)]))
    change = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int) - np.asarray(probe.convert("RGB"))
    return mode, transform if np.abs(change).max() > SAME_COLOUR else None


def _fitted(image: Image.Image, resolution: int, channels: int, fit: str) -> np.ndarray:
    image = _in_mode(image, "L" if channels == 1 else "RGB")
    # To reduce, Lanczos keeps most detail, and Pillow widens it, so nothing aliases; to enlarge, it rings.
    if fit == "crop":
        method = Image.Resampling.BICUBIC if min(image.size) < resolution else Image.Resampling.LANCZOS
        image = ImageOps.fit(image, (resolution, resolution), method)
    else:
        image.thumbnail((resolution, resolution), Image.Resampling.LANCZOS, reducing_gap=None)
        inner, image = image, Image.new(image.mode, (resolution, resolution))
        image.paste(inner, ((resolution - inner.width) // 2, (resolution - inner.height) // 2))
    return np.asarray(image).reshape(resolution, resolution, channels)
