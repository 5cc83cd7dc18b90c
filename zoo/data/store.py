"""The prepared store of a data set on disk.

A store is a folder: `images.bin` (uint8 `[N + M, H, W, C]`, N images to train on, then M held-out ones),
`labels.npy` if the source has labels, and `store.json`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree

import msgspec
import numpy as np

from zoo.data import sources
from zoo.data.reading import Summary, read_scaled, require_more_than_0_and_1
from zoo.data.sources import Content, Source
from zoo.files.atomic import PARTIAL, replacing_folder
from zoo.files.cache import cache
from zoo.files.errors import ZooError
from zoo.files.progress import progress
from zoo.files.text import parse_json, printable

logger = logging.getLogger("ganzoo")

FORMAT_VERSION = 1
MOST_CLASSES = 2**16  # without names; larger labels are taken for numbers of something else


@dataclass(frozen=True, eq=False)
class Store:
    """A prepared data set; its arrays are memory-mapped and read-only."""

    path: Path
    source: str
    images: np.ndarray  # uint8 [N, H, W, C], to train on
    heldout: np.ndarray  # uint8 [M, H, W, C], never trained on
    labels: np.ndarray | None  # int64 [N]
    heldout_labels: np.ndarray | None  # int64 [M]
    classes: tuple[str, ...]  # classes[label] is the name; empty where names are not known
    fingerprint: str  # SHA-256 (hex) of the shapes of images and heldout, as JSON, and of their bytes
    skipped: tuple[tuple[str, str], ...]  # (relative path, reason) of everything that was left out

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """A name for each label, its number where names are not known; none without labels that count classes."""
        if self.labels is None:
            return ()
        both = np.concatenate([self.labels, self.heldout_labels])
        if not 0 <= both.min() <= both.max() < (len(self.classes) or MOST_CLASSES):
            return ()
        return self.classes or tuple(map(str, range(int(self.labels.max()) + 1)))


class _Record(msgspec.Struct, omit_defaults=True):
    """The contents of store.json."""

    version: int
    resolution: int
    channels: int
    fit: str
    source: str
    classes: list[str]
    images: int
    heldout: int
    labels: bool
    fingerprint: str
    changes: dict[str, int]
    skipped: list[tuple[str, str]]
    white: int = 0
    warnings: list[str] = []  # of the labels, said at each opening; older stores have none
    labels_sha256: str | None = None  # of the names of the classes, as JSON, and of labels.npy; older stores have none


def prepare(
    source: str | os.PathLike[str],
    *,
    resolution: int,
    channels: int,
    fit: str = "crop",
    white: int = 0,
    data_dir: str | None = None,
    cache_dir: Path | None = None,
) -> Store:
    """Decodes `source` into an image store, or opens the store at once if it was prepared before.

    Of a folder or archive all images are read, whatever their suffix; links to folders are not followed, and hidden
    files and folders not read. Its sub-folders are classes if there are two or more and no image lies outside them;
    `dataset.json` as the StyleGAN tools write it says otherwise. Folders named train, val or test are no classes; give
    "FOLDER/train" (or "FILE.zip/train") to read one alone. Images are stored as viewers show them: upright, in sRGB,
    with alpha composited on white. Of several frames the first is read. What is left out is said, and why.

    Held out is the TFDS test split, else 2 % of the images (1 to 1,000; none of fewer than 50), but not all images of a
    class. A store appears under its name when it is complete: a killed preparation leaves none, and several processes
    may prepare one source at once. A source whose content changed is prepared anew. At each opening the digest of the
    store is compared. Without TensorFlow and TFDS, a store of a TFDS source that was copied into `cache_dir` is opened.

    Args:
        source: `"tfds:NAME[/CONFIG][/SPLIT]"` (split "train" unless given; downloaded if missing), a folder or a `.zip`
            archive of image files, an `.npz` with uint8 `images` (or `x_train`, `x`, `arr_0`), `[N, H, W]` or
            `[N, H, W, 1|3|4]`, and perhaps integer `labels` (or `y_train`, `y`, `arr_1`), or an `.npy`.
        resolution: height and width of the stored images, in pixels.
        channels: 1 (grey) or 3 (RGB).
        fit: "crop" scales the shorter side to `resolution` and takes the centre; "pad" scales down what is larger
            than `resolution`, enlarges nothing, and centres on zeros (28 -> 32).
        white: the value that is white in images of more than 8 bits per value, 4095 for instance; by default 0, which
            takes the least of 255, 1023, 4095, 16383 and 65535 (or 1, for floats) that no image exceeds.
        data_dir: where TFDS keeps its data sets.
        cache_dir: where the stores are; by default `$GANZOO_CACHE/data`, or `~/.cache/ganzoo/data`.

    Raises:
        ZooError: a bad argument, a source that does not exist, holds no readable image, or can be read in two ways,
            or a damaged store.

    Example:
        >>> store = prepare("photos", resolution=64, channels=3)
        >>> store.images.shape, store.heldout.shape
        ((980, 64, 64, 3), (20, 64, 64, 3))
    """
    source = os.fspath(source)
    if resolution < 1 or channels not in (1, 3) or fit not in ("crop", "pad") or white < 0:
        raise ZooError(
            'resolution must be at least 1, channels 1 or 3, fit "crop" or "pad", and white at least 0. '
            f"Received: resolution={resolution}, channels={channels}, fit={fit!r}, white={white}"
        )
    settings = {"version": FORMAT_VERSION, "resolution": resolution, "channels": channels, "fit": fit, "white": white}
    stores = Path(os.path.expanduser(cache_dir)) if cache_dir else cache("data")
    if source.startswith("tfds:") and not (find_spec("tensorflow_datasets") and find_spec("tensorflow")):
        path = _copied(stores, source, settings)
        _verify(path)
        return _open(path, source)
    found = sources.find(source, data_dir)
    path = stores / _name(found, settings)
    if path.exists():
        _verify(path)
    else:
        with found.open() as content:
            try:
                with replacing_folder(path) as folder:
                    _remove_stale(stores)
                    _write(folder, source, content, settings)
            except OSError as error:
                if path.exists():  # another process was faster, and its store is the same
                    return _open(path, source)
                raise ZooError(
                    f"the image store cannot be written ({error}): set GANZOO_CACHE to a folder with room. "
                    f"Received: {str(stores)!r}"
                ) from error
    return _open(path, source)


def _name(found: Source, settings: dict[str, int | str]) -> str:
    """The name of the store of a source. A white of 0 does not count: older stores know no other."""
    settings = {name: value for name, value in settings.items() if name != "white" or value}
    key = hashlib.sha256(json.dumps([settings, found.identity]).encode()).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", found.name)[:40]
    return f"{name}-{settings['resolution']}x{settings['channels']}-{key}"


def _write(folder: Path, source: str, content: Content, settings: dict[str, int | str]) -> None:
    """Makes the store `folder` of items, of which those held out, if any, come last."""
    size, channels, fit = settings["resolution"], settings["channels"], settings["fit"]
    labels, m, summary = [], 0, Summary(content, source)
    with progress(content.count, "preparing") as advance, (folder / "images.bin").open("wb") as file:
        for reading in read_scaled(content, size, channels, fit, settings["white"]):
            advance(1)
            summary.add(reading)
            if reading.pixels is not None:
                file.write(reading.pixels)
                labels.append(reading.item.label)
                m += reading.item.heldout
    summary.count -= m if m == len(labels) else 0  # none to train on
    summary.say()

    images = np.memmap(folder / "images.bin", np.uint8, "r+", shape=(len(labels), size, size, channels))
    require_more_than_0_and_1(images, source)
    labels = None if None in labels else np.array(labels, np.int64)
    if not m:
        m = _move_heldout_to_end([images] if labels is None else [images, labels])
        if labels is not None:
            _keep_each_class_in_training(images, labels, len(labels) - m)
    images.flush()
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    record = _Record(
        **settings,
        source=source,
        classes=content.classes,
        images=len(images) - m,
        heldout=m,
        labels=labels is not None,
        fingerprint="",
        changes=dict(summary.changes),
        skipped=summary.left_out,
        warnings=list(content.warnings),
    )
    record.fingerprint = _fingerprint(folder, record)
    record.labels_sha256 = _labels_sha256(folder, record)
    (folder / "store.json").write_text(json.dumps(msgspec.to_builtins(record), indent=1), encoding="utf-8")


def _move_heldout_to_end(arrays: list[np.ndarray]) -> int:
    """Swaps random rows (Fisher-Yates, fixed seed) to the end of all `arrays`, in place; returns how many."""
    count = len(arrays[0])
    heldout = min(max(round(0.02 * count), 1), 1000) if count >= 50 else 0
    rng = np.random.default_rng(0)
    for last in range(count - 1, count - 1 - heldout, -1):
        chosen = rng.integers(last + 1)
        for array in arrays:
            array[[chosen, last]] = array[[last, chosen]]
    return heldout


def _keep_each_class_in_training(images: np.ndarray, labels: np.ndarray, train: int) -> None:
    """Where the held-out rows, from `train` on, have all images of a class: exchanges one, in place.

    What is held out instead is an image of the class that has most. A split that leaves no class out stays as it is.
    """
    held, first = np.unique(labels[train:], return_index=True)
    names, counts = np.unique(labels[:train], return_counts=True)
    for lost in train + first[~np.isin(held, names)]:
        largest = counts.argmax()
        if counts[largest] == 1:  # each image is a class of its own
            return
        given = np.flatnonzero(labels[:train] == names[largest])[-1]
        for array in (images, labels):
            array[[given, lost]] = array[[lost, given]]
        counts[largest] -= 1


def _remove_stale(stores: Path) -> None:
    """Removes what killed preparations left: partial stores to which nothing was written for a day."""
    for file in stores.glob(f"{PARTIAL}*/*/images.bin"):
        with suppress(FileNotFoundError):  # another process removed it first
            if time.time() - file.stat().st_mtime > 24 * 3600:
                rmtree(file.parents[1], ignore_errors=True)


# --- opening -------------------------------------------------------------------------------------------------


def _verify(path: Path) -> None:
    """Raises ZooError if a store is not as it was written, to the bit. This reads all of it."""
    record = _record(path)
    try:
        images = _fingerprint(path, record) == record.fingerprint
        labels = record.labels_sha256 in (None, _labels_sha256(path, record))
    except OSError as error:
        raise _damaged(path, error) from error
    if not images:
        raise _damaged(path, "images.bin is not as it was written")
    if not labels:
        raise _damaged(path, "labels.npy or the classes in store.json are not as they were written")


def _open(path: Path, source: str) -> Store:
    """Opens a store, and says once more what is to be known of its labels."""
    record = _record(path)
    try:
        shape = (record.images + record.heldout, record.resolution, record.resolution, record.channels)
        if (path / "images.bin").stat().st_size != math.prod(shape):
            raise ValueError(f"images.bin is not of the size of {shape} images")
        images = np.memmap(path / "images.bin", np.uint8, "r", shape=shape)
        labels = np.load(path / "labels.npy", mmap_mode="r", allow_pickle=False) if record.labels else None
        if labels is not None and labels.shape != shape[:1]:
            raise ValueError(f"labels.npy has the shape {labels.shape}")
    except Exception as error:  # NumPy raises nearly anything
        raise _damaged(path, error) from error
    for line in record.warnings:
        logger.warning(line)
    n = record.images
    labels = (None, None) if labels is None else (labels[:n], labels[n:])
    return Store(
        path,
        source,
        images[:n],
        images[n:],
        *labels,
        tuple(record.classes),
        record.fingerprint,
        tuple(map(tuple, record.skipped)),
    )


def _record(path: Path) -> _Record:
    try:
        # Python's json reads the undecodable bytes of file names, which msgspec.json refuses
        return msgspec.convert(parse_json((path / "store.json").read_text(encoding="utf-8")), _Record)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path / "store.json", error) from error


def _damaged(path: Path, error: Exception | str) -> ZooError:
    return ZooError(f"damaged image store: {printable(str(error))}. Delete it. Received: {str(path)!r}")


def _fingerprint(folder: Path, record: _Record) -> str:
    shape = (record.resolution, record.resolution, record.channels)
    digest = hashlib.sha256(json.dumps([[record.images, *shape], [record.heldout, *shape]]).encode())
    with (folder / "images.bin").open("rb") as file:
        return hashlib.file_digest(file, lambda: digest).hexdigest()


def _labels_sha256(folder: Path, record: _Record) -> str:
    digest = hashlib.sha256(json.dumps(record.classes).encode())
    if record.labels:
        digest.update((folder / "labels.npy").read_bytes())
    return digest.hexdigest()


def _copied(stores: Path, source: str, settings: dict[str, int | str]) -> Path:
    """The newest store that was made of a source with these settings, on a machine that could."""
    files = sorted(stores.glob("*/store.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        with suppress(ZooError):
            record = _record(file.parent)
            if record.source == source and all(getattr(record, name) == value for name, value in settings.items()):
                return file.parent
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items() if name != "version")
    raise ZooError(
        "reading TFDS needs tensorflow and tensorflow-datasets: pip install them, or where they are run "
        f"zoo.data.prepare({source!r}, {arguments}) and copy the folder that it makes into {str(stores)!r}. "
        f"Received: {source!r}"
    )
