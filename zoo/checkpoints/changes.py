"""Which keys of its recipe may change in the middle of a run, and why the others may not."""

from __future__ import annotations

from zoo.files.errors import ZooError
from zoo.recipe import Change, Recipe, difference
from zoo.recipe.reading import read_toml

RATES = ("optimizer.d.learning_rate", "optimizer.g.learning_rate")
MAY_CHANGE = (
    "name",
    "watch",
    "log.every_images",
    "log.checkpoint_every_images",
    "log.kid_images",
    "schedule.images",
    *RATES,
)
REASONS = {
    "data": "the run has learned from other images",
    "model": "the weights fit the networks of the old recipe",
    "start": "the run has begun already",
    "seed": "the order of the images follows from it",
    "schedule": "steps are counted and ordered by it",
}
METHOD = "it is part of the method, and a run has one method from its beginning to its end"


def changed(old: Recipe, new: Recipe) -> list[Change]:
    """The changes that a run may make in the middle.

    Raises:
        ZooError: another key differs; the message says why it may not change.
    """
    changes = difference(old, new)
    refused = [change for change in changes if change.key not in MAY_CHANGE]
    if refused:
        first = refused[0].key
        reason = REASONS.get(first.partition(".")[0], METHOD)
        raise ZooError(
            f"{'; '.join(map(str, refused))}: {first} cannot change in the middle of a run, since {reason}. Train into "
            f"a new folder, or start from the run's checkpoint with ganzoo finetune. These keys may change: "
            f"{', '.join(MAY_CHANGE)}. Received: {', '.join(change.key for change in refused)}"
        )
    return changes


def undone(recipe: Recipe, changes: list[Change]) -> Recipe | None:
    """The recipe before these changes, but for its name; None where one cannot be read, as an older version's."""
    old = {change.key: change.old for change in changes if change.key != "name"}
    try:
        return recipe.replace(**{name: read_toml(f"value = {value}", name)["value"] for name, value in old.items()})
    except (ZooError, RecursionError):  # no TOML, no value of that key
        return None
