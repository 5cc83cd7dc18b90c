"""How long `ganzoo card NAME --measure` takes, by this version and by another.

    python benchmarks/card_time.py --data-dir ~/tensorflow_datasets
    python benchmarks/card_time.py --data-dir ~/tensorflow_datasets --before ../old/site-packages

Each version measures a copy of a shipped checkpoint in a process of its own. A first time fills the cache of images and
of the features of real images, and does not count: a card is measured more often than a data set is new. `--before`
names a folder that holds the package `zoo` of another version. Needs `pip install .` alone.

"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from zoo import data
from zoo.checkpoints import checkpoint

MEASURE = """
import json, pathlib, resource, sys, time
import zoo
package, options = sys.argv[1], json.loads(sys.argv[2])
assert pathlib.Path(zoo.__file__).parents[1].samefile(package), f"{zoo.__file__} is not the version in {package}"
try:
    from zoo.evaluation import evidence
except ImportError:  # as it was called before
    from zoo import evidence
start = time.monotonic()
evidence.measure(options.pop("folder"), **options)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.monotonic() - start, used.ru_utime + used.ru_stime]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="The time that a model card's measurement takes.")
    parser.add_argument("--name", default="dcgan-fashion-mnist", help="a shipped checkpoint (default: %(default)s)")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    parser.add_argument(
        "--train", type=int, help="so many of the training images stand for the data set (default: all)"
    )
    parser.add_argument("--before", help="a folder with the package of another version")
    parser.add_argument("-n", dest="images", type=int, default=1_000, help="samples (default: 1,000)")
    parser.add_argument("--seeds", type=int, default=3, help="sampling seeds (default: 3)")
    parser.add_argument("--repeats", type=int, default=3, help="of each version, in turn (default: 3)")
    options = parser.parse_args()

    versions = {"now": str(Path(__file__).parents[1])} | ({"before": options.before} if options.before else {})
    print(f"{options.name}, {options.images:,} samples of each of {options.seeds} seeds, {os.cpu_count()} cores")
    times: dict[str, list[list[float]]] = {version: [] for version in versions}
    with tempfile.TemporaryDirectory() as temporary:
        folder, source = prepared(Path(temporary), options)
        for repeat in range(options.repeats + 1):
            for version, package in versions.items():
                seconds = measured(package, folder, source, options)
                if repeat:  # the first time fills the cache
                    times[version].append(seconds)
    for version, found in times.items():
        seconds, cpu = (sorted(column)[len(found) // 2] for column in zip(*found, strict=True))
        print(f"{version:8}{seconds:8.1f} s, {cpu:8.1f} s of processor time (median of {len(found)})")
    if options.before:
        for i, kind in enumerate(("time", "processor time")):
            ratios = [now[i] / before[i] for now, before in zip(times["now"], times["before"], strict=True)]
            each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"now takes {sorted(ratios)[len(ratios) // 2]:.2f} of the {kind} before ({each})")


def prepared(temporary: Path, options: argparse.Namespace) -> tuple[Path, str | None]:
    """A copy of the checkpoint, and where its training images are, if not all of them are taken."""
    folder = temporary / "checkpoint"
    shutil.copytree(checkpoint.SHIPPED / options.name, folder)
    if not options.train:
        return folder, None
    opened = checkpoint.open_checkpoint(folder)
    wanted = opened.recipe.data
    store = data.prepare(
        wanted.source, resolution=wanted.resolution, channels=wanted.channels, fit=wanted.fit, data_dir=options.data_dir
    )
    part = slice(0, options.train)
    np.savez(temporary / "part.npz", images=store.images[part], labels=store.labels[part])
    (folder / "ganzoo.json").write_text(json.dumps({**opened.info, "data": {}}))
    return folder, str(temporary / "part.npz")


def measured(package: str, folder: Path, source: str | None, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds, and seconds of processor time with the imports, that the package in a folder takes for a card."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = shutil.copytree(folder, Path(temporary, "checkpoint"))
        arguments = {"folder": str(copy), "images": options.images, "seeds": list(range(options.seeds))}
        arguments |= {"data_source": source, "data_dir": options.data_dir}
        environment = {**os.environ, "PYTHONPATH": package, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", MEASURE, package, json.dumps(arguments)],  # -P: not from here
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    return tuple(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
