"""What is wrong with the samples of a generator, measured beside the same of held-out real images.

Each section of the result has "generated", the number of the samples, and "held_out", its floor.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo import data
from zoo.checkpoints.generator import Generator
from zoo.evaluate.evaluate import FLOOR_LEAST, halves
from zoo.evaluation import features, pictures
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.bins import compare_bins
from zoo.evaluation.metrics.birthday import birthday
from zoo.evaluation.metrics.classes import compare_classes
from zoo.evaluation.metrics.copying import copying
from zoo.evaluation.metrics.distances import nearest
from zoo.evaluation.metrics.neighbours import neighbour_scores
from zoo.evaluation.metrics.pixels import pixels
from zoo.evaluation.metrics.spectrum import checkerboard, high_frequency_gap, radial_power

logger = logging.getLogger("ganzoo")

K = 3  # neighbours, for precision, recall and realism
BINS, CELLS = 100, 5  # clusters, for modes and for copies
LEAST_UNSEEN = 100  # held-out images that the question of copies needs
PSI = (1.0, 0.7, 0.5)
WORST, COLUMNS = 16, 8  # images in a picture


@dataclass(frozen=True)
class Samples:
    """Samples beside real images: `images` uint8 [N, H, W, C] and their `features` float32 [N, D]."""

    images: np.ndarray
    features: np.ndarray


def measure(
    generator: Generator, store: data.Store, names: list[str], count: int, seed: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The sections of evidence.json about samples, and the PNG files that go with them.

    Args:
        generator: whose samples.
        store: the images it was trained on.
        names: of extractors; the first judges, "classifier" among them tells the classes.
        count: of samples, and of training and held-out images where there are as many.
        seed: of the samples.
    """
    judge = extractors.load(names[0], store)
    made = np.concatenate(list(generator.batches(count, seed, batch_size=features.BATCH_SIZE)))
    fake = Samples(made, features.extract(judge, features.in_batches(made), count, f"generated, seed {seed}").features)
    train, held = _real(judge, store, count)
    logger.info("looking for failures")
    found, drawn = {}, {}
    for section, (part, files) in {
        "classes": _classes(names, store, made, count),
        "low_density": _low_density(train, held, fake),
        "dropping": _dropping(train, held, fake),
        "duplicates": _duplicates(train, held, fake),
        "memorisation": _memorisation(judge, store, fake, generator.recipe.augment.flip),
        "artefacts": _artefacts(train, held, fake),
        "saturation": _saturation(train, held, fake),
        "truncation": _truncation(generator, judge, train, fake, seed),
    }.items():
        found[section] = part
        drawn |= files
    return found, drawn


def _real(judge, store: data.Store, count: int) -> tuple[Samples, Samples]:
    """Training images, and others: held out, or where these are too few the other half, as in `zoo.evaluate`."""
    train, held = store.images, store.heldout
    if len(held) < FLOOR_LEAST:
        train, held = halves(train, count)
    return tuple(
        Samples(
            images[features.chosen(len(images), count)],
            features.kept(judge, images, store.fingerprint, part, min(count, len(images))).features,
        )
        for images, part in ((train, "real"), (held, "real, held out"))
    )


def _classes(names: list[str], store: data.Store, made: np.ndarray, count: int):
    if "classifier" not in names:
        return {"not_measured": "the training images have no labels, or none that a classifier learns"}, {}
    judge = extractors.load("classifier", store)

    def labels(found: features.Features) -> np.ndarray:
        return found.logits.argmax(axis=-1)

    real, held = (
        labels(features.kept(judge, images, store.fingerprint, part, min(count, len(images))))
        for images, part in ((store.images, "real"), (store.heldout, "real, held out"))
    )
    fake = labels(features.extract(judge, features.in_batches(made), count, "classes"))
    drawn, floor = (compare_classes(real, some, len(judge.classes)) for some in (fake, held))
    shares = {
        "real": drawn.real_shares.tolist(),
        "held-out": floor.fake_shares.tolist(),
        "generated": drawn.fake_shares.tolist(),
    }
    truth = np.asarray(store.heldout_labels)[features.chosen(len(store.heldout), count)]
    errors = [
        float(np.sum((held == label) & (truth != label)) / max(1, np.sum(truth != label)))
        for label in range(len(judge.classes))
    ]
    found = {
        "classes": list(judge.classes),
        "accuracy": judge.accuracy,
        "shares": shares,
        "if_missing": errors,
        "variation": {"generated": drawn.total_variation, "held_out": floor.total_variation},
        "smallest_ratio": {"generated": drawn.smallest_ratio, "held_out": floor.smallest_ratio},
    }
    return found, {"classes.png": pictures.histogram(found["classes"], shares)}


def _low_density(train: Samples, held: Samples, fake: Samples):
    realism = {
        name: neighbour_scores(train.features, some.features, K).realism
        for name, some in (("generated", fake), ("held_out", held))
    }
    worst = np.argsort(realism["generated"], kind="stable")[:WORST]
    found = {
        "k": K,
        "count": len(fake.images),
        "shown": len(worst),
        "below_1": {name: float(np.mean(values < 1)) for name, values in realism.items()},
        "median": {name: float(np.median(values)) for name, values in realism.items()},
    }
    return found, {"worst.png": pictures.gallery(fake.images[worst], COLUMNS)}


def _dropping(train: Samples, held: Samples, fake: Samples):
    bins = int(np.clip(min(len(train.images), len(fake.images)) // 20, 2, BINS))
    drawn, floor = (compare_bins(train.features, some.features, bins) for some in (fake, held))
    missed = np.argsort(drawn.deviations, kind="stable")[:2]
    found = {
        "bins": bins,
        "different": {"generated": drawn.different, "held_out": floor.different},
        "divergence": {"generated": drawn.divergence, "held_out": floor.divergence},
        "missed": {"real": drawn.real_shares[missed].tolist(), "generated": drawn.fake_shares[missed].tolist()},
    }
    _, shown = nearest(drawn.centres[missed], train.features, COLUMNS)
    return found, {"missed.png": pictures.gallery(train.images[shown.ravel()], COLUMNS)}


def _duplicates(train: Samples, held: Samples, fake: Samples):
    drawn, floor = (birthday(train.features, some.features) for some in (fake, held))
    found = {
        "images": drawn.images,
        "pairs": {"generated": drawn.fake_pairs, "held_out": floor.fake_pairs},
        "support": {"generated": drawn.support, "held_out": floor.support},
        "bounded": {"generated": drawn.bounded, "held_out": floor.bounded},
        "batch": {"generated": drawn.batch, "held_out": floor.batch},
    }
    pairs = fake.images[drawn.closest[:COLUMNS]]
    return found, {"duplicates.png": pictures.columns(pairs)}


def _memorisation(judge, store: data.Store, fake: Samples, flipped: bool):
    if len(store.heldout) < LEAST_UNSEEN:
        return {
            "not_measured": f"of {len(store.images):,} training images only {len(store.heldout)} are held out, and "
            f"the comparison needs {LEAST_UNSEEN} that were never trained on"
        }, {}
    count = min(len(fake.images), len(store.heldout))
    images = store.images
    train = features.kept(judge, images, store.fingerprint, "real", len(images)).features
    if flipped:  # a copy may be one of a mirrored image
        mirrored = images[:, :, ::-1]
        images = np.concatenate([images, mirrored])
        train = np.concatenate(
            [train, features.kept(judge, mirrored, store.fingerprint, "real, mirrored", len(mirrored)).features]
        )
    held = features.kept(judge, store.heldout, store.fingerprint, "real, held out", count).features
    found = copying(train, held, fake.features, cells=min(CELLS, len(held) // 20))
    unseen, originals = nearest(held, train)
    likeness = {
        "generated": _likeness(train, found.distances, found.nearest),
        "held_out": _likeness(train, unseen[:, 0], originals[:, 0]),
    }
    closest = np.argsort(likeness["generated"], kind="stable")[:COLUMNS]
    rows = [
        fake.images[:COLUMNS],
        images[found.nearest[:COLUMNS]],
        fake.images[closest],
        images[found.nearest[closest]],
    ]
    return {
        "among": len(images),
        "mirrored": flipped,
        "held_out": len(held),
        "c_t": found.c_t,
        "z": found.z,
        "median": {"generated": float(np.median(found.distances)), "held_out": float(np.median(unseen))},
        "closest": {name: float(values.min()) for name, values in likeness.items()},
    }, {"neighbours.png": pictures.columns(np.stack(rows, axis=1), apart=2)}


def _likeness(train: np.ndarray, distances: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Distances to nearest training images, over those of these images to their own nearest; far below 1 for a copy.

    An image that comes twice would be its own nearest: no such distance counts for less than that of one in twenty.
    """
    known, which = np.unique(originals, return_inverse=True)
    own = nearest(train[known], train, 2)[0][:, 1]  # the first is the image itself
    return distances / np.maximum(own, max(np.quantile(own, 0.05), 1e-9))[which]


def _artefacts(train: Samples, held: Samples, fake: Samples):
    sides = {"generated": fake.images, "held_out": held.images}
    found = {
        "high_frequencies": {name: high_frequency_gap(train.images, images) for name, images in sides.items()},
        "checkerboard": {
            name: {str(stride): value for stride, value in checkerboard(train.images, images).items()}
            for name, images in sides.items()
        },
    }
    frequencies, real = radial_power(train.images)
    curves = {"real": real, "generated": radial_power(fake.images)[1]}
    return found, {"spectrum.png": pictures.lines(frequencies, curves, "cycles per pixel", "power")}


def _saturation(train: Samples, held: Samples, fake: Samples):
    sides = {"real": train.images, "generated": fake.images, "held_out": held.images}
    measured = {name: pixels(images) for name, images in sides.items()}
    found = {
        key: {name: np.asarray(getattr(values, key)).tolist() for name, values in measured.items()}
        for key in ("black", "white", "means", "deviations")
    }
    edges = np.arange(0, 257, 4)
    curves = {
        name: np.histogram(images, edges)[0] / images.size for name, images in sides.items() if name != "held_out"
    }
    return found, {"levels.png": pictures.lines(edges[:-1], curves, "level", "share of the values")}


def _truncation(generator: Generator, judge, train: Samples, fake: Samples, seed: int):
    if generator.recipe.model.network != "stylegan-lite":
        return {"not_applicable": f"{generator.recipe.model.network} has no truncation"}, {}
    found, rows = [], []
    for psi in PSI:
        made = fake
        if psi != 1.0:
            images = np.concatenate(list(generator.batches(len(fake.images), seed, psi, features.BATCH_SIZE)))
            made = Samples(
                images, features.extract(judge, features.in_batches(images), len(images), f"psi {psi}").features
            )
        scores = neighbour_scores(train.features, made.features, K)
        found.append({"psi": psi, "precision": scores.precision, "recall": scores.recall})
        rows.append(made.images[:COLUMNS])
    return {"psi": found}, {"truncation.png": pictures.gallery(np.concatenate(rows), COLUMNS)}
