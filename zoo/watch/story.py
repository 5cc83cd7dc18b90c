"""A run in one sentence, as a person would tell it: until when it was well, what changed then, and where to go on."""

from __future__ import annotations

import statistics

from zoo.checkpoints.kept import step_of
from zoo.watch.diagnosis import Diagnosis
from zoo.watch.findings import Finding, Rule
from zoo.watch.past import COMPARED, WINDOW, change_of
from zoo.watch.signals import Entry

FOLDS = dict(enumerate(("three", "four", "five", "six", "seven", "eight", "nine", "ten"), 3))
QUALITY = ("kid", "cell_kid")
SHOWN = 5  # deviations that are worth telling


def story(diagnosis: Diagnosis) -> str:
    """One sentence.

    Example:
        >>> story(zoo.diagnose("runs/mine"))
        "Healthy until image 412,000; then D's gradient rose eightfold within 3,000 images; KID doubled; go on from
        step 12,800, with the changes below."
    """
    finding = next((finding for finding in diagnosis.findings if finding.level != "note"), None)
    reached = diagnosis.entries[-1].get("images", 0)
    if finding is None:
        if diagnosis.early:
            return f"The run is young, with {reached:,} images: too early to tell."
        notes = " and ".join(finding.rule.meaning for finding in diagnosis.findings)
        parts = [f"No failure until image {reached:,}, but {notes}"] if notes else []
        parts = parts or [f"Healthy until image {reached:,}, as far as the log goes"]
        parts += ["then it was stopped"] if diagnosis.state == "stopped" else []
        best = diagnosis.use.get("best")
        parts += [f"draw from step {step_of(best):,}, whose KID is the smallest"] if notes and best else []
        return "; ".join(parts) + "."
    before = [entry for entry in diagnosis.entries if entry["step"] < finding.first_step]
    if not before:
        parts = [f"It failed from the start: {finding.rule.meaning}"]
    else:
        after = [entry for entry in diagnosis.entries if entry["step"] >= finding.first_step]
        quality = _quality(before, after)
        parts = [f"Healthy until image {before[-1].get('images', 0):,}", f"then {_change(finding, before, after)}"]
        parts += [quality] if quality else []
    healthy = diagnosis.use.get("last healthy")
    if healthy:
        changes = "with the changes below" if diagnosis.changes else "with the same recipe"
        parts.append(f"go on from step {step_of(healthy):,}, {changes}")
    return "; ".join(parts) + "."


def compared(rule: Rule, entries: list[Entry]) -> str:
    """The signal that a rule is about, as it was measured."""
    if rule.signal == "decline":
        return max(QUALITY, key=lambda name: max((entry.get(change_of(name), -1.0) for entry in entries), default=-1.0))
    return rule.measured


def usual(signal: str, before: list[Entry]) -> float | None:
    """The median of a signal's last values before."""
    values = [entry[signal] for entry in before if signal in entry][-WINDOW:]
    return statistics.median(values) if values else None


def _change(finding: Finding, before: list[Entry], after: list[Entry]) -> str:
    """What the finding rests on, in numbers where it compares; else what changed most, beside what it means."""
    until = [entry for entry in after if entry["step"] <= finding.step]
    own = finding.rule.measured
    if own in COMPARED:
        return _moved(own, before, until) or finding.rule.meaning
    names = [name for name in COMPARED if name not in QUALITY]
    sizes = {name: max((abs(entry.get(change_of(name), 0.0)) for entry in until), default=0.0) for name in names}
    most = max(sizes, key=sizes.__getitem__)
    moved = _moved(most, before, until) if sizes[most] > SHOWN else ""
    return finding.rule.meaning + (f", and {moved}" if moved else "")


def _quality(before: list[Entry], after: list[Entry]) -> str:
    """How KID moved, or the coarse KID where there is none yet; nothing when it did not become worse."""
    for name in QUALITY:
        there = [entry for entry in after if entry.get(change_of(name), 0.0) > SHOWN]
        if there:
            return _moved(name, before, there).partition(" within ")[0]
    return ""


def _moved(name: str, before: list[Entry], after: list[Entry]) -> str:
    """ "D's gradient rose eightfold within 3,000 images" """
    old, there = usual(name, before), [entry for entry in after if name in entry]
    if old is None or not there:
        return ""
    scaled = COMPARED[name].scaled
    last = max(there, key=lambda entry: abs(scaled(entry[name]) - scaled(old)))
    new = last[name]
    images = last.get("images", 0) - before[-1].get("images", 0)
    return f"{COMPARED[name].words}{_by(old, new)} within {images:,} images"


def _by(old: float, new: float) -> str:
    fold = new / old if old > 0 else 0.0
    if round(fold) == 2:
        return " doubled"
    if round(fold) in FOLDS:
        return f" rose {FOLDS[round(fold)]}fold"
    if fold > 1.5:
        return f" rose {fold:,.0f}-fold" if fold < 1_000 else " rose more than a thousandfold"
    return f" {'rose' if new > old else 'fell'} from {old:.3g} to {new:.3g}"
