"""What a source is, and finding it: TFDS, a folder or zip archive of image files, an array on disk."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from zoo.data.sources.arrays import array_source
from zoo.data.sources.base import Content, Item, Source
from zoo.data.sources.files import FILE_FORMATS, archive_source, folder_source, has_images
from zoo.data.sources.tfds import tfds_source
from zoo.files.errors import ZooError

__all__ = ["FILE_FORMATS", "Content", "Item", "Source", "find", "is_images"]

SUFFIXES = (".npz", ".npy", ".zip")


def find(source: str, data_dir: str | None = None) -> Source:
    """The source that a user names, see `zoo.data.prepare`.

    Raises:
        ZooError: it does not exist, or is of no known kind.
    """
    if source.startswith("tfds:"):
        return tfds_source(source, data_dir)
    path = _path(source)
    if source and os.path.isdir(path):
        return folder_source(path)
    file = next((place for place in (path, *path.parents) if os.path.isfile(place)), None)
    if file and source:
        part = path.relative_to(file).as_posix() if file != path else ""
        kind = _kind(file)
        if kind == "zip":
            return archive_source(file, part)
        if kind == "array" and not part:
            return array_source(file)
    problem = "is of no known kind" if os.path.exists(path) else "does not exist"
    remedy = 'give "tfds:NAME", a folder or .zip archive of images, or an .npz or .npy file'
    raise ZooError(f"the data source {problem}: {remedy}. Received: {source!r}")


def is_images(source: str | os.PathLike[str]) -> bool:
    """Whether this names a file of images, or a folder with images in it."""
    path = _path(source)
    if os.path.isdir(path):
        return has_images(path)
    return any(place.suffix.lower() in SUFFIXES and not os.path.isdir(place) for place in (path, *path.parents))


def _path(source: str | os.PathLike[str]) -> Path:
    return Path(os.path.realpath(os.path.expanduser(source)))


def _kind(file: Path) -> str | None:
    """What a file is, by its content; a damaged one by its suffix, for an error that says more."""
    try:
        with file.open("rb") as content:
            if content.read(6) == b"\x93NUMPY":
                return "array"
    except OSError as error:
        raise ZooError(f"the data source cannot be read ({error.strerror}). Received: {str(file)!r}") from error
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        only_arrays = names and all(name.endswith(".npy") for name in names)
        return "array" if only_arrays or file.suffix.lower() == ".npz" else "zip"
    except Exception:  # zipfile raises nearly anything
        return {".npz": "array", ".npy": "array", ".zip": "zip"}.get(file.suffix.lower())
