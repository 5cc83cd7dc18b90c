"""From nested dictionaries to a checked recipe: what is wrong is said with the key, the rule and what was received."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from zoo import networks
from zoo.files.errors import ZooError
from zoo.recipe.numbers import Ramp
from zoo.recipe.writing import toml

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
TABLE = "a table of keys and values"
BOUNDS = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}
MOST_DOTS = 200  # in one line; the TOML reader's time and memory grow with the square of a key's dots
OTHER_NETWORKS = {"mapping_layers": 0, "style_mixing": 0.0, "pyramid": False}  # how version 1 said "not this network"

T = TypeVar("T")


def read_text(path: Path) -> str:
    """The text of a recipe's file, or of another TOML file; ZooError if it cannot be read."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ZooError(f"the recipe file does not exist. Received: {str(path)!r}") from None
    except (ValueError, OSError) as error:  # no UTF-8, a folder
        raise ZooError(f"the recipe is not readable TOML ({error}). Received: {str(path)!r}") from None


def read_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; `where` it comes from stands in errors. Raises as `read_text` does."""
    if max(line.count(".") for line in text.split("\n")) > MOST_DOTS:  # a TOML line ends at \n only
        raise ZooError(f"the recipe has a line with more than {MOST_DOTS} dots. Received: {where!r}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ZooError(f"the recipe is nested too deeply. Received: {where!r}") from None
    except ValueError as error:  # no TOML, a number too long
        raise ZooError(f"the recipe is not readable TOML ({error}). Received: {where!r}") from None


def convert(values: dict[str, Any], kind: type[T]) -> T:
    """`values` as a msgspec structure; ZooError names the first key that is wrong."""
    _require_finite(values, "")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ZooError(_sentence(str(error), values, kind)) from None


def upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe as version 1 wrote it into a run or a checkpoint, in today's keys; any other is returned as it is.

    Version 1 had one `[model]` for all networks, in which a key of another network had a neutral value, and the key
    `decay` beside a learning rate, "linear" or "constant". It wrote all of them, by which its recipes are known.
    """
    model, optimizers = values.get("model"), values.get("optimizer")
    if not isinstance(model, dict) or "mapping_layers" not in model or not isinstance(optimizers, dict):
        return values
    if not all(isinstance(adam, dict) and adam.get("decay") in ("constant", "linear") for adam in optimizers.values()):
        return values
    network = model.get("network")
    config = networks.configs().get(network) if isinstance(network, str) else None
    own = config.__struct_fields__ if config else OTHER_NETWORKS
    kept = {key: v for key, v in model.items() if key in own or OTHER_NETWORKS.get(key, object()) != v}
    rates = {name: _without_decay(adam) for name, adam in optimizers.items()}
    return values | {"model": kept, "optimizer": rates}


def _without_decay(adam: dict[str, Any]) -> dict[str, Any]:
    new = {key: value for key, value in adam.items() if key != "decay"}
    if adam["decay"] == "linear" and type(adam.get("learning_rate")) in (int, float):  # else reading says what is wrong
        new["learning_rate"] = {"from": adam["learning_rate"], "to": 0.0}
    return new


def nearest(word: str, known: list[str]) -> str:
    """The end of an error sentence: the nearest known name, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(known) or 'none'}."


def _require_finite(value: Any, key: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _require_finite(item, f"{key}.{name}".lstrip("."))
    elif type(value) in (int, float) and not -1e18 < value < 1e18:
        raise ZooError(f"{key} must be finite and below 1e18. Received: {toml(value)}")


def _sentence(message: str, values: dict[str, Any], kind: type) -> str:
    """msgspec's message, "Expected `int` >= 1 - at `$.schedule.images`", in the words of this package."""
    found = re.search(r" - at `(\$[^`]*)`$", message)
    problem, path = (message[: found.start()], found[1]) if found else (message, "$")
    keys = re.sub(r"\[.*", "", path.removeprefix("$")).split(".")[1:]
    received = _at(values, keys)
    where = ".".join(keys)
    named = re.findall(r"`([^`]*)`", problem) or [""]
    if "unknown field" in problem and isinstance(received, dict):
        known = [struct_field for struct in _structs(kind, keys, values) for struct_field in _encoded(struct)]
        full = f"{where}.{named[0]}".lstrip(".")
        table = f" in [{where}] of {values['model'].get('network')}" if keys[:1] == ["model"] else ""
        return f"unknown key {full}{table}{nearest(named[0], known)} Received: {toml(received.get(named[0]))}"
    if "missing required field" in problem:
        lacking = f"[{where}]" if where else "the recipe"
        if named == ["network"]:
            return f"{lacking} lacks network, one of {', '.join(networks.NAMES)}. Received: {toml(sorted(received))}"
        missing = sorted(
            {name for struct in _structs(kind, keys, values) for name in _required(struct)} - set(received)
        )
        return f"{lacking} lacks {', '.join(missing or named)}. Received: {toml(sorted(received))}"
    bound = re.search(r"` ([<>]=?) (\S+)$", problem)
    if bound and type(received) in (int, float):
        wanted = f"{BOUNDS[bound[1]]} {bound[2].removesuffix('.0')}"
    elif keys == ["model", "network"]:
        wanted = _one_of(networks.NAMES)
    elif problem.startswith(("Expected", "Invalid")):
        kinds = [one for one in _kinds(kind, keys, values) if one is not type(None)]
        wanted = " or ".join(dict.fromkeys(_wanted(one, where) for one in kinds)) or problem
    else:
        wanted = problem
    if wanted == TABLE:
        where = f"[{where}]" if where else "the recipe"
    whole = KINDS[int] in wanted and type(received) is float and received.is_integer()
    return f"{where} must be {wanted}{f', as in {received:.0f}' if whole else ''}. Received: {toml(received)}"


def _wanted(kind: Any, where: str) -> str:
    """What a key takes, in words, of one of its types."""
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if get_origin(kind) is tuple:
        choices = get_args(get_args(kind)[0])
        return f"a list of {', '.join(map(toml, choices))}, as in --set '{where}={toml(choices[:1])}'"
    if (get_origin(kind) or kind) is Ramp:
        return "a ramp, { from = ..., to = ... }"
    return TABLE if _is_struct(kind) else KINDS[kind]


def _one_of(choices: Sequence[Any]) -> str:
    return f"{'one of ' if len(choices) > 1 else ''}{', '.join(map(toml, choices))}"


def _at(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _kinds(kind: Any, keys: list[str], values: dict[str, Any]) -> list[Any]:
    """The types that the value at `keys` may have, out of unions and annotations."""
    kinds = _alternatives(kind)
    for depth, key in enumerate(keys):
        structs = [struct for struct in kinds if _is_struct(struct) and _tagged(struct, _at(values, keys[:depth]))]
        kinds = []
        for struct in structs:
            hints = get_type_hints(get_origin(struct) or struct, include_extras=True)
            names = dict(zip(_encoded(struct), (get_origin(struct) or struct).__struct_fields__, strict=True))
            if names.get(key) in hints:
                hint = hints[names[key]]  # a ramp's is a variable, of which the ramp says what it stands for
                kinds += _alternatives(get_args(struct)[0] if isinstance(hint, TypeVar) else hint)
    return kinds


def _alternatives(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [part for item in get_args(kind) for part in _alternatives(item)]
    return [kind]


def _is_struct(kind: Any) -> bool:
    kind = get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _tagged(struct: Any, value: Any) -> bool:
    config = (get_origin(struct) or struct).__struct_config__
    return not config.tag_field or (isinstance(value, dict) and value.get(config.tag_field) == config.tag)


def _structs(kind: Any, keys: list[str], values: dict[str, Any]) -> list[Any]:
    found = [struct for struct in _kinds(kind, keys, values) if _is_struct(struct)]
    return [struct for struct in found if _tagged(struct, _at(values, keys))] or found


def _encoded(struct: Any) -> tuple[str, ...]:
    return (get_origin(struct) or struct).__struct_encode_fields__


def _required(struct: Any) -> list[str]:
    return [item.encode_name for item in msgspec.structs.fields(get_origin(struct) or struct) if item.required]
