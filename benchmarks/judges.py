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
from PIL import Image

from zoo import data
from zoo.checkpoints.generator import load_generator
from zoo.evaluation import features
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.neighbours import neighbour_scores
from zoo.evaluation.metrics.wavelet import wavelet_distance
from zoo.files.errors import ZooError

COLUMNS = ("FD", "KID", "precision", "recall", "coverage")
SUFFIXES = (".png", ".jpg", ".jpeg")
FLOOR_LEAST = 2_000  # held-out images; with fewer, the floor is taken between two halves of the training images


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

    loaded = {subject: load(subject) for subject in options.subjects}
    shapes = {shape for _, shape in loaded.values()}
    if len(shapes) > 1:
        raise ZooError(f"what is compared must have one size and number of channels. Received: {sorted(shapes)}")
    size, _, channels = shapes.pop()
    store = data.prepare(options.data, resolution=size, channels=channels, fit=options.fit, data_dir=options.data_dir)
    if len(store.heldout) >= FLOOR_LEAST:
        train, other = store.images, store.heldout
    else:
        order, half = np.random.default_rng(0).permutation(len(store.images)), len(store.images) // 2
        train, other = store.images[np.sort(order[:half])], store.images[np.sort(order[half:])]
    counts = [len(train), len(other), options.images]
    counts += [len(images) for images, _ in loaded.values() if isinstance(images, np.ndarray)]
    count = min(counts)
    real = {"real": train[features.chosen(len(train), count)], "floor": other[features.chosen(len(other), count)]}
    judges = [extractors.load("efficientnet-lite0"), mobilenet_v2.load()]
    answers = {judge: features.kept(judge, train, store.fingerprint, "real", count) for judge in judges}
    print(f"{count:,} images of each, {size} pixels; lower is better for FD, KID and FWD")
    print(f"{'':32}{'judge':22}" + "".join(f"{column:>12}" for column in COLUMNS))
    for subject, images in {"floor": (real["floor"], None), **loaded}.items():
        images = drawn(*images, count, options.seed)
        for judge in judges:
            batches = features.in_batches(images)
            row = scored(answers[judge], features.extract(judge, batches, count, f"{subject}, {judge.name}"))
            print(f"{subject[-30:]:32}{judge.name:22}" + "".join(f"{value:12.4g}" for value in row), flush=True)
        print(
            f"{subject[-30:]:32}{'FWD, without a judge':22}{wavelet_distance(real['real'], images):12.4g}", flush=True
        )


def load(subject: str):
    """(images uint8 [N, H, W, C], their shape [H, W, C]) or (a Generator, the shape of what it draws)."""
    path = Path(subject)
    if path.suffix == ".npz":
        images = np.load(path, allow_pickle=False)["images"]
        return images, images.shape[1:]
    files = sorted(file for file in path.glob("**/*") if file.suffix in SUFFIXES)
    if files and not (path / "ganzoo.json").exists() and not (path / "checkpoints").exists():
        images = np.stack([np.atleast_3d(np.asarray(Image.open(file))) for file in files])
        return images, images.shape[1:]
    generator = load_generator(subject)
    size, channels = generator.recipe.data.resolution, generator.recipe.data.channels
    return generator, (size, size, channels)


def drawn(subject, _, count: int, seed: int) -> np.ndarray:
    """`count` images uint8 [N, H, W, C], drawn or chosen by this seed."""
    if isinstance(subject, np.ndarray):
        return subject[np.random.default_rng(seed).permutation(len(subject))[:count]]
    return np.concatenate(list(subject.batches(count, seed, 1.0, features.BATCH_SIZE)))


def scored(real: features.Features, fake: features.Features) -> list[float]:
    """The scores of COLUMNS."""
    sets = real.features, fake.features
    with warnings.catch_warnings(action="ignore"):
        balls = neighbour_scores(*sets)
        kernel = kernel_distance(*sets, subset_size=min(1_000, len(real.features)))[0]
        return [frechet_distance(*sets), kernel, balls.precision, balls.recall, balls.coverage]


if __name__ == "__main__":
    main()
