"""A checkpoint is a folder in which nothing executes.

    ganzoo.json                 format, training data, images seen, and the size and SHA-256 of every other file
    recipe.toml                 the resolved recipe
    generator.safetensors       the averaged (EMA) generator, {variable path: array}
    discriminator.safetensors   the discriminator, since fine-tuning needs it
    training.safetensors        in a run alone: the raw generator, both Adams and the counters, to go on exactly
    samples.png                 64 samples, seed 0
    evaluation.json, evidence.json and pictures   what was measured of it, that its card is rendered from

Reading trusts nothing, since the folder may come from anywhere. Links that lead out of it are refused. Sizes and
digests are compared before a file is parsed. A recipe is compared with the size of the weights before a network is
built. Names, shapes and values are looked at before a variable is assigned.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as format_safetensors

from zoo import recipe as recipes
from zoo.checkpoints.info import FORMAT, info_problem, largest
from zoo.files.atomic import replacing_folder
from zoo.files.errors import ZooError
from zoo.files.text import parse_json, printable

SHIPPED = Path(__file__).parent / "shipped"  # the checkpoints inside this package
FLOAT32_MAX = np.finfo("float32").max

EVIDENCE = (
    "evaluation.json",
    "evidence.json",
    "interpolation.png",
    "by_class.png",
    "classes.png",
    "worst.png",
    "missed.png",
    "duplicates.png",
    "neighbours.png",
    "spectrum.png",
    "levels.png",
    "truncation.png",
    "progress.png",
)
FILES = (
    "ganzoo.json",
    "recipe.toml",
    "generator.safetensors",
    "discriminator.safetensors",
    "samples.png",
    "README.md",
    *EVIDENCE,
)  # of a checkpoint that is published
LARGEST_HEADER = 10**6  # bytes of names and shapes in a safetensors file
SMALL_NETWORK = 2_000_000  # weights; below, the sizes of network and file are not compared


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder: its recipe and `info`, the contents of ganzoo.json. Weights are read on demand."""

    path: Path
    recipe: recipes.Recipe
    info: dict[str, Any]

    @property
    def has_training_state(self) -> bool:
        return "training.safetensors" in self.info["files"]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of generator.safetensors and its like, checked against size and digest; ValueError otherwise."""
        content = self.content(f"{name}.safetensors")
        try:
            if int.from_bytes(content[:8], "little") > LARGEST_HEADER:
                raise ZooError("a header above 1 MB")
            arrays = parse_safetensors(content)
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ZooError(
                f"{name}.safetensors is corrupt ({printable(error, 200)}); fetch or export the checkpoint "
                f"again. Received: {str(self.path)!r}"
            ) from None
        arrays = {printable(key): array for key, array in arrays.items()}
        broken = [
            key
            for key, array in arrays.items()
            if array.dtype.kind not in "fiu" or not (np.abs(array) <= FLOAT32_MAX).all()
        ]
        if broken:
            raise ZooError(
                f"{name}.safetensors has values that are not finite, in {', '.join(broken[:5])}. "
                f"Received: {str(self.path)!r}"
            )
        return arrays

    def content(self, file: str) -> bytes:
        """The bytes of a file that ganzoo.json lists, checked against its size and digest."""
        return _content(self.path, self.info, file)

    def document(self, file: str) -> dict[str, Any]:
        """What a JSON file that ganzoo.json lists holds, checked as in `content`; ZooError if it is no JSON object."""
        return _parse_json(self.content(file), file, self.path)


def _content(folder: Path, info: dict[str, Any], file: str) -> bytes:
    listed, path = info["files"].get(file), locate(folder, file)
    if listed is None or not os.path.isfile(path):
        raise ZooError(f"the checkpoint has no {file}. Received: {str(folder)!r}")
    with open(path, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        content = opened.read(listed["bytes"]) if size == listed["bytes"] else b""
    if size != listed["bytes"]:
        raise ZooError(
            f"{file} has {size} bytes instead of {listed['bytes']}: truncated or changed; "
            f"fetch or export the checkpoint again. Received: {str(folder)!r}"
        )
    if hashlib.sha256(content).hexdigest() != listed["sha256"]:
        raise ZooError(
            f"{file} does not have the digest that ganzoo.json states: corrupt or changed; fetch or "
            f"export the checkpoint again. Received: {str(folder)!r}"
        )
    return content


def _parse_json(content: bytes, file: str, folder: Path) -> dict[str, Any]:
    try:
        parsed = parse_json(content)
        if not isinstance(parsed, dict):
            raise ValueError(f"a {type(parsed).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise ZooError(
            f"{file} is corrupt ({type(error).__name__}: {printable(error, 200)}); fetch or export the checkpoint "
            f"again. Received: {str(folder)!r}"
        ) from None
    return parsed


def locate(folder: Path, file: str) -> Path:
    """Where a file of a checkpoint lies. Links stay in the folder, or lead from a snapshot to the Hub cache's blobs."""
    home, path = Path(os.path.realpath(folder)), Path(os.path.realpath(folder / file))
    roots = [home]
    if home.parent.name == "snapshots":  # cache/models--org--name/snapshots/COMMIT
        repository = home.parent.parent
        roots += [repository / "blobs", repository.parent / "blobs"]
    shipped = Path(folder).is_relative_to(SHIPPED)  # as trusted as this code, which may be linked too
    if not shipped and not any(path.is_relative_to(root) for root in roots):
        raise ZooError(
            f"{file} is a link that leads out of the checkpoint; fetch the checkpoint again. Received: {str(folder)!r}"
        )
    return path


def open_checkpoint(path: Path) -> Checkpoint:
    """Reads ganzoo.json and recipe.toml of a checkpoint folder; ZooError says what is wrong with it."""
    path = Path(path)
    info = _read_info(path)
    recipe = _parse_recipe(_content(path, info, "recipe.toml"), path)
    _require_plausible(recipe, path)
    return Checkpoint(path, recipe, info)


def _read_info(path: Path) -> dict[str, Any]:
    file = locate(path, "ganzoo.json")
    if not os.path.isfile(file):
        raise ZooError(f"this is no checkpoint: it has no ganzoo.json. Received: {str(path)!r}")
    try:
        with open(file, "rb") as opened:
            content = opened.read(largest("ganzoo.json") + 1)
    except OSError as error:
        raise ZooError(f"ganzoo.json cannot be read ({error.strerror}). Received: {str(path)!r}") from None
    info = _parse_json(content if len(content) <= largest("ganzoo.json") else b"", "ganzoo.json", path)
    if type(info.get("format")) is int and info["format"] != FORMAT:
        raise ZooError(
            f"ganzoo.json is not of format {FORMAT}; install the newest keras-ganzoo, or fetch the "
            f"checkpoint again. Received: {str(path)!r}"
        )
    problem = info_problem(info)
    if problem:
        raise ZooError(
            f"ganzoo.json is not what this version writes ({printable(problem, 200)}); fetch or export the checkpoint "
            f"again. Received: {str(path)!r}"
        )
    return info


def _parse_recipe(content: bytes, folder: Path) -> recipes.Recipe:
    """The recipe in bytes that were checked: read once, so that nobody changes it between the check and the use."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ZooError(f"recipe.toml is no text in UTF-8 ({error.reason}). Received: {str(folder)!r}") from None
    return recipes.parse(text, "recipe", str(folder / "recipe.toml"))


def _require_plausible(recipe: recipes.Recipe, path: Path) -> None:
    """Raises ZooError when the files are not of the size of this recipe's networks."""
    for network, least in recipe.model.least_weights(recipe.data.resolution).items():
        file = locate(path, f"{network}.safetensors")
        size = file.stat().st_size if os.path.isfile(file) else 0
        if least > max(size // 2, SMALL_NETWORK) or size > 4 * (20 * least + SMALL_NETWORK):
            raise ZooError(
                f"the recipe builds a {network} of {least:,} to {20 * least:,} weights, and {network}"
                f".safetensors has {size:,} bytes; fetch or export the checkpoint again. "
                f"Received: {str(path)!r}"
            )


def half(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels in half precision; vectors, normalisation statistics among them, stay as they are."""
    return {
        key: array.astype("float16") if array.ndim > 1 and np.abs(array).max(initial=0) < 60_000 else array
        for key, array in arrays.items()
    }


def save(
    path: Path,
    recipe: recipes.Recipe,
    tensors: dict[str, dict[str, np.ndarray]],
    info: dict[str, Any],
    extra: dict[str, bytes] | None = None,
) -> Path:
    """Writes a checkpoint folder, whole or not at all, and returns its path.

    Args:
        path: the folder; an old checkpoint there is replaced once the new one is complete.
        recipe: the resolved recipe.
        tensors: {"generator": {variable path: array}, ...}.
        info: what ganzoo.json shall say besides the format and the files.
        extra: further files, {"samples.png": bytes}.
    """
    contents = {
        f"{name}.safetensors": format_safetensors({k: np.asarray(v, order="C") for k, v in arrays.items()})
        for name, arrays in tensors.items()
    }
    contents |= {"recipe.toml": tomli_w.dumps(recipe.to_dict()).encode(), **(extra or {})}
    with replacing_folder(path) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        _write_info(folder, {"format": FORMAT, **info, "files": _listed(contents)})
    return Path(path)


def renew(path: Path, contents: dict[str, bytes]) -> None:
    """Replaces all of a checkpoint's EVIDENCE by these files, whole or not at all; the others stay as they are."""
    info = open_checkpoint(path).info
    kept = {name: entry for name, entry in info["files"].items() if name not in EVIDENCE}
    with replacing_folder(path) as folder:
        shutil.copytree(path, folder, symlinks=True, dirs_exist_ok=True)
        for name in (*EVIDENCE, "ganzoo.json"):
            (folder / name).unlink(missing_ok=True)  # a link would be written through
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        _write_info(folder, {**info, "files": kept | _listed(contents)})


def _write_info(folder: Path, info: dict[str, Any]) -> None:
    (folder / "ganzoo.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")


def _listed(contents: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
