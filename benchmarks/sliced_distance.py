"""Whether a sliced distance needs fewer samples than FD and KID, as MIND claims: Berthet 2026, arXiv:2605.06797.

    python benchmarks/sliced_distance.py dcgan-fashion-mnist sngan-fashion-mnist wgan-gp-fashion-mnist \\
        --data tfds:fashion_mnist --data-dir ~/tensorflow_datasets

All three compare features of efficientnet-lite0. MIND is the squared distance of optimal transport between the features
along a random direction, averaged over 1,000 directions; here it is multiplied by the number of features, which
changes no comparison. For each count it prints, over 10 random choices of as many real and generated images:

    order    Spearman's correlation, over the models, between a score's mean and FD of all images
    told     of all pairs of models, by how many standard deviations of one score they differ: the median. The choices
             come from one pool, so that deviations are corrected for what they share
    bias     the mean over all models, divided by that at the largest count: 1 where the count does not matter

A score that needs few images has an order and a bias near 1, and tells pairs apart by many deviations.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

import zoo
from zoo import data
from zoo.evaluation import features
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.frechet import frechet_distance
from zoo.evaluation.metrics.kernel import kernel_distance

DIRECTIONS, REPEATS = 1_000, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("models", nargs="+", help="checkpoints or runs of the same images")
    parser.add_argument("--data", required=True, help="the real images")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    parser.add_argument("--images", type=int, default=10_000, help="of each model, and real ones")
    parser.add_argument("--counts", nargs="+", type=int, default=[500, 1_000, 2_000, 5_000])
    options = parser.parse_args()
    extractor = extractors.load("efficientnet-lite0")
    real, fakes = drawn(options, extractor)
    largest = [frechet_distance(real, fake) for fake in fakes]
    print("FD of all: " + ", ".join(f"{Path(n).name} {v:.1f}" for n, v in zip(options.models, largest, strict=True)))
    print(f"{'':6}{'images':>8}{'order':>8}{'told':>8}{'bias':>8}")
    for name, score in {"FD": frechet_distance, "KID": kid, "MIND": sliced_distance}.items():
        found = {count: scores(score, real, fakes, count) for count in options.counts}
        for count, values in found.items():
            bias = np.mean(values) / np.mean(found[max(options.counts)])
            print(
                f"{name:6}{count:8,}{order(values, largest):8.2f}{told(values, count / len(real)):8.1f}{bias:8.2f}",
                flush=True,
            )


def drawn(options: argparse.Namespace, extractor) -> tuple[np.ndarray, list[np.ndarray]]:
    """Features of the real images, and of each model's."""
    generators = [zoo.load_generator(name) for name in options.models]
    recipe = generators[0].recipe.data
    store = data.prepare(
        options.data, resolution=recipe.resolution, channels=recipe.channels, fit=recipe.fit, data_dir=options.data_dir
    )
    chosen = np.random.default_rng(0).permutation(len(store.images))[: options.images]
    sets = [store.images[chosen], *(generator.sample(options.images, seed=0) for generator in generators)]
    real, *fakes = (
        features.extract(extractor, features.in_batches(images), len(images), "images", quiet=True).features
        for images in sets
    )
    return real, fakes


def scores(score, real: np.ndarray, fakes: list[np.ndarray], count: int) -> np.ndarray:
    """[models, REPEATS], each of `count` real and `count` generated images."""
    rng = np.random.default_rng(count)
    return np.array(
        [[score(*(rng.permutation(some)[:count] for some in (real, fake))) for _ in range(REPEATS)] for fake in fakes]
    )


def sliced_distance(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> float:
    """MIND of equally many features [N, D], times D."""
    directions = np.random.default_rng(seed).normal(size=(real.shape[1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    along = [np.sort(some.astype(np.float32) @ directions, axis=0) for some in (real, fake)]
    return float(real.shape[1] * np.mean((along[0] - along[1]) ** 2, dtype=np.float64))


def kid(real: np.ndarray, fake: np.ndarray) -> float:
    """KID without subsets, as a run in training measures it."""
    return kernel_distance(real, fake, subset_size=None)[0]


def order(values: np.ndarray, largest: list[float]) -> float:
    ranks = [np.argsort(np.argsort(some)) for some in (values.mean(axis=1), largest)]
    return float(np.corrcoef(*ranks)[0, 1])


def told(values: np.ndarray, share: float) -> float:
    """By how many standard deviations two models differ, the median over all pairs; each choice is a share of all."""
    means, deviations = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(1 - share)
    pairs = itertools.combinations(range(len(values)), 2)
    return float(np.median([abs(means[a] - means[b]) / np.hypot(deviations[a], deviations[b]) for a, b in pairs]))


if __name__ == "__main__":
    main()
