"""Text from outside, where it is read and where it is shown: names of files, fields of a downloaded checkpoint, answers
of a server.

What a terminal obeys (escape sequences), what turns a line around (bidirectional marks) and what cannot be seen is
written as an escape, such as `\\x1b` or `\\u202e`.
"""

from __future__ import annotations

import json
from typing import Any

MOST_DIGITS = 40  # of a whole number in JSON


def parse_json(text: str | bytes) -> Any:
    """What JSON holds. A whole number of more than 40 digits is a ValueError, since one of 400 cannot become a float.

    Raises:
        ValueError, RecursionError: it is no JSON, or nested too deeply.
    """
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def printable(text: Any, longest: int = 1_000) -> str:
    """The text on one line that is safe to show, of at most `longest` characters of it.

    Example:
        >>> print(printable("red\\x1b[31m\\nand more"))
        red\\x1b[31m\\nand more
    """
    text = str(text)
    return _escaped(text[:longest]) + ("..." if len(text) > longest else "")


def printable_lines(text: str) -> str:
    """Several lines, each safe to show, whatever its length."""
    return "\n".join(_escaped(line) for line in text.split("\n"))


def _escaped(line: str) -> str:
    return line if line.isprintable() else "".join(map(_escape, line))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    escape = ascii(character)[1:-1]
    return escape.replace("\\x", "\\u00") if ord(character) > 127 else escape  # \u00, which TOML and JSON read too
