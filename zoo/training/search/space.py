"""What a search varies: the ranges of a recipe's keys, and the variant of the recipe that a draw from them makes."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from zoo import recipe as recipes
from zoo.files.errors import ZooError
from zoo.recipe import Recipe, largest, nearest, ranges
from zoo.recipe.ranges import COMMON, WIDTHS, Range, read
from zoo.recipe.reading import convert

NOT_SEARCHED = {
    "name": "it names the folder of a run",
    "paper": "it changes nothing",
    "data": "all trials see the same images, and are compared with them",
    "log": "all trials are measured in the same way",
    "seed": "finalists are run again with another one",
    "watch": "a trial that fails is ended",
    "start": "give it with --set",
    "schedule.images": "it is the same for all trials",
    "model.classes": "it is that of the images",
    "model.network": "each network has keys of its own; search another recipe instead",
}


@dataclass(frozen=True)
class Space:
    """Ranges of the keys of a recipe: between `low` and `high`, or `choices`, perhaps times another key's number.

    Example:
        >>> space = Space.of(zoo.load_recipe("dcgan-fashion-mnist"), {"schedule.batch_size": Range(factors=[0.5, 1])})
        >>> space.ranges["schedule.batch_size"].choices
        [16, 32]
    """

    recipe: Recipe
    ranges: dict[str, Range]

    @staticmethod
    def of(recipe: Recipe, ranges: dict[str, Range]) -> Space:
        """The ranges that a user wrote.

        Raises:
            ZooError: no ranges, a key that the recipe lacks or that cannot be searched, a value that it cannot have.
        """
        if not ranges:
            raise ZooError("there is nothing to search; give ranges in [search]. Received: an empty table")
        _require_keys(recipe, ranges)
        found = Space(recipe, {key: _resolved(key, each, value_of(recipe, key)) for key, each in ranges.items()})
        found._require_values()
        return found

    @staticmethod
    def default(recipe: Recipe, timed: bool, fixed: tuple[str, ...] = ()) -> Space:
        """What `COMMON` and the recipe's network name, as far as it means something for this recipe.

        Args:
            timed: trials are as long in time, so that widths are searched too.
            fixed: keys to leave out.
        """
        found = read(COMMON | recipe.model.space)
        kept = {}
        for key, each in sorted(found.items(), key=lambda item: bool(item[1].times)):
            value, base = value_of(recipe, key), value_of(recipe, each.times) if each.times else None
            tie = each.times and each.low is None and each.choices is None
            if (
                key in fixed
                or (key in WIDTHS and not timed)
                or (not value and (each.around or each.factors or each.times) and not (tie and value == base))
                or (tie and (value != base or each.times not in kept))
                or (key.startswith("loss.") and not value)  # a penalty that this method does not have
                or (key == "augment.diffaugment" and recipe.augment.transforms)  # which do the same work
            ):
                continue
            ratio = value / base if each.times and base else value
            kept[key] = _with(ratio, _resolved(key, each, value)) if not tie else each
        return Space.of(recipe, kept)

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Asks an Optuna trial for the parameters: {parameter: what was drawn}."""
        return {self.parameter(key): _suggest(trial, self, key) for key in self.sampled}

    @property
    def sampled(self) -> list[str]:
        """The keys that are drawn; the others are the same as another key."""
        return [key for key in self.ranges if not self._is_tie(key)]

    def parameter(self, key: str) -> str:
        """What Optuna calls the draw for a key; a factor is named as the ratio that it is."""
        times = self.ranges[key].times
        return f"{key} / {times}" if times else key

    def values(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """{key: value} of the recipe, from drawn parameters."""
        drawn = {key: _decoded(self.ranges[key], parameters.get(self.parameter(key), 1)) for key in self.ranges}
        values = {key: drawn[key] for key, each in self.ranges.items() if not each.times}
        for key, each in self.ranges.items():
            if each.times:
                values[key] = drawn[key] * values.get(each.times, value_of(self.recipe, each.times))
        return {key: self._rounded(key, value) for key, value in values.items()}

    def variant(self, parameters: dict[str, Any]) -> Recipe:
        """The recipe with drawn parameters; a number that changes during the run keeps its shape.

        Raises:
            ZooError: an impossible combination.
        """
        return self.variant_of(self.values(parameters))

    def variant_of(self, values: dict[str, Any]) -> Recipe:
        """The recipe with these values of its keys. Raises as `variant`."""
        return self.recipe.replace(**{key: _shaped(self.recipe, key, value) for key, value in values.items()})

    def own(self) -> dict[str, Any] | None:
        """The parameters that give the recipe itself; None if it is outside of the space."""
        found = {}
        for key, each in self.ranges.items():
            value, base = value_of(self.recipe, key), value_of(self.recipe, each.times) if each.times else 1
            if self._is_tie(key):
                if value != base:
                    return None
                continue
            value = value / base if each.times and base else value
            inside = value in each.choices if each.choices else each.low <= value <= each.high
            if not inside:
                return None
            found[self.parameter(key)] = _encoded(value) if each.choices else value
        return found

    @property
    def own_values(self) -> dict[str, Any]:
        """{key: value} of the recipe itself, in the space or not."""
        return {key: self._rounded(key, value_of(self.recipe, key)) for key in self.ranges}

    def to_dict(self) -> dict[str, Any]:
        """The ranges as `[search]` has them, {key: range}."""
        return {key: msgspec.to_builtins(each) for key, each in self.ranges.items()}

    def _is_tie(self, key: str) -> bool:
        each = self.ranges[key]
        return bool(each.times) and each.low is None and each.choices is None

    def _rounded(self, key: str, value: Any) -> Any:
        mine = value_of(self.recipe, key)
        if type(value) not in (int, float):
            return value
        if type(mine) is int:
            return round(value)
        if mine and math.isclose(value, mine, rel_tol=1e-9):  # the recipe itself, whatever its digits
            return mine
        return float(f"{value:.3g}")

    def _require_values(self) -> None:
        """Every end of a range, and every choice, is something that the key may be."""
        for key, each in self.ranges.items():
            base = value_of(self.recipe, each.times) if each.times else 1
            for end in each.choices or [end for end in (each.low, each.high) if end is not None]:
                value = _shaped(self.recipe, key, self._rounded(key, end * base if each.times else end))
                values = copy.deepcopy(self.recipe.to_dict())
                *tables, last = key.split(".")
                table = values
                for name in tables:
                    table = table[name]
                table[last] = value
                try:
                    convert(values, Recipe)
                except ZooError as error:
                    raise ZooError(f"[search] {key} has a value that it cannot have: {error}") from None


def loaded(recipe: Recipe | str | Path, overrides: dict[str, Any]) -> Recipe:
    """The recipe that is varied, with what is fixed."""
    base = recipe.replace(**overrides) if isinstance(recipe, Recipe) else recipes.load(recipe, overrides)
    return base.replace(watch="stop") if base.watch == "rollback" else base  # a trial that fails is ended


def chosen(
    recipe: Recipe | str | Path, overrides: dict[str, Any], file: str | Path | None = None, timed: bool = False
) -> Space:
    """The space of a search: that of the file, else of the recipe's file, else of its network; without what is fixed.

    Raises:
        ZooError: as `Space.of`, or a file that cannot be read or has no ranges.
    """
    base = loaded(recipe, overrides)
    if file is not None:
        given = ranges.load(Path(file))
        if not given:
            raise ZooError(f"the file has no table [search]. Received: {str(file)!r}")
    else:
        given = {} if isinstance(recipe, Recipe) else ranges.load(recipes.file_of(recipe))
    if not given:
        return Space.default(base, timed, tuple(overrides))
    return Space.of(base, {key: each for key, each in given.items() if key not in overrides})


def value_of(recipe: Recipe, key: str) -> Any:
    """The recipe's value at a dotted key, the largest of a number that changes; None if the recipe has no such key."""
    value: Any = recipe
    for name in key.split("."):
        value = getattr(value, name, None)
    if isinstance(value, tuple):
        return list(value)
    return largest(value) if hasattr(value, "shape") else value


def _require_keys(recipe: Recipe, ranges: dict[str, Range]) -> None:
    known = _keys(recipe.to_dict())
    for key, each in ranges.items():
        why = next((why for word, why in NOT_SEARCHED.items() if f"{key}.".startswith(f"{word}.")), None)
        if why:
            raise ZooError(f"{key} cannot be searched: {why}. Received: a range for {key}")
        for name in filter(None, (key, each.times)):
            if name not in known:
                raise ZooError(f"[search] names no key of the recipe{nearest(name, known)} Received: {name!r}")
        if each.times and (each.times == key or getattr(ranges.get(each.times), "times", "")):
            raise ZooError(f"[search] {key}: times names a key that stands for itself. Received: {each.times!r}")
        if each.times and type(value_of(recipe, each.times)) not in (int, float):
            raise ZooError(f"[search] {key}: times names a number. Received: {each.times!r}")


def _keys(values: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        table = isinstance(value, dict) and "from" not in value
        found += _keys(value, f"{prefix}{key}.") if table else [f"{prefix}{key}"]
    return found


def _resolved(key: str, each: Range, value: Any) -> Range:
    """Without `around` and `factors`, which are relative to the recipe's value."""
    if (each.around or each.factors) and (type(value) not in (int, float) or value <= 0):
        raise ZooError(
            f"[search] {key}: around and factors need a number above 0 in the recipe; give low and high, or choices. "
            f"Received: {value!r} in the recipe"
        )
    exact = type(value) is int
    if each.around:
        low, high = value / each.around, value * each.around
        low, high = (max(1, round(low)), round(high)) if exact else (low, high)
        return Range(low=low, high=high, log=True)
    if each.factors:
        choices = sorted({max(1, round(value * factor)) if exact else value * factor for factor in each.factors})
        return Range(choices=choices)
    return each


def _with(value: Any, each: Range) -> Range:
    """The range, made wider where it does not hold the recipe's own value."""
    if each.choices is not None:
        return each if value in each.choices else msgspec.structs.replace(each, choices=[value, *each.choices])
    return msgspec.structs.replace(each, low=min(each.low, value), high=max(each.high, value))


def _suggest(trial: Any, space: Space, key: str) -> Any:
    each, name = space.ranges[key], space.parameter(key)
    if each.choices is not None:
        return trial.suggest_categorical(name, [_encoded(choice) for choice in each.choices])
    exact = not each.times and type(value_of(space.recipe, key)) is int
    return (trial.suggest_int if exact else trial.suggest_float)(name, each.low, each.high, log=each.log)


def _encoded(choice: Any) -> Any:
    """As Optuna keeps it: a list is text."""
    return json.dumps(choice) if isinstance(choice, (list, dict)) else choice


def _decoded(each: Range, value: Any) -> Any:
    return next((choice for choice in each.choices or () if _encoded(choice) == value), value)


def _shaped(recipe: Recipe, key: str, value: Any) -> Any:
    """The value for the recipe: where that has a number that changes, the same change with this as its largest."""
    number: Any = recipe
    for name in key.split("."):
        number = getattr(number, name, None)
    if not hasattr(number, "shape") or type(value) not in (int, float) or not largest(number):
        return value
    ends = {"from": number.start, "to": number.to}
    most = largest(number)
    return msgspec.to_builtins(number) | {
        name: value if end == most else float(f"{value * end / most:.6g}") for name, end in ends.items()
    }
