"""How well the watcher recognises runs that begin to fail in the middle, and leaves their healthy twins alone.

    python benchmarks/late_failures.py run OUT [--data-dir DIR]     two files for each pair; goes on where it was
    python benchmarks/late_failures.py fit OUT                      thresholds beside the pairs of one half
    python benchmarks/late_failures.py rollback OUT [--data-dir DIR]   the broken runs once more, rolled back
    python benchmarks/late_failures.py report OUT                   the tables

Each pair is a healthy run, in which one thing changes that is no failure (`CHANGES`), and a broken run that goes on
from its state at 50 to 90 % of the length, after one of `FAILURES`. Truth is quality: the kernel distance of the
averaged generator's samples, logged beside what the watcher may see. Six cells, two kinds of data. What takes
longer than these runs has eight longer pairs and a table of its own (`long_plan`).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import failure_bench as bench
import numpy as np
from failure_bench import BATCH

STEPS, EVERY, SAVED = 600, 8, 40  # steps of a run, of a look, of a checkpoint
LONG_STEPS = 1_800
KINDS = ("grid", "fashion")
CELLS = {
    "dcgan": ("dcgan", 1e-3, 0.5, {}),
    "sngan": ("sngan", 1e-3, 0.0, {}),
    "wgan-gp": ("wgan-gp", 1e-3, 0.0, {}),
    "stylegan-lite": ("stylegan-lite", 5e-3, 0.0, {"model.g_channels": 4, "model.d_channels": 4}),
    "r3gan": ("r3gan", 1e-3, 0.0, {"model.g_channels": 32, "model.d_channels": 32}),
    "ada": ("dcgan", 1e-3, 0.5, {"augment.ada": True, "augment.ada_speed_images": 8_000}),
}
CLASSES = {"classes": ("dcgan", 1e-3, 0.5, {"model.classes": 10})}
CHANGES = ("none", "fine-tuned", "decaying rates", "resumed", "rates halved")

RATES = {
    "rates_x100": (100, 100),
    "g_rate_x50": (1, 50),
    "d_rate_x50": (50, 1),
    "d_rate_0.01": (0.01, 1),
    "d_stopped": (0, 1),
    "g_stopped": (1, 0),
}
KNOBS = ("swapped", "range", "overflow", "no_penalty", "no_augmentation", "no_average", "frozen_statistics")
WEIGHTS = {  # what the kernels of D and of G are multiplied by, as through a checkpoint
    "weights_x10": (10, 10),
    "g_weights_x3": (1, 3),
    "d_weights_0": (0, 1),
    "g_weights_0": (1, 0),
    "checkerboard": (1, 1),
}
DATA = ("inverted", "noise", "one_image", "one_kind", "other_kind")
ONE_CLASS, FEW_IMAGES = "one_image_of_class_3", "64_images"
FAILURES = (*RATES, *KNOBS, *WEIGHTS, *DATA, "beta_0.99")
ONLY = {
    "no_penalty": ("wgan-gp", "stylegan-lite", "r3gan"),
    "no_augmentation": ("ada",),
    "frozen_statistics": ("dcgan", "ada", "sngan"),
    "checkerboard": ("dcgan", "ada"),
}


def plan(pairs: int) -> list[dict]:
    """Cells and kinds take turns; each pair gets the failure that was least used and fits, so that every part of the
    plan is balanced. `half` is 0 for fitting and 1 for reporting, and takes turns for each failure."""
    runs, used = [], dict.fromkeys(FAILURES, 0)
    for n in range(pairs):
        turn = n // len(FAILURES)  # in which each failure meets another cell or kind than before
        cell, kind = list(CELLS)[(n + turn) % len(CELLS)], KINDS[(n // len(CELLS) + turn + turn // 2) % 2]
        fits = [failure for failure in FAILURES if cell in ONLY.get(failure, CELLS)]
        failure = min(fits, key=lambda failure: (used[failure], len(ONLY.get(failure, CELLS))))
        seed = 5_000 + 10 * n
        at = EVERY * round(np.random.default_rng(seed).uniform(0.5, 0.9) * STEPS / EVERY)
        runs.append(
            {
                "n": n,
                "cell": cell,
                "kind": kind,
                "seed": seed,
                "failure": failure,
                "at": at,
                "change": CHANGES[(n // len(CELLS)) % len(CHANGES)],
                "half": used[failure] % 2,
            }
        )
        used[failure] += 1
    return runs + (long_plan(pairs) if pairs >= 4 * len(FAILURES) else [])


def long_plan(first: int) -> list[dict]:
    """One class collapses slowly, and a discriminator learns even a few images slowly by heart; `half` is "long"."""
    runs = [("classes", ONE_CLASS, 480)] * 4
    runs += [(cell, FEW_IMAGES, -1) for cell in ("dcgan", "sngan", "stylegan-lite", "r3gan")]
    common = {"kind": "fashion", "half": "long", "change": "none"}
    return [
        common | {"n": first + i, "seed": 9_100 + i, "cell": cell, "failure": failure, "at": at}
        for i, (cell, failure, at) in enumerate(runs)
    ]


def recipe_for(run: dict):
    network, rate, beta_1, overrides = (CELLS | CLASSES)[run["cell"]]
    steps = LONG_STEPS if run["half"] == "long" else STEPS
    recipe = bench.small(network, run["kind"], run["seed"], steps, EVERY, rate, beta_1, **overrides)
    changed = {"log.checkpoint_every_images": SAVED * BATCH}
    if run["change"] == "fine-tuned":
        changed["start"] = "another"
    return recipe.replace(**changed)


class Notebook:
    """Takes the place of `zoo.training.recorder.Recorder`: the log with all signals, the quality, and states."""

    alarms = ()
    picture_steps = frozenset()

    def __init__(self, one: bench.Bench, probe, quality: bench.Quality, latents: dict, run: dict) -> None:
        self.one, self.probe, self.quality, self.latents, self.run = one, probe, quality, latents, run
        self.entries, self.states, self.branch = [], {}, None
        rng = np.random.default_rng([run["seed"], 3])
        self.rates = [(CELLS | CLASSES)[run["cell"]][1] * 2 ** rng.uniform(-0.5, 0.5) for _ in "dg"]
        self.factors, self.known = (1, 1), run["change"]
        self.changes_at = EVERY * round(rng.uniform(0.3, 0.8) * STEPS / EVERY)

    def set_rates(self, step: int) -> None:
        share = 1 - step / STEPS if self.known == "decaying rates" else 1.0
        if self.known == "rates halved" and step >= self.changes_at:
            share = 0.5
        for player, rate, factor in zip(
            (self.one.gan.optimizer.d, self.one.gan.optimizer.g), self.rates, self.factors, strict=True
        ):
            player.learning_rate = share * factor * rate

    def line(self, step: int, **values) -> None:
        self.entries.append({"step": step, "images": step * BATCH, **values})

    def watch(self, step: int, numbers: dict) -> None:
        numbers = {**numbers, **self.probe.measure(step)}
        truth, error = self.quality(self.one.draw(self.latents))
        raw, _ = self.quality(self.probe.before["fake"])
        self.line(step, **numbers, truth=truth, truth_error=error, truth_raw=raw)
        if step and step % SAVED == 0:
            self.line(step, kid=truth, kid_error=error, kid_raw=raw)
        if step == self.changes_at and self.known in ("resumed", "rates halved"):
            self.line(step, machine={})
            if self.known == "rates halved":
                self.line(step, changes=["optimizer.d.learning_rate: 0.001 -> 0.0005"])
            self.probe.before = None
            self.probe.measure(step)
        self.set_rates(step)
        if step == self.run["at"] and self.branch is None:
            self.branch = self.one.state(), self.probe.before, list(self.entries)

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        self.states[step] = self.one.state()


def broken_images(failure: str, images: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    images = np.array(images)
    if failure == "inverted":
        return 255 - images
    if failure == "noise":
        spoilt = rng.random(len(images)) < 0.5
        images[spoilt] = rng.integers(0, 256, (int(spoilt.sum()), *images.shape[1:]), np.uint8)
    if failure == "one_image":
        images[:] = images[0]
    if failure == "one_kind":
        flat = images.reshape(len(images), -1).astype(np.float32)
        near = np.argsort(np.square(flat - flat[0]).sum(axis=1))[: len(images) // 20]
        images = images[np.resize(near, len(images))]
    if failure == "other_kind":
        images = np.array(other[np.resize(np.arange(len(other)), len(images))])
    return images


def with_images(store, run: dict, data: dict):
    """The store after its images were broken on the disk."""
    if run["failure"] == ONE_CLASS:
        images = np.array(store.images)
        images[store.labels == 3] = images[store.labels == 3][0]
        return dataclasses.replace(store, images=images)
    other = data[next(kind for kind in KINDS if kind != run["kind"])]["store"].images
    images = broken_images(run["failure"], store.images, other, np.random.default_rng(run["seed"]))
    return dataclasses.replace(store, images=images)


def break_now(notebook: Notebook, failure: str) -> None:
    """Does to networks and optimizers what breaks a run."""
    gan = notebook.one.gan
    notebook.factors = RATES.get(failure, (1, 1))
    if failure in KNOBS:
        gan.knobs[failure].assign(1.0)
    if failure == "beta_0.99":
        gan.momentum.assign(0.99)
    for network, factor in zip((gan.discriminator, gan.generator), WEIGHTS.get(failure, (1, 1)), strict=True):
        for variable in network.trainable_variables:
            if factor != 1 and len(variable.shape) > 1:
                variable.assign(factor * np.asarray(variable))
    if failure == "checkerboard":
        kernel = [variable for variable in gan.generator.trainable_variables if len(variable.shape) == 4][-1]
        kernel.assign(
            np.asarray(kernel) * np.where(np.add.outer(np.arange(4), np.arange(4)) % 2, 0.3, 2.0)[..., None, None]
        )


def finish(notebook: Notebook, store) -> None:
    error = notebook.one.train(store, notebook)
    if error:
        notebook.line(notebook.entries[-1]["step"] + EVERY, non_finite=error)


def pair(one: bench.Bench, run: dict, data: dict, start: list | None) -> tuple[dict, dict, Notebook]:
    """The healthy run and the broken one."""
    recipe, here = recipe_for(run), data[run["kind"]]
    one.reset(recipe)
    if start and run["change"] == "fine-tuned":
        one.restore(start)
        for variable in (*one.gan.optimizer.variables, one.gan.step, one.gan.ada_p):
            variable.assign(np.zeros(variable.shape))
    store = here["labelled" if run["cell"] in CLASSES else "store"]
    healthy = Notebook(one, one.probe(store), here["quality"], here["latents"](one.gan), run)
    healthy.set_rates(0)
    finish(healthy, store)
    if run["failure"] == FEW_IMAGES:  # from the start, since images that change on the disk are another failure
        one.reset(recipe)
        store = dataclasses.replace(store, images=store.images[:64])
        broken = Notebook(one, one.probe(store), here["quality"], healthy.latents, run)
        broken.set_rates(0)
        finish(broken, store)
        return healthy, broken
    state, before, entries = healthy.branch
    one.restore(state)
    broken = Notebook(one, healthy.probe, here["quality"], healthy.latents, run)
    broken.entries, broken.branch, broken.probe.before = list(entries), (), before
    broken.changes_at = healthy.changes_at if healthy.changes_at > run["at"] else -1
    if run["change"] == "rates halved" and healthy.changes_at <= run["at"]:
        broken.rates, broken.known = [rate / 2 for rate in broken.rates], ""
    break_now(broken, run["failure"])
    if run["failure"] in (*DATA, ONE_CLASS):
        store = broken.probe.store = with_images(store, run, data)
    broken.set_rates(run["at"])
    finish(broken, store)
    return healthy, broken


def inputs_of(count: int):
    def latents(gan):
        from zoo.networks.parts import inputs

        drawn = inputs.draw_training(gan.generator, (count,), np.random.default_rng(11))
        classes = gan.recipe.model.classes
        return drawn | ({"label": inputs.one_hot(np.arange(count) % classes, classes)} if classes else {})

    return latents


def prepared(data_dir: str | None) -> dict:
    """Of each kind of data, the images, the measure of quality and the latents for it."""
    data = {}
    for kind in KINDS:
        stores = bench.stores(kind, data_dir)
        data[kind] = {
            "store": stores["healthy"],
            "labelled": stores["labelled"],
            "quality": bench.Quality(stores["healthy"].heldout),
            "latents": inputs_of(512),
        }
    return data


def run_all(out: Path, data_dir: str | None, pairs: int) -> None:
    bench.with_small_critics()
    (out / "states").mkdir(parents=True, exist_ok=True)
    data, benches = prepared(data_dir), {}
    for run in plan(pairs):
        file = out / f"{run['n']:03d}.json"
        started = out / "states" / f"{run['cell']}-{run['kind']}.npz"
        if file.exists():
            continue
        begun, used = time.monotonic(), time.process_time()
        one = benches[run["cell"]] = benches.get(run["cell"]) or bench.Bench(recipe_for(run))
        start = next(
            (
                list(np.load(path).values())
                for kind in KINDS
                if kind != run["kind"] and (path := out / "states" / f"{run['cell']}-{kind}.npz").exists()
            ),
            None,
        )
        healthy, broken = pair(one, run, data, start)
        if not started.exists():
            np.savez(started, *list(healthy.states.values())[-1])
        for name, notebook in (("healthy", healthy), ("broken", broken)):
            kept = {f"{step}_{i}": a for step, state in notebook.states.items() for i, a in enumerate(state)}
            np.savez(out / "states" / f"{run['n']:03d}-{name}.npz", **kept)
        result = {**run, "recipe": one.gan.recipe.to_dict(), "healthy": healthy.entries, "broken": broken.entries}
        bench.keep(file, result)
        shown = [
            next((f"{e['truth']:.3f}" for e in reversed(n.entries) if "truth" in e), "-") for n in (healthy, broken)
        ]
        print(
            f"{run['n']:3} {run['cell']:14}{run['kind']:8}{run['change']:15}{run['failure']:18} at {run['at']}: "
            f"{time.monotonic() - begun:.0f} s, {time.process_time() - used:.0f} of processor; truth {shown}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "fit", "rollback", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--pairs", type=int, default=96)
    options = parser.parse_args()
    if options.what == "run":
        run_all(options.out, options.data_dir, options.pairs)
        return
    import late_rollback
    import late_table

    if options.what == "rollback":
        late_rollback.run_all(options.out, options.data_dir)
    elif options.what == "fit":
        print(late_table.fit(options.out))
    else:
        tables = (late_table.report(options.out), late_table.report(options.out, half="long"))
        print(*tables, late_rollback.report(options.out), sep="\n\n")


if __name__ == "__main__":
    main()
