"""How well the watcher recognises failing runs: many short runs, half of them broken on purpose.

    python benchmarks/failure_detection.py run OUT [--data-dir DIR]     one JSON file for each run; goes on where it was
    python benchmarks/failure_detection.py fit OUT                      thresholds from the runs of one half
    python benchmarks/failure_detection.py report OUT                   the table of the runs of the other half

Four losses on the two kinds of data of `failure_bench.py`. The recipe tells of the momentum alone. Each run takes
seconds. `late_failures.py` is for what begins in the middle.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import failure_bench as bench
import numpy as np
from failure_bench import BATCH

STEPS, EVERY, RATE = 360, 8, 1e-3
LOSSES = {"non-saturating": "dcgan", "least-squares": "dcgan", "hinge": "sngan", "wasserstein": "wgan-gp"}
KINDS = ("grid", "fashion")
FACTORS = {  # of the rates of D and of G
    "d_fast": (50, 1),
    "d_slow": (1 / 50, 1),
    "g_fast": (1, 50),
    "d_frozen": (0, 1),
    "g_frozen": (1, 0),
    "saturating": (10, 1),
}

FAILURES = (
    "d_fast",
    "d_slow",
    "g_fast",
    "d_frozen",
    "g_frozen",
    "swapped",
    "saturating",
    "mixed_batches",
    "few_images",
    "one_class",
    "constant",
    "range",
    "zero_weights",
    "huge_weights",
    "overflow",
    "momentum",
    "no_penalty",
)
ONLY = {
    "saturating": ("non-saturating",),
    "mixed_batches": ("non-saturating", "least-squares"),
    "no_penalty": ("wasserstein",),
}


def plan(rounds: int) -> list[dict]:
    """The runs, the most needed first. In each round, every failure meets half of the losses and kinds, and for each
    broken run there is a healthy one. `half` is 0 for fitting and 1 for reporting; both halves see every failure."""
    runs, rng = [], np.random.default_rng(0)
    for turn in range(rounds):
        for f, failure in enumerate(FAILURES):
            losses = [loss for loss in LOSSES if loss in ONLY.get(failure, LOSSES)]
            cells = [(loss, kind) for loss in losses for kind in KINDS]
            if len(losses) == len(LOSSES):
                cells = [cell for n, cell in enumerate(cells) if (n // 2 + n + f + turn) % 2 == 0]
            for broken in (failure, "healthy"):
                halves = rng.permutation(len(cells)) % 2
                for n, ((loss, kind), half) in enumerate(zip(cells, halves.tolist(), strict=True)):
                    seed = 1000 * turn + 40 * f + 4 * n + 2 * (broken == "healthy")
                    runs.append({"failure": broken, "loss": loss, "kind": kind, "seed": seed, "half": half})
    return runs


def name(run: dict) -> str:
    return "-".join(str(run[key]) for key in ("failure", "loss", "kind", "seed"))


# Runs


def recipe_for(run: dict):
    network = LOSSES[run["loss"]]
    beta_1 = {"momentum": 0.99}.get(run["failure"], 0.5 if network == "dcgan" else 0.0)
    overrides = {
        "loss.name": run["loss"],
        "loss.gradient_penalty": 10.0 if run["loss"] == "wasserstein" else 0.0,
        "loss.r1": 0.0,
    }
    return bench.small(network, run["kind"], run["seed"], STEPS, EVERY, RATE, beta_1, **overrides)


def broken(one: bench.Bench, run: dict) -> float:
    """Fresh weights of the run's seed and its rates; then what breaks it. Returns the step at which it overflows."""
    failure, recipe = run["failure"], recipe_for(run)
    one.reset(recipe, {"zero_weights": 0.0, "huge_weights": 30.0}.get(failure, 1.0))
    rng = np.random.default_rng([run["seed"], 3])
    factors = FACTORS.get(failure, (1, 1))
    for player, factor in zip((one.gan.optimizer.d, one.gan.optimizer.g), factors, strict=True):
        variation = 2 ** rng.uniform(-0.5, 0.5)  # healthy rates are not all the same
        player.learning_rate = factor * variation * recipe.optimizer.d.learning_rate
    if failure in one.gan.knobs and failure != "overflow":
        one.gan.knobs[failure].assign(1.0)
    return rng.uniform(0.02, 0.5) * STEPS if failure == "overflow" else math.inf


class Notebook:
    """Takes the place of `zoo.recorder.Recorder`: every line with all signals and the quality, in memory."""

    alarms = ()
    picture_steps = frozenset()

    def __init__(self, one: bench.Bench, probe, quality: bench.Quality, run: dict) -> None:
        self.overflow_at = broken(one, run)
        self.one, self.probe, self.quality, self.kind, self.entries = one, probe, quality, run["kind"], []

    def watch(self, step: int, numbers: dict) -> None:
        numbers = {**numbers, **self.probe.measure(step)}
        samples = np.nan_to_num(self.probe.before["fake"])
        numbers["kid"], numbers["kid_error"] = self.quality(samples)
        if self.kind == "grid":
            numbers["modes"], numbers["good"] = bench.modes(samples)
        self.entries.append({"step": step, "images": step * BATCH, **numbers})
        if step >= self.overflow_at:
            self.one.gan.knobs["overflow"].assign(1.0)

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        """Nothing is saved."""


def execute(one: bench.Bench, run: dict, data: dict) -> dict:
    store = data["stores"].get(run["failure"], data["stores"]["healthy"])
    one.reset(recipe_for(run))
    notebook = Notebook(one, one.probe(store), data["quality"], run)
    error = one.train(store, notebook)
    if error:
        step = notebook.entries[-1]["step"] + EVERY
        notebook.entries.append({"step": step, "images": step * BATCH, "non_finite": error})
    return {**run, "recipe": one.gan.recipe.to_dict(), "entries": notebook.entries}


def run_all(out: Path, data_dir: str | None, rounds: int, only: list[str]) -> None:
    bench.with_small_critics()
    out.mkdir(parents=True, exist_ok=True)
    data, benches = {}, {}
    for run in sorted(plan(rounds), key=lambda run: -run["half"]):  # what is reported first
        file = out / f"{name(run)}.json"
        if file.exists() or (only and run["failure"] not in only):
            continue
        start, used = time.monotonic(), time.process_time()
        if run["kind"] not in data:
            kept = bench.stores(run["kind"], data_dir)
            data[run["kind"]] = {"stores": kept, "quality": bench.Quality(kept["healthy"].heldout)}
        key = run["loss"], run["failure"] == "mixed_batches"
        if key not in benches:
            benches[key] = bench.Bench(recipe_for(run), key[1])
        result = execute(benches[key], run, data[run["kind"]])
        bench.keep(file, result)
        last = result["entries"][-1]
        print(
            f"{name(run):45} {time.monotonic() - start:6.1f} s, {time.process_time() - used:5.1f} s of processor, "
            f"kid {last.get('kid', math.nan):.3f} modes {last.get('modes')} good {last.get('good')}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "fit", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--rounds", type=int, default=1, help="128 runs each")
    parser.add_argument("--only", nargs="*", default=[], metavar="FAILURE")
    options = parser.parse_args()
    if options.what == "run":
        run_all(options.out, options.data_dir, options.rounds, options.only)
    else:
        import failure_table

        print(getattr(failure_table, options.what)(options.out))


if __name__ == "__main__":
    main()
