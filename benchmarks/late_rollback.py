"""`watch = "rollback"` on the broken runs of `late_failures.py`: how many end as good as their healthy twins.

A run goes back as `zoo.training.starting.roll_back` takes it: to the last checkpoint before it began to fail, with half
the rates, twice at most. What was done to the process is gone with it; images that are broken on the disk stay so.
"""

from __future__ import annotations

import json
from pathlib import Path

import failure_bench as bench
import late_failures as late
import late_table as table
import numpy as np

from zoo.training.starting import ROLLBACKS
from zoo.watch.rules import found
from zoo.watch.signals import History, onward
from zoo.watch.watcher import Failing


class Watched(late.Notebook):
    """A notebook that ends a run as the watcher does."""

    def start(self, entries: list[dict]) -> None:
        self.entries, self.history = entries, History(self.one.gan.recipe)
        for entry in onward(entries):
            self.history.add(entry)

    def line(self, step: int, **values) -> None:
        super().line(step, **values)
        self.history.add(self.entries[-1])

    def require_healthy(self) -> None:
        lasting = [finding for finding in found(self.history.entries, self.history.recipe) if finding.lasting]
        failing = [finding for finding in lasting if finding.level == "stop"]
        if failing:
            raise Failing("training fails", failing)


def run_all(out: Path, data_dir: str | None) -> None:
    """Writes OUT/rollback/N.json for each broken run that the watcher stops."""
    bench.with_small_critics()
    (out / "rollback").mkdir(exist_ok=True)
    data, benches = late.prepared(data_dir), {}
    for pair in in_order(table.load(out)):
        file = out / "rollback" / f"{pair['n']:03d}.json"
        stops = [
            finding for finding in table.alarms(pair["broken"], pair["recipe"], pair["at"]) if finding.level == "stop"
        ]
        if file.exists() or not stops:
            continue
        one = benches[pair["cell"]] = benches.get(pair["cell"]) or bench.Bench(late.recipe_for(pair))
        one.reset(pair["recipe"].replace(watch="rollback"))
        result = rolled_back(one, pair, data, stops, out / "states")
        bench.keep(file, result)
        print(pair["n"], pair["cell"], pair["kind"], pair["failure"], result["steps"], result["within"], flush=True)


def in_order(pairs: list[dict]) -> list[dict]:
    """What is reported comes first; the long pairs are left out."""
    return sorted((pair for pair in pairs if pair["half"] != "long"), key=lambda pair: (-pair["half"], pair["cell"]))


def rolled_back(one: bench.Bench, pair: dict, data: dict, stops: list, states: Path) -> dict:
    """{"steps": of the checkpoints that it went back to, "within": whether it ends within the twin's error}."""
    failing, here = stops, data[pair["kind"]]
    store, entries, steps = here["store"], pair["broken"], []
    if pair["failure"] in late.DATA:
        store = late.with_images(store, pair, data)
    while failing and len(steps) < ROLLBACKS:
        begun, established = min(finding.first_step for finding in failing), min(finding.step for finding in failing)
        step = max((step for step in saved(states, pair) if step < min(begun, established)), default=None)
        if step is None:
            break
        steps.append(step)
        one.restore(state(states, pair, step))
        one.mend(pair["recipe"])
        notebook = Watched(one, one.probe(store), here["quality"], here["latents"](one.gan), pair)
        notebook.start([entry for entry in entries if entry["step"] <= step])
        notebook.factors = (0.5 ** len(steps), 0.5 ** len(steps))
        notebook.set_rates(step)
        failing = ended(notebook, store)
        entries = notebook.entries
    return {"steps": steps, "within": not failing and table.within(pair, entries)}


def ended(notebook: Watched, store) -> list:
    """Trains on; returns the findings that ended it early, if any."""
    try:
        error = notebook.one.train(store, notebook)
    except Failing as failure:
        return failure.findings
    if error:
        notebook.line(notebook.entries[-1]["step"] + late.EVERY, non_finite=error)
        return [
            finding for finding in found(notebook.history.entries, notebook.history.recipe) if finding.level == "stop"
        ]
    return []


def saved(states: Path, pair: dict) -> list[int]:
    """The steps of the checkpoints on the way to the broken run's end."""
    kept = {
        name: {int(key.split("_")[0]) for key in np.load(path(states, pair, name)).files}
        for name in ("healthy", "broken")
    }
    return sorted(
        {step for step in kept["healthy"] if step <= pair["at"]} | {s for s in kept["broken"] if s > pair["at"]}
    )


def state(states: Path, pair: dict, step: int) -> list[np.ndarray]:
    arrays = np.load(path(states, pair, "healthy" if step <= pair["at"] else "broken"))
    count = sum(key.startswith(f"{step}_") for key in arrays.files)
    return [arrays[f"{step}_{i}"] for i in range(count)]


def path(states: Path, pair: dict, name: str) -> Path:
    return states / f"{pair['n']:03d}-{name}.npz"


def report(out: Path, half: int = 1) -> str:
    """How many of the runs whose quality fell end within the healthy twin's error, by what broke them."""
    pairs = {pair["n"]: table.judged(pair) for pair in table.load(out) if pair["half"] == half}
    fell = {n: pair for n, pair in pairs.items() if pair["visible"] is not None}
    results = {n: json.loads(f.read_text()) for n in fell if (f := out / "rollback" / f"{n:03d}.json").exists()}
    within = {n for n, result in results.items() if result["within"]}
    of_process = {n for n, pair in fell.items() if pair["failure"] not in late.DATA}
    left = ", ".join(f"{fell[n]['failure']} of {fell[n]['cell']}" for n in sorted(of_process & fell.keys() - within))
    return (
        f"{len(fell)} runs whose quality fell: {len(results)} were rolled back, and {len(within)} ended within the "
        f"healthy twin's error. Without broken images on the disk: {len(within & of_process)} of {len(of_process)}; "
        f"the others: {left or 'none'}."
    )
