"""Whether generated images help a classifier that has few labelled ones: 200 of each class of Fashion-MNIST.

    python benchmarks/as_training_data.py --data-dir ~/tensorflow_datasets
    python benchmarks/as_training_data.py --generator runs/other        # samples of a model that you have
    python benchmarks/as_training_data.py --images 4000 --steps 60 --seeds 1 --generated 500 --out runs/try

The generator has seen the small set alone: a class-conditional SNGAN with DiffAugment (Zhao 2020, arXiv:2006.10738),
which trains on 98 % of the small set and holds out the rest. It is trained once; its best checkpoint is the one with
the lowest KID. With --generator, the table says what that one has seen. One of all 60,000 images would bring these in
by the back door.

Every classifier is the small one of `ganzoo evaluate`, and takes the same number of steps of 128 images, whatever it is
trained on. Where both kinds are there, each batch has as many real images as generated ones, on average. Classical
augmentation is mirroring, shifts, turns and zoom. All are tested on the 10,000 real test images. A seed draws other
generated images, and gives the classifier other first weights; the small set stays the same.

Goes on where it was interrupted: the run of the generator and every accuracy are kept in --out. Needs
`pip install ".[tensorflow]"` alone.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SOURCE = "tfds:fashion_mnist"
SETTINGS = {  # name: (real images, classical augmentation, generated images)
    "real": (True, False, False),
    "real, augmented": (True, True, False),
    "generated": (False, False, True),
    "real and generated": (True, False, True),
    "real and generated, augmented": (True, True, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--per-class", type=int, default=200, help="real images of each class (default: 200)")
    parser.add_argument("--generated", type=int, default=20_000, help="images to draw for each seed (default: 20,000)")
    parser.add_argument("--images", type=int, default=400_000, help="shown to the generator's D (default: 400,000)")
    parser.add_argument("--steps", type=int, default=1_500, help="of a classifier (default: 1,500)")
    parser.add_argument("--seeds", type=int, default=3, help="of classifiers and samples (default: 3)")
    parser.add_argument("--generator", help="a class-conditional checkpoint or run, instead of training one")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    parser.add_argument("--out", type=Path, default=Path("runs/as-training-data"))
    options = parser.parse_args()

    from zoo import data

    store = data.prepare(SOURCE, resolution=32, channels=1, fit="pad", data_dir=options.data_dir)
    images, labels = small_set(store.images, store.labels, options.per_class)
    generator, seen = the_generator(options, images, labels)
    known = Known(options.out / "accuracies.json", vars(options))
    for seed in range(options.seeds):
        todo = [name for name in SETTINGS if not known.has(name, seed)]
        if todo:
            drawn = draw(generator, options.generated, len(store.classes), seed)
        for name in todo:
            known.add(name, seed, accuracy((images, labels), drawn, SETTINGS[name], options.steps, seed, store))
            print(f"seed {seed}, {name}: {known.of(name)[-1]:.1%}", flush=True)
    print(f"\n{len(images):,} real images, {options.generated:,} generated; {seen}")
    print(f"{'trained on':34}{'accuracy on real test images, ' + str(options.seeds) + ' seeds':>40}")
    for name in SETTINGS:
        values = known.of(name)[: options.seeds]
        spread = f" ± {np.std(values, ddof=1):.1%}" if len(values) > 1 else ""
        print(f"{name:34}{f'{np.mean(values):.1%}{spread}':>40}")


def small_set(images: np.ndarray, labels: np.ndarray, each: int) -> tuple[np.ndarray, np.ndarray]:
    """The same `each` images of every class, in a random order."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:each] for label in np.unique(labels)]
    chosen = rng.permutation(np.concatenate(chosen))
    return np.asarray(images[chosen]), np.asarray(labels[chosen])


def the_generator(options: argparse.Namespace, images: np.ndarray, labels: np.ndarray):
    """The generator, and what it has seen, in words."""
    import zoo

    if options.generator:
        generator = zoo.load_generator(options.generator)
        about = generator.info.get("data", {})
        seen = f"the generator {generator.name} has seen {about.get('images', 0):,} images of {about.get('source')}"
        return generator, seen
    source = options.out / "small.npz"
    if not source.exists():
        options.out.mkdir(parents=True, exist_ok=True)
        np.savez(source, images=images, labels=labels)
    often = max(1_000, options.images // 10)
    recipe = zoo.load_recipe(
        "sngan-fashion-mnist",
        {
            "data.source": str(source),
            "model.classes": "auto",
            "augment.diffaugment": ["color", "translation", "cutout"],
            "schedule.images": options.images,
            "log.checkpoint_every_images": often,
            "log.every_images": often // 5,
        },
    )
    run = zoo.train(recipe, options.out / "generator", data_dir=options.data_dir)
    if run.stopped_by:
        raise SystemExit("stopped; the same command goes on")
    generator = zoo.load_generator(run.path)
    return (
        generator,
        f"the generator has trained on {generator.info['data']['images']:,} of these real ones, and no others",
    )


def draw(generator, count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Generated images and what they were drawn for, as many of each class, in turn."""
    labels = np.arange(count) % classes
    return np.concatenate(list(generator.batches(count, seed, batch_size=100, label=labels))), labels


def accuracy(real, drawn, setting: tuple[bool, bool, bool], steps: int, seed: int, store) -> float:
    """Of a classifier that was trained in one of SETTINGS, on the test images."""
    from zoo.evaluation.metrics.extractors import classifier

    takes_real, augments, takes_drawn = setting
    images, labels = mixed(real if takes_real else None, drawn if takes_drawn else None)
    make = partial(augmented if augments else classifier.network, images.shape[1:], len(store.classes))
    return float(classifier.accuracy(classifier.fitted(make, images, labels, steps, seed), store)[0])


def mixed(real, drawn) -> tuple[np.ndarray, np.ndarray]:
    """One kind, or as many of both: real images come again and again."""
    if real is None or drawn is None:
        return drawn if real is None else real
    again = np.resize(np.arange(len(real[0])), len(drawn[0]))
    return tuple(np.concatenate([mine[again], other]) for mine, other in zip(real, drawn, strict=True))


def augmented(shape: tuple[int, ...], classes: int):
    """The classifier behind classical augmentation, which rests when it is tested."""
    import keras
    from keras import layers

    from zoo.evaluation.metrics.extractors import classifier

    x = images = keras.Input(shape)
    x = layers.RandomFlip("horizontal", seed=1)(x)
    x = layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", seed=2)(x)
    x = layers.RandomRotation(0.03, fill_mode="nearest", seed=3)(x)
    x = layers.RandomZoom(0.1, fill_mode="nearest", seed=4)(x)
    return keras.Model(images, classifier.network(shape, classes)(x))


class Known:
    """The accuracies that are there already, in a file; they belong to one set of options."""

    def __init__(self, file: Path, options: dict) -> None:
        self.file = file
        mine = {key: str(value) for key, value in options.items() if key not in ("seeds", "out", "data_dir")}
        found = json.loads(file.read_text("utf-8")) if file.exists() else {"options": mine, "accuracies": {}}
        if found["options"] != mine:
            raise SystemExit(f"{file} is of other options; take another --out. Received: {mine}")
        self.found = found

    def has(self, name: str, seed: int) -> bool:
        return str(seed) in self.found["accuracies"].get(name, {})

    def of(self, name: str) -> list[float]:
        values = self.found["accuracies"][name]
        return [values[seed] for seed in sorted(values, key=int)]

    def add(self, name: str, seed: int, value: float) -> None:
        from zoo.files.atomic import replacing

        self.found["accuracies"].setdefault(name, {})[str(seed)] = value
        with replacing(self.file) as new:
            new.write_text(json.dumps(self.found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
