"""A checkpoint is a folder in which nothing executes.

    ganzoo.json                 format, training data, images seen, and the size and SHA-256 of every other file
    recipe.toml                 the resolved recipe
    generator.safetensors       the averaged (EMA) generator, {variable path: array}
    discriminator.safetensors   the discriminator, since fine-tuning needs it
    training.safetensors        in a run alone: the raw generator, both Adams and the counters, to go on exactly
    samples.png                 64 samples, seed 0

Reading trusts nothing: sizes and digests are compared before a file is parsed, names, shapes and values before a
variable is assigned.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as format_safetensors

from zoo import recipe as recipes
from zoo.files import replacing_folder

FORMAT = 1
FLOAT32_MAX = np.finfo("float32").max
LARGEST_FILE = 2**31  # bytes; no checkpoint of this zoo comes near


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
            arrays = parse_safetensors(content)
        except (SafetensorError, ValueError, KeyError) as error:
            raise ValueError(f"{name}.safetensors is corrupt ({error}); fetch or export the checkpoint again. "
                             f"Received: {str(self.path)!r}") from None
        broken = [key for key, array in arrays.items() if not (np.abs(array) <= FLOAT32_MAX).all()]
        if broken:
            raise ValueError(f"{name}.safetensors has values that are not finite, in {', '.join(broken[:5])}. "
                             f"Received: {str(self.path)!r}")
        return arrays

    def content(self, file: str) -> bytes:
        """The bytes of a file that ganzoo.json lists, checked against its size and digest."""
        return _content(self.path, self.info, file)


def _content(folder: Path, info: dict[str, Any], file: str) -> bytes:
    listed, path = info["files"].get(file), folder / file
    if listed is None or not path.is_file():
        raise ValueError(f"the checkpoint has no {file}. Received: {str(folder)!r}")
    if path.stat().st_size != listed["bytes"]:
        raise ValueError(f"{file} has {path.stat().st_size} bytes instead of {listed['bytes']}: truncated or changed; "
                         f"fetch or export the checkpoint again. Received: {str(folder)!r}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != listed["sha256"]:
        raise ValueError(f"{file} does not have the digest that ganzoo.json states: corrupt or changed; fetch or "
                         f"export the checkpoint again. Received: {str(folder)!r}")
    return content


def open_checkpoint(path: Path) -> Checkpoint:
    """Reads ganzoo.json and recipe.toml of a checkpoint folder; ValueError says what is wrong with it."""
    path = Path(path)
    try:
        text = (path / "ganzoo.json").read_text() if (path / "ganzoo.json").stat().st_size < 10_000_000 else ""
        info = json.loads(text)
        files = info["files"]
        whole = info["format"] == FORMAT and all(
            isinstance(file["bytes"], int) and 0 <= file["bytes"] < LARGEST_FILE and isinstance(file["sha256"], str)
            and Path(name).name == name and name not in ("", "..") for name, file in files.items())
    except FileNotFoundError:
        raise ValueError(f"this is no checkpoint: it has no ganzoo.json. Received: {str(path)!r}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"ganzoo.json is corrupt ({type(error).__name__}: {error}). Received: {str(path)!r}") from None
    if not whole:
        raise ValueError(f"ganzoo.json is not of format {FORMAT}; install the newest keras-ganzoo, or fetch the "
                         f"checkpoint again. Received: {str(path)!r}")
    _content(path, info, "recipe.toml")
    return Checkpoint(path, recipes.load(path / "recipe.toml"), info)


def by_path(variables, prefix: str = "") -> dict:
    """{prefix + path: variable}; ValueError when two have the same path."""
    named = {prefix + variable.path: variable for variable in variables}
    if len(named) != len(variables):
        raise ValueError(f"two variables have the same path. Received: {[variable.path for variable in variables]}")
    return named


def assign(variables: dict, arrays: dict[str, np.ndarray], what: str) -> None:
    """Assigns arrays to the variables of the same names, all or none.

    Raises:
        ValueError: with the strict difference, when a name or a shape does not agree.
    """
    expected = {key: tuple(variable.shape) for key, variable in variables.items()}
    given = {key: array.shape for key, array in arrays.items()}
    lines = [f"missing {key} {expected[key]}" for key in sorted(expected.keys() - given.keys())]
    lines += [f"unexpected {key} {given[key]}" for key in sorted(given.keys() - expected.keys())]
    lines += [f"{key} is {given[key]} and should be {expected[key]}" for key in sorted(expected.keys() & given.keys())
              if given[key] != expected[key]]
    if lines:
        more = f" and {len(lines) - 8} more" if len(lines) > 8 else ""
        raise ValueError(f"the weights do not fit the {what} that the recipe builds: {'; '.join(lines[:8])}{more}. "
                         f"Received: {len(given)} tensors for {len(expected)} variables")
    for key, variable in variables.items():
        variable.assign(arrays[key].astype(variable.dtype))


def half(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels in half precision; vectors, normalisation statistics among them, stay as they are."""
    return {key: array.astype("float16") if array.ndim > 1 and np.abs(array).max(initial=0) < 60_000 else array
            for key, array in arrays.items()}


def save(path: Path, recipe: recipes.Recipe, tensors: dict[str, dict[str, np.ndarray]], info: dict[str, Any],
         extra: dict[str, bytes] | None = None) -> Path:
    """Writes a checkpoint folder, whole or not at all, and returns its path.

    Args:
        path: the folder; an old checkpoint there is replaced once the new one is complete.
        recipe: the resolved recipe.
        tensors: {"generator": {variable path: array}, ...}.
        info: what ganzoo.json shall say besides the format and the files.
        extra: further files, {"samples.png": bytes}.
    """
    contents = {f"{name}.safetensors": format_safetensors({k: np.asarray(v, order="C") for k, v in arrays.items()})
                for name, arrays in tensors.items()}
    contents |= {"recipe.toml": tomli_w.dumps(recipe.to_dict()).encode(), **(extra or {})}
    files = {name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
             for name, content in contents.items()}
    with replacing_folder(path) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        (folder / "ganzoo.json").write_text(json.dumps({"format": FORMAT, **info, "files": files}, indent=2) + "\n")
    return Path(path)
