"""What `failure_detection.py` makes of its runs: thresholds from the fitting half, the table from the other half."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from pathlib import Path

import numpy as np

from zoo import recipe as recipes
from zoo.watch.findings import ABOVE
from zoo.watch.rules import CALIBRATED, RULES, find
from zoo.watch.signals import derive

EARLY = 0.12  # of the run
# What may be said first of a run that was broken in each way; fixed before any threshold was fitted.
CAUSES = {
    "d_fast": ("d_too_fast", "d_wins", "exploding"),
    "d_slow": ("d_weak",),
    "g_fast": ("g_too_fast",),
    "d_frozen": ("d_frozen", "d_weak"),
    "g_frozen": ("g_frozen",),
    "swapped": ("swapped",),
    "saturating": ("d_wins", "d_too_fast"),
    "mixed_batches": ("batch_statistics",),
    "few_images": ("few_images", "memorised"),
    "one_class": ("data_shift",),
    "constant": ("constant_data",),
    "range": ("data_range",),
    "zero_weights": ("dead_start",),
    "huge_weights": ("huge_start", "exploding"),
    "overflow": ("non_finite",),
    "momentum": ("momentum", "carried_on", "oscillation"),
    "no_penalty": ("not_lipschitz", "exploding"),
}


def load(folder: Path) -> list[dict]:
    runs = []
    for file in sorted(folder.glob("[!.]*.json")):
        run = json.loads(file.read_text())
        run["recipe"] = recipes.from_dict(run["recipe"])
        runs.append(run)
    return runs


def quality(run: dict) -> np.ndarray:
    """Of each entry, larger is better: modes found, or the negative kernel distance; -inf once it is not finite."""
    if run["kind"] == "grid":
        return np.array([entry.get("modes", -np.inf) for entry in run["entries"]], float)
    return np.array([-entry.get("kid", np.inf) for entry in run["entries"]], float)


def visibly_failed(run: dict, healthy: list[dict]) -> int | None:
    """The step from which on the quality stays below that of nine in ten healthy runs of the same loss and data."""
    bound = np.quantile([quality(other) for other in healthy], 0.1, axis=0)
    own = quality(run)
    worse = own < bound[: len(own)]
    if len(own) < len(bound):  # ended by a value that is not finite
        worse[-1] = True
    if not worse[-1]:
        return None
    good = np.flatnonzero(~worse)
    first = 0 if len(good) == 0 else good[-1] + 1
    return max(1, run["entries"][first]["step"])


def judge(run: dict) -> dict:
    """What the watcher says: names of findings that are alarms, the first one first, and its step."""
    found = find(run["entries"], run["recipe"])
    alarms = [finding for finding in found if finding.level in ("warn", "stop")]
    return {
        "alarms": [finding.name for finding in alarms],
        "stops": [finding.name for finding in alarms if finding.level == "stop"],
        "step": min((finding.step for finding in alarms), default=None),
    }


def report(folder: Path, half: int = 1) -> str:
    """The table, in Markdown, of the runs of one half; ground truth of quality is taken from all healthy runs."""
    runs = load(folder)
    peers = {}
    for run in runs:
        if run["failure"] == "healthy":
            peers.setdefault((run["loss"], run["kind"]), []).append(run)
    chosen = [run | judge(run) for run in runs if run["half"] == half]
    broken = [run for run in chosen if run["failure"] != "healthy"]
    healthy = [run for run in chosen if run["failure"] == "healthy"]
    rows, leads, steps = [], [], []
    total = Counter()
    for failure in CAUSES:
        group = [run for run in broken if run["failure"] == failure]
        if not group:
            continue
        found = [run for run in group if run["alarms"]]
        right = [run for run in found if run["alarms"][0] in CAUSES[failure]]
        mistaken = Counter(run["alarms"][0] for run in found if run not in right)
        shares = [run["step"] / run["recipe"].schedule.steps for run in found]
        failed = {id(run): visibly_failed(run, peers[run["loss"], run["kind"]]) for run in group}
        ratios = [run["step"] / failed[id(run)] for run in found if failed[id(run)]]
        total += Counter(
            runs=len(group),
            found=len(found),
            right=len(right),
            failed=sum(step is not None for step in failed.values()),
        )
        steps += shares
        leads += ratios
        rows.append(
            [
                failure,
                len(group),
                len(found),
                len(right),
                _counts(mistaken),
                _percent(shares),
                sum(step is not None for step in failed.values()),
                _ratio(ratios),
            ]
        )
    rows.append(
        ["**all**", total["runs"], total["found"], total["right"], "", _percent(steps), total["failed"], _ratio(leads)]
    )
    heads = [
        "broken by",
        "runs",
        "found",
        "right cause first",
        "mistaken for",
        "found at, of the run (median)",
        "quality visibly failed",
        "found at, over the step of visible failure (median)",
    ]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] * len(heads), *rows]]
    stops = [run for run in healthy if run["stops"]]
    warned = [run for run in healthy if run["alarms"] and not run["stops"]]
    said = Counter(name for run in healthy for name in run["alarms"])
    lines += [
        "",
        f"{len(healthy)} healthy runs: {len(stops)} with an alarm of level stop, {len(warned)} with a "
        f"warning only (what was said: {_counts(said)}).",
    ]
    return "\n".join(lines)


def _counts(counter: Counter) -> str:
    return ", ".join(f"{name} {n}" for name, n in counter.items()) or "-"


def _percent(shares: list[float]) -> str:
    return f"{statistics.median(shares):.1%}" if shares else "-"


def _ratio(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}" if ratios else "-"


def fit(folder: Path) -> str:
    """For each calibrated rule, from the fitting half: the most extreme healthy run, the broken runs, a threshold; then
    for each rule how often it was right when it was the first alarm.

    A run is as extreme as the threshold at which the rule would just hold; a broken one in its first part, since it is
    to be found early. Where the two kinds do not overlap, the
    threshold lies in the middle, in logarithms if both are positive; otherwise just outside the healthy runs.
    """
    runs = [run for run in load(folder) if run["half"] == 0]
    lines = []
    for rule in RULES:
        if rule.source != CALIBRATED:
            continue
        causes = [failure for failure, names in CAUSES.items() if names[0] == rule.name]
        extremes = {"healthy": [], "broken": []}
        for run in runs:
            kind = "healthy" if run["failure"] == "healthy" else "broken" if run["failure"] in causes else None
            value = None
            if kind:
                value = extreme(rule, run) if kind == "healthy" else extreme(rule, run, EARLY) or extreme(rule, run)
            if value is not None:
                extremes[kind].append(value)
        sign = 1 if rule.side == ABOVE else -1
        healthy = sorted(extremes["healthy"], reverse=rule.side == ABOVE)[:3]
        broken = sorted(extremes["broken"], reverse=rule.side != ABOVE)
        lines.append(
            f"{rule.name:18}{rule.signal:16}{rule.side:6} now {rule.threshold:<8g} fitted "
            f"{_between(healthy, broken, sign):<10} healthy {listed(healthy)}  broken {listed(broken)}"
        )
    first = [(run["failure"], judge(run)["alarms"][:1]) for run in runs]
    for name in dict.fromkeys(rule.name for rule in RULES):
        said = [failure for failure, alarms in first if alarms == [name]]
        right = sum(name in CAUSES.get(failure, ()) for failure in said)
        lines.append(f"{name:18}first alarm of {len(said)} runs, right in {right}")
    return "\n".join(lines)


def extreme(rule, run: dict, until: float = 1.0) -> float | None:
    """The strictest threshold at which the rule would hold in a run up to that share; None if it does not apply."""
    if not rule.where(run["recipe"]):
        return None
    start = rule.since * run["recipe"].schedule.steps
    entries = [
        entry
        for entry in derive(run["entries"], run["recipe"])
        if rule.signal in entry and start <= entry["step"] <= until * run["recipe"].schedule.steps
    ]
    inner, outer = (min, max) if rule.side == ABOVE else (max, min)
    free = dataclasses.replace(rule, threshold=-np.inf if rule.side == ABOVE else np.inf)
    windows = [entries[i : i + rule.entries] for i in range(len(entries) - rule.entries + 1)]
    values = [inner(entry[rule.signal] for entry in window) for window in windows if all(map(free.beyond, window))]
    return outer(values) if values else None


def _between(healthy: list[float], broken: list[float], sign: int) -> str:
    if not healthy or not broken:
        return "?"
    a, b = healthy[0], broken[0]
    if sign * b <= sign * a:
        return f"{a + sign * 0.05 * abs(a):.3g} !"
    return f"{(a * b) ** 0.5 if a > 0 and b > 0 else (a + b) / 2:.3g}"


def listed(values: list[float]) -> str:
    return "[" + " ".join(f"{value:.3g}" for value in values) + "]"
