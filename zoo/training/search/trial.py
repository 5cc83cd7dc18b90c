"""One trial: a run that is measured at marks, and that ends at the last one, or before if it is worse than others."""

from __future__ import annotations

from typing import Any

import keras

from zoo import data
from zoo.checkpoints import run_history
from zoo.checkpoints.kept import step_of
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.training.finite import NonFinite
from zoo.training.loop import DONE, attempt
from zoo.training.search.plan import Plan
from zoo.training.search.study import KID, STARTS, Claimed, Early, Study, folder_of, marks_of
from zoo.training.stopping import Stopping
from zoo.watch.watcher import Failing

RESOURCES = (1, 3, 9)  # of the marks, as successive halving counts them
NO_MEMORY = "it does not fit in memory"


class Marks(Stopping):
    """Ends a run at the last mark, or at one where `judge` says so; else as any run is ended.

    Attributes:
        first: the step to go on from.
        reached: how many marks are behind.
        over: whether the trial has ended, and not only this process's work on it.
    """

    strict = True

    def __init__(self, plan: Plan, claimed: Claimed, run: Run, seconds: float | None) -> None:
        """`seconds`: the most that this process may spend."""
        super().__init__(seconds)
        self._plan, self._trial, self._repeats, self._run = plan, claimed.trial, claimed.repeats, run
        self._images_per_step = claimed.recipe.schedule.images_per_step
        self.reached = len(marks_of(claimed.trial))
        self.over = self.reached == len(plan.marks) or Early.of(claimed.trial) is not None
        self.images, self.seconds, self.first, self._seconds_before = 0, 0.0, 0, 0.0

    def begin(self) -> None:
        """Takes up the run where it is; ZooError if none of its checkpoints is intact."""
        latest = self._run.intact()
        self.first = step_of(latest) if latest else 0
        entries = [entry for entry in self._run.entries() if entry["step"] <= self.first]
        self._seconds_before = run_history.seconds(entries)

    def wants(self, step: int, seconds: float) -> bool:
        self.images, self.seconds = step * self._images_per_step, self._seconds_before + seconds
        marks = self._plan.marks
        return (
            self.reached < len(marks) and (self.seconds if self._plan.seconds else self.images) >= marks[self.reached]
        )

    def saved(self, step: int) -> bool:
        entry = next((one for one in reversed(self._run.entries()) if one["step"] == step and "kid" in one), None)
        if entry and self.wants(step, self.seconds - self._seconds_before):
            self.mark(entry)
        return self.over

    def end(self) -> Early | None:
        """Where the recipe is shorter than the time of a trial: the last numbers count. Why not, if there are none."""
        last = next((entry for entry in reversed(self._run.entries()) if "kid" in entry), None)
        if not last:
            return Early("no measurement", "it was stopped in its last step, before it was measured")
        self.reached = len(self._plan.marks) - 1
        self.mark(last)
        return None

    def mark(self, entry: dict[str, Any]) -> None:
        """Records what was measured, and judges it."""
        trial, at = self._trial, self.reached
        numbers = {key: entry[key] for key in ("kid", "kid_error", "recall")}
        mark = {"images": self.images, "seconds": round(self.seconds, 1), **numbers}
        trial.set_user_attr("marks", [*marks_of(trial), mark])
        self.reached += 1
        last = self.reached == len(self._plan.marks)
        if len(self._plan.objectives) == 1 and self._repeats is None:  # Optuna prunes for one objective
            trial.report(entry["kid"], RESOURCES[at + len(RESOURCES) - len(self._plan.marks)])
            if not last and trial.should_prune():
                Early(KID, f"KID {entry['kid']:.3g} was not in the best third").record(trial)
                self.over = True
        self.over = self.over or last


def run(study: Study, claimed: Claimed, store: data.Store, seconds: float | None) -> Marks:
    """Trains a claimed trial to its end, as far as `seconds` and signals let it, and records that end.

    Returns:
        The marks, which say whether it is over.
    """
    trial, place = claimed.trial, Run(folder_of(study.folder, claimed.number))
    marks = Marks(study.plan, claimed, place, seconds)
    if not marks.over:  # else its process ended before it could record the end
        early = _train(claimed, place, store, marks)
        if early:
            early.record(trial)
            marks.over = True
    if marks.over:
        with study.locked():
            study.end(trial, None if Early.of(trial) else _values(study.plan, trial))
    return marks


def _train(claimed: Claimed, place: Run, store: data.Store, marks: Marks) -> Early | None:
    """Why the trial fails; None if it does not."""
    try:
        marks.begin()
    except ZooError as error:  # all of its checkpoints are damaged
        return Early("damaged checkpoints", str(error))
    starts = [*claimed.trial.user_attrs.get("starts", []), marks.first]
    claimed.trial.set_user_attr("starts", starts)
    if starts.count(marks.first) > STARTS:
        return Early("its process", f"its process ended {STARTS} times at step {marks.first:,}; perhaps {NO_MEMORY}")
    try:
        ended = attempt(claimed.recipe, place, store, marks, shown=False)
        return None if marks.over or ended != DONE else marks.end()
    except Failing as failure:
        return Early(failure.findings[0].name, str(failure.findings[0]))
    except NonFinite as failure:
        return Early("non_finite", f"non_finite: {failure}")
    except Exception as error:
        if not _out_of_memory(error):
            raise
        return Early("memory", NO_MEMORY)
    finally:
        keras.backend.clear_session()  # which collects garbage too


def _values(plan: Plan, trial: Any) -> list[float]:
    numbers = marks_of(trial)[-1]
    return [numbers["seconds" if name == "time" else name] for name in plan.objectives]


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether the host or the device lacked memory: each library says so in its own way."""
    while error:
        words = f"{type(error).__name__} {error}"
        if isinstance(error, MemoryError) or "ResourceExhausted" in words or "RESOURCE_EXHAUSTED" in words:
            return True
        error = error.__cause__ or error.__context__
    return False
