"""Latents on disk: an .npz file of what images are drawn from, as `Generator.latents` gives it and `images` takes it.

    z, noise, ...      float32 [N, ...], one array for each input that differs from sample to sample
    sha256             of the weights that these latents belong to; and what else `Generator.about` says

A file may come from anywhere. Sizes are compared before memory is taken, and nothing in it executes. A file without
`sha256`, of your own making, is only checked for names, shapes and finite numbers.
"""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.checkpoints.generator import Generator
from zoo.files import atomic
from zoo.files.errors import ZooError
from zoo.files.text import printable

LARGEST = 2**28  # bytes of all values in float32
LONGEST_TEXT = 1_000  # characters of a digest or a name

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def require_file(path: str | Path) -> None:
    """Raises ZooError if `save` could not write there."""
    if Path(path).suffix != ".npz":
        raise ZooError(f"latents go to an .npz file. Received: {str(path)!r}")
    atomic.require_writable_file(Path(path))


def require_room(generator: Generator, count: int) -> None:
    """Raises ZooError if the latents of so many images are too many for a file, or for memory."""
    each = 4 * sum(math.prod(shape) for shape in generator.latent_shapes().values())
    if count * each > LARGEST:
        raise ZooError(
            f"a file of latents holds those of up to {LARGEST // each:,} images of this generator; draw fewer. "
            f"Received: {count:,}"
        )


def save(path: str | Path, latents: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Writes latents {"z": [N, Z], ...}, and beside them what `Generator.about` says; whole or not at all."""
    require_file(path)
    with atomic.replacing(Path(path)) as temporary:
        np.savez_compressed(temporary, **latents, **about)


def load(path: str | Path, generator: Generator) -> dict[str, np.ndarray]:
    """The latents in a file, float32 [N, ...] each, ready for `generator.images`.

    Raises:
        ZooError: no such file, one that is damaged or too large, latents of another generator, or of other shapes.

    Example:
        >>> generator = zoo.load_generator("dcgan-fashion-mnist")
        >>> images = generator.images(load("z.npz", generator))
    """
    if not os.path.isfile(path):
        raise ZooError(f"there is no such file of latents. Received: {str(path)!r}")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, generator)
    except _Unfit as reason:
        raise ZooError(f"{reason}. Received: {str(path)!r}") from None
    except Exception as error:  # zipfile and NumPy raise nearly anything
        raise ZooError(
            f"the file of latents is damaged, or not made by np.savez: {printable(str(error), 200)}. "
            f"Received: {str(path)!r}"
        ) from None


def is_in_w(path: str | Path | None) -> bool:
    """Whether a file seems to hold latents in w, as `Generator.in_w` gives them; no path, or no such file, does not."""
    if not path or not os.path.isfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "w.npy" in archive.namelist()
    except Exception:  # `load` says what is wrong with it
        return False


class _Unfit(Exception):
    """Why a file that can be read is of no use here."""


def _read(archive: zipfile.ZipFile, generator: Generator) -> dict[str, np.ndarray]:
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    _require_own(archive, names, generator)
    shapes = generator.latent_shapes("w" if "w" in names and generator.has_w else "z")
    lacking = sorted(shapes.keys() - names)
    if lacking:
        raise _Unfit(
            f"latents of {generator.name} have the arrays {', '.join(shapes)}; the file lacks {', '.join(lacking)}"
        )
    latents = {name: _array(archive, name, shape) for name, shape in shapes.items()}
    if len({len(array) for array in latents.values()}) > 1:
        counts = ", ".join(f"{len(array):,} of {name}" for name, array in latents.items())
        raise _Unfit(f"the arrays of latents are not equally long: {counts}")
    return latents


def _require_own(archive: zipfile.ZipFile, names: set[str], generator: Generator) -> None:
    own = generator.about().get("sha256")
    theirs = _text(archive, "sha256") if "sha256" in names else own
    if own and theirs != own:
        checkpoint = printable(_text(archive, "checkpoint"), 100) if "checkpoint" in names else "another checkpoint"
        raise _Unfit(f"these latents belong to other weights, {checkpoint}, and mean nothing to {generator.name}")


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        found, fortran, dtype = _header(file)
        if dtype.kind != "f" or found[1:] != shape or found[0] < 1:
            wanted = ", ".join(map(str, ("N", *shape)))
            raise _Unfit(f"{name} must be numbers [{wanted}], and is {dtype} {list(found)}")
        if math.prod(found) * max(4, dtype.itemsize) > LARGEST:
            raise _Unfit(f"{name} is larger than the {LARGEST:,} bytes that are read")
        values = np.frombuffer(file.read(math.prod(found) * dtype.itemsize), dtype)
        file.read(1)  # at the end the checksum is compared
    array = values.reshape(found, order="F" if fortran else "C").astype(np.float32)
    if not np.isfinite(array).all():
        raise _Unfit(f"{name} has values that are not finite numbers")
    return array


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(f"{name}.npy") as file:
        shape, _, dtype = _header(file)
        if dtype.kind != "U" or shape != () or dtype.itemsize > 4 * LONGEST_TEXT:
            raise _Unfit(f"{name} must be a text, and is {dtype} {list(shape)}")
        return str(np.frombuffer(file.read(dtype.itemsize), dtype)[0])


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    return _HEADERS[np.lib.format.read_magic(file)](file)
