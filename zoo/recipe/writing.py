"""From values of a recipe to TOML, for messages and commands."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import tomli_w

from zoo.files.text import printable_lines


def toml(value: Any) -> str:
    """A value as one writes it in a recipe or behind `--set KEY=`, on one line; Python's form of what is no TOML.

    What cannot be seen, such as a tab, is an escape.

    Example:
        >>> print(toml(("color", "cutout")), toml({"from": 0.1, "to": 0.0}), toml(True))
        ["color", "cutout"] { from = 0.1, to = 0.0 } true
    """
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        parts = [f"{_key(key)} = {toml(part)}" for key, part in value.items()]
        return f"{{ {', '.join(parts)} }}" if parts else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    try:
        return printable_lines(tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n"))
    except TypeError:
        return repr(value)


def _key(key: Any) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", str(key)) else toml(str(key))
