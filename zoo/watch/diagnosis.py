"""A run after the fact: what was found in its log, which checkpoint to use, which recipe to try next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo import recipe as recipes
from zoo.checkpoints import labels, log
from zoo.checkpoints.checkpoint import open_checkpoint
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.files.shell import command
from zoo.watch.findings import Finding
from zoo.watch.remedies import cured
from zoo.watch.rules import RULES, found
from zoo.watch.signals import Entry, derive

EARLY = max(rule.entries for rule in RULES if rule.level != "note")  # lines that the slowest rule needs
LEAST_STEPS = 100  # of training; before them images are noise in a healthy run, too (chosen)


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns.

    Attributes:
        findings: in the order in which they were established.
        entries: the log's lines with derived signals.
        use: {"best": checkpoint, "last healthy": checkpoint, "latest": checkpoint}, of those that are there.
        notes: what limits the diagnosis, in sentences.
        better: the recipe with the findings' remedies applied.
        classes: the names of the classes, by label; none of an unconditional model.
        state: "done", "trains", or "stopped" before the recipe's end.
    """

    path: Path
    recipe: recipes.Recipe
    findings: list[Finding]
    entries: list[Entry]
    use: dict[str, Path]
    notes: list[str]
    better: recipes.Recipe
    classes: tuple[str, ...] = ()
    state: str = "done"

    @property
    def verdict(self) -> str:
        level = max((finding.level for finding in self.findings), key=("note", "warn", "stop").index, default="note")
        if level == "note" and self.early:
            return "too early to tell"
        if level == "note" and self.state == "stopped":
            return "stopped, no failure found"
        return {"note": "no failure found", "warn": "look closer", "stop": "training fails"}[level]

    @property
    def early(self) -> bool:
        """Whether the log has fewer lines than the slowest rule needs, or training has hardly begun."""
        judged = [entry for entry in self.entries if entry["step"] > 0 and {"d_loss", "separation"} & entry.keys()]
        return len(judged) < EARLY or judged[-1]["step"] < LEAST_STEPS

    @property
    def changes(self) -> list[recipes.Change]:
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
    except ZooError as error:
        if not (run.path / "recipe.toml").is_file():
            raise
        raise ZooError(
            f"this version of keras-ganzoo does not read the run's recipe, which another version wrote or "
            f"somebody edited ({error}) Received: {str(run.path)!r}"
        ) from None
    entries, damaged = run.read_log()
    if not entries:
        why = "nothing in its log can be read" if damaged else "it has logged nothing yet"
        raise ZooError(
            f"the run cannot be judged: {why}; a line comes every {recipe.log.every_images:,} images. "
            f"Received: {str(run.path / 'log.jsonl')!r}"
        )
    derived = derive(entries, recipe)
    findings = found(derived, recipe)
    notes = [f"A checkpoint is damaged and left out: {why}" for why in run.damaged().values()]
    if damaged:
        count = len(entries) + len(damaged)
        notes.append(f"{len(damaged)} of {count} lines of the log are cut short or damaged, and were left out.")
    if not any("separation" in entry for entry in entries):
        notes.append("The log has no probe signals, as older versions wrote it: the rest alone was judged.")
    if recipe.kid_judge_taught and any("kid" in entry for entry in entries):
        notes.append(
            f"{recipes.KID_JUDGE}, which taught the discriminator, also judges KID here. KID tells better checkpoints "
            "of this run from worse ones; compare with other models by another judge."
        )
    state = _state(run, recipe, entries)
    notes += _told(run, recipe, entries, findings, state)
    use = _use(run, findings)
    if not use:
        notes.append("The run has no checkpoint.")
    better = cured(recipe, findings)
    diagnosis = Diagnosis(run.path, recipe, findings, derived, use, notes, better, _classes(recipe, use), state)
    if diagnosis.early:
        notes.append(
            f"It is early: judging takes {LEAST_STEPS} steps of training and {EARLY} lines of the log, one every "
            f"{recipe.log.every_images:,} images."
        )
    return diagnosis


def _state(run: Run, recipe: recipes.Recipe, entries: list[log.Entry]) -> str:
    if entries[-1]["step"] >= recipe.schedule.steps:
        return "done"
    return "trains" if run.is_training else "stopped"


def _told(run: Run, recipe: recipes.Recipe, entries: list[log.Entry], findings: list[Finding], state: str) -> list[str]:
    """How far the run is, whether it trains, and what happened on the way, in sentences."""
    notes = []
    if state != "done":
        if state == "trains":
            what = "and trains now; look again later."
        elif recipe.watch == "stop" and any(finding.level == "stop" and finding.lasting for finding in findings):
            what = "and was stopped by the watcher."
        else:
            again = command("ganzoo", "train", "--resume", run.path)
            what = f"and is stopped: no process trains in its folder. Go on with: {again}"
        notes.append(f"The run is at step {entries[-1]['step']:,} of {recipe.schedule.steps:,} {what}")
    for entry in entries:
        if "rollback" in entry:
            back = entry["rollback"]
            notes.append(
                f"Rolled back from step {back['from_step']} to {entry['step']}, with half the rates: {back['why']}"
            )
        notes += [f"Changed at step {entry['step']:,}: {change}" for change in entry.get("changes", ())]
    return notes


def _classes(recipe: recipes.Recipe, use: dict[str, Path]) -> tuple[str, ...]:
    """As a checkpoint of the run calls them."""
    info = next((open_checkpoint(path).info for path in use.values()), {})
    return labels.names(recipe, info)


def _use(run: Run, findings: list[Finding]) -> dict[str, Path]:
    failing = min((finding.first_step for finding in findings if finding.level == "stop"), default=float("inf"))
    use = {"best": run.best(), "last healthy": run.healthy(failing), "latest": run.latest()}
    return {name: path for name, path in use.items() if path}
