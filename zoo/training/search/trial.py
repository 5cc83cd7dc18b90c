"""One trial: a run that is measured at marks, and that ends at the last one, or before if it is worse than others."""

from __future__ import annotations

import gc
from typing import Any

import keras

from zoo import data
from zoo.checkpoints import run_history
from zoo.checkpoints.kept import step_of
from zoo.checkpoints.run import Run
from zoo.training.finite import NonFinite
from zoo.training.loop import DONE, attempt
from zoo.training.search.plan import Plan
from zoo.training.search.study import STARTS, Claimed, Study, folder_of
from zoo.training.stopping import Stopping
from zoo.watch.watcher import Failing

RESOURCES = (1, 3, 9)  # of the marks, as successive halving counts them
NO_MEMORY = "it does not fit in memory"


class Marks(Stopping):
    """Ends a run at the last mark, or at one where `judge` says so; else as any run is ended.

    Attributes:
        reached: how many marks are behind.
        over: whether the trial has ended, and not only this process's work on it.
    """

    strict = True

    def __init__(self, plan: Plan, claimed: Claimed, run: Run, seconds: float | None) -> None:
        """`seconds`: the most that this process may spend."""
        super().__init__(seconds)
        self._plan, self._trial, self._repeats, self._run = plan, claimed.trial, claimed.repeats, run
        self._images_per_step = claimed.recipe.schedule.images_per_step
        latest = run.intact()
        self.first = step_of(latest) if latest else 0
        self._seconds_before = run_history.seconds([entry for entry in run.entries() if entry["step"] <= self.first])
        self.reached = len([name for name in claimed.trial.user_attrs if name.startswith("mark ")])
        self.images, self.seconds = 0, 0.0
        self.over = self.reached == len(plan.marks) or "why" in claimed.trial.user_attrs

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

    def mark(self, entry: dict[str, Any]) -> None:
        """Records what was measured, and judges it."""
        trial, at = self._trial, self.reached
        numbers = {key: entry[key] for key in ("kid", "kid_error", "recall")}
        trial.set_user_attr(f"mark {at}", {"images": self.images, "seconds": round(self.seconds, 1), **numbers})
        self.reached += 1
        last = self.reached == len(self._plan.marks)
        if len(self._plan.objectives) == 1 and self._repeats is None:  # Optuna prunes for one objective
            trial.report(entry["kid"], RESOURCES[at + len(RESOURCES) - len(self._plan.marks)])
            if not last and trial.should_prune():
                trial.set_user_attr("why", f"KID {entry['kid']:.3g} was not in the best third")
                self.over = True
        self.over = self.over or last


def run(study: Study, claimed: Claimed, store: data.Store, seconds: float | None) -> Marks:
    """Trains a claimed trial to its end, as far as `seconds` and signals let it, and records that end.

    Returns:
        The marks, which say whether it is over.
    """
    trial, place = claimed.trial, Run(folder_of(study.folder, claimed.number))
    marks, why = Marks(study.plan, claimed, place, seconds), None
    starts = [*trial.user_attrs.get("starts", []), marks.first]
    trial.set_user_attr("starts", starts)
    if marks.over:  # its process ended before it could record the end
        pass
    elif starts.count(marks.first) > STARTS:
        why = f"its process ended {STARTS} times at step {marks.first:,}; perhaps {NO_MEMORY}"
    else:
        try:
            ended = attempt(claimed.recipe, place, store, marks, shown=False)
            if ended == DONE and not marks.over:
                last = next((entry for entry in reversed(place.entries()) if "kid" in entry), None)
                if last:  # the recipe is shorter than the time of a trial
                    marks.reached = len(study.plan.marks) - 1
                    marks.mark(last)
                else:
                    why = "it was stopped in its last step, before it was measured"
        except (Failing, NonFinite) as failure:
            why = str(failure.findings[0]) if isinstance(failure, Failing) else f"non_finite: {failure}"
        except Exception as error:
            if not _out_of_memory(error):
                raise
            why = NO_MEMORY
        finally:
            keras.backend.clear_session()
            gc.collect()
    if why:
        trial.set_user_attr("why", why)
        marks.over = True
    if marks.over:
        with study.locked():
            study.end(trial, None if "why" in trial.user_attrs else _values(study.plan, trial))
    return marks


def _values(plan: Plan, trial: Any) -> list[float]:
    numbers = trial.user_attrs[f"mark {len(plan.marks) - 1}"]
    return [numbers["seconds" if name == "time" else name] for name in plan.objectives]


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether the host or the device lacked memory: each library says so in its own way."""
    while error:
        words = f"{type(error).__name__} {error}"
        if isinstance(error, MemoryError) or "ResourceExhausted" in words or "RESOURCE_EXHAUSTED" in words:
            return True
        error = error.__cause__ or error.__context__
    return False
