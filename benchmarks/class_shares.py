"""Whether a generator draws every class: its samples, labelled by a small classifier of the real images.

    python benchmarks/class_shares.py dcgan-fashion-mnist
    python benchmarks/class_shares.py runs/mine --data tfds:fashion_mnist --data-dir ~/tensorflow_datasets -n 10000

The classifier is that of `ganzoo evaluate --extractor classifier`: Fashion-MNIST's ships, another is trained once.
Needs `pip install ".[tensorflow]"` alone.
"""

from __future__ import annotations

import argparse
import os

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from zoo import data, load_generator
from zoo.evaluation.metrics.extractors.classifier import Classifier

LEAST = 0.04  # the share that each class should have


def main() -> None:
    parser = argparse.ArgumentParser(description="Shares of the classes among a generator's samples.")
    parser.add_argument("name", help="a shipped checkpoint, a checkpoint folder or a run")
    parser.add_argument("--data", help="the labelled images (default: those that the generator was trained on)")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    parser.add_argument("-n", dest="count", type=int, default=10_000, help="samples (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the samples (default: 0)")
    options = parser.parse_args()
    if options.count < 1 or options.seed < 0:
        parser.error(f"-n must be at least 1 and --seed at least 0. Received: {options.count} and {options.seed}")

    generator = load_generator(options.name)
    shape = generator.recipe.data
    classifier = Classifier(
        data.prepare(
            options.data or shape.source,
            resolution=shape.resolution,
            fit=shape.fit,
            channels=shape.channels,
            data_dir=options.data_dir,
        )
    )
    print(f"{classifier.name}: {classifier.accuracy:.1%} of the held-out images right")
    drawn = np.zeros(len(classifier.classes))
    for images in generator.batches(options.count, options.seed, batch_size=500):
        drawn += np.bincount(np.argmax(classifier(images)[1], axis=-1), minlength=len(drawn))
    drawn /= options.count
    print(f"{'class':24}{'drawn':>8}   {options.count:,} samples of {options.name}, seed {options.seed}")
    for name, share in zip(classifier.classes, drawn, strict=True):
        print(f"{name:24}{share:8.1%}{'   too few' if share < LEAST else ''}")


if __name__ == "__main__":
    main()
