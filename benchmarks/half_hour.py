"""What half an hour makes of a folder of images: quick-64 beside stylegan-lite-64, and beside fine-tuning.

    python benchmarks/half_hour.py run OUT --data my/images --start clothing-64
    python benchmarks/half_hour.py report OUT

Each contestant trains with the commands that a user would type, and --for 5, 10, 20 and 30 minutes in all; what
compiling takes is part of them. After each, samples of the run's best checkpoint are compared with the training images
by MobileNetV2, a judge that no training here has seen, and that did not choose the checkpoint. `report` prints the
scores and draws them over the minutes. A benchmark that was stopped goes on with the part that it was in.

Run it on an idle machine. With `taskset -c 0` and --minutes 10 20 40 60 one core takes as much time as two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path

import mobilenet_v2
from judges import COLUMNS, columns, load

from zoo import data
from zoo.checkpoints.run import Run
from zoo.evaluation.measurement import Measurement, Reference
from zoo.files import plotting
from zoo.files.atomic import replacing

SAMPLES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="trains and judges")
    run.add_argument("out", type=Path)
    run.add_argument("--data", required=True, help="a folder of images")
    run.add_argument("--start", nargs="*", default=[], help="checkpoints to fine-tune")
    run.add_argument("--classes", action="store_true", help="train with the classes of the folder")
    run.add_argument("--minutes", nargs="+", type=float, default=[5, 10, 20, 30])
    run.add_argument("--only", help="one of the contestants, such as 'from clothing-64'")
    report = commands.add_parser("report", help="prints the scores and draws them")
    report.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.command == "run":
        options.out.mkdir(parents=True, exist_ok=True)
        for name, first in contestants(options).items():
            if options.only in (None, name):
                compete(name, first, options)
    show(options.out)


def contestants(options: argparse.Namespace) -> dict[str, list[str]]:
    """What a user would type to begin, by name."""
    images = ["--data", options.data, *(["--set", "model.classes=auto"] if options.classes else [])]
    new = {name: ["train", name, *images] for name in ("quick-64", "stylegan-lite-64")}
    return new | {f"from {name}": ["finetune", name, *images] for name in options.start}


def compete(name: str, first: list[str], options: argparse.Namespace) -> None:
    """Trains up to each of the minutes that is not in the results yet, and adds its scores."""
    run, before = options.out / name.replace(" ", "-"), 0.0
    for minutes in options.minutes:
        known = results(options.out)
        if not any(entry["name"] == name and entry["minutes"] == minutes for entry in known):
            words = ["train", "--resume", str(run)] if before else [*first, "--out", str(run)]
            more = ["--for", f"{60 * (minutes - before):.0f}s"]
            subprocess.run([sys.executable, "-m", "zoo.cli", *words, *more], check=True)
            entry = {"name": name, "minutes": minutes, **scores(run, options.data)}
            content = "".join(json.dumps(each) + "\n" for each in [*known, entry])
            with replacing(options.out / "results.jsonl") as new:
                new.write_text(content, encoding="utf-8")
        before = minutes


def scores(run: Path, source: str) -> dict[str, float]:
    """How many images the run was shown, and the judge's scores of its best checkpoint."""
    trained, judge = Run(run), mobilenet_v2.load()
    recipe = trained.recipe
    store = data.prepare(source, resolution=recipe.data.resolution, channels=recipe.data.channels, fit=recipe.data.fit)
    reference = Reference.of_store(store, source, recipe.data.fit, SAMPLES, SAMPLES)
    measurement = Measurement.take(load(str(run), seed=0), reference, [judge])
    return {"images": trained.entries()[-1]["images"]} | dict(
        zip(COLUMNS, columns(judge, measurement.scores(judge)[0]), strict=True)
    )


def results(out: Path) -> list[dict]:
    file = out / "results.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def show(out: Path) -> None:
    """Prints a line for each part, and draws FD over the minutes."""
    entries = results(out)
    print(f"{'':28}{'minutes':>8}{'images':>10}" + "".join(f"{column:>12}" for column in COLUMNS))
    for entry in entries:
        numbers = "".join(f"{entry[column]:12.4g}" for column in COLUMNS)
        print(f"{entry['name']:28}{entry['minutes']:8g}{entry['images']:10,}{numbers}")
    sheet = plotting.figure(figsize=(6, 3.5), layout="constrained")
    axes = sheet.subplots()
    for name in dict.fromkeys(entry["name"] for entry in entries):
        curve = [(entry["minutes"], entry["FD"]) for entry in entries if entry["name"] == name]
        axes.plot(*zip(*curve, strict=True), marker=".", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("FD by MobileNetV2")
    axes.legend(frameon=False)
    (out / "half-hour.png").write_bytes(plotting.png(sheet))


if __name__ == "__main__":
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of few images: the counts are printed
        main()
