"""One process's part in a search: trials one after the other, until there are enough or the time is up; then the
finalists again, with another seed."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

from zoo.data import Store
from zoo.files.errors import ZooError
from zoo.files.progress import duration
from zoo.files.shell import command
from zoo.training.search import outcome, trial
from zoo.training.search.results import DONE, PRUNED, RUNNING, Results, Row, results
from zoo.training.search.study import Claimed, Study

logger = logging.getLogger("ganzoo")

TRIALS = 40  # unless a number or a time is given
REPORT_SHARE = 0.01  # of the time that the report may take
PAUSE = 2.0  # seconds between looks at what other processes do


@dataclass(frozen=True)
class Search:
    """What `search` returns.

    Attributes:
        path: the folder; best.toml, trials.csv and report.html are in it.
        results: a row for each trial; `results.best` is the best one.
        stopped_by: the number of the signal that ended the search early in this process, else 0.
        overhead: seconds that this process spent beside trials, on what comes next and on the outcome.
    """

    path: Path
    results: Results
    stopped_by: int = 0
    overhead: float = 0.0


class Worker:
    """Trains trials of a study."""

    def __init__(self, study: Study, store: Store, trials: int | None, seconds: float | None) -> None:
        """`trials`: how many there are in the end, by all processes; `seconds`: for this process."""
        self.study, self.store, self.overhead = study, store, 0.0
        self._wanted = trials if trials is not None else math.inf if seconds is not None else TRIALS
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._next_report = 0.0
        self._spent: list[float] = []  # seconds of each trial
        self._full: list[float] = [study.plan.seconds] if study.plan.seconds else []  # of whole ones

    @property
    def remaining(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    @property
    def _full_seconds(self) -> float:
        return sum(self._full) / len(self._full) if self._full else 0.0

    def work(self) -> Search:
        """Trials until there are enough. The outcome is written after each, so that nothing is lost."""
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of many compiled steps: each trial has one
        signal = 0
        while not signal and self.remaining > 0:
            begun = time.monotonic()
            with self.study.locked():
                found = results(self.study)
                claimed = self._next(found)
            self.overhead += time.monotonic() - begun
            if claimed:
                with claimed:
                    signal = self._run(claimed)
            elif any(row.state == RUNNING for row in found.rows) and self.study.plan.finalists:
                time.sleep(PAUSE)  # another process may leave finalists to run again
            else:
                break
        found = self._conclude(last=True)
        if signal or self.remaining <= 0:
            why = "stopped" if signal else "the time is up: stopped"
            logger.info(f"{why}; go on with: {command('ganzoo', 'search', '--resume', self.study.folder)}")
        self._require_survivor(found)
        return Search(self.study.folder, found, signal, self.overhead)

    def _next(self, found: Results) -> Claimed | None:
        """What another process left, or a new trial; when all have ended, a finalist again."""
        finalists = self.study.plan.finalists
        claimed = self.study.left()
        if claimed:
            return claimed
        if len(found.trials) < self._wanted and self.remaining > finalists * self._full_seconds:
            return self.study.new()
        if any(row.state == RUNNING for row in found.rows) or self.remaining < self._full_seconds:
            return None
        best = sorted((row for row in found.trials if row.state == DONE), key=lambda row: row.last["kid"])[:finalists]
        return next((self.study.again(row.number) for row in best if row.again is None), None)

    def _run(self, claimed: Claimed) -> int:
        """Returns the signal that stopped it, or 0."""
        begun, left = time.monotonic(), self.remaining
        marks = trial.run(self.study, claimed, self.store, None if left == math.inf else left)
        spent = time.monotonic() - begun
        if marks.over:
            self._spent.append(spent)
            if marks.reached == len(self.study.plan.marks) and not marks.first:
                self._full.append(spent)
            self._tell(claimed.number, self._conclude())
        return marks.signal

    def _conclude(self, last: bool = False) -> Results:
        """Writes what is known by now; before the end the report only as often as REPORT_SHARE allows."""
        begun = time.monotonic()
        with self.study.locked():
            found = results(self.study)
            outcome.write(self.study, found)
            written = time.monotonic()
            if last or written > self._next_report:
                outcome.write_report(self.study, found)
                ended = time.monotonic()
                self._next_report = ended + (ended - written) / REPORT_SHARE
        self.overhead += time.monotonic() - begun
        return found

    def _tell(self, number: int, found: Results) -> None:
        """One line: what came of this trial, and how the search stands."""
        row = found.rows[number]
        what = f"trial {number}" if row.repeats is None else f"trial {row.repeats} with another seed"
        kid = f"KID {row.last['kid']:.4f}" if row.marks else "not measured"
        came = row.why if row.state == PRUNED and not row.failed else ", ".join(filter(None, (kid, row.why)))
        parts = [f"{count} {state}" for state, count in found.counts.items()]
        if found.best:
            parts.append(f"best KID {found.best.kid:.4f} ± {found.best.error:.4f} (trial {found.best.number})")
        parts.append(f"{duration(self._left(found))} left")
        logger.info(f"{what}: {row.state} after {row.last['images']:,} images, {came}; {', '.join(parts)}")

    def _left(self, found: Results) -> float:
        """Seconds, of the search."""
        if self._wanted == math.inf:
            return max(0.0, self.remaining)
        trials = max(0, self._wanted - sum(row.state != RUNNING for row in found.trials))
        again = max(0, self.study.plan.finalists - sum(row.repeated for row in found.trials))
        estimate = trials * sum(self._spent) / max(1, len(self._spent)) + again * self._full_seconds
        return min(estimate, max(0.0, self.remaining))

    def _require_survivor(self, found: Results) -> None:
        if found.best or not found.trials or any(row.state == RUNNING for row in found.trials):
            return
        killed = ", ".join(f"{count} by {name}" for name, count in found.killed_by.items())
        least: Row | None = found.least_bad
        show = (
            f"; the least bad is trial {least.number}, with KID {least.last['kid']:.4f} after "
            f"{least.last['images']:,} images"
            if least
            else ""
        )
        raise ZooError(
            f"no trial came to its end: ended early {killed}{show}. Look at {self.study.folder / outcome.REPORT}, and "
            f"narrow the space or lower the rates. Received: {len(found.trials)} trials"
        )
