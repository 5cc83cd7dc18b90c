"""Variables by their path, which names them in files."""

from __future__ import annotations

import numpy as np

from zoo.files.errors import ZooError


def by_path(variables, prefix: str = "") -> dict:
    """{prefix + path: variable}; ValueError when two have the same path."""
    named = {prefix + variable.path: variable for variable in variables}
    if len(named) != len(variables):
        raise ZooError(f"two variables have the same path. Received: {[variable.path for variable in variables]}")
    return named


def assign(variables: dict, arrays: dict[str, np.ndarray], what: str) -> None:
    """Assigns arrays to the variables of the same names, all or none.

    Raises:
        ZooError: with the strict difference, when a name or a shape does not agree.
    """
    expected = {key: tuple(variable.shape) for key, variable in variables.items()}
    given = {key: array.shape for key, array in arrays.items()}
    lines = [f"missing {key} {expected[key]}" for key in sorted(expected.keys() - given.keys())]
    lines += [f"unexpected {key} {given[key]}" for key in sorted(given.keys() - expected.keys())]
    lines += [
        f"{key} is {given[key]} and should be {expected[key]}"
        for key in sorted(expected.keys() & given.keys())
        if given[key] != expected[key]
    ]
    if lines:
        more = f" and {len(lines) - 8} more" if len(lines) > 8 else ""
        raise ZooError(
            f"the weights do not fit the {what}: {'; '.join(lines[:8])}{more}. "
            f"Received: {len(given)} tensors for {len(expected)} variables"
        )
    for key, variable in variables.items():
        variable.assign(arrays[key].astype(variable.dtype))
