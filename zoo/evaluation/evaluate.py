"""Evaluation: generated images against real ones, and real ones against other real ones, with the protocol attached."""

from __future__ import annotations

import hashlib
import logging
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo import data
from zoo.checkpoints.generator import Generator, load_generator
from zoo.evaluation import features
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.ms_ssim import pair_similarity
from zoo.evaluation.metrics.scores import SETTINGS, scores
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

FORMAT = 1
LEAST = 10
FLOOR_LEAST = 2_000  # held-out images; with fewer, the floor is taken between two halves of the training images
SIMILARITY_PAIRS = 2_000


def evaluate(
    generated,
    real=None,
    *,
    extractor: str | Sequence[str] = "efficientnet-lite0",
    images: int = 10_000,
    seeds: Sequence[int] = (0, 1, 2),
    truncation: float = 1.0,
    weights: str = "ema",
    fit: str | None = None,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Scores generated images against real ones.

    Args:
        generated: a Generator, what `load_generator` accepts, a folder or .npz of images, or an array uint8
            [N, H, W, C].
        real: a data source ("tfds:cifar10", a folder, an .npz file) or an array; by default what the generator was
            trained on.
        extractor: one or more of "efficientnet-lite0" (ships with the package), "inception" (FID's own; its weights are
            downloaded), "classifier" (trained on the labels of the real images).
        images: how many to generate, and how many of the real training images to compare with; fewer, on both sides,
            if there are not as many real ones.
        seeds: of the generated images; each gives a value of every score.
        truncation: StyleGAN-lite's psi.
        weights: "ema", or "raw" for the generator that is trained itself, which a run's checkpoint has; a Generator
            has its own.
        fit: how real images of another size reach that of the generated ones, "crop" or "pad"; by default as the
            generator's recipe has it, and "crop" for files of images.
        data_dir: where TFDS keeps its data sets.

    Returns:
        The contents of evaluation.json: {"format", "generated": what was scored, "evaluations": [{the protocol,
        "scores": {name: {"values", "mean", "spread", "floor", "ratio"}}, ...}, ...], "ms_ssim"}. `spread` is the
        standard deviation over the seeds (None for one), `floor` the score of real images against others, `ratio`
        mean over floor (None for KID, whose floor is 0 up to its error, and where the floor had fewer images).

    Raises:
        ZooError: too few images, images of different sizes, unreadable files, a bad argument, or without `real`
            other images than those that the generator was trained on.
    """
    subject = _subject(generated, truncation, weights, seeds)
    reference = _real(real, subject, images, fit, data_dir)
    if images < LEAST or min(len(reference.train), len(reference.other)) < LEAST:
        raise ZooError(
            f"a comparison needs at least {LEAST} images on each side. "
            f"Received: {images} wanted, {len(reference.train)} and {len(reference.other)} real images"
        )
    names = [extractor] if isinstance(extractor, str) else list(extractor)
    judges = [extractors.load(name, reference.store) for name in names]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        evaluations = [_evaluation(judge, subject, reference, images) for judge in judges]
        similarity = _similarity(subject, reference, images)
    said = sorted({str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)})
    for line in said:
        logger.warning(line)
    return {
        "format": FORMAT,
        "generated": subject.description,
        "evaluations": evaluations,
        "ms_ssim": similarity,
        "warnings": said,
        "versions": _versions(),
    }


@dataclass(frozen=True)
class _Subject:
    """What is scored: `draw(seed, count)` yields batches uint8 [n, H, W, C]."""

    description: dict[str, Any]
    draw: Callable[[int, int], Iterator[np.ndarray]]
    seeds: Sequence[int]
    shape: tuple[int, ...]  # H, W, C
    available: int | None  # images, if they are a fixed set
    recipe: Any = None
    trained_on: str | None = None  # fingerprint
    remote: bool = False  # from the Hub: its recipe must not name files of this machine


@dataclass(frozen=True)
class _Real:
    description: dict[str, Any]
    train: np.ndarray  # uint8 [N, H, W, C], that generated images are compared with
    other: np.ndarray  # uint8 [M, H, W, C], for the floor
    fingerprint: str
    store: data.Store | None


def _subject(generated, truncation: float, weights: str, seeds: Sequence[int]) -> _Subject:
    if not isinstance(generated, (Generator, np.ndarray)) and _is_images(Path(generated)):
        name, generated = str(generated), data.read_images(generated)
    else:
        name = generated if isinstance(generated, (str, Path)) else None
    if isinstance(generated, np.ndarray):
        _require_images(generated)
        description = {"images": name, "count": len(generated), "sha256": _digest(generated)}
        return _Subject(
            description, lambda seed, count: _batches(generated, seed, count), (0,), generated.shape[1:], len(generated)
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise ZooError(f"give at least one seed, and none twice. Received: {list(seeds)}")
    generator = generated if isinstance(generated, Generator) else load_generator(generated, weights)
    info = generator.info
    file = {"ema": "generator.safetensors", "raw": "training.safetensors"}[generator.weights]
    description = {
        "name": info.get("name", generator.recipe.name),
        "network": generator.recipe.model.network,
        "images_seen": info.get("images"),
        "weights": generator.weights,
        "generator_sha256": info.get("files", {}).get(file, {}).get("sha256"),
        "truncation": truncation,
        "seeds": list(seeds),
    }
    size, channels = generator.recipe.data.resolution, generator.recipe.data.channels
    return _Subject(
        description,
        lambda seed, count: generator.batches(count, seed, truncation, features.BATCH_SIZE),
        tuple(seeds),
        (size, size, channels),
        None,
        generator.recipe,
        info.get("data", {}).get("fingerprint"),
        str(name).startswith("hf://"),
    )


def _real(real, subject: _Subject, images: int, fit: str | None, data_dir: str | None) -> _Real:
    if isinstance(real, np.ndarray):
        _require_images(real)
        train, other, store = *halves(real, images), None
        fingerprint, description = _digest(real), {"source": "an array", "split": "one half", "floor": "other half"}
    else:
        source = real or (subject.recipe and subject.recipe.data.source)
        if not source or (not real and subject.remote and not source.startswith("tfds:")):
            raise ZooError(
                "say which real images to compare with, as --data tfds:NAME, a folder or an .npz file. "
                f"Received: {source!r}"
            )
        fit = fit or (subject.recipe.data.fit if subject.recipe else "crop")
        store = data.prepare(
            str(source), resolution=subject.shape[0], channels=subject.shape[2], fit=fit, data_dir=data_dir
        )
        fingerprint = store.fingerprint
        if not real and subject.trained_on not in (None, fingerprint):
            raise ZooError(
                "these are not the images that the generator was trained on; name those to compare with, "
                f"as --data tfds:NAME, a folder or an .npz file. Received: {source!r}"
            )
        description = {"source": str(source), "fit": fit, "skipped_files": len(store.skipped)}
        if len(store.heldout) >= FLOOR_LEAST:
            train, other = store.images, store.heldout
            description |= {"split": "training images", "floor": "held-out images"}
        else:
            train, other = halves(store.images, images)
            description |= {"split": "one half of the training images", "floor": "other half"}
    if train.shape[1:] != subject.shape:
        raise ZooError(
            "generated and real images must have the same size and channels. "
            f"Received: {subject.shape} and {train.shape[1:]}"
        )
    return _Real({**description, "fingerprint": fingerprint}, train, other, fingerprint, store)


def _evaluation(extractor, subject: _Subject, reference: _Real, images: int) -> dict[str, Any]:
    count = min(images, subject.available or images, len(reference.train))
    floor_count = min(count, len(reference.other))
    if floor_count < count:
        warnings.warn(
            f"there are {floor_count:,} other real images for a floor of {count:,}, which makes it larger: "
            "no ratio is taken",
            UserWarning,
            stacklevel=2,
        )
    train = features.kept(extractor, reference.train, reference.fingerprint, "real", count)
    other = features.kept(extractor, reference.other, reference.fingerprint, "real, held out", floor_count)
    floor = scores(train, other, extractor.score)
    runs, logits = [], []
    for seed in subject.seeds:
        fake = features.extract(extractor, subject.draw(seed, count), count, f"generated, seed {seed}")
        runs.append(scores(train, fake, extractor.score))
        logits.append(fake.logits)
    result = {
        "extractor": {
            "name": extractor.name,
            "weights_sha256": extractor.weights_sha256,
            "resizer": extractor.resizer,
            "dimensions": extractor.dimensions,
        },
        "real": reference.description | {"count": count, "floor_count": floor_count},
        "generated_count": count,
        "settings": SETTINGS | {"kernel_subset_size": min(count, SETTINGS["kernel_subset_size"])},
        "scores": {
            name: _summary(
                [run[name] for run in runs], floor[name], floor_count == count and not name.startswith("KID")
            )
            for name in floor
        },
    }
    if hasattr(extractor, "classes"):
        shares = [
            np.bincount(np.argmax(part, axis=-1), minlength=len(extractor.classes)) / len(part)
            for part in (train.logits, np.concatenate(logits))
        ]
        result["class_shares"] = {
            "accuracy": extractor.accuracy,
            "classes": list(extractor.classes),
            "real": shares[0].tolist(),
            "generated": shares[1].tolist(),
        }
    return result


def _summary(values: list[float], floor: float, comparable: bool) -> dict[str, Any]:
    mean = float(np.mean(values))
    return {
        "values": values,
        "mean": mean,
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "floor": floor,
        "ratio": mean / floor if comparable and floor > 0 else None,
    }


def _similarity(subject: _Subject, reference: _Real, images: int) -> dict[str, Any]:
    """MS-SSIM of random pairs of generated images beside that of real ones: higher is less diverse."""
    count = min(2 * SIMILARITY_PAIRS, images, len(reference.train), subject.available or images) // 2 * 2
    fake = np.concatenate(list(subject.draw(subject.seeds[0], count)))
    chosen = np.sort(np.random.default_rng(0).permutation(len(reference.train))[:count])
    (generated, generated_error), (real, real_error) = pair_similarity(fake), pair_similarity(reference.train[chosen])
    return {
        "pairs": count // 2,
        "generated": generated,
        "generated_standard_error": generated_error,
        "real": real,
        "real_standard_error": real_error,
    }


def _is_images(path: Path) -> bool:
    """Whether this is a folder or file of images, and no checkpoint or run, which have pictures in them."""
    is_model = (path / "ganzoo.json").exists() or (path / "checkpoints").exists()
    return not is_model and data.is_images(path)


def _require_images(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ZooError(f"images must be uint8 [N, H, W, 1 or 3]. Received: {images.dtype} {images.shape}")


def _batches(images: np.ndarray, seed: int, count: int) -> Iterator[np.ndarray]:
    return features.in_batches(images[np.random.default_rng(seed).permutation(len(images))[:count]])


def halves(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of the same images of up to `count`, chosen by seed 0, with none in common."""
    order, half = np.random.default_rng(0).permutation(len(images)), len(images) // 2
    return tuple(images[np.sort(part[:count])] for part in (order[:half], order[half:]))


def _digest(images: np.ndarray) -> str:
    return hashlib.sha256(repr(images.shape).encode() + np.ascontiguousarray(images).tobytes()).hexdigest()


def _versions() -> dict[str, str]:
    import keras

    engine = keras.backend.backend()
    return {
        "keras-ganzoo": zoo.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("keras", engine, "numpy")},
    }
