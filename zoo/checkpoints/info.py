"""The form of ganzoo.json: the keys that other rooms read, with their types. More keys may stand beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert

FORMAT = 1

Count = Annotated[int, Meta(ge=0, le=10**15)]


class File(Struct):
    bytes: Count
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Data(Struct, frozen=True):
    source: str | None = None
    fingerprint: str | None = None
    images: Count | None = None
    classes: list[str] = []
    class_images: list[Count] = []


class Info(Struct):
    format: int
    files: dict[str, File]
    name: str | None = None
    license: str | None = None
    step: Count | None = None
    images: Count | None = None
    kid: float | None = None
    healthy: bool = True
    data: Data = Data()
    parameters: dict[str, Count] = {}
    versions: dict[str, str] = {}
    training: dict[str, Any] | None = None
    device: dict[str, Any] | None = None


def info_problem(info: dict[str, Any]) -> str:
    """Why this is not the content of a ganzoo.json; nothing if it is."""
    try:
        files = convert(info, Info).files
    except (ValidationError, RecursionError, UnicodeError) as error:  # the last: half a character, \\ud800
        return str(error) or type(error).__name__
    wrong = [name for name, file in files.items() if not _is_name(name) or file.bytes > largest(name)]
    return f"no file of a checkpoint: {wrong[0]!r}" if wrong else ""


def largest(file: str) -> int:
    """The most bytes that a file of this name may have; no checkpoint of this zoo comes near."""
    return {".safetensors": 2**31, ".json": 10**6, ".toml": 10**5}.get(Path(file).suffix, 10**7)


def _is_name(text: str) -> bool:
    return text.isprintable() and Path(text).name == text and text not in ("", "..")
