"""Reports as HTML: Jinja2 as all of them use it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2


def environment(folder: Path) -> jinja2.Environment:
    """Templates of a folder: those that end in .html.j2 escape what comes from outside, all say it printably.

    The filter `base64` puts a picture into a page: `data:image/png;base64,{{ content | base64 }}`.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        finalize=printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["base64"] = lambda content: base64.b64encode(content).decode()
    return templates


def printable(value: Any) -> Any:
    """Text out of files without what a terminal would take for commands."""
    if isinstance(value, (str, Path)) and not str(value).isprintable():
        return "".join(character if character.isprintable() else "?" for character in str(value))
    return value
