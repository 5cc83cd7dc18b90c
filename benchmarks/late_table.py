"""What `late_failures.py` makes of its runs: when quality fell, what the watcher says, and the tables."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
from failure_table import extreme, listed

from zoo import recipe as recipes
from zoo.watch.findings import ABOVE, Finding
from zoo.watch.late import CALIBRATED, LATE
from zoo.watch.rules import RULES, find

IN_TIME = 0.05  # of the run, after quality fell visibly
# What may be said first of a run that was broken in each way.
CAUSES = {
    "rates_x100": ("g_too_fast", "d_too_fast"),
    "g_rate_x50": ("g_too_fast",),
    "d_rate_x50": ("d_too_fast",),
    "d_rate_0.01": ("d_weak",),
    "d_stopped": ("d_frozen", "d_weak"),
    "g_stopped": ("g_frozen",),
    "beta_0.99": ("carried_on", "momentum", "oscillation"),
    "overflow": ("non_finite",),
    "weights_x10": ("weights_changed",),
    "g_weights_x3": ("weights_changed",),
    "d_weights_0": ("weights_changed", "d_frozen", "frozen_losses"),
    "g_weights_0": ("weights_changed",),
    "checkerboard": ("weights_changed",),
    "frozen_statistics": ("statistics_stopped",),
    "no_average": ("average_stopped",),
    "no_penalty": ("penalty_gone", "not_lipschitz", "exploding"),
    "no_augmentation": ("augmentation_gone", "memorised"),
    "swapped": ("swapped",),
    "range": ("data_range",),
    "inverted": ("data_changed",),
    "noise": ("data_changed",),
    "one_image": ("data_changed",),
    "one_kind": ("data_changed",),
    "other_kind": ("data_changed",),
    "one_image_of_class_3": ("data_changed", "class_collapse"),
    "64_images": ("few_images", "memorised"),
}
ERRORS = 3.0  # standard errors by which quality must be worse
PAST = 20  # looks before the break that are the run's own past


def load(folder: Path) -> list[dict]:
    pairs = [json.loads(file.read_text()) for file in sorted(folder.glob("[0-9]*.json"))]
    return [pair | {"recipe": recipes.from_dict(pair["recipe"])} for pair in pairs]


def quality(entries: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, kernel distances as medians of three looks, and their standard errors."""
    looks = [entry for entry in entries if "truth" in entry]
    steps, values, errors = (np.array([look[key] for look in looks]) for key in ("step", "truth", "truth_error"))
    around = np.pad(values, 1, mode="edge")
    return steps, np.median([around[:-2], values, around[2:]], axis=0), errors


def spread(values: np.ndarray) -> float:
    """A standard deviation that outliers do not move."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def bounds(pair: dict, steps: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """At each step, the quality that is worse than the healthy twin's there and than the run's own past: by more than
    ERRORS times its error, with what both move by from look to look."""
    twin_steps, twin, twin_errors = quality(pair["healthy"])
    past = (twin_steps <= pair["at"]) & (twin_steps > pair["at"] - PAST * 8)
    after = twin_steps > pair["at"]
    before = twin[past] if past.any() else np.zeros(1)  # a run that is broken from its start has no past
    noise = np.hypot(spread(before), spread(twin[after]))
    other, other_errors = (np.interp(steps, twin_steps, values) for values in (twin, twin_errors))
    worst = np.maximum(other, np.median(before))
    return worst + ERRORS * np.sqrt(errors**2 + noise**2 + other_errors**2)


def visibly_failed(pair: dict) -> int | None:
    """The step from which on, to the end, quality is beyond `bounds`; or of the value that is not finite."""
    steps, own, errors = quality(pair["broken"])
    worse = (own > bounds(pair, steps, errors)) & (steps > pair["at"])
    if worse[-1]:
        return int(steps[_start(worse)])
    last = pair["broken"][-1]
    return last["step"] if "non_finite" in last else None


def within(pair: dict, entries: list[dict]) -> bool:
    """Whether a run ends with the quality of the healthy twin, up to its error."""
    steps, own, errors = quality(entries)
    return bool(own[-1] <= bounds(pair, steps, errors)[-1])


def _start(worse: np.ndarray) -> int:
    """Where the true values at the end begin."""
    good = np.flatnonzero(~worse)
    return 0 if len(good) == 0 else int(good[-1]) + 1


def alarms(entries: list[dict], recipe, after: int = -1) -> list[Finding]:
    """What the watcher says above a note, in the order in which it says so, after a step."""
    return [finding for finding in find(entries, recipe) if finding.level != "note" and finding.step > after]


def judged(pair: dict) -> dict:
    """A pair with `visible`, the alarms of both runs, and whether the broken run's first one is in time and right."""
    visible = visibly_failed(pair)
    said = alarms(pair["broken"], pair["recipe"], pair["at"])
    in_time = bool(said) and visible is not None and said[0].step <= visible + IN_TIME * pair["recipe"].schedule.steps
    return pair | {
        "visible": visible,
        "said": said,
        "in_time": in_time,
        "right": bool(said) and said[0].name in CAUSES[pair["failure"]],
        "healthy_said": alarms(pair["healthy"], pair["recipe"]),
    }


def report(folder: Path, half: int | str = 1) -> str:
    """The tables, in Markdown, of the pairs of one half."""
    pairs = [judged(pair) for pair in load(folder) if pair["half"] == half]
    rows = [_row(name, [pair for pair in pairs if pair["failure"] == name]) for name in CAUSES]
    rows = [row for row in rows if row[1]] + [_row("**all**", pairs)]
    heads = (
        "broken by",
        "runs",
        "quality fell",
        "of these found in time",
        "right cause first",
        "first said, where wrong",
        "alarm after quality fell, of the run (median)",
        "quality did not fall",
        "of these with an alarm",
    )
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] * len(heads), *rows]]
    return "\n".join(
        [*lines, "", *_healthy(pairs), "", *_by("change", pairs), "", *_by("cell", pairs), "", *_said(pairs)]
    )


def fit(folder: Path) -> str:
    """For each calibrated rule, from the fitting half: how extreme it is in healthy twins, in runs that were broken in
    another way and in those that it is for, up to the moment when it must be found; and a threshold between them."""
    lines = []
    pairs = [judged(pair) for pair in load(folder) if pair["half"] == 0]
    for rule in LATE:
        if rule.source != CALIBRATED:
            continue
        kinds = {"healthy": [], "other": [], "broken": []}
        for pair in pairs:
            kinds["healthy"].append(extreme(rule, {"entries": pair["healthy"], "recipe": pair["recipe"]}))
            if pair["visible"] is not None:
                ours = rule.name in CAUSES[pair["failure"]] or rule.name == "declined"
                until = pair["visible"] / pair["recipe"].schedule.steps + IN_TIME
                value = extreme(rule, {"entries": pair["broken"], "recipe": pair["recipe"]}, until)
                kinds["broken" if ours else "other"].append(value)
        above = rule.side == ABOVE
        shown = {
            kind: sorted((value for value in values if value is not None), reverse=above == (kind != "broken"))[:6]
            for kind, values in kinds.items()
        }
        told = "  ".join(f"{kind} {listed(values)}" for kind, values in shown.items())
        lines.append(f"{rule.name:16}{rule.signal:20}{rule.side:6} now {rule.threshold:<6g} {told}")
    first = [(pair["failure"], pair["said"][0].name) for pair in pairs if pair["said"]]
    for name in dict.fromkeys(rule.name for rule in (*LATE, *RULES)):
        said = [failure for failure, alarm in first if alarm == name]
        if said:
            right = sum(name in CAUSES[failure] for failure in said)
            lines.append(f"{name:18}first alarm of {len(said)} runs, right in {right}")
    return "\n".join(lines)


def _row(name: str, pairs: list[dict]) -> list:
    fell = [pair for pair in pairs if pair["visible"] is not None]
    others = [pair for pair in pairs if pair["visible"] is None]
    found = [pair for pair in fell if pair["in_time"]]
    wrong = Counter(pair["said"][0].name if pair["said"] else "nothing" for pair in fell if not pair["right"])
    late = [(pair["said"][0].step - pair["visible"]) / pair["recipe"].schedule.steps for pair in fell if pair["said"]]
    return [
        name,
        len(pairs),
        len(fell),
        len(found),
        sum(pair["right"] for pair in fell),
        ", ".join(f"{said} {count}" for said, count in wrong.items()),
        f"{statistics.median(late):+.1%}" if late else "",
        len(others),
        sum(bool(pair["said"]) for pair in others),
    ]


def _healthy(pairs: list[dict]) -> list[str]:
    stopped = [pair for pair in pairs if any(finding.level == "stop" for finding in pair["healthy_said"])]
    said = Counter(finding.name for pair in pairs for finding in pair["healthy_said"])
    alarmed = sum(bool(pair["healthy_said"]) for pair in pairs)
    return [f"{len(pairs)} healthy twins: {alarmed} with an alarm, {len(stopped)} of level stop ({dict(said) or '-'})."]


def _said(pairs: list[dict]) -> list[str]:
    """Of how many runs each rule was said, notes included: whether it proves itself."""
    counts = {name: [0, 0, 0] for name in dict.fromkeys(rule.name for rule in (*LATE, *RULES))}
    for pair in pairs:
        for finding in find(pair["healthy"], pair["recipe"]):
            counts[finding.name][0] += 1
        for finding in find(pair["broken"], pair["recipe"]):
            if finding.step > pair["at"]:
                counts[finding.name][1 + (pair["visible"] is None)] += 1
    fell = sum(pair["visible"] is not None for pair in pairs)
    heads = [
        "finding",
        f"of {len(pairs)} healthy twins",
        f"of {fell} whose quality fell",
        f"of {len(pairs) - fell} others",
    ]
    rows = [[name, *numbers] for name, numbers in counts.items() if any(numbers)]
    return ["| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] * 4, *rows]]


def _by(key: str, pairs: list[dict]) -> list[str]:
    """How the healthy twins fared, and how many failures were found, by the change that is none, or by the cell."""
    lines = []
    for value in dict.fromkeys(pair[key] for pair in pairs):
        own = [pair for pair in pairs if pair[key] == value]
        fell = [pair for pair in own if pair["visible"] is not None]
        lines.append(
            f"{value}: {sum(bool(pair['healthy_said']) for pair in own)} of {len(own)} healthy twins alarmed, "
            f"{sum(pair['in_time'] for pair in fell)} of {len(fell)} failures found in time"
        )
    return lines
