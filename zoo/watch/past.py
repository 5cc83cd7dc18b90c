"""A run compared with its own past: with the extremes of signals, and with where they were while images were good."""

from __future__ import annotations

import bisect
import math
import statistics
from collections import deque
from dataclasses import dataclass

from zoo.recipe import Ramp, Recipe

YOUNG = 0.25  # of the run: images improve and fall back while both networks find their feet (chosen)
JUMP = 0.4  # of the logarithm of the size of weights from one look to the next: half as large again (chosen)
REMEMBERED = 10  # looks for which a jump counts, while the images may become worse
WINDOW = 20  # healthy values of a signal that a new one is compared with
USUAL = 2.0  # deviations within which images are as good as they were (chosen)
UNUSUAL = 3.0  # calibrated: the same beside a cause that is certain
WORSE = 6.0  # calibrated: deviations by which images must be worse than they were


@dataclass(frozen=True)
class Compared:
    """How a signal is compared.

    Attributes:
        words: what a report calls it.
        least: the smallest deviation that is believed, as a ratio's logarithm or in the signal's own unit.
        ratio: whether two values of it are compared by their ratio; else by their difference.
        values: how many healthy ones there must be.
    """

    words: str
    least: float
    ratio: bool = True
    values: int = 8

    def scaled(self, value: float) -> float:
        return math.log(max(value, 1e-12)) if self.ratio else value


COMPARED = {
    "cell_kid": Compared("the coarse KID of the samples", 0.02, ratio=False),
    "kid": Compared("KID", 1e-4, ratio=False, values=4),
    "d_gradient": Compared("D's gradient", 0.1),
    "g_gradient": Compared("the generator's gradient", 0.1),
    "d_step": Compared("the way that D's weights move in a step", 0.1),
    "g_step": Compared("the way that the generator's weights move in a step", 0.1),
    "d_weights": Compared("the size of D's weights", 0.01),
    "g_weights": Compared("the size of the generator's weights", 0.01),
    "slope": Compared("D's slope between real and drawn images", 0.1),
    "gap": Compared("D's gap between real and drawn images", 0.1, ratio=False),
    "separation": Compared("the share that D tells apart", 0.02, ratio=False),
    "saturated": Compared("the share of saturated pixels", 0.02, ratio=False),
    "diversity": Compared("the variety of the samples", 0.02, ratio=False),
    "empty_bins": Compared("the share of real images whose kind is not drawn", 0.02, ratio=False),
}


def change_of(signal: str) -> str:
    """What the change of a signal against its own past is called."""
    return f"{signal}_change"


CHANGED = {change_of(signal): signal for signal in COMPARED}


class Past:
    """The healthy past of a run's signals: values are taken in until the images become worse, and all of a young run.

    `change(entry)` gives these:

    <signal>_change   of each that is there and has a past: its distance from the median of the last healthy values,
                      over their median deviation as an estimate of the standard deviation
    worse             the larger of the latest changes of the two that tell of the images' quality
    decline           the same, where one of them was measured
    good_step         when `worse` was last below USUAL
    weights_jump      1 for REMEMBERED looks after a network's weights were multiplied by a number
    """

    def __init__(self, recipe: Recipe) -> None:
        self.grown_up = YOUNG * recipe.schedule.steps
        self.values = {name: deque(maxlen=WINDOW) for name in COMPARED}
        self.quality, self.good_step = {"cell_kid": 0.0, "kid": 0.0}, 0
        self.weights: dict[str, tuple[int, float]] = {}  # step and size of each network's, at the look before
        self.jumped = math.inf  # looks since, those with worse images aside

    def change(self, entry: dict[str, float]) -> dict[str, float]:
        there = [name for name in COMPARED if name in entry and math.isfinite(entry[name])]
        changes = {change_of(name): change for name in there if (change := self._change(name, entry)) is not None}
        self.quality |= {name: changes[change_of(name)] for name in self.quality if change_of(name) in changes}
        worse = max(self.quality.values())
        if worse < WORSE or entry["step"] < self.grown_up:
            for name in there:
                self.values[name].append(COMPARED[name].scaled(entry[name]))
        if worse < USUAL:
            self.good_step = entry["step"]
        if {"d_weights", "g_weights"} <= entry.keys():
            scaled = self._scaled("d", entry) + self._scaled("g", entry)
            self.jumped = 0 if scaled else self.jumped + (worse < UNUSUAL)
            changes["weights_jump"] = float(self.jumped < REMEMBERED)
        measured = {"decline": worse} if any(change_of(name) in changes for name in self.quality) else {}
        return changes | measured | {"worse": worse, "good_step": self.good_step}

    def _change(self, name: str, entry: dict[str, float]) -> float | None:
        compared, values = COMPARED[name], self.values[name]
        if len(values) < compared.values:
            return None
        centre = statistics.median(values)
        deviation = 1.4826 * statistics.median(abs(value - centre) for value in values)
        least = max(compared.least, entry.get(f"{name}_error", 0.0))
        return (compared.scaled(entry[name]) - centre) / max(deviation, least)

    def _scaled(self, player: str, entry: dict[str, float]) -> bool:
        """Whether a network's weights were multiplied by a number since the look before, rather than trained.

        Then they moved along themselves: the cosine of the movement and the weights, from three lengths, is 1 or -1.
        After a resume the movement is not known, and the jump alone tells.
        """
        new = max(entry[f"{player}_weights"], 1e-12)
        step, old = self.weights.get(player, (0, new))
        self.weights[player] = entry["step"], new
        moved = entry.get(f"{player}_update", 0.0) * new * (entry["step"] - step)
        along = new * new - old * old - moved * moved
        cosine = along / max(2 * moved * old, 1e-30) if moved > 0 else 1.0
        return abs(math.log(new / old)) > JUMP and abs(cosine) > 0.9


def _penalised(recipe: Recipe) -> bool:
    """Whether D has a penalty to the end."""
    numbers = recipe.loss.gradient_penalty, recipe.loss.r1, recipe.loss.r2
    return any(number.to if isinstance(number, Ramp) else number for number in numbers)


class Extremes:
    """The largest, smallest or latest values of signals so far."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.penalty = recipe, 0.0
        self.augmented, self.ended = (0, 0.0), False  # images and ADA's p in the entry before; whether p fell at once
        self.digest: float | None = None
        self.largest_gradient, self.smallest_kid = 0.0, (math.inf, 0.0)
        self.kid_rise: float | None = None
        self.gradients: list[float] = []
        self.losses: tuple[float, float] | None = None

    def compare(self, entry: dict[str, float]) -> None:
        if "data_digest" in entry:
            self.digest = entry["data_digest"] if self.digest is None else self.digest
            entry["data_changes"] = float(entry["data_digest"] != self.digest)
        if "penalty" in entry and _penalised(self.recipe):
            entry["penalty_gone"] = float(entry["penalty"] == 0 and self.penalty > 0)
            self.penalty = max(self.penalty, entry["penalty"])
        if "ada_p" in entry and "images" in entry and self.recipe.augment.ada:
            images, p = self.augmented
            allowed = 2 * (entry["images"] - images) / self.recipe.augment.ada_speed_images
            self.ended = entry["ada_p"] == 0 and (self.ended or p > allowed)
            self.augmented = entry["images"], entry["ada_p"]
            entry["augmentation_gone"] = float(self.ended)
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
            error = entry.get("kid_error", 0.0)
            self.smallest_kid = min(self.smallest_kid, (kid, error))
            smallest, its_error = self.smallest_kid
            noise = 3.0 * math.hypot(error, its_error)
            rise = kid / max(smallest, its_error, 1e-6) if kid > smallest + noise else 1.0
            entry["kid_rise"] = self.kid_rise = rise
        if self.kid_rise is not None:
            entry["last_kid_rise"] = self.kid_rise
