"""Findings: what the signals of a run amount to. Pure functions of the log's entries and the recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zoo.recipe import Recipe
from zoo.watch.past import CHANGED
from zoo.watch.signals import Entry

LEVELS = ("note", "warn", "stop")
ABOVE, BELOW = "above", "below"


@dataclass(frozen=True)
class Rule:
    """A finding holds when `signal` is beyond `threshold` in `entries` entries in a row that have the signal.

    `where` restricts it to recipes, `also` to entries, `since` to the part of the run from that share on.
    """

    name: str
    level: str
    meaning: str
    signal: str
    side: str
    threshold: float
    entries: int
    source: str  # "published: ..." or "calibrated: ..."
    confidence: float  # (right + 1) / (said first + 2) on the fitting half, so 1/2 for a rule that was never said first
    where: Callable[[Recipe], bool] = lambda recipe: True
    also: Callable[[Entry], bool] = lambda entry: True
    since: float = 0.0
    late: bool = False  # whether it is about images that became worse
    which: str = ""  # a signal that is the label of the class that `signal` speaks of

    @property
    def measured(self) -> str:
        """The signal as it was measured, where `signal` is its distance from its own past."""
        return CHANGED.get(self.signal, self.signal)

    def beyond(self, entry: Entry) -> bool:
        value = entry[self.signal]
        return (value > self.threshold if self.side == ABOVE else value < self.threshold) and self.also(entry)


@dataclass(frozen=True)
class Finding:
    """A rule that held: its evidence, and when.

    Attributes:
        value: of the signal where the rule was met, most extreme.
        first_step: where the signal went beyond the threshold; the run was healthy before, as far as this goes.
        step: where the rule was met.
        lasting: whether the last entry with the signal is still beyond the threshold.
        labels: of the classes that are meant, in the entries where the signal was beyond the threshold.
    """

    rule: Rule
    value: float
    first_step: int
    step: int
    lasting: bool
    labels: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def level(self) -> str:
        return self.rule.level

    def __str__(self) -> str:
        rule = self.rule
        of = f", class {', '.join(map(str, self.labels))}" if self.labels else ""
        return (
            f"{rule.name}: {rule.meaning}{of} ({rule.signal} {self.value:.3g}, {rule.side} {rule.threshold:g} "
            f"since step {self.first_step})"
        )


def judge(rule: Rule, derived: list[Entry], recipe: Recipe) -> Finding | None:
    """Where a rule was first met, if it was; `derived` comes from `signals.derive`."""
    start = rule.since * recipe.schedule.steps
    judged = [entry for entry in derived if rule.signal in entry and entry["step"] >= start]
    streak: list[Entry] = []
    for entry in judged:
        streak = [*streak, entry] if rule.beyond(entry) else []
        if len(streak) == rule.entries:
            values = [entry[rule.signal] for entry in streak]
            return Finding(
                rule,
                max(values) if rule.side == ABOVE else min(values),
                _began(rule, judged, streak[0]),
                entry["step"],
                rule.beyond(judged[-1]),
                _labels(rule, [entry for entry in judged if entry["step"] >= streak[0]["step"]]),
            )
    return None


def _began(rule: Rule, judged: list[Entry], first: Entry) -> int:
    """The step of a streak's first entry; of a late failure, that of the first after images were last as usual."""
    if not rule.late:
        return first["step"]
    return min(
        first["step"], next((entry["step"] for entry in judged if entry["step"] > first["good_step"]), first["step"])
    )


def _labels(rule: Rule, entries: list[Entry]) -> tuple[int, ...]:
    """Each class that a rule names in these entries, once; several may take turns in being the worst."""
    return tuple(sorted({int(entry[rule.which]) for entry in entries if rule.which in entry and rule.beyond(entry)}))
