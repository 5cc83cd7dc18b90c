"""Pictures people look at: grids of samples, their change over time, curves of a run."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from zoo.files import plotting
from zoo.files.atomic import replacing
from zoo.files.text import printable

LARGEST_DRAWN = 1e30


def grid(images: np.ndarray, columns: int | None = None, scale: int = 1) -> Image.Image:
    """Arranges uint8 images [N, H, W, C] in rows, nearly square, each enlarged `scale` times (nearest)."""
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def png(picture: Image.Image, about: dict[str, Any] | None = None) -> bytes:
    """The bytes of a PNG file; `about` becomes text in it, as in `text_chunks`."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, pnginfo=text_chunks(about or {}))
    return buffer.getvalue()


def with_text(content: bytes, about: dict[str, Any]) -> bytes:
    """A PNG file with what it says of itself, as in `text_chunks`."""
    with Image.open(io.BytesIO(content)) as picture:
        return png(picture, about)


def text_chunks(about: dict[str, Any], before: PngInfo | None = None) -> PngInfo:
    """What a picture says of itself, {"seed": 0}, for Pillow's `pnginfo=`: the PNG text "Seed" of "0"."""
    chunks = PngInfo()
    chunks.chunks += before.chunks if before else []
    for key, value in about.items():
        chunks.add_text(key.capitalize(), printable(value))
    return chunks


def gif(
    frames: list[Image.Image],
    path: Path,
    milliseconds: int = 120,
    last_milliseconds: int = 1500,
    about: dict[str, Any] | None = None,
) -> None:
    """Writes an endless animation; the last frame stays longer, and `about` becomes the comment in it."""
    durations = [milliseconds] * (len(frames) - 1) + [last_milliseconds]
    comment = "; ".join(f"{key}: {printable(value)}" for key, value in (about or {}).items())
    said = {"comment": comment.encode()} if comment else {}
    with replacing(path) as temporary:
        frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, **said)


def _drawn(value: float) -> float:
    """A value that a curve reaches, or a gap in it: Matplotlib fails on numbers near the largest that there are."""
    return value if abs(value) < LARGEST_DRAWN else math.nan


def curves(entries: list[dict[str, Any]], path: Path) -> None:
    """Draws losses, logits, accuracies, KID and recall over the images seen, once there are some."""
    panels = {
        "losses": ("d_loss", "g_loss", "penalty"),
        "logits of D": ("d_real", "d_fake"),
        "D: share told right": ("real_accuracy", "fake_accuracy"),
        "KID of the average and of the raw generator, a small sample": ("kid", "kid_raw"),
        "recall of the average, a small sample": ("recall",),
        "r_t, the mean sign of D on real images, and ADA's p": ("r_t", "ada_p"),
    }
    panels = {
        title: [name for name in names if any(name in entry for entry in entries)] for title, names in panels.items()
    }
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return
    sheet = plotting.figure(figsize=(8, 2.2 * len(panels)), layout="constrained")
    rows = np.atleast_1d(sheet.subplots(len(panels), sharex=True))
    for axes, (title, names) in zip(rows, panels.items(), strict=True):
        for name in names:
            points = [(entry["images"], _drawn(entry[name])) for entry in entries if name in entry]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1, marker="." if len(points) < 20 else None)
        axes.set_title(title, fontsize=9, loc="left")
        axes.legend(fontsize=7, frameon=False, loc="upper right")
        axes.grid(alpha=0.3)
    axes.set_xlabel("real images shown to D")
    with replacing(path) as temporary:
        sheet.savefig(temporary, dpi=100)
