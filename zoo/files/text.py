"""Text from outside, such as names of files, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line: what a terminal would obey or could not show becomes an escape such as `\\x1b`."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
