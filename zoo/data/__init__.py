"""Image sources (TFDS, folder, npz) -> image store -> batches that are pure functions of (seed, step).

A store is a folder: `images.bin` (uint8 `[N + M, H, W, C]`, N images to train on, then M held-out ones),
`labels.npy` if the source has labels, and `store.json`.
"""

import hashlib
import json
import logging
import os
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

FORMAT_VERSION = 1
# Raster formats that Pillow decodes itself: EPS, for one, would start Ghostscript on the user's files.
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")


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
    skipped: tuple[tuple[str, str], ...]  # (relative path, reason) of everything that could not be read


class Batches:
    """The real images of every training step: `batches[step]` is uint8 `[batch_size, d_steps, H, W, C]`.

    The samples are the endless concatenation of epochs, each a permutation of `images` that depends on
    (seed, epoch) only. A step takes the next `d_steps * batch_size`, its j-th D update the j-th `batch_size`.
    """

    def __init__(self, images: np.ndarray, *, seed: int, batch_size: int, d_steps: int = 1):
        if min(len(images), batch_size, d_steps) < 1 or seed < 0:
            raise ZooError(
                "there must be an image, seed must be at least 0, batch_size and d_steps at least 1. "
                f"Received: {len(images)} images, seed={seed}, batch_size={batch_size}, d_steps={d_steps}"
            )
        self.images = np.asarray(images)  # a plain view: indexing np.memmap itself is slower
        self.batch_size, self.d_steps = batch_size, d_steps
        self._epoch = lru_cache(2)(lambda e: np.random.default_rng((seed, e)).permutation(len(images)))

    def indices(self, step: int) -> np.ndarray:
        """Which images `step` (from 0) takes: int64 `[batch_size, d_steps]`."""
        if step < 0:
            raise ZooError(f"step must be at least 0. Received: step={step}")
        size, count = len(self.images), self.d_steps * self.batch_size
        start, stop = int(step) * count, (int(step) + 1) * count
        epochs = range(start // size, (stop - 1) // size + 1)
        samples = [self._epoch(e)[max(start - e * size, 0) : stop - e * size] for e in epochs]
        return np.concatenate(samples).reshape(self.d_steps, self.batch_size).T

    def __getitem__(self, step: int) -> np.ndarray:
        return self.images[self.indices(step)]


def prepare(
    source: str,
    *,
    resolution: int,
    channels: int,
    fit: str = "crop",
    data_dir: str | None = None,
    cache_dir: Path | None = None,
) -> Store:
    """Decodes `source` into an image store, or opens the store at once if it was prepared before.

    source: `"tfds:NAME[/CONFIG][/SPLIT]"` (split "train" unless given; downloaded if missing), a folder (all
        images below it; its sub-folders are classes if there are two or more and no image lies outside them;
        links to folders are not followed), or an `.npz` with uint8 `images` (or `x_train`, `x`), `[N, H, W]`
        or `[N, H, W, 1|3|4]`, and perhaps integer `labels` (or `y_train`, `y`).
    resolution: height and width of the stored images, in pixels.
    channels: 1 (grey) or 3 (RGB). Alpha is composited on white, 16-bit images are scaled to 8 bits.
    fit: "crop" scales the shorter side to `resolution` and takes the centre; "pad" scales down what is larger
        than `resolution`, enlarges nothing, and centres on zeros (28 -> 32).
    data_dir: where TFDS keeps its data sets.
    cache_dir: where the stores are; by default `$GANZOO_CACHE/data`, or `~/.cache/ganzoo/data`.

    Held out is the TFDS test split, else 2 % of the images (1 to 1,000; none of fewer than 50). A store
    appears under its name when it is complete: a killed preparation leaves none, and several processes may
    prepare one source at once. A source whose content changed is prepared anew. Without TensorFlow and TFDS, a
    store of a TFDS source that was copied into `cache_dir` is opened. Raises ValueError for a bad argument and
    for a source that does not exist or holds no readable image.
    """
    if resolution < 1 or channels not in (1, 3) or fit not in ("crop", "pad"):
        raise ZooError(
            'resolution must be at least 1, channels 1 or 3, and fit "crop" or "pad". '
            f"Received: resolution={resolution}, channels={channels}, fit={fit!r}"
        )
    info = {"version": FORMAT_VERSION, "resolution": resolution, "channels": channels, "fit": fit}
    cache = Path(cache_dir or Path(os.environ.get("GANZOO_CACHE") or "~/.cache/ganzoo") / "data").expanduser()
    if str(source).startswith("tfds:") and not (find_spec("tensorflow_datasets") and find_spec("tensorflow")):
        return _open(_copied(cache, info | {"source": str(source)}), str(source))
    found = _find(str(source), data_dir)
    key = hashlib.sha256(json.dumps([info, found.identity]).encode()).hexdigest()[:16]
    path = cache / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', found.name)[:40]}-{resolution}x{channels}-{key}"
    if not path.exists():
        count, items = found.read()
        info |= {"source": str(source), "classes": found.classes}
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _remove_stale(cache)
            with TemporaryDirectory(prefix=".partial-", dir=cache, ignore_cleanup_errors=True) as temporary:
                store = Path(temporary, "store")
                _write(store, info, count, items)
                store.rename(path)
        except OSError as error:
            if not path.exists():  # else another process was faster, and its store is the same
                raise ZooError(
                    f"the image store cannot be written ({error}): set GANZOO_CACHE to a folder with room. "
                    f"Received: {str(cache)!r}"
                ) from error
    return _open(path, str(source))


def _copied(cache: Path, info: dict) -> Path:
    """The newest store in `cache` that was made with these values, on a machine that could."""
    stores = sorted(cache.glob("*/store.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in stores:
        with suppress(ValueError):
            if info.items() <= json.loads(file.read_text()).items():
                return file.parent
    raise ZooError(
        "reading TFDS needs tensorflow and tensorflow-datasets: pip install them, or where they are run "
        f"zoo.data.prepare({info['source']!r}, resolution={info['resolution']}, channels={info['channels']}, "
        f"fit={info['fit']!r}) and copy the folder that it makes into {str(cache)!r}. Received: {info['source']!r}"
    )


def _open(path: Path, source: str) -> Store:
    try:
        info = json.loads((path / "store.json").read_text())
        n, shape = info["images"], (info["resolution"], info["resolution"], info["channels"])
        images = np.memmap(path / "images.bin", np.uint8, "r", shape=(n + info["heldout"], *shape))
        labels = np.load(path / "labels.npy", mmap_mode="r") if info["labels"] else None
    except (OSError, ValueError, KeyError) as error:
        raise ZooError(f"damaged image store: {error}. Delete it. Received: {str(path)!r}") from error
    labels = (None, None) if labels is None else (labels[:n], labels[n:])
    classes, skipped = tuple(info["classes"]), tuple(map(tuple, info["skipped"]))
    return Store(path, source, images[:n], images[n:], *labels, classes, info["fingerprint"], skipped)


def _write(folder: Path, info: dict, count: int, items: Iterable["_Item"]) -> None:
    """Makes the store `folder` of `items`, of which those held out, if any, come last."""
    shape = (info["resolution"], info["resolution"], info["channels"])
    labels, skipped, changes, m = [], [], Counter(), 0
    folder.mkdir()
    bar = tqdm(total=count, desc="preparing", unit="image", disable=None)
    with bar, (folder / "images.bin").open("wb") as file:
        for item, pixels, notes in _convert(items, info["resolution"], info["channels"], info["fit"]):
            bar.update()
            if pixels is None:
                skipped.append((item.name, notes))
            else:
                file.write(pixels)
                labels.append(item.label)
                changes.update(notes)
                m += item.heldout
        file.flush()
        os.fsync(file.fileno())
    if len(labels) == m:
        example = "".join(f" ({name}: {reason})" for name, reason in skipped[:1])
        raise ZooError(f"the data source holds no readable image{example}. Received: {info['source']!r}")

    images = np.memmap(folder / "images.bin", np.uint8, "r+", shape=(len(labels), *shape))
    labels = None if None in labels else np.array(labels, np.int64)
    m = m or _move_heldout_to_end([images] if labels is None else [images, labels])
    n = len(images) - m
    images.flush()
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    digest = hashlib.sha256(json.dumps([[n, *shape], [m, *shape]]).encode())
    with (folder / "images.bin").open("rb") as file:
        fingerprint = hashlib.file_digest(file, lambda: digest).hexdigest()
    info = info | {"images": n, "heldout": m, "labels": labels is not None, "fingerprint": fingerprint}
    (folder / "store.json").write_text(json.dumps(info | {"changes": changes, "skipped": skipped}, indent=1))

    if changes:
        logger.info("; ".join(f"{count} of {n + m} images {change}" for change, count in changes.items()))
    if skipped:
        shown = ", ".join(f"{name} ({reason})" for name, reason in skipped[:10])
        rest = f" and {len(skipped) - 10} more, listed in the store's store.json" if len(skipped) > 10 else ""
        message = f"{len(skipped)} of {count} could not be read and were skipped: {shown}{rest}"
        logger.warning(message.encode("utf-8", "replace").decode())  # file names may hold undecodable bytes


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


def _remove_stale(cache: Path) -> None:
    """Removes what killed preparations left: partial stores to which nothing was written for a day."""
    for file in cache.glob(".partial-*/store/images.bin"):
        with suppress(FileNotFoundError):  # another process removed it first
            if time.time() - file.stat().st_mtime > 24 * 3600:
                rmtree(file.parents[1], ignore_errors=True)


class _Item(NamedTuple):
    name: str
    load: Callable[[], Image.Image]
    label: int | None
    heldout: bool = False


class _Found(NamedTuple):
    """A source that exists: `identity` (JSON) changes with its content, `read` counts and loads the items."""

    name: str
    identity: list
    classes: list[str]
    read: Callable[[], tuple[int, Iterable[_Item]]]


def _convert(items: Iterable[_Item], resolution: int, channels: int, fit: str) -> Iterator[tuple]:
    """Yields (item, pixels, changes) in order, and (item, None, reason) for an unreadable image."""

    def convert(item):
        try:
            with item.load() as image:
                return item, *_to_pixels(image, resolution, channels, fit)
        except Exception as error:  # on damaged files Pillow's decoders raise nearly anything
            return item, None, " ".join(f"{type(error).__name__}: {error}".split())

    items = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        while chunk := list(islice(items, 64)):
            yield from pool.map(convert, chunk)


def _to_pixels(image: Image.Image, resolution: int, channels: int, fit: str) -> tuple[np.ndarray, list[str]]:
    """An image as uint8 `[resolution, resolution, channels]`, and the changes its owner should hear of."""
    changes = []
    image.draft(None, (4 * resolution, 4 * resolution))  # a large photograph decodes ten times faster
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # 16-bit grey is I;16 or I; convert("L") would clip it
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ZooError("only 8-bit and 16-bit images have a known range")
        image = Image.fromarray((values >> 8).astype(np.uint8))  # as Pillow does for 16-bit RGB
        changes.append("had 16 bits per pixel and were scaled to 8")
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        changes.append("had transparency and were laid on white")
    if grey != (channels == 1):
        changes.append("were grey and became RGB" if grey else "were in colour and became grey")
    image = image.convert("L" if channels == 1 else "RGB")
    # To reduce, Lanczos keeps most detail, and Pillow widens it, so nothing aliases; to enlarge, it rings.
    if fit == "crop":
        method = Image.Resampling.BICUBIC if min(image.size) < resolution else Image.Resampling.LANCZOS
        image = ImageOps.fit(image, (resolution, resolution), method)
    else:
        image.thumbnail((resolution, resolution), Image.Resampling.LANCZOS, reducing_gap=None)
        inner, image = image, Image.new(image.mode, (resolution, resolution))
        image.paste(inner, ((resolution - inner.width) // 2, (resolution - inner.height) // 2))
    return np.asarray(image).reshape(resolution, resolution, channels), changes


def _from_array(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def _find(source: str, data_dir: str | None) -> _Found:
    path = Path(source).expanduser().resolve()
    if source.startswith("tfds:"):
        return _find_tfds(source, data_dir)
    if source and path.is_dir():
        return _find_folder(path)
    if path.is_file() and path.suffix == ".npz":
        identity = ["npz", str(path), path.stat().st_size, path.stat().st_mtime_ns]
        return _Found(path.stem, identity, [], partial(_read_npz, path))
    problem = "is of no known kind" if path.exists() else "does not exist"
    remedy = 'give "tfds:NAME", a folder of images or an .npz file'
    raise ZooError(f"the data source {problem}: {remedy}. Received: {source!r}")


def _find_folder(root: Path) -> _Found:
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in FILE_FORMATS}
    suffixes |= {".heic", ".heif", ".jxl"}  # listed as unreadable instead of passed over in silence
    paths = []
    walk = os.walk(root, onerror=lambda error: paths.append(Path(error.filename)))
    for folder, subfolders, names in walk:
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [path for path in (Path(folder, name) for name in subfolders) if path.is_symlink()]
        visible = [Path(folder, name) for name in names if not name.startswith(".")]
        paths += [path for path in visible if path.suffix.lower() in suffixes]
    stats = {path.relative_to(root): path.stat() if path.is_file() else None for path in sorted(paths)}
    folders = {path.parts[0] if len(path.parts) > 1 else "" for path, stat in stats.items() if stat}
    classes = sorted(folders) if len(folders) > 1 and "" not in folders else []
    labels = {name: label for label, name in enumerate(classes)}
    items = [
        _Item(str(path), partial(_open_image, root / path), labels.get(str(path).partition(os.sep)[0]))
        for path in stats
    ]
    identity = [(str(path), stat and (stat.st_size, stat.st_mtime_ns)) for path, stat in stats.items()]
    return _Found(root.name, ["folder", str(root), identity], classes, lambda: (len(items), items))


def _open_image(path: Path) -> Image.Image:
    if not path.is_file():
        raise OSError("a link to a folder, a broken link or a folder that cannot be listed")
    return Image.open(path, formats=[name for name in FILE_FORMATS if name in Image.OPEN])


def _read_npz(path: Path) -> tuple[int, Iterable[_Item]]:
    def first(archive, *names):
        return next((archive[name] for name in names if name in archive), None)

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            images = first(archive, "images", "x_train", "x")
            labels = first(archive, "labels", "y_train", "y")
    except Exception as error:  # a damaged archive raises nearly anything
        raise ZooError(f"not made by np.savez, or damaged: {error}. Received: {str(path)!r}") from error
    shape = () if images is None else images.shape
    if len(shape) < 3 or shape[3:] not in ((), (1,), (3,), (4,)) or images.dtype != np.uint8:
        received = "none of these" if images is None else f"{images.dtype} {shape}"
        raise ZooError(
            'the .npz file must hold "images", "x_train" or "x", uint8 (convert floats in [0, 1] with '
            '(255 * images).round().astype("uint8")) of shape [N, H, W] or [N, H, W, 1, 3 or 4]. '
            f"Received: {received} in {str(path)!r}"
        )
    if labels is None:
        labels = np.full(len(images), None)
    elif labels.size != len(images) or labels.dtype.kind not in "iu":
        raise ZooError(
            f"labels must be {len(images)} integers, one for each image. "
            f"Received: {labels.dtype} {labels.shape} in {str(path)!r}"
        )
    labels = labels.ravel().tolist()
    items = (_Item(f"image {i}", partial(_from_array, images[i]), label) for i, label in enumerate(labels))
    return len(images), items


def _find_tfds(source: str, data_dir: str | None) -> _Found:
    import tensorflow_datasets as tfds

    name, split = re.fullmatch(r"tfds:(.*?)(?:/((?:train|test|validation)\b.*))?", source).groups("train")
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (ValueError, AssertionError) as error:
        near = get_close_matches(name, tfds.list_builders(with_community_datasets=False))
        remedy = f"Did you mean {', '.join(near)}?" if near else "See tensorflow.org/datasets/catalog."
        reason = str(error).partition("\n")[0]
        raise ZooError(f"no such TFDS data set: {reason} {remedy} Received: {source!r}") from error

    def first(kind):
        return next((key for key, feature in features.items() if isinstance(feature, kind)), None)

    features = builder.info.features
    image, label = first(tfds.features.Image), first(tfds.features.ClassLabel)
    if image is None:
        raise ZooError(f"the TFDS data set has no images, only {', '.join(features)}. Received: {source!r}")

    def items(split, heldout):
        decoders = tfds.decode.PartialDecoding({key: True for key in (image, label) if key})
        examples = builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator()
        for i, example in enumerate(examples):
            target = int(example[label]) if label else None
            yield _Item(f"{split} {i}", partial(_from_array, example[image]), target, heldout)

    def read():
        try:
            builder.download_and_prepare()
            splits = builder.info.splits
            tests = "test" in splits and not re.search(r"\btest\b", split)
            count = splits[split].num_examples + (splits["test"].num_examples if tests else 0)
        except Exception as error:  # no network, no room, a manual download, an unknown split
            reason = str(error).strip().partition("\n")[0]
            raise ZooError(
                f"TFDS cannot provide the data: {reason} Check the split and the network, or give the "
                f"data_dir in which the data set is prepared. Received: {source!r}"
            ) from error
        return count, chain(items(split, False), items("test", True) if tests else ())

    classes = (features[label].names or []) if label else []
    return _Found(f"{builder.name}-{split}", ["tfds", builder.info.full_name, split], list(classes), read)
