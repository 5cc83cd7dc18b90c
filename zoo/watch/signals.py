"""The entries of a log with what follows from several signals, or from a signal and its past."""

from __future__ import annotations

import bisect
import math
from typing import Any

from zoo.recipe import Recipe, largest

Entry = dict[str, Any]


def derive(entries: list[Entry], recipe: Recipe) -> list[Entry]:
    """The numbers of the entries that have a step, oldest first, and further signals where theirs are there:

    non_finite       1 when a signal is not a finite number, or training stopped for that
    data_range       how far the real images leave [-1, 1] before augmentation
    data_extent      the difference of their extremes
    d_step, g_step   root mean square movement of a weight in an update
    step_ratio       d_step over g_step, over the ratio of the recipe's rates as far as that is within 1/4 to 4
    gap              E[D(real)] - E[D(fake)] in D's own update; probe_gap on the probe
    statistics_gap   how differently D separates in its update and on the probe: |gap - probe_gap| over the larger
    gradient_fall    image_gradient over its largest value so far
    gradient_rise    d_gradient over the median of the run so far
    kid_rise         KID (or the distance of older logs) over its smallest value so far; 1 within 3 standard errors
    last_kid_rise    the same of the latest entry that had one
    epochs           how often the run has shown each image
    beta_1           the larger of the recipe's
    loss_change      the larger change of the two losses since the entry before
    """
    derived, past = [], _Past()
    rates = largest(recipe.optimizer.d.learning_rate) / largest(recipe.optimizer.g.learning_rate)
    expected = min(max(rates, 0.25), 4.0)
    for entry in entries:
        if type(entry.get("step")) is not int:
            continue
        broken = "non_finite" in entry
        entry = {name: value for name, value in entry.items() if type(value) in (int, float)}
        entry["non_finite"] = float(broken or not all(map(math.isfinite, entry.values())))
        if {"real_low", "real_high"} <= entry.keys():
            entry["data_range"] = max(-1.0 - entry["real_low"], entry["real_high"] - 1.0)
            entry["data_extent"] = entry["real_high"] - entry["real_low"]
        for player in ("d", "g"):
            if {f"{player}_update", f"{player}_weights"} <= entry.keys():
                updates = getattr(recipe.schedule, f"{player}_steps")
                entry[f"{player}_step"] = entry[f"{player}_update"] * entry[f"{player}_weights"] / updates
        if {"d_step", "g_step"} <= entry.keys():
            entry["step_ratio"] = entry["d_step"] / max(entry["g_step"], 1e-12) / expected
        if {"d_real", "d_fake", "probe_real", "probe_fake"} <= entry.keys():
            gap, probe = entry["d_real"] - entry["d_fake"], entry["probe_real"] - entry["probe_fake"]
            entry |= {
                "gap": gap,
                "probe_gap": probe,
                "statistics_gap": abs(gap - probe) / max(abs(gap), abs(probe), 1e-6),
            }
        if "data_images" in entry:
            past.images = entry["data_images"]
        if past.images and "images" in entry:
            entry["epochs"] = entry["images"] / past.images
        entry["beta_1"] = max(recipe.optimizer.d.beta_1, recipe.optimizer.g.beta_1)
        past.compare(entry)
        derived.append(entry)
    return derived


class _Past:
    """What the signals were before."""

    def __init__(self) -> None:
        self.images = 0.0
        self.largest_gradient, self.smallest_kid = 0.0, math.inf
        self.kid_rise: float | None = None
        self.gradients: list[float] = []
        self.losses: tuple[float, float] | None = None

    def compare(self, entry: Entry) -> None:
        if "image_gradient" in entry:
            self.largest_gradient = max(self.largest_gradient, entry["image_gradient"])
            entry["gradient_fall"] = entry["image_gradient"] / max(self.largest_gradient, 1e-30)
        if "d_gradient" in entry:
            bisect.insort(self.gradients, entry["d_gradient"])
            entry["gradient_rise"] = entry["d_gradient"] / max(self.gradients[len(self.gradients) // 2], 1e-30)
        if {"d_loss", "g_loss"} <= entry.keys():
            losses = entry["d_loss"], entry["g_loss"]
            if self.losses:
                entry["loss_change"] = max(abs(a - b) for a, b in zip(losses, self.losses, strict=True))
            self.losses = losses
        kid = entry.get("kid", entry.get("distance"))
        if kid is not None:
            self.smallest_kid = min(self.smallest_kid, kid)
            noise = 3.0 * entry.get("kid_error", 0.0)
            rise = kid / max(self.smallest_kid, 1e-6) if kid > self.smallest_kid + noise else 1.0
            entry["kid_rise"] = self.kid_rise = rise
        if self.kid_rise is not None:
            entry["last_kid_rise"] = self.kid_rise
