"""Where samples go: a grid, a folder of pictures, or an .npz file. Batches stream through, whatever their number."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.files import atomic, pictures
from zoo.files.errors import ZooError

LARGEST_GRID = 4_096  # images, times the scale squared
DIGITS = 6  # in the names of the pictures of a folder; more only where they do not suffice


def writer(
    out: str, count: int, scale: int = 1, seeds: Sequence[int] | None = None
) -> Callable[[Iterable[np.ndarray], dict[str, Any]], None]:
    """A function that writes batches of uint8 images [N, H, W, C], `count` in all, to `out`, whole or not at all.

    Its second argument is what the images say of themselves, as in `Generator.about`: text in each picture, and arrays
    beside `images` in an .npz file.

    Args:
        out: "grid.png" for one picture, "images.npz" for an array `images`, a path without suffix or with a final
            slash for a new folder of numbered PNG files.
        seeds: of the images, if each has one: they are then the numbers in the names, "seed-000042.png".

    Raises:
        ZooError: at once, if `out` cannot be written or is none of these, a folder holds something already, or a grid
            would be too large.
    """
    path = Path(out)
    if path.suffix == ".png" and not out.endswith("/"):
        if count * scale**2 > LARGEST_GRID:
            raise ZooError(
                f"a grid holds up to {LARGEST_GRID // scale**2:,} images at scale {scale}; write to a "
                f"folder (-o images/) or an .npz file. Received: {count:,} images for {out!r}"
            )
        atomic.require_writable_file(path)
        return partial(_write_grid, path, scale)
    if path.suffix == ".npz" and not out.endswith("/"):
        atomic.require_writable_file(path)
        return partial(_write_npz, path, count)
    if out.endswith("/") or not path.suffix:
        atomic.require_new_folder(path)
        return partial(_write_folder, path, count, seeds)
    raise ZooError(f"samples go to a .png grid, an .npz file or a folder. Received: {out!r}")


def _write_grid(path: Path, scale: int, batches: Iterable[np.ndarray], about: dict[str, Any]) -> None:
    picture = pictures.grid(np.concatenate(list(batches)), scale=scale)
    with atomic.replacing(path) as temporary:
        picture.save(temporary, "PNG", pnginfo=pictures.text_chunks(about))


def _write_folder(
    path: Path, count: int, seeds: Sequence[int] | None, batches: Iterable[np.ndarray], about: dict[str, Any]
) -> None:
    numbers, kind = seeds or range(count), "seed" if seeds else "image"
    digits, index, said = max(DIGITS, len(str(max(numbers)))), 0, pictures.text_chunks(about)
    with atomic.new_folder(path) as folder:
        for batch in batches:
            for image in batch:
                picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                own = pictures.text_chunks({kind: numbers[index]}, said)
                prefix = "seed-" if seeds else ""
                picture.save(folder / f"{prefix}{numbers[index]:0{digits}d}.png", pnginfo=own)
                index += 1


def _write_npz(path: Path, count: int, batches: Iterable[np.ndarray], about: dict[str, Any]) -> None:
    with atomic.replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:
            for index, batch in enumerate(batches):
                if index == 0:
                    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *batch.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(batch).tobytes())
        for key, value in about.items():
            with archive.open(f"{key}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
