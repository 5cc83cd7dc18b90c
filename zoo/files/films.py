"""Films: frames to a looping .gif or .webp, or to an .mp4 (H.264, which every browser and telephone plays)."""

from __future__ import annotations

import contextlib
import html
import subprocess
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.files import atomic
from zoo.files.errors import ZooError
from zoo.files.text import printable

FORMATS = (".gif", ".webp", ".mp4")
FRAMES_PER_SECOND = 30
CRF = 18  # constant rate factor of x264: 0 is lossless, 23 its default; at 18 the difference is hard to see


def require(path: str | Path) -> None:
    """Raises ZooError if no film can be written there, before any work is done for it."""
    if Path(path).suffix not in FORMATS:
        raise ZooError(f"films are written as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}. Received: {str(path)!r}")
    if Path(path).suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise ZooError(
            f"an .mp4 film needs imageio-ffmpeg: pip install 'keras-ganzoo[film]', or write .webp or .gif. "
            f"Received: {str(path)!r}"
        )
    atomic.require_writable_file(Path(path))


def write(
    frames: Iterable[Image.Image], path: str | Path, fps: float = FRAMES_PER_SECOND, about: dict[str, Any] | None = None
) -> None:
    """Writes a film, whole or not at all.

    Args:
        frames: at least one, all of one size and mode; read one at a time, but for .webp.
        path: its suffix chooses the format. A .gif counts time in 1/100 s.
        fps: frames per second.
        about: what the film says of itself, as a comment in it.

    Raises:
        ZooError: as `require`.
    """
    require(path)
    frames = iter(frames)
    first = next(frames)
    comment = "; ".join(f"{key}: {printable(value)}" for key, value in (about or {}).items())
    with atomic.replacing(Path(path)) as temporary:
        if Path(path).suffix == ".mp4":
            _mp4(chain([first], frames), first, temporary, fps, comment)
            return
        options = {"save_all": True, "append_images": frames, "duration": max(1, round(1000 / fps)), "loop": 0}
        if Path(path).suffix == ".gif":
            options["duration"] = max(20, 10 * round(100 / fps))  # ms; browsers slow down what is faster
            first.save(temporary, "GIF", comment=comment.encode(), **options)
        else:
            first.save(temporary, "WEBP", quality=90, method=4, xmp=_xmp(comment), **options)


def _mp4(frames: Iterable[Image.Image], first: Image.Image, path: Path, fps: float, comment: str) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    pixels, size = "gray" if first.mode == "L" else "rgb24", f"{first.width}x{first.height}"
    command = [get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    command += ["-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-r", str(fps), "-i", "-"]
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(CRF)]
    command += ["-movflags", "+faststart", "-metadata", f"comment={comment}", str(path)]
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as encoder:
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended early, and `said` has the reason
                for frame in frames:
                    encoder.stdin.write(frame.tobytes())
                encoder.stdin.close()
        except BaseException:
            encoder.kill()
            raise
        if encoder.wait():
            said.seek(0)
            reason = printable(said.read().decode("utf-8", "replace").strip(), 300)
            raise ZooError(f"the encoder of .mp4 films failed: {reason}. Received: {str(path)!r}")


def _xmp(comment: str) -> bytes:
    """The comment as XMP, the metadata that a .webp can hold."""
    text = html.escape(comment, quote=False)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{text}</rdf:li>'
        "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
