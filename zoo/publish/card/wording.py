"""Numbers and foreign text as people read them."""

from __future__ import annotations

import re


def number(value: float) -> str:
    """Four digits that carry meaning, without an exponent: 0.0012, 0.7315, 19.02, 123.0, 1,234."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:#.4g}"


def measured(score: dict) -> str:
    """The mean of a score in evaluation.json, and with several seeds their standard deviation."""
    return number(score["mean"]) + ("" if score["spread"] is None else f" ± {score['spread']:.2g}")


def rough(value: float) -> str:
    """Two digits of a large number: 160,000."""
    digits = len(str(int(value)))
    return f"{round(value, min(0, 2 - digits)):,.0f}"


def percent(share: float) -> str:
    """12.3 %; with another digit below 1 %."""
    return f"{100 * share:.{1 if share >= 0.01 or not share else 2}f} %"


def plain(text) -> str:
    """Text out of a file, without what Markdown or HTML would take for more."""
    kept = "".join(character if character.isprintable() else " " for character in str(text))
    return re.sub(r"[<>|`\[\]*\\]", "", kept)[:200]


def missing(reason: str, facts) -> str:
    """What stands where a measurement would, and what would make it."""
    return f"*Not measured: {reason}. `ganzoo card {facts.name} --measure` measures it.*"
