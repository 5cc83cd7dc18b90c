"""Where samples go: a grid, a folder of pictures, or an .npz file. Batches stream through, whatever their number."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from zoo.files import atomic, pictures
from zoo.files.errors import ZooError

LARGEST_GRID = 4_096  # images, times the scale squared
DIGITS = 6  # in the names of the pictures of a folder; more only where they do not suffice


class Kinds(NamedTuple):
    """The classes of images: `labels` [N] are places in `classes`; `columns` of a grid, if its rows are classes."""

    labels: np.ndarray
    classes: tuple[str, ...]
    columns: int | None = None

    def name(self, index: int) -> str:
        return self.classes[self.labels[index]]

    def folder(self, index: int) -> str:
        """The folder of an image's class: its name, unless a downloaded one would lead elsewhere."""
        name, label = self.name(index), self.labels[index]
        safe = re.fullmatch(r"[^./\\:][^/\\:]{0,99}", name) and name.isprintable() and self.classes.count(name) == 1
        return name if safe else f"class-{label}"

    def rows(self) -> list[str]:
        """The classes in the order in which they come."""
        return [self.classes[label] for label in dict.fromkeys(self.labels.tolist())]


def writer(
    out: str, count: int, scale: int = 1, seeds: Sequence[int] | None = None
) -> Callable[[Iterable[np.ndarray], dict[str, Any]], None]:
    """A function that writes batches of uint8 images [N, H, W, C], `count` in all, to `out`, whole or not at all.

    Its second argument is what the images say of themselves, as in `Generator.about`: text in each picture, and arrays
    beside `images` in an .npz file. Its third, perhaps, are the classes of the images: a folder has a sub-folder for
    each, and an .npz file `labels`, both as training reads them.

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


def _write_grid(
    path: Path, scale: int, batches: Iterable[np.ndarray], about: dict[str, Any], kinds: Kinds | None = None
) -> None:
    picture = pictures.grid(np.concatenate(list(batches)), kinds and kinds.columns, scale)
    classes = {"classes": ", ".join(kinds.rows())} if kinds else {}
    with atomic.replacing(path) as temporary:
        picture.save(temporary, "PNG", pnginfo=pictures.text_chunks(about | classes))


def _write_folder(
    path: Path,
    count: int,
    seeds: Sequence[int] | None,
    batches: Iterable[np.ndarray],
    about: dict[str, Any],
    kinds: Kinds | None = None,
) -> None:
    numbers, kind = seeds or range(count), "seed" if seeds else "image"
    digits, index, said = max(DIGITS, len(str(max(numbers)))), 0, pictures.text_chunks(about)
    with atomic.new_folder(path) as folder:
        for batch in batches:
            for image in batch:
                picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                own, place = {kind: numbers[index]}, folder
                if kinds:
                    own["class"], place = kinds.name(index), folder / kinds.folder(index)
                    place.mkdir(exist_ok=True)
                prefix = "seed-" if seeds else ""
                picture.save(
                    place / f"{prefix}{numbers[index]:0{digits}d}.png", pnginfo=pictures.text_chunks(own, said)
                )
                index += 1


def _write_npz(
    path: Path, count: int, batches: Iterable[np.ndarray], about: dict[str, Any], kinds: Kinds | None = None
) -> None:
    if kinds:
        about = about | {"labels": kinds.labels, "classes": list(kinds.classes)}
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
