"""Which trial comes next, shared by all processes that work on one search: Optuna, and who holds what.

Everything that was tried is in journal.log, line by line. A process holds the lock of the trial that it trains, so that
another one can go on with a trial whose process has ended.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from zoo.files.errors import ZooError
from zoo.recipe import Recipe
from zoo.training.search.plan import OBJECTIVES, Plan

JOURNAL = "journal.log"  # which optuna-dashboard reads
PATIENCE = 60.0  # seconds to wait for a lock that is held for moments
STARTS = 3  # of a trial from one step, before its process is taken to be killed by it
INVALID = 200  # draws in a row that are no valid recipe
OLDER_MARKS = ("mark 0", "mark 1", "mark 2")  # attributes of a trial in older searches, one for each
KID = "KID"  # by which a trial is ended early in favour of others


def optuna():
    """The package, quiet.

    Raises:
        ZooError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ZooError(
            f'a search needs Optuna; install it with: pip install "keras-ganzoo[search]". Received: {error}'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Claimed:
    """A trial that this process works on, while its context lasts.

    Attributes:
        number: of the trial.
        recipe: the variant.
        repeats: the number of the trial that this one runs again with another seed; None of others.
    """

    def __init__(self, trial: Any, lock: FileLock, recipe: Recipe, repeats: int | None) -> None:
        self.trial, self.number, self.recipe, self.repeats = trial, trial.number, recipe, repeats
        self._lock = lock

    def __enter__(self) -> Claimed:
        return self

    def __exit__(self, *error) -> None:
        self._lock.release()


class Study:
    """The trials of a search."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan, self.space = folder, plan, plan.space
        self._optuna = optuna()
        (folder / ".locks").mkdir(parents=True, exist_ok=True)
        with _explained(folder):
            storage = self._optuna.storages.JournalStorage(
                self._optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL), lock_obj=_JournalLock(folder))
            )
            self._study = self._optuna.create_study(
                study_name=plan.base.name,
                storage=storage,
                directions=[OBJECTIVES[name] for name in plan.objectives],
                pruner=self._optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
                load_if_exists=True,
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While it lasts, no other process takes or ends a trial."""
        with _held(self.folder / ".locks" / "search", PATIENCE):
            yield

    @property
    def trials(self) -> list[Any]:
        """All trials, as Optuna's frozen ones."""
        return self._study.get_trials(deepcopy=False)

    @property
    def importances(self) -> dict[str, float]:
        """How much each parameter mattered for KID, by PED-ANOVA over the trials that came to the end; often empty."""
        complete = [trial for trial in self.trials if trial.state.name == "COMPLETE"]
        if len(complete) < 4 or len({trial.values[0] for trial in complete}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that a target is taken to be minimised, as KID is
            return self._optuna.importance.get_param_importances(self._study, target=lambda trial: trial.values[0])

    def left(self) -> Claimed | None:
        """A trial whose process has ended before it."""
        for frozen in self.trials:
            if frozen.state.name != "RUNNING":
                continue
            lock = self._lock(frozen.number)
            if lock:
                return self._claim(self._optuna.trial.Trial(self._study, frozen._trial_id), lock)
        return None

    def new(self) -> Claimed:
        """A new trial; the first is the recipe itself, if that is inside the space.

        Raises:
            ZooError: no draw is a valid recipe.
        """
        own = self.space.own()
        if own is not None and not self.trials:
            self._study.enqueue_trial(own)
        why = None
        for _ in range(INVALID):
            trial = self._ask()
            try:
                return self._claim(trial, self._lock(trial.number))
            except ZooError as error:
                why = error
                trial.set_user_attr("invalid", str(error))
                self.end(trial, None)
        raise ZooError(f"{INVALID} draws in a row are no valid recipe; narrow the space. The last: {why}")

    def again(self, number: int) -> Claimed:
        """A trial once more, with another seed."""
        first = self.trials[number]
        self._study.enqueue_trial(first.params, user_attrs={"repeats": number})
        trial = self._ask()
        return self._claim(trial, self._lock(trial.number))

    def end(self, trial: Any, values: list[float] | None) -> None:
        """Records the end of a trial: its objectives, or None if it was ended early."""
        state = self._optuna.trial.TrialState.PRUNED if values is None else None
        self._study.tell(trial.number, values, state=state)

    def _ask(self):
        seed = self.plan.base.seed + 1_000 * len(self.trials)  # a search that goes on draws what it would have drawn
        samplers = self._optuna.samplers
        self._study.sampler = (
            samplers.TPESampler(seed=seed) if self.plan.sampler == "tpe" else samplers.RandomSampler(seed=seed)
        )
        return self._study.ask()

    def _claim(self, trial: Any, lock: FileLock) -> Claimed:
        try:
            repeats = trial.user_attrs.get("repeats")
            recipe = self.space.variant(self.space.suggest(trial))
            return Claimed(trial, lock, recipe.replace(seed=recipe.seed + (repeats is not None)), repeats)
        except BaseException:
            lock.release()
            raise

    def _lock(self, number: int) -> FileLock | None:
        try:
            return FileLock(self.folder / ".locks" / f"{number:04d}").acquire(timeout=0).lock
        except Timeout:
            return None


def folder_of(search: Path, number: int) -> Path:
    """The run of a trial."""
    return search / "trials" / f"{number:04d}"


class Early(NamedTuple):
    """Why a trial ended early: `by` is KID, the name of a finding, or the reason in short."""

    by: str
    why: str

    def record(self, trial: Any) -> None:
        trial.set_user_attr("early", self._asdict())

    @classmethod
    def of(cls, trial: Any) -> Early | None:
        """What is recorded of a trial; None if it came to its end, or runs."""
        known = trial.user_attrs
        if "early" in known:
            return cls(**known["early"])
        return cls("unknown", known["why"]) if "why" in known else None  # as older searches recorded it


def marks_of(trial: Any) -> list[dict[str, float]]:
    """What was measured of a trial, a mark each: {"images", "seconds", "kid", "kid_error", "recall"}."""
    known = trial.user_attrs
    return [*(known[name] for name in OLDER_MARKS if name in known), *known.get("marks", [])]


class _JournalLock:
    """Optuna's lock of the journal, which the end of a process releases. A line that a crash cut short is removed."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._context = folder, contextlib.ExitStack()

    def acquire(self) -> bool:
        self._context.enter_context(_held(self._folder / ".locks" / "journal", PATIENCE))
        mend(self._folder / JOURNAL)
        return True

    def release(self) -> None:
        self._context.close()


def mend(journal: Path) -> None:
    """Removes what stands after the last line end."""
    with open(journal, "rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


@contextlib.contextmanager
def _held(file: Path, seconds: float) -> Iterator[None]:
    try:
        lock = FileLock(file).acquire(timeout=seconds)
    except Timeout:
        raise ZooError(
            f"another process holds this search for more than {seconds:g} seconds; look whether it hangs, and stop it. "
            f"Received: {str(file)!r}"
        ) from None
    with lock:
        yield


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """A journal that Optuna cannot read is the user's to mend: another version wrote it, or somebody edited it."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ZooError):
            raise
        raise ZooError(
            f"{JOURNAL} cannot be read ({type(error).__name__}: {error}); search into a new folder. "
            f"Received: {str(folder)!r}"
        ) from None
