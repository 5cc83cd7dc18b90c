"""Numbers and foreign text as people read them: the filters of the templates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup


def number(value: float) -> str:
    """Four digits that carry meaning, without an exponent: 0.0012, 0.7315, 19.02, 123.0, 1,234."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:#.4g}"


def measured(score) -> str:
    """The mean of a score, and with several seeds their standard deviation."""
    return number(score.mean) + ("" if score.spread is None else f" ± {score.spread:.2g}")


def rough(value: float) -> str:
    """Two digits of a large number: 160,000."""
    if not math.isfinite(value):
        return str(value)
    digits = len(str(int(value)))
    return f"{round(value, min(0, 2 - digits)):,.0f}"


def percent(share: float) -> str:
    """12.3 %; with another digit below 1 %."""
    return f"{100 * share:.{1 if share >= 0.01 or not share else 2}f} %"


def thousands(value: float) -> str:
    """10,000"""
    return f"{value:,}"


def signed(value: float) -> str:
    """+1.7"""
    return f"{value:+.1f}"


def plain(text: Any) -> str:
    """Text out of a file, without what Markdown or HTML would take for more."""
    kept = "".join(character if character.isprintable() else " " for character in str(text))
    return re.sub(r"[<>|`\[\]*\\]", "", kept)[:200]


def code(command: str) -> Markup:
    """A command out of a file as code, whole but for what would end the code, or a cell of a table."""
    kept = "".join(character if character.isprintable() else " " for character in command)
    return Markup(f"`{re.sub('[<>|`]', '', kept)[:2_000]}`")


def linked(paper: str) -> Markup:
    """A paper, with a link to each arXiv number in it."""
    return Markup(re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", plain(paper)))


def of_power(decibels: float) -> float:
    """How many times as much power so many decibels are."""
    return 10.0 ** (min(decibels, 1000.0) / 10.0)


def cells(values: Iterable[Any]) -> Markup:
    """Values between the lines of a table."""
    return Markup(" | ".join(plain(value) for value in values))


def flat(text: str) -> Markup:
    """What a macro wrote over several lines, on one."""
    return Markup(" ".join(text.split()))


def escaped(value: Any) -> Markup:
    """What a template shows: foreign text made plain, unless it is text of a template already."""
    return value if isinstance(value, Markup) else Markup(plain(value))


def flowed(markdown: str) -> str:
    """Each paragraph on one line, however a template wraps it; tables, lists and code keep their lines."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", markdown)]
    kept = ("|", "- ", "```", "#")
    return "\n\n".join(block if block.startswith(kept) else " ".join(block.split()) for block in blocks if block) + "\n"


FILTERS = {
    filter.__name__: filter
    for filter in (number, measured, rough, percent, thousands, signed, plain, code, linked, of_power, cells, flat)
}
