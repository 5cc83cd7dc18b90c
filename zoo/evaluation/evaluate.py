"""Evaluation: generated images against real ones, and real ones against other real ones, with the protocol attached."""

from __future__ import annotations

import logging
import platform
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

import zoo
from zoo import data
from zoo.checkpoints import resolve
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.loading import load_generator
from zoo.evaluation import EXTRACTORS, results
from zoo.evaluation import cas as training_data
from zoo.evaluation.by_class import by_class
from zoo.evaluation.judges import with_classifier
from zoo.evaluation.measurement import Measurement, Reference, Subject
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.extractors import Extractor
from zoo.evaluation.metrics.ms_ssim import pair_similarity
from zoo.evaluation.metrics.scores import SETTINGS
from zoo.evaluation.results import Evaluation, Score
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

SIMILARITY_PAIRS = 2_000


def evaluate(
    generated: Generator | np.ndarray | str | Path,
    real: np.ndarray | str | Path | None = None,
    *,
    extractor: str | Extractor | Sequence[str | Extractor] = EXTRACTORS[0],
    images: int = 10_000,
    seeds: Sequence[int] = (0, 1, 2),
    truncation: float = 1.0,
    weights: str = "ema",
    fit: str | None = None,
    data_dir: str | None = None,
    cas: bool = False,
) -> Evaluation:
    """Scores generated images against real ones.

    Args:
        generated: a Generator, what `load_generator` accepts, a folder or .npz of images, or an array uint8
            [N, H, W, C].
        real: a data source ("tfds:cifar10", a folder, an .npz file) or an array; by default what the generator was
            trained on.
        extractor: one or more of "efficientnet-lite0" (ships with the package), "inception" (FID's own) and "dinov2"
            (the weights of both are downloaded), "classifier" (trained on the labels of the real images), or objects of
            your own: see `zoo.evaluation.metrics.extractors.Extractor`.
        images: how many to generate, and how many of the real training images to compare with; fewer, on both sides,
            if there are not as many real ones.
        seeds: of the generated images; each gives a value of every score.
        truncation: psi, of a network that has it.
        weights: "ema", or "raw" for the generator that is trained itself, which a run's checkpoint has; a Generator
            has its own.
        fit: how real images of another size reach that of the generated ones, "crop" or "pad"; by default as the
            generator's recipe has it, and "crop" for files of images.
        data_dir: where TFDS keeps its data sets.
        cas: also train classifiers on samples of a conditional generator, and test them on real images: see
            `zoo.evaluation.cas`.

    Returns:
        The scores of each extractor beside their floor, MS-SSIM, and the protocol. A conditional generator is also
        scored class by class, and by a classifier of the real images. `zoo.evaluation.results.encode`
        makes it the content of evaluation.json.

    Raises:
        ZooError: too few images, images of different sizes, unreadable files, a bad argument, or without `real`
            other images than those that the generator was trained on.

    Example:
        >>> evaluation = zoo.evaluate("dcgan-fashion-mnist", images=1_000)
        >>> evaluation.evaluations[0].score("recall").mean
    """
    subject = _subject(generated, truncation, weights, seeds)
    remote = isinstance(generated, (str, Path)) and resolve.is_address(generated)
    reference = _reference(real, subject, images, fit, data_dir, remote)
    if cas:
        training_data.require_labels(subject.generator, reference.store)
    judges = _judges(extractor, subject, reference)
    found = evaluation(Measurement.take(subject, reference, judges, most=2 * SIMILARITY_PAIRS))
    if not cas:
        return found
    worth = training_data.cas(subject.generator, reference.store, truncation=truncation)
    return msgspec.structs.replace(found, cas=worth)


def evaluation(measurement: Measurement) -> Evaluation:
    """The scores of what was drawn, beside those of the other real images."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        _say_who_taught(measurement)
        parts = [_part(measurement, judge) for judge in measurement.judges]
        similarity = _similarity(measurement)
    said = sorted({str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)})
    for line in said:
        logger.warning(line)
    return Evaluation(
        format=results.FORMAT,
        generated=measurement.subject.described,
        evaluations=parts,
        ms_ssim=similarity,
        warnings=said,
        versions=_versions(),
    )


def _say_who_taught(measurement: Measurement) -> None:
    """A judge whose features the discriminator looked at is no evidence."""
    recipe = measurement.subject.recipe
    teacher = recipe.model.facts.teacher if recipe else ""
    if any(judge.name == teacher for judge in measurement.judges):
        warnings.warn(
            f"{teacher} taught this model's discriminator, so that its scores are too good: compare models by another "
            "judge",
            UserWarning,
            stacklevel=2,
        )


def _judges(wanted, subject: Subject, reference: Reference) -> list[Extractor]:
    """Those that are asked for; a conditional generator is asked by a classifier, too, whether it draws each class."""
    if not subject.classes:
        return extractors.load_all(wanted, reference.store)
    if reference.classes != subject.classes:
        logger.info(
            "these real images do not have the generator's classes, so that nothing is measured by class. "
            f"Received: {reference.described.source!r}"
        )
        return extractors.load_all(wanted, reference.store)
    return with_classifier(wanted, reference.store)


def _subject(generated, truncation: float, weights: str, seeds: Sequence[int]) -> Subject:
    if isinstance(generated, np.ndarray):
        return Subject.of_images(generated)
    if isinstance(generated, Generator):
        return Subject.of_generator(generated, truncation, seeds)
    if _is_images(Path(generated)):
        return Subject.of_images(data.read_images(generated), str(generated))
    return Subject.of_generator(load_generator(generated, weights), truncation, seeds)


def _reference(real, subject: Subject, images: int, fit: str | None, data_dir: str | None, remote: bool) -> Reference:
    """The real images; the recipe of a `remote` generator must not name files of this machine."""
    if isinstance(real, np.ndarray):
        return Reference.of_images(real, images, subject.available)
    source = real or (subject.recipe and subject.recipe.data.source)
    if not source or (not real and remote and not source.startswith("tfds:")):
        raise ZooError(
            "say which real images to compare with, as --data tfds:NAME, a folder or an .npz file. "
            f"Received: {source!r}"
        )
    fit = fit or (subject.recipe.data.fit if subject.recipe else "crop")
    store = data.prepare(
        str(source),
        resolution=subject.shape[0],
        channels=subject.shape[2],
        fit=fit,
        white=subject.recipe.data.white if subject.recipe else 0,
        data_dir=data_dir,
    )
    if not real and subject.trained_on not in (None, store.fingerprint):
        raise ZooError(
            "these are not the images that the generator was trained on; name those to compare with, "
            f"as --data tfds:NAME, a folder or an .npz file. Received: {source!r}"
        )
    return Reference.of_store(store, str(source), fit, images, subject.available)


def _part(measurement: Measurement, judge: Extractor) -> results.Part:
    reference, count = measurement.reference, measurement.count
    real, floor = reference.described, reference.floor(judge)
    if real.floor_count < count:
        warnings.warn(
            f"there are {real.floor_count:,} other real images for a floor of {count:,}, which makes it larger: "
            "no ratio is taken",
            UserWarning,
            stacklevel=2,
        )
    values = zip(*measurement.scores(judge), strict=True)
    return results.Part(
        extractor=results.Extractor(
            name=judge.name, weights_sha256=judge.weights_sha256, resizer=judge.resizer, dimensions=judge.dimensions
        ),
        real=real,
        generated_count=count,
        settings=results.Settings(**SETTINGS | {"kernel_subset_size": min(count, SETTINGS["kernel_subset_size"])}),
        scores=[
            Score.of(of_seeds, of_floor, real.floor_count == count)
            for of_seeds, of_floor in zip(values, floor, strict=True)
        ],
        class_shares=_class_shares(measurement, judge) if hasattr(judge, "classes") else None,
        by_class=by_class(measurement, judge),
    )


def _class_shares(measurement: Measurement, judge: Extractor) -> results.ClassShares:
    drawn = np.concatenate([found.logits for found in measurement.features[judge.name]])
    real, generated = (
        np.bincount(np.argmax(logits, axis=-1), minlength=len(judge.classes)) / len(logits)
        for logits in (measurement.reference.features(judge).logits, drawn)
    )
    return results.ClassShares(
        accuracy=judge.accuracy, classes=list(judge.classes), real=real.tolist(), generated=generated.tolist()
    )


def _similarity(measurement: Measurement) -> results.Similarity:
    """MS-SSIM of random pairs of generated images beside that of real ones: higher is less diverse."""
    count = min(2 * SIMILARITY_PAIRS, measurement.count) // 2 * 2
    train = measurement.reference.train
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:count])
    generated, generated_error = pair_similarity(measurement.images[:count])
    real, real_error = pair_similarity(train[chosen])
    return results.Similarity(
        pairs=count // 2,
        generated=generated,
        generated_standard_error=generated_error,
        real=real,
        real_standard_error=real_error,
    )


def _is_images(path: Path) -> bool:
    """Whether this is a folder or file of images, and no checkpoint or run, which have pictures in them."""
    is_model = (path / "ganzoo.json").exists() or resolve.is_run(path)
    return not is_model and data.is_images(path)


def _versions() -> dict[str, str]:
    import keras

    engine = keras.backend.backend()
    return {
        "keras-ganzoo": zoo.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("keras", engine, "numpy")},
    }
