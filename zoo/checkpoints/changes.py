"""Which keys of its recipe may change in the middle of a run, and why the others may not."""

from __future__ import annotations

import tomllib

from zoo.files.errors import ZooError
from zoo.recipe import Recipe, difference

MAY_CHANGE = (
    "name",
    "watch",
    "log.every_images",
    "log.checkpoint_every_images",
    "log.kid_images",
    "schedule.images",
    "optimizer.d.learning_rate",
    "optimizer.g.learning_rate",
)
REASONS = {
    "data": "the run has learned from other images",
    "model": "the weights fit the networks of the old recipe",
    "start": "the run has begun already",
    "seed": "the order of the images follows from it",
    "schedule": "steps are counted and ordered by it",
}
METHOD = "it is part of the method, and a run has one method from its beginning to its end"


def changed(old: Recipe, new: Recipe) -> list[str]:
    """The changes that a run may make in the middle, one line each: "schedule.images: 1000 -> 2000".

    Raises:
        ZooError: another key differs; the message says why it may not change.
    """
    lines = difference(old, new)
    refused = [line for line in lines if key(line) not in MAY_CHANGE]
    if refused:
        reason = REASONS.get(key(refused[0]).partition(".")[0], METHOD)
        raise ZooError(
            f"{'; '.join(refused)}: {key(refused[0])} cannot change in the middle of a run, since {reason}. Train into "
            f"a new folder, or start from the run's checkpoint with ganzoo finetune. These keys may change: "
            f"{', '.join(MAY_CHANGE)}. Received: {', '.join(map(key, refused))}"
        )
    return lines


def undone(recipe: Recipe, lines: list[str]) -> Recipe | None:
    """The recipe before these changes, but for its name; None where a line cannot be read, as an older version's."""
    old = {key(line): line.partition(": ")[2].partition(" -> ")[0] for line in lines if key(line) != "name"}
    try:
        return recipe.replace(**{name: tomllib.loads(f"value = {value}")["value"] for name, value in old.items()})
    except (ValueError, RecursionError):  # no TOML, no value of that key
        return None


def key(line: str) -> str:
    """The key that a line of `difference` speaks of."""
    return line.partition(":")[0]
