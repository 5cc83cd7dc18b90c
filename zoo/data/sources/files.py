"""Image files in a folder or in a zip archive. What is an image, its content says; its name need not."""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from zoo.data.sources.base import Content, Item, Source
from zoo.data.sources.classes import TABLE, by_folders, by_table, some
from zoo.files.errors import ZooError
from zoo.files.text import printable

logger = logging.getLogger("ganzoo")

# Raster formats that Pillow decodes itself: EPS, for one, would start Ghostscript on the user's files.
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
RAW_SUFFIXES = {".arw", ".cr2", ".dng", ".nef", ".nrw", ".orf", ".pef", ".rw2", ".srw"}  # TIFF with a small preview
MOST_BYTES = 300_000_000  # of one file in an archive

NO_IMAGE = "not an image of a known format"
RAW_FILE = "a camera's raw file: develop it first"
NO_FILE = "a link to a folder, a broken link or a folder that cannot be listed"


def folder_source(root: Path) -> Source:
    """All images below a folder. Links to folders are not followed, and hidden files and folders not read."""
    files = _folder(root)
    read = files.images + ([TABLE] if files.has_table else [])
    identity = [
        (name, stat.st_size, stat.st_mtime_ns) for name, stat in ((name, (root / name).stat()) for name in read)
    ]

    @contextmanager
    def opened() -> Iterator[Content]:
        yield _content(str(root), files)

    empty = [files.empty] if files.empty else []
    return Source(root.name, ["folder", 2, str(root), identity, *empty], opened)


def has_images(root: Path) -> bool:
    """Whether there is an image somewhere below the folder."""
    return bool(_folder(root).images)


def archive_source(path: Path, part: str = "") -> Source:
    """All images in a zip archive, or in one of its folders; "" for the whole."""

    @contextmanager
    def opened() -> Iterator[Content]:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises nearly anything
            raise ZooError(f"the zip archive is damaged: {printable(str(error))}. Received: {str(path)!r}") from error
        with archive:
            yield _content(os.path.join(path, part), _archive(archive, f"{part}/" if part else ""))

    stat = path.stat()
    name = f"{path.stem}-{part}" if part else path.stem
    return Source(name, ["zip", str(path), part, stat.st_size, stat.st_mtime_ns], opened)


Opener = Callable[[str], str | io.BytesIO]  # from a name to a path, or to the content itself


class _Files(NamedTuple):
    """What is in a folder or archive: names are relative, with "/", and in order."""

    images: list[str]
    left_out: dict[str, str]  # name: why it is no image
    hidden: list[str]
    empty: list[str]  # folders without an image in them or below
    place: Opener

    @property
    def has_table(self) -> bool:
        return self.left_out.get(TABLE) == NO_IMAGE


def _folder(root: Path) -> _Files:
    names, folders, unlisted = [], [], []

    def relative(path: str) -> str:
        return os.path.relpath(path, root).replace(os.sep, "/")

    def problem(name: str) -> str | None:
        return None if os.path.isfile(os.path.join(root, name)) else NO_FILE

    for folder, subfolders, files in os.walk(root, onerror=unlisted.append):
        prefix = "" if folder == str(root) else relative(folder) + "/"
        not_read = [name for name in subfolders if name.startswith(".") or os.path.islink(os.path.join(folder, name))]
        subfolders[:] = [name for name in subfolders if name not in not_read]
        names += [prefix + name for name in (*files, *not_read)]
        folders += [prefix + name for name in subfolders]
    names += [root.name if error.filename == str(root) else relative(error.filename) for error in unlisted]
    return _sorted_out(names, folders, problem, lambda name: os.path.join(root, name))


def _archive(archive: zipfile.ZipFile, prefix: str) -> _Files:
    sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    names = [name.removeprefix(prefix) for name in sizes if name.startswith(prefix)]
    inside = [name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)]
    folders = {name.rpartition("/")[0] for name in inside}

    def problem(name: str) -> str | None:
        return f"it unpacks to more than {MOST_BYTES:,} bytes" if sizes[prefix + name] > MOST_BYTES else None

    return _sorted_out(names, folders, problem, lambda name: io.BytesIO(archive.read(prefix + name)))


def _sorted_out(
    names: Iterable[str], folders: Iterable[str], problem: Callable[[str], str | None], place: Opener
) -> _Files:
    images, left_out, hidden = [], {}, []
    for name in sorted(names, key=lambda name: name.split("/")):
        if _is_hidden(name):
            hidden.append(name)
        elif reason := problem(name) or _why_no_image(name, place):
            left_out[name] = reason
        else:
            images.append(name)
    parents = {name.rpartition("/")[0] + "/" for name in images}
    used = {name[:end] for name in parents for end, letter in enumerate(name) if letter == "/"}
    empty = sorted(name for name in {*folders} - used - {""} if not _is_hidden(name))
    return _Files(images, left_out, hidden, empty, place)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _why_no_image(name: str, place: Opener) -> str | None:
    """Why a file is not taken for an image; None if it is one, by its suffix or else by its content."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in RAW_SUFFIXES:
        return RAW_FILE
    if suffix in _suffixes():
        return None
    try:
        file = _opened(place(name))
        header = file.read(16)
    except Exception as error:  # zipfile raises nearly anything
        return f"it cannot be read ({type(error).__name__}: {error})"
    with file:
        if not any(accept is None or accept(header) for accept in _accepts()):
            return NO_IMAGE
        file.seek(0)
        try:
            Image.open(file, formats=_formats())
        except Exception:  # on damaged files Pillow's decoders raise nearly anything
            return NO_IMAGE
    return None


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in FILE_FORMATS if name in Image.OPEN]


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FILE_FORMATS)


@cache
def _accepts() -> list[Callable[[bytes], bool | str] | None]:
    return [Image.OPEN[name][1] for name in _formats()]


def _content(root: str, files: _Files) -> Content:
    if files.hidden:
        logger.info(f"{len(files.hidden)} hidden files and folders were not read: {some(files.hidden)}")
    left_out, labelled = files.left_out, None
    if files.has_table:
        labelled = by_table(_bytes(files, root, TABLE), os.path.join(root, TABLE), files.images)
    if labelled is None:
        labelled = by_folders(root, files.images, files.empty)
    else:
        left_out = {name: reason for name, reason in left_out.items() if name != TABLE}

    def items() -> Iterator[Item]:
        for name in files.images:
            yield Item(name, partial(_open_listed, files, name), labelled.labels.get(name))

    return Content(len(files.images), items, labelled.classes, left_out, labelled.warnings)


def _open_listed(files: _Files, name: str) -> Image.Image:
    return open_image(files.place(name))


def open_image(place: str | io.BytesIO) -> Image.Image:
    """A raster image of one of FILE_FORMATS, not decoded yet."""
    return Image.open(place, formats=_formats())


def _bytes(files: _Files, root: str, name: str) -> bytes:
    try:
        with _opened(files.place(name)) as file:
            return file.read()
    except Exception as error:  # zipfile raises nearly anything
        reason = printable(str(error))
        raise ZooError(f"a file cannot be read ({reason}). Received: {name!r} in {root!r}") from error


def _opened(place: str | io.BytesIO) -> BinaryIO:
    return open(place, "rb") if isinstance(place, str) else place
