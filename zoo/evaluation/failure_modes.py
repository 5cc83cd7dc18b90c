"""What is wrong with the samples of a generator, measured beside the same of real images that were held out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from zoo import data
from zoo.checkpoints.generator import Generator
from zoo.evaluation import features, pictures, sections
from zoo.evaluation.measurement import Measurement, Reference, balls
from zoo.evaluation.metrics.bins import compare_bins
from zoo.evaluation.metrics.birthday import birthday
from zoo.evaluation.metrics.classes import compare_classes
from zoo.evaluation.metrics.copying import copying
from zoo.evaluation.metrics.distances import nearest
from zoo.evaluation.metrics.neighbours import NeighbourScores
from zoo.evaluation.metrics.pixels import pixels
from zoo.evaluation.metrics.scores import SETTINGS
from zoo.evaluation.metrics.spectrum import checkerboard, high_frequency_gap, radial_power
from zoo.evaluation.sections import AllThree, Beside, NotApplicable, NotMeasured

logger = logging.getLogger("ganzoo")

BINS, CELLS = 100, 5  # clusters, for modes and for copies
LEAST_UNSEEN = 50  # held-out images that the question of copies needs: two cells of 25
PSI = (1.0, 0.7, 0.5)
WORST, COLUMNS = 16, 8  # images in a picture
MOSTLY_COPIES = NotMeasured(reason="most training images have exact copies among them, so that nothing is near or far")

Pictures = dict[str, bytes]  # {file: PNG}


class Samples(NamedTuple):
    """Images uint8 [N, H, W, C] and their features float32 [N, D]."""

    images: np.ndarray
    features: np.ndarray


def measure(measurement: Measurement, generator: Generator) -> tuple[dict[str, sections.Section], Pictures]:
    """The sections of evidence.json about samples, and the PNG files that go with them.

    Args:
        measurement: its first judge tells what is near; one that has `classes` tells the classes. The samples are those
            of the first seed.
        generator: that the samples were drawn from.
    """
    logger.info("looking for failures")
    judge, reference, store = measurement.judges[0], measurement.reference, measurement.reference.store
    train, held = sides(reference, judge)
    fake = Samples(measurement.images, measurement.features[judge.name][0].features)
    near, floor = measurement.balls(judge)[0], reference.floor_balls(judge)
    classifier = next((judge for judge in measurement.judges if hasattr(judge, "classes")), None)
    logits = measurement.features[classifier.name][0].logits if classifier else None
    found, drawn = {}, {}
    for section, (part, files) in {
        "classes": classes(classifier, store, logits),
        "low_density": low_density(fake.images, near, floor),
        "dropping": dropping(train, held, fake),
        "duplicates": duplicates(train, held, fake),
        "memorisation": memorisation(judge, store, fake, generator.recipe.augment.flip),
        "artefacts": artefacts(train, held, fake),
        "saturation": saturation(train, held, fake),
        "truncation": truncation(generator, judge, reference, fake, near, measurement.subject.seeds[0]),
    }.items():
        found[section] = part
        drawn |= files
    return found, drawn


def sides(reference: Reference, judge) -> tuple[Samples, Samples]:
    """Training images, and others."""
    return tuple(
        Samples(images[features.chosen(len(images), count)], found.features)
        for images, count, found in (
            (reference.train, reference.described.count, reference.features(judge)),
            (reference.other, reference.described.floor_count, reference.floor_features(judge)),
        )
    )


def beside(measured: Callable, generated, held_out) -> Beside:
    """The same measurement of both sides."""
    return Beside(generated=measured(generated), held_out=measured(held_out))


def classes(judge, store: data.Store, logits: np.ndarray | None) -> tuple[sections.Section, Pictures]:
    """The shares of the classes among samples of these `logits` [N, K]."""
    if judge is None:
        return NotMeasured(reason="the training images have no labels, or none that a classifier learns"), {}
    real, held = (
        features.kept(judge, images, store.fingerprint, part, min(len(logits), len(images))).logits.argmax(axis=-1)
        for images, part in ((store.images, "real"), (store.heldout, "real, held out"))
    )
    drawn, floor = (compare_classes(real, labels, len(judge.classes)) for labels in (logits.argmax(axis=-1), held))
    truth = np.asarray(store.heldout_labels)[features.chosen(len(store.heldout), len(held))]
    mistakes = [
        float(np.sum((held == label) & (truth != label)) / max(1, np.sum(truth != label)))
        for label in range(len(judge.classes))
    ]
    shares = sections.Shares(
        real=drawn.real_shares.tolist(), held_out=floor.fake_shares.tolist(), generated=drawn.fake_shares.tolist()
    )
    found = sections.Classes(
        classes=list(judge.classes),
        accuracy=judge.accuracy,
        shares=shares,
        if_missing=mistakes,
        variation=beside(lambda side: side.total_variation, drawn, floor),
        smallest_ratio=beside(lambda side: side.smallest_ratio, drawn, floor),
    )
    curves = {"real": shares.real, "held-out": shares.held_out, "generated": shares.generated}
    return found, {"classes.png": pictures.histogram(found.classes, curves)}


def low_density(
    images: np.ndarray, near: NeighbourScores | None, floor: NeighbourScores | None
) -> tuple[sections.Section, Pictures]:
    """Samples [N, H, W, C] in places where training images are sparse or absent."""
    if near is None or floor is None:
        return MOSTLY_COPIES, {}
    worst = np.argsort(near.realism, kind="stable")[:WORST]
    found = sections.LowDensity(
        k=SETTINGS["precision_recall_k"],
        count=len(images),
        shown=len(worst),
        below_1=beside(lambda realism: float(np.mean(realism < 1)), near.realism, floor.realism),
        median=beside(lambda realism: float(np.median(realism)), near.realism, floor.realism),
    )
    return found, {"worst.png": pictures.gallery(images[worst], COLUMNS)}


def dropping(train: Samples, held: Samples, fake: Samples) -> tuple[sections.Section, Pictures]:
    """Kinds of training images that come too seldom."""
    bins = int(np.clip(min(len(train.images), len(fake.images)) // 20, 2, BINS))
    drawn, floor = (compare_bins(train.features, some.features, bins) for some in (fake, held))
    missed = np.argsort(drawn.deviations, kind="stable")[:2]
    found = sections.Dropping(
        bins=bins,
        different=beside(lambda side: side.different, drawn, floor),
        divergence=beside(lambda side: side.divergence, drawn, floor),
        missed=sections.Missed(real=drawn.real_shares[missed].tolist(), generated=drawn.fake_shares[missed].tolist()),
    )
    _, shown = nearest(drawn.centres[missed], train.features, COLUMNS)
    return found, {"missed.png": pictures.gallery(train.images[shown.ravel()], COLUMNS)}


def duplicates(train: Samples, held: Samples, fake: Samples) -> tuple[sections.Section, Pictures]:
    """Samples that are nearly equal to each other."""
    drawn, floor = (birthday(train.features, some.features) for some in (fake, held))
    found = sections.Duplicates(
        images=drawn.images,
        pairs=beside(lambda side: side.fake_pairs, drawn, floor),
        support=beside(lambda side: side.support, drawn, floor),
        bounded=beside(lambda side: side.bounded, drawn, floor),
        batch=beside(lambda side: side.batch, drawn, floor),
    )
    return found, {"duplicates.png": pictures.columns(fake.images[drawn.closest[:COLUMNS]])}


def memorisation(judge, store: data.Store, fake: Samples, flipped: bool) -> tuple[sections.Section, Pictures]:
    """Samples that copy training images; `flipped`: or mirrored ones."""
    if len(store.heldout) < LEAST_UNSEEN:
        return NotMeasured(
            reason=f"of {len(store.images):,} training images only {len(store.heldout)} are held out, and the "
            f"comparison needs {LEAST_UNSEEN} that were never trained on"
        ), {}
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
    copies = copying(train, held, fake.features, cells=min(CELLS, len(held) // 20))
    drawn_likeness = _likeness(train, copies.distances, copies.nearest)
    held_likeness = _likeness(train, copies.heldout_distances, copies.heldout_nearest)
    closest = np.argsort(drawn_likeness, kind="stable")[:COLUMNS]
    rows = [
        fake.images[:COLUMNS],
        images[copies.nearest[:COLUMNS]],
        fake.images[closest],
        images[copies.nearest[closest]],
    ]
    found = sections.Memorisation(
        among=len(images),
        mirrored=flipped,
        held_out=len(held),
        c_t=copies.c_t,
        z=copies.z,
        median=beside(lambda distances: float(np.median(distances)), copies.distances, copies.heldout_distances),
        closest=beside(lambda likeness: float(likeness.min()), drawn_likeness, held_likeness),
    )
    return found, {"neighbours.png": pictures.columns(np.stack(rows, axis=1), apart=2)}


def _likeness(train: np.ndarray, distances: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Distances to nearest training images, over those of these images to their own nearest; far below 1 for a copy.

    An image that comes twice would be its own nearest: no such distance counts for less than that of one in twenty.
    """
    known, which = np.unique(originals, return_inverse=True)
    own = nearest(train[known], train, 2)[0][:, 1]  # the first is the image itself
    return distances / np.maximum(own, max(np.quantile(own, 0.05), 1e-9))[which]


def artefacts(train: Samples, held: Samples, fake: Samples) -> tuple[sections.Section, Pictures]:
    """Fine detail, and patterns that strided layers leave."""

    def board(images: np.ndarray) -> dict[str, float]:
        return {str(stride): value for stride, value in checkerboard(train.images, images).items()}

    found = sections.Artefacts(
        high_frequencies=beside(lambda images: high_frequency_gap(train.images, images), fake.images, held.images),
        checkerboard=beside(board, fake.images, held.images),
    )
    frequencies, real = radial_power(train.images)
    curves = {"real": real, "generated": radial_power(fake.images)[1]}
    return found, {"spectrum.png": pictures.lines(frequencies, curves, "cycles per pixel", "power")}


def saturation(train: Samples, held: Samples, fake: Samples) -> tuple[sections.Section, Pictures]:
    """Levels of brightness and colour."""
    real, drawn, floor = (pixels(side.images) for side in (train, fake, held))
    found = sections.Saturation(
        black=AllThree(real=real.black, generated=drawn.black, held_out=floor.black),
        white=AllThree(real=real.white, generated=drawn.white, held_out=floor.white),
        means=AllThree(real=real.means.tolist(), generated=drawn.means.tolist(), held_out=floor.means.tolist()),
        deviations=AllThree(
            real=real.deviations.tolist(), generated=drawn.deviations.tolist(), held_out=floor.deviations.tolist()
        ),
    )
    edges = np.arange(0, 257, 4)
    curves = {
        name: np.histogram(side.images, edges)[0] / side.images.size
        for name, side in (("real", train), ("generated", fake))
    }
    return found, {"levels.png": pictures.lines(edges[:-1], curves, "level", "share of the values")}


def truncation(
    generator: Generator, judge, reference: Reference, fake: Samples, near: NeighbourScores | None, seed: int
) -> tuple[sections.Section, Pictures]:
    """What is lost when styles move towards their mean; `fake` and `near` are those without."""
    if not generator.recipe.model.facts.truncation:
        return NotApplicable(reason=f"{generator.recipe.model.network} has no truncation"), {}
    if near is None:
        return MOSTLY_COPIES, {}
    found, rows = [], []
    for psi in PSI:
        images, scores = fake.images, near
        if psi != 1.0:
            images = np.concatenate(list(generator.batches(len(images), seed, psi, features.BATCH_SIZE)))
            seen = features.extract(judge, features.in_batches(images), len(images), f"psi {psi}")
            scores = balls(reference.features(judge), seen)
        found.append(sections.Psi(psi=psi, precision=scores.precision, recall=scores.recall))
        rows.append(images[:COLUMNS])
    return sections.Truncation(psi=found), {"truncation.png": pictures.gallery(np.concatenate(rows), COLUMNS)}
