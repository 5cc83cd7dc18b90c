"""Generated against real images by two judges of different families, and by the wavelet distance, which needs none.

    python benchmarks/judges.py flowers-64 runs/mine samples.npz --data my/images

A judge that took part in training, or whose near kin did, must not stand alone: what efficientnet-lite0 says of a
generator that learned from efficientnet-lite0 counts only where mobilenet-v2 agrees.

Each subject is a checkpoint, a run, a folder of images or an .npz file. The floor is real images against other real
ones: held-out ones where there are enough, else two halves. Scores depend on the counts, which are the same for all.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import mobilenet_v2
import numpy as np

import zoo
from zoo import data
from zoo.evaluation import features
from zoo.evaluation.measurement import Measurement, Reference, Subject
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.scores import Value
from zoo.evaluation.metrics.wavelet import wavelet_distance
from zoo.files.errors import ZooError

COLUMNS = ("FD", "KID", "precision", "recall", "coverage")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("subjects", nargs="+", metavar="CHECKPOINT_OR_FOLDER")
    parser.add_argument("--data", required=True, help="the real images: tfds:NAME, a folder or an .npz file")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    parser.add_argument("--fit", choices=("crop", "pad"), default="crop")
    parser.add_argument("--images", type=int, default=10_000, help="how many of each (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    subjects = {name: load(name, options.seed) for name in options.subjects}
    shapes = {subject.shape for subject in subjects.values()}
    if len(shapes) > 1:
        raise ZooError(f"what is compared must have one size and number of channels. Received: {sorted(shapes)}")
    size, _, channels = shapes.pop()
    store = data.prepare(options.data, resolution=size, channels=channels, fit=options.fit, data_dir=options.data_dir)
    available = min(subject.available or options.images for subject in subjects.values())
    reference = Reference.of_store(store, options.data, options.fit, options.images, available)
    real, floor = (chosen(images, reference.described.floor_count) for images in (reference.train, reference.other))
    judges = [extractors.load("efficientnet-lite0"), mobilenet_v2.load()]

    print(f"{reference.described.count:,} images of each, {len(floor):,} for the floor, {size} pixels")
    print(f"{'':32}{'judge':22}" + "".join(f"{column:>12}" for column in COLUMNS))
    for judge in judges:
        say("floor", judge.name, columns(judge, reference.floor(judge)))
    say("floor", "FWD, without a judge", [wavelet_distance(real, floor)])
    for name, subject in subjects.items():
        measurement = Measurement.take(subject, reference, judges)
        for judge in judges:
            say(name, judge.name, columns(judge, measurement.scores(judge)[0]))
        drawn = measurement.images[: len(real)]
        say(name, "FWD, without a judge", [wavelet_distance(real, drawn)])


def load(name: str, seed: int) -> Subject:
    path = Path(name)
    model = (path / "ganzoo.json").exists() or (path / "checkpoints").exists()
    if not model and data.is_images(path):
        return Subject.of_images(data.read_images(name), name)
    return Subject.of_generator(zoo.load_generator(name), seeds=(seed,))


def chosen(images: np.ndarray, count: int) -> np.ndarray:
    return images[features.chosen(len(images), count)]


def columns(judge, values: list[Value]) -> list[float]:
    """The scores of COLUMNS."""
    found = {value.name: value.value for value in values}
    return [found[column if column in found else f"{column}-{judge.label}"] for column in COLUMNS]


def say(subject: str, judge: str, numbers: list[float]) -> None:
    print(f"{subject[-30:]:32}{judge:22}" + "".join(f"{number:12.4g}" for number in numbers), flush=True)


if __name__ == "__main__":
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of few images: the counts are printed
        main()
