"""A run after the fact: what was found in its log, which checkpoint to use, which recipe to try next."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.watch.findings import Finding
from zoo.watch.remedies import cured
from zoo.watch.rules import find
from zoo.watch.signals import Entry, derive

GROWING_SECONDS = 600  # a log that was written to within these is taken to grow still


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns.

    Attributes:
        findings: in the order in which they were established.
        entries: the log's lines with derived signals.
        use: {"best": checkpoint, "last healthy": checkpoint, "latest": checkpoint}, of those that are there.
        notes: what limits the diagnosis, in sentences.
        better: the recipe with the findings' remedies applied.
    """

    path: Path
    recipe: recipes.Recipe
    findings: list[Finding]
    entries: list[Entry]
    use: dict[str, Path]
    notes: list[str]
    better: recipes.Recipe

    @property
    def verdict(self) -> str:
        level = max((finding.level for finding in self.findings), key=("note", "warn", "stop").index, default="note")
        return {"note": "no failure found", "warn": "look closer", "stop": "training fails"}[level]

    @property
    def changes(self) -> list[str]:
        return recipes.difference(self.recipe, self.better)


def diagnose(path: str | Path) -> Diagnosis:
    """Reads the folder of a run, which may still grow.

    Raises:
        ZooError: no run, a recipe that this version does not read, or nothing logged yet.

    Example:
        >>> diagnosis = zoo.diagnose("runs/mine")
        >>> diagnosis.verdict
        'no failure found'
    """
    run = Run(path)
    try:
        recipe = run.recipe
    except ValueError as error:
        if not (run.path / "recipe.toml").is_file():
            raise
        raise ZooError(
            f"this version of keras-ganzoo does not read the run's recipe, which another version wrote or "
            f"somebody edited ({error}) Received: {str(run.path)!r}"
        ) from None
    lines, entries = _lines(run)
    if not entries:
        why = "nothing in its log can be read" if lines else "it has logged nothing yet"
        raise ZooError(
            f"the run cannot be judged: {why}; a line comes every {recipe.log.every_images:,} images. "
            f"Received: {str(run.path)!r}"
        )
    findings = find(entries, recipe)
    use, notes = _checkpoints(run, findings)
    if len(entries) < lines:
        notes.append(f"{lines - len(entries)} of {lines} lines of the log are cut short or damaged, and were left out.")
    if not any("separation" in entry for entry in entries):
        notes.append("The log has no probe signals, as older versions wrote it: the rest alone was judged.")
    last = max(entry["step"] for entry in entries)
    if last < recipe.schedule.steps:
        growing = time.time() - (run.path / "log.jsonl").stat().st_mtime < GROWING_SECONDS
        if recipe.watch == "stop" and any(finding.level == "stop" and finding.lasting for finding in findings):
            state = "and was stopped by the watcher."
        else:
            state = "and seems to go on; look again later." if growing else "and was not finished."
        notes.append(f"The run is at step {last:,} of {recipe.schedule.steps:,} {state}")
    rollbacks = [entry for entry in entries if "rollback" in entry]
    notes += [
        f"Rolled back from step {entry['rollback'].get('from_step')} to {entry['step']}, with half the rates: "
        f"{entry['rollback'].get('why')}"
        for entry in rollbacks
        if isinstance(entry["rollback"], dict)
    ]
    return Diagnosis(run.path, recipe, findings, derive(entries, recipe), use, notes, cured(recipe, findings))


def _lines(run: Run) -> tuple[int, list[dict[str, Any]]]:
    """How many lines the log has, and those that can be read."""
    file = run.path / "log.jsonl"
    try:
        count = len(file.read_text().splitlines()) if file.is_file() else 0
        entries = run.entries()
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise ZooError(f"the run's log is not readable text ({error}). Received: {str(file)!r}") from None
    return count, [entry for entry in entries if isinstance(entry, dict) and type(entry.get("step")) is int]


def _checkpoints(run: Run, findings: list[Finding]) -> tuple[dict[str, Path], list[str]]:
    failing = [finding.first_step for finding in findings if finding.level == "stop"]
    use, notes = {}, []
    for path in run.checkpoints():
        try:
            checkpoint.open_checkpoint(path)
        except ValueError as error:
            return {}, [f"A checkpoint is damaged, so none is recommended: {error}"]
    for name, path in (
        ("best", run.best()),
        ("last healthy", run.healthy(min(failing, default=float("inf")))),
        ("latest", run.latest()),
    ):
        if path:
            use[name] = path
    if not use:
        notes.append("The run has no checkpoint.")
    return use, notes
