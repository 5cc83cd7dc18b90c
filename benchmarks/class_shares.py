"""Whether a generator draws every class: its samples, labelled by a small classifier.

    python benchmarks/class_shares.py dcgan-fashion-mnist
    python benchmarks/class_shares.py runs/mine --data tfds:fashion_mnist --data-dir ~/tensorflow_datasets -n 10000

The classifier is trained on the labelled real images (three epochs), tested on the held-out ones, and kept beside
the image store for the next time. Needs `pip install .` alone.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from keras import layers

from zoo import data, load_generator

LEAST = 0.04  # the share that each class should have
EPOCHS = 3
BATCH_SIZE = 128


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
    store = data.prepare(options.data or shape.source, resolution=shape.resolution, channels=shape.channels,
                         fit=shape.fit, data_dir=options.data_dir)
    if store.labels is None or not len(store.heldout):
        parser.error(f"the images must have labels, and some must be held out. Received: {store.source!r}")
    classifier = trained_classifier(store)
    _, accuracy = classifier.evaluate(store.heldout, store.heldout_labels, batch_size=500, verbose=0)
    print(f"test accuracy of the classifier on {len(store.heldout):,} held-out images: {accuracy:.1%}")

    real = np.bincount(store.labels, minlength=class_count(store)) / len(store.labels)
    drawn = np.zeros(len(real))
    for images in generator.batches(options.count, options.seed, batch_size=500):
        drawn += np.bincount(np.argmax(classifier.predict_on_batch(images), axis=-1), minlength=len(drawn))
    drawn /= options.count

    names = store.classes or tuple(map(str, range(len(real))))
    print(f"{'class':24}{'real':>8}{'drawn':>8}   {options.count:,} samples of {options.name}, seed {options.seed}")
    for row in zip(names, real, drawn, strict=True):
        print("{:24}{:8.1%}{:8.1%}".format(*row))
    rare = [name for name, share in zip(names, drawn, strict=True) if share < LEAST]
    if rare:
        print(f"less than {LEAST:.0%}: {', '.join(rare)}")
    else:
        print(f"each of the {len(names)} classes has at least {LEAST:.0%}")


def class_count(store: data.Store) -> int:
    return len(store.classes) or int(store.labels.max()) + 1


def trained_classifier(store: data.Store) -> keras.Model:
    """Maps uint8 images [N, H, W, C] to logits [N, classes]: the classifier kept beside the store, or a new one."""
    keras.utils.set_random_seed(0)
    steps = EPOCHS * -(-len(store.images) // BATCH_SIZE)
    convolutions = [
        layer for width in (32, 64, 128) for layer in (
            layers.Conv2D(width, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
            layers.MaxPooling2D())]
    model = keras.Sequential([
        keras.Input(store.images.shape[1:], dtype="uint8"), layers.Rescaling(1 / 127.5, -1.0), *convolutions,
        layers.Flatten(), layers.Dropout(0.3), layers.Dense(class_count(store))])
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    weights = store.path.with_name(f"{store.path.name}-classifier.weights.h5")
    if weights.exists():
        model.load_weights(weights)
        return model
    model.fit(store.images, store.labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    partial = Path(f"{weights.with_suffix('').with_suffix('')}-{os.getpid()}.weights.h5")
    model.save_weights(partial)
    partial.replace(weights)  # at once: an interrupted run leaves no half file under the name
    return model


if __name__ == "__main__":
    main()
