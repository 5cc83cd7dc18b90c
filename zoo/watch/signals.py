"""The entries of a log with what follows from several signals, or from a signal and its past."""

from __future__ import annotations

import math
from typing import Any

from zoo.recipe import Recipe, largest
from zoo.watch.past import Extremes, Past

Entry = dict[str, Any]


def derive(entries: list[Entry], recipe: Recipe) -> list[Entry]:
    """The numbers of the entries that have a step, oldest first, and further signals where theirs are there.

    Where the steps go back, after a resume or a rollback, what was logged beyond is left out: the run has forgotten it.

    non_finite       1 when a signal is not a finite number, or training stopped for that
    data_range       how far the real images leave [-1, 1] before augmentation
    d_step, g_step   root mean square movement of a weight in an update
    step_ratio       d_step over g_step, over the ratio of the recipe's rates as far as that is within 1/4 to 4
    gap              E[D(real)] - E[D(fake)] in D's own update
    statistics_gap   how differently D separates there and on the probe: the difference of the gaps over the larger
    gradient_fall    image_gradient over its largest value so far
    gradient_rise    d_gradient over the median of the run so far
    kid_rise         KID (or the distance of older logs) over its smallest value so far; 1 within 3 errors of both
    last_kid_rise    the same of the latest entry that had one
    beta_1           the larger of the recipe's
    loss_change      the larger change of the two losses since the entry before
    direction        d_direction or g_direction, the smaller: near 1 when momentum carries both on
    data_changes     1 when images on the disk are not those of the first look
    penalty_gone     1 when the penalty is 0 and was not, though the recipe wants one to the end
    augmentation_gone   1 when ADA's p is 0 sooner than its speed allows
    <name>_change, worse, decline, good_step, weights_jump   how far signals are from the run's past, see `past.Past`
    """
    history = History(recipe)
    for entry in onward(entries):
        history.add(entry)
    return history.entries


class History:
    """`derive`, line by line.

    Attributes:
        entries: with their further signals, oldest first.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.entries = recipe, []
        self.extremes, self.past = Extremes(recipe), Past(recipe)
        rates = largest(recipe.optimizer.d.learning_rate) / largest(recipe.optimizer.g.learning_rate)
        self.ratio = min(max(rates, 0.25), 4.0)  # of the players' steps, as far as it is expected

    def add(self, entry: Entry) -> None:
        """Takes in an entry whose step is not before that of the last one."""
        recipe, broken = self.recipe, "non_finite" in entry
        entry = {name: value for name, value in entry.items() if type(value) in (int, float)}
        entry["non_finite"] = float(broken or not all(map(math.isfinite, entry.values())))
        entry["beta_1"] = max(recipe.optimizer.d.beta_1, recipe.optimizer.g.beta_1)
        entry |= _range(entry) | _steps(entry, recipe, self.ratio) | _gaps(entry)
        self.extremes.compare(entry)
        self.entries.append(entry | self.past.change(entry))


def _range(entry: Entry) -> Entry:
    if not {"real_low", "real_high"} <= entry.keys():
        return {}
    low, high = entry["real_low"], entry["real_high"]
    return {"data_range": max(-1.0 - low, high - 1.0)}


def _steps(entry: Entry, recipe: Recipe, expected: float) -> Entry:
    steps = {
        f"{player}_step": entry[f"{player}_update"]
        * entry[f"{player}_weights"]
        / getattr(recipe.schedule, f"{player}_steps")
        for player in ("d", "g")
        if {f"{player}_update", f"{player}_weights"} <= entry.keys()
    }
    if len(steps) == 2:
        steps["step_ratio"] = steps["d_step"] / max(steps["g_step"], 1e-12) / expected
    if {"d_direction", "g_direction"} <= entry.keys():
        steps["direction"] = min(entry["d_direction"], entry["g_direction"])
    return steps


def _gaps(entry: Entry) -> Entry:
    if not {"d_real", "d_fake", "probe_real", "probe_fake"} <= entry.keys():
        return {}
    gap, probe = entry["d_real"] - entry["d_fake"], entry["probe_real"] - entry["probe_fake"]
    return {"gap": gap, "statistics_gap": abs(gap - probe) / max(abs(gap), abs(probe), 1e-6)}


def onward(entries: list[Entry]) -> list[Entry]:
    """The entries that have a step, without those that a later one has gone back behind."""
    kept: list[Entry] = []
    for entry in entries:
        if type(entry.get("step")) is int:
            while kept and kept[-1]["step"] > entry["step"]:
                kept.pop()
            kept.append(entry)
    return kept
