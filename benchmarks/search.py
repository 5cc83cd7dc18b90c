"""How good a search is: beside ten variants that were made by hand, and beside a random search with the same budget.

    python benchmarks/search.py run OUT [--data-dir DIR]     searches, one after the other; goes on where it was
    python benchmarks/search.py report OUT                   the table, also while it runs

It begins from DCGAN's published rates on Fashion-MNIST, which have KID 0.110 after 100,000 images. Ten variants made by
hand, in the header of recipes/dcgan-fashion-mnist.toml, had 0.041 at best in batches of 32. A search has as many images
to spend as those ten: 1,000,000. It varies what `ganzoo search` does by default, with all trials equal in images. The
random search draws from the same ranges and ends no trial early. Each is repeated with other seeds. A trial counts only
if it ended within the budget.

The smallest of many KIDs is partly luck, so the best of each search is trained again with another seed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import logging

import numpy as np

import zoo
from zoo.training.search import plan
from zoo.training.search.results import DONE, PRUNED, Results, Row, results
from zoo.training.search.study import Study

PUBLISHED, BY_HAND = 0.110, 0.041  # KID after 100,000 images
VARIANTS = 10
SEARCHES = {"search": {"sampler": "tpe", "prune": True}, "random": {"sampler": "random", "prune": False}}


def recipe(seed: int, images: int, data: str) -> zoo.Recipe:
    rates = {f"optimizer.{player}.learning_rate": 2e-4 for player in "dg"}
    settings = {
        "data.source": data,
        "schedule.batch_size": 64,
        "schedule.images": images,
        "ema.half_life_images": 5_000,
        "log.checkpoint_every_images": images,
        "log.kid_images": 1_200,
        "seed": seed,
    }
    return zoo.load_recipe("dcgan-fashion-mnist").replace(**settings, **rates)


def within(found: Results, budget: int) -> list[Row]:
    """The trials that ended before the budget was spent, in their order."""
    spent, rows = 0, []
    for row in found.trials:
        spent += row.last["images"]
        if spent > budget:
            break
        rows.append(row)
    return rows


def run(out: Path, repetitions: int, images: int, data: str, data_dir: str | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for repetition in range(repetitions):
        for name, options in SEARCHES.items():
            folder = out / f"{name}-{repetition}"
            if not (folder / "done.json").is_file():
                one(recipe(1_000 * repetition, images, data), folder, images, data_dir, options)
            report(out)


def one(base: zoo.Recipe, folder: Path, images: int, data_dir: str | None, options: dict) -> None:
    """A search until its budget is spent, then its best with another seed."""
    budget, trials = VARIANTS * images, 1
    while True:
        begun = time.monotonic()
        found = zoo.search(base, folder, trials=trials, trial_images=images, finalists=0, data_dir=data_dir, **options)
        if found.stopped_by:
            raise SystemExit(128 + found.stopped_by)
        spent = {"seconds": time.monotonic() - begun, "overhead": found.overhead}
        with open(folder / "times.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(spent) + "\n")
        rows = found.results.trials
        if sum(row.last["images"] for row in rows) >= budget:
            break
        trials = len(rows) + 1
    best = min((row for row in within(found.results, budget) if row.state == DONE), key=lambda row: row.last["kid"])
    again = zoo.load_recipe(folder / "trials" / f"{best.number:04d}" / "recipe.toml").replace(seed=base.seed + 1)
    trained = zoo.train(again, folder / "again", data_dir=data_dir)
    kid = next(entry["kid"] for entry in reversed(trained.entries()) if "kid" in entry)
    (folder / "done.json").write_text(json.dumps({"best": best.number, "again": kid}))


def report(out: Path) -> None:
    print(f"{'':14}{'trials':>8}{'to the end':>12}{'best KID':>10}{'error':>8}{'again':>8}  what was changed")
    bests: dict[str, dict[int, float]] = {name: {} for name in SEARCHES}
    seconds, early = {"whole": 0.0, "overhead": 0.0, "training": 0.0}, []
    for file in sorted(out.glob("*-*/done.json")):
        folder, done = file.parent, json.loads(file.read_text())
        made = plan.load(folder)
        found = results(Study(folder, made))
        rows, best = within(found, VARIANTS * made.images), found.rows[done["best"]]
        name, _, repetition = folder.name.partition("-")
        bests[name][int(repetition)] = best.last["kid"]
        print(
            f"{folder.name:14}{len(rows):8}{sum(row.state == DONE for row in rows):12}{best.last['kid']:10.4f}"
            f"{best.last['kid_error']:8.4f}{done['again']:8.4f}  {best.values}"
        )
        early += [row.last["images"] / made.images for row in rows if row.state == PRUNED]
        if name == "search":
            times = [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]
            seconds["whole"] += sum(each["seconds"] for each in times)
            seconds["overhead"] += sum(each["overhead"] for each in times)
            seconds["training"] += sum(row.last["seconds"] for row in found.trials)
    for name, kids in bests.items():
        if kids:
            values = [*kids.values()]
            spread = f"from {min(values):.4f} to {max(values):.4f}, mean {np.mean(values):.4f}"
            print(f"{name}: {spread}; at most {BY_HAND} in {sum(kid <= BY_HAND for kid in values)} of {len(values)}")
    both = bests["search"].keys() & bests["random"].keys()
    if both:
        better = sum(bests["search"][i] < bests["random"][i] for i in both)
        print(f"the search is better than the random one in {better} of {len(both)} (goal: 3 of 4)")
    if early:
        print(f"trials that ended early had {np.mean(early):.2f} of a whole one's images on average (goal: 0.33)")
    if seconds["training"]:
        print(
            f"beside trials: {seconds['overhead'] / seconds['training']:.1%} of the time of training (goal: 3 %); "
            f"with compiling, KID, the watcher and pictures: {seconds['whole'] / seconds['training'] - 1:.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--images", type=int, default=100_000, help="of a trial; fewer to try the script")
    parser.add_argument("--data", default="tfds:fashion_mnist")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.what == "run":
        run(arguments.out, arguments.repetitions, arguments.images, arguments.data, arguments.data_dir)
    else:
        report(arguments.out)


if __name__ == "__main__":
    main()
