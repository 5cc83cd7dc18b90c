"""What samples look like beside real images, in numpy: their distance, variety, bins, saturation."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.metrics.kernel import kernel_distance

BINS = 20
CELLS = 8  # images are compared as CELLS x CELLS means of pixels
ROUNDS = 10  # of k-means
LEAST_REAL, LEAST_SAMPLES = 8, 4  # images of a class; fewer say too little of its variety
ALIKE = 0.05  # of the variety of all real images: a class with less of it has nothing to lose


class Reference:
    """Real images [N, H, W, C] in [-1, 1], at least 4, prepared to compare others with."""

    def __init__(self, real: np.ndarray, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        real = np.asarray(real, np.float32)
        features, self.count = cells(real), len(real)
        self.centres = kmeans(features, BINS, rng)
        self.shares = np.bincount(nearest(features, self.centres), minlength=len(self.centres)) / len(features)
        self.mean, self.scale = features.mean(axis=0), max(float(features.std(axis=0).mean()), 1e-3)
        self.standard = (features[:512] - self.mean) / self.scale
        some = features[:256]
        self.distance = pair_distance(some)
        self.edges = edge_share(real[:256])

    def compare(self, images: np.ndarray) -> dict[str, float]:
        """Signals of other images [M, H, W, C] in [-1, 1]:

        diversity     mean distance of pairs over that of real pairs; 1 is healthy, 0 one image
        ndb           share of bins whose share differs by more than 3 standard errors (Richardson and Weiss 2018,
                      arXiv:1805.12462)
        empty_bins    share of the real images whose bin no image falls into
        saturated     share of pixels at the ends of the range, minus that of real images
        cell_kid, cell_kid_error   kernel distance to real images as KID has it, on means of pixels instead of learned
                      features, and its standard error: coarse, and cheap enough for every look
        """
        images = finite(images)
        features = cells(images)
        counts = np.bincount(nearest(features, self.centres), minlength=len(self.centres))
        share, expected = counts / len(images), self.shares
        pooled = np.average([share, expected], axis=0, weights=[len(images), self.count])
        error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-9) * (1 / len(images) + 1 / self.count))
        standard = ((features - self.mean) / self.scale).clip(-100, 100)
        cell_kid, cell_kid_error = kernel_distance(self.standard, standard, subset_size=None)
        return {
            "diversity": float(pair_distance(features) / max(self.distance, 1e-6)),
            "ndb": float(np.mean(np.abs(share - expected) > 3 * error)),
            "empty_bins": float(expected[counts == 0].sum()),
            "saturated": float(edge_share(images) - self.edges),
            "cell_kid": cell_kid,
            "cell_kid_error": cell_kid_error,
        }


class Classes:
    """The variety of the real images of each class, prepared to compare samples with: rare classes are left out.

    Args:
        real: images [N, H, W, C] in [-1, 1].
        labels: theirs, [N].
    """

    def __init__(self, real: np.ndarray, labels: np.ndarray) -> None:
        features = cells(np.asarray(real, np.float32))
        least = ALIKE * pair_distance(features[:256])
        self.distances = {
            int(label): distance
            for label in np.unique(labels)
            if np.sum(labels == label) >= LEAST_REAL
            and (distance := pair_distance(features[labels == label][:256])) > least
        }

    def compare(self, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Signals of samples [M, H, W, C] in [-1, 1], drawn for these labels [M]; none where no class has enough:

        class_diversity   `Reference.compare`'s diversity within one class, of the class that has least: 1 is healthy,
                          0 one image
        class_least       the label of that class
        class_median      the same diversity of the median class: when it is low, latents hardly matter in any class
        """
        features = cells(finite(images))
        found = {
            label: pair_distance(features[labels == label]) / distance
            for label, distance in self.distances.items()
            if np.sum(labels == label) >= LEAST_SAMPLES
        }
        if not found:
            return {}
        least = min(found, key=found.__getitem__)
        median = float(np.median(list(found.values())))
        return {"class_diversity": found[least], "class_least": least, "class_median": median}


def with_rare_classes(labels: np.ndarray, free: int, population: np.ndarray) -> np.ndarray:
    """Labels [M] to draw, changed so that of more classes there are enough samples to compare: LEAST_SAMPLES.

    They are given to the classes of `population`, of which there are LEAST_REAL images or more, the larger classes
    first, and taken from those that have most. Those before `free` stay. Where no class has too few, nothing changes.
    """
    labels = labels.copy()
    classes, counts = np.unique(population, return_counts=True)
    classes, counts = classes[counts >= LEAST_REAL], counts[counts >= LEAST_REAL]
    for label in classes[np.argsort(-counts, kind="stable")]:
        for _ in range(LEAST_SAMPLES - np.sum(labels == label)):
            times = (labels[free:, None] == labels).sum(axis=1)
            if times.max() <= LEAST_SAMPLES:
                return labels
            labels[free + times.argmax()] = label
    return labels


def finite(images: np.ndarray) -> np.ndarray:
    """Images as float32, with large numbers for what is not finite, so that broken ones can be measured."""
    return np.nan_to_num(np.asarray(images, np.float32), posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)


def cells(images: np.ndarray) -> np.ndarray:
    """[N, H, W, C] -> float32 [N, CELLS * CELLS * C], means of pixels."""
    n, height, width, channels = images.shape
    blocks = images.reshape(n, CELLS, height // CELLS, CELLS, width // CELLS, channels)
    return blocks.mean(axis=(2, 4)).reshape(n, -1)


def kmeans(features: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's algorithm: centres [count, F], fewer when there are fewer different features."""
    centres = np.unique(features[rng.permutation(len(features))[: 8 * count]], axis=0)
    centres = centres[rng.permutation(len(centres))[:count]]
    for _ in range(ROUNDS):
        labels = nearest(features, centres)
        centres = np.stack(
            [features[labels == i].mean(axis=0) if (labels == i).any() else centre for i, centre in enumerate(centres)]
        )
    return centres


def nearest(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The index of the nearest centre of each feature."""
    return np.argmin((centres**2).sum(axis=1) - 2.0 * features @ centres.T, axis=1)


def distances(features: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, N] of all pairs."""
    centred = (features - features.mean(axis=0)).astype(np.float64)
    squares = (centred**2).sum(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * centred @ centred.T, 0.0))


def pair_distance(features: np.ndarray) -> float:
    """The mean distance of two different images."""
    count = len(features)
    return float(distances(features).sum() / max(1, count * (count - 1)))


def edge_share(images: np.ndarray) -> float:
    """The share of pixels within 1/127.5 of the ends of the range."""
    return float(np.mean(np.abs(images) > 1.0 - 1.0 / 127.5))
