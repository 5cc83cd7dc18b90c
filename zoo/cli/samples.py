"""Where samples go: a grid, a folder of pictures, or an .npz file. Batches stream through, whatever their number."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.files import atomic, pictures
from zoo.files.errors import ZooError

LARGEST_GRID = 4_096  # images, times the scale squared


def writer(out: str, count: int, scale: int = 1) -> Callable[[Iterable[np.ndarray]], None]:
    """A function that writes batches of uint8 images [N, H, W, C], `count` in all, to `out`.

    Args:
        out: "grid.png" for one picture, "images.npz" for an array `images`, a path without suffix or with a final
            slash for a folder of numbered PNG files.

    Raises:
        ZooError: at once, if `out` cannot be written or is none of these, or a grid would be too large.
    """
    path = Path(out)
    if path.suffix == ".png" and not out.endswith("/"):
        if count * scale**2 > LARGEST_GRID:
            raise ZooError(
                f"a grid holds up to {LARGEST_GRID // scale**2:,} images at scale {scale}; write to a "
                f"folder (-o images/) or an .npz file. Received: {count:,} images for {out!r}"
            )
        write = _write_grid
    elif path.suffix == ".npz" and not out.endswith("/"):
        write = _write_npz
    elif out.endswith("/") or not path.suffix:
        write = _write_folder
        if path.exists() and not path.is_dir():
            raise ZooError(f"the folder for the images exists and is a file. Received: {out!r}")
        path = path / "0.png"  # whether one can write inside
    else:
        raise ZooError(f"samples go to a .png grid, an .npz file or a folder. Received: {out!r}")
    atomic.require_writable_file(path)
    return lambda batches: write(Path(out), batches, count, scale)


def _write_grid(path: Path, batches: Iterable[np.ndarray], count: int, scale: int) -> None:
    picture = pictures.grid(np.concatenate(list(batches)), scale=scale)
    with atomic.replacing(path) as temporary:
        picture.save(temporary, "PNG")


def _write_folder(path: Path, batches: Iterable[np.ndarray], count: int, scale: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    index = 0
    for batch in batches:
        for image in batch:
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            picture.save(path / f"{index:0{len(str(count - 1))}d}.png")
            index += 1


def _write_npz(path: Path, batches: Iterable[np.ndarray], count: int, scale: int) -> None:
    with (
        atomic.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as file,
    ):
        for index, batch in enumerate(batches):
            if index == 0:
                header = {"descr": "|u1", "fortran_order": False, "shape": (count, *batch.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(batch).tobytes())
