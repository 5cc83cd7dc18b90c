"""What came of a search: a row for each trial, which is the best, and how sure one may be of that."""

from __future__ import annotations

import collections
import csv
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.files.atomic import replacing
from zoo.recipe import KID_JUDGE, Recipe
from zoo.training.search.study import KID, Early, Study, marks_of

DONE, PRUNED, INVALID, RUNNING = "done", "ended early", "invalid", "running"
SHOWN = 5  # of the best: their checkpoints are kept, and their samples are shown


@dataclass(frozen=True)
class Row:
    """A trial.

    Attributes:
        state: "done", "ended early", "invalid" (no recipe, so that nothing ran) or "running".
        why: it was ended early, or is invalid.
        ended_by: of one that was ended early, as in `Early`.
        marks: what was measured, as in `marks_of`.
        values: {key: value} of the recipe.
        repeats: the number of the trial that this one repeats with another seed.
        again: the row of the trial that repeats this one.
    """

    number: int
    state: str
    why: str
    marks: list[dict[str, float]]
    values: dict[str, Any] = field(default_factory=dict)
    repeats: int | None = None
    again: Row | None = None
    ended_by: str = ""

    @property
    def last(self) -> dict[str, float]:
        """The latest numbers; without any, KID is infinite."""
        return self.marks[-1] if self.marks else {"images": 0, "seconds": 0.0, "kid": math.inf}

    @property
    def failed(self) -> bool:
        """Whether the watcher, and not a comparison with other trials, ended it."""
        return self.state == PRUNED and self.ended_by != KID

    @property
    def repeated(self) -> bool:
        """Whether the second seed has ended."""
        return self.again is not None and self.again.state != RUNNING

    @property
    def kid(self) -> float:
        """At the end, the mean of both seeds if it was repeated; infinite if the second seed failed."""
        kids = [self.last["kid"]]
        if self.repeated:
            kids.append(self.again.last["kid"] if self.again.state == DONE else math.inf)
        return sum(kids) / len(kids)

    @property
    def error(self) -> float:
        """The standard error of `kid`: of the measurement, or between the two seeds if that is larger."""
        first = self.last.get("kid_error", math.inf)
        if not self.repeated or self.kid == math.inf:
            return first
        again = self.again.last
        return max(math.hypot(first, again["kid_error"]), abs(self.last["kid"] - again["kid"])) / 2


@dataclass(frozen=True)
class Results:
    """The rows of a search, in the order of their numbers."""

    rows: list[Row]

    @property
    def trials(self) -> list[Row]:
        """Without repetitions and what was no recipe."""
        return [row for row in self.rows if row.repeats is None and row.state != INVALID]

    @property
    def counts(self) -> dict[str, int]:
        """{state: how many trials}, without repetitions."""
        return dict(collections.Counter(row.state for row in self.rows if row.repeats is None))

    @property
    def ranking(self) -> list[Row]:
        """Those that came to the end, the best first; those that were run again stand before the others."""
        done = [row for row in self.trials if row.state == DONE]
        return sorted(done, key=lambda row: (row.kid == math.inf, not row.repeated, row.kid))

    @property
    def best(self) -> Row | None:
        return next(iter(self.ranking), None)

    @property
    def least_bad(self) -> Row | None:
        """Of those that did not come to the end, the one that came farthest, with the smallest KID."""
        measured = [row for row in self.trials if row.marks]
        return min(measured, key=lambda row: (-len(row.marks), row.last["kid"]), default=None)

    @property
    def killed_by(self) -> dict[str, int]:
        """{name of the finding, or reason: how many trials it ended}, the most frequent first."""
        return dict(
            collections.Counter(row.ended_by or "unknown" for row in self.rows if row.state == PRUNED).most_common()
        )

    def of(self, values: dict[str, Any]) -> Row | None:
        """The trial that came to the end with these values of the recipe."""
        return next((row for row in self.trials if row.state == DONE and row.values == values), None)

    def front(self, objectives: tuple[str, ...]) -> list[Row]:
        """The trials that no other one beats in all objectives."""

        def numbers(row: Row) -> tuple[float, ...]:
            last = row.last
            signs = {"kid": last["kid"], "recall": -last.get("recall", 0.0), "time": last["seconds"]}
            return tuple(signs[name] for name in objectives)

        done = [row for row in self.trials if row.state == DONE]
        return [
            row
            for row in done
            if not any(
                all(a <= b for a, b in zip(numbers(other), numbers(row), strict=True))
                and numbers(other) != numbers(row)
                for other in done
            )
        ]

    @property
    def verdict(self) -> str:
        """How sure it is which one is the best, in a sentence."""
        if len(self.ranking) < 2:
            return "No other trial came to the end."
        first, second = self.ranking[:2]
        gap, error = second.kid - first.kid, math.hypot(first.error, second.error)
        compared = f"The second, trial {second.number}, has KID {second.kid:.4f} ± {second.error:.4f}"
        if gap <= 2 * error:
            return f"{compared}: the first and the second do not differ by more than their errors."
        return f"{compared}: the first is better by {gap / error:.1f} times the error of the difference."


def results(study: Study) -> Results:
    """The rows of a study as it is at this moment."""
    trials = study.trials
    rows = [_row(study, trial) for trial in trials]
    repeated = {row.repeats: row for row in rows if row.repeats is not None}
    return Results([_with_repetition(row, repeated.get(row.number)) for row in rows])


def judge(recipe: Recipe) -> str:
    """Who judges the trials, for a reader."""
    warning = " (which taught the discriminator too: let another judge confirm the best)"
    return KID_JUDGE + (warning if recipe.kid_judge_taught else "")


def table(study: Study, found: Results, file: Path) -> None:
    """Writes the rows as CSV."""
    keys = list(study.space.ranges)
    with replacing(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["trial", "repeats", "state", "why", "images", "seconds", "kid", "kid_error", "recall", *keys])
        for row in found.rows:
            numbers = [row.last.get(key, "") for key in ("images", "seconds", "kid", "kid_error", "recall")]
            repeats = "" if row.repeats is None else row.repeats
            values = [row.values.get(key, "") for key in keys]
            writer.writerow([row.number, repeats, row.state, row.why, *numbers, *values])


def _row(study: Study, trial: Any) -> Row:
    attributes = trial.user_attrs
    early = Early.of(trial) or Early("", "")
    state = {"COMPLETE": DONE, "PRUNED": PRUNED, "RUNNING": RUNNING, "WAITING": RUNNING}.get(trial.state.name, PRUNED)
    if "invalid" in attributes:
        state = INVALID
    why = attributes.get("invalid") or early.why
    complete = set(trial.params) >= {study.space.parameter(key) for key in study.space.sampled}
    values = study.space.values(trial.params) if complete else {}
    return Row(trial.number, state, why, marks_of(trial), values, attributes.get("repeats"), ended_by=early.by)


def _with_repetition(row: Row, again: Row | None) -> Row:
    return replace(row, again=again) if again else row
