"""Ranges: what `ganzoo search` varies in a recipe. They stand in its table `[search]`, or in a file of their own:

[search]
optimizer.g.learning_rate = { low = 1e-4, high = 4e-3, log = true }    # between two numbers
optimizer.d.learning_rate = { times = "optimizer.g.learning_rate", low = 0.25, high = 4.0, log = true }
optimizer.d.beta_1 = { times = "optimizer.g.beta_1" }                  # the same as that one
schedule.batch_size = { choices = [16, 32, 64] }
ema.half_life_images = { around = 4 }                                  # from a quarter of the recipe's to 4 times it
model.g_channels = { factors = [0.5, 1.0, 1.5] }                       # times the recipe's
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from zoo.files.errors import ZooError
from zoo.recipe.numbers import Positive
from zoo.recipe.reading import convert, read_text, read_toml

# What is searched whatever the network; a network's `space` adds to it. A range around 0 is left out.
COMMON: dict[str, dict[str, Any]] = {
    "optimizer.g.learning_rate": {"around": 5.0},
    "optimizer.d.learning_rate": {"times": "optimizer.g.learning_rate", "low": 0.25, "high": 4.0, "log": True},
    "schedule.batch_size": {"factors": [0.25, 0.5, 1.0, 2.0]},
    "loss.gradient_penalty": {"around": 5.0},
    "loss.r1": {"around": 10.0},
    "ema.half_life_images": {"around": 4.0},
    "augment.diffaugment": {"choices": [[], ["color", "translation", "cutout"]]},
    "model.g_channels": {"factors": [0.5, 0.75, 1.0, 1.5]},
    "model.d_channels": {"factors": [0.5, 0.75, 1.0, 1.5]},
}
WIDTHS = ("model.g_channels", "model.d_channels")  # at equal images, wider is better: they are searched at equal time
FORMS = ("low", "choices", "around", "factors")  # of which a range has one


class Range(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a key may be; `low` and `high` are included."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False  # equally likely in each octave, instead of at each number
    choices: list[Any] | None = None
    around: Annotated[float, Meta(gt=1)] | None = None  # the recipe's number over this, to the number times this, log
    factors: list[Positive] | None = None  # multiples of the recipe's number
    times: str = ""  # a key: the range is one of factors, by which that key's number is multiplied


def load(path: Path) -> dict[str, Range]:
    """The table `[search]` of a TOML file, a recipe or not; empty if it has none. Raises as `read`."""
    return read(read_toml(read_text(path), str(path)).get("search", {}))


def read(table: Any, where: str = "search") -> dict[str, Range]:
    """The ranges of a table, {dotted key: range}.

    Raises:
        ZooError: something else than a table of ranges, an empty or an inverted range.
    """
    return {key: _range(key, values, where) for key, values in _leaves(table, where).items()}


def _leaves(table: Any, where: str, prefix: str = "") -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ZooError(
            f"[{where}]: {prefix.rstrip('.') or 'it'} must be a range, such as {{ low = 1, high = 5 }} or "
            f"{{ choices = [1, 2] }}. Received: {table!r}"
        )
    if prefix and (not table or set(table) & set(Range.__struct_fields__)):
        return {prefix.rstrip("."): table}
    found = {}
    for key, value in table.items():
        found |= _leaves(value, where, f"{prefix}{key}.")
    return found


def _range(key: str, values: dict[str, Any], where: str) -> Range:
    try:
        found = convert(values, Range)
    except ZooError as error:
        raise ZooError(f"[{where}] {key}: {error}") from None
    forms = [form for form in FORMS if getattr(found, form) is not None]
    low, high = found.low, found.high
    for wrong, why in (
        (len(forms) > 1, f"a range has one of {', '.join(FORMS)}"),
        (not forms and not found.times, f"a range has one of {', '.join(FORMS)}, or times"),
        ((low is None) != (high is None), "low and high belong together"),
        (found.log and low is None, "log belongs to low and high"),
        (None not in (low, high) and low >= high, "low must be below high"),
        (found.log and low is not None and low <= 0, "with log, low must be above 0"),
        (found.choices == [] or found.factors == [], "there must be something to choose from"),
        (bool(found.times) and bool({"around", "factors"} & {*forms}), "with times, give low and high, or choices"),
        (
            bool(found.times) and any(type(choice) not in (int, float) for choice in found.choices or ()),
            "with times, choices are numbers",
        ),
    ):
        if wrong:
            raise ZooError(f"[{where}] {key}: {why}. Received: {values!r}")
    return found
