"""Images through an extractor, with a progress bar; those of a fixed set of images are kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from zoo.evaluation.metrics.once import read_only
from zoo.files.atomic import replacing
from zoo.files.cache import cache
from zoo.files.progress import progress

BATCH_SIZE = 100


class Features(NamedTuple):
    features: np.ndarray  # float32 [N, D]
    logits: np.ndarray  # float32 [N, K]


def extract(extractor, batches: Iterable[np.ndarray], count: int, what: str, *, quiet: bool = False) -> Features:
    """The features of `count` images, given as batches uint8 [n, H, W, C]; `what` stands before the progress."""
    return extract_all([extractor], batches, count, what, quiet=quiet)[extractor.name]


def extract_all(
    extractors: Sequence, batches: Iterable[np.ndarray], count: int, what: str, *, quiet: bool = False
) -> dict[str, Features]:
    """What each of several extractors sees of the same images: {its name: features}."""
    parts: dict[str, list] = {extractor.name: [] for extractor in extractors}
    with progress(count, what, quiet=quiet) as advance:
        for images in batches:
            for extractor in extractors:
                parts[extractor.name].append(extractor(images))
            advance(len(images))
    return {name: _whole(*map(np.concatenate, zip(*part, strict=True))) for name, part in parts.items()}


def _whole(features: np.ndarray, logits: np.ndarray) -> Features:
    """Nobody changes them, so that what is worked out of them can be kept."""
    return Features(read_only(features), read_only(logits))


def kept(extractor, images: np.ndarray, fingerprint: str, part: str, count: int, *, quiet: bool = False) -> Features:
    """The features of `count` of these images, chosen by seed 0, from the cache if they were extracted before.

    Args:
        images: uint8 [N, H, W, C], N at least `count`.
        fingerprint: of the data set that the images belong to.
        part: which part of it they are, and what stands before the progress bar: "real", "held out".
    """
    key = [fingerprint, part, len(images), count, extractor.name, extractor.weights_sha256, extractor.resizer]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    file = cache("features") / f"{name}.safetensors"
    try:
        return _whole(**load_file(file))
    except (OSError, SafetensorError, TypeError):  # not there, or damaged
        pass
    batches = (images[some] for some in in_batches(chosen(len(images), count)))
    found = extract(extractor, batches, count, part, quiet=quiet)
    with contextlib.suppress(OSError), replacing(file) as temporary:  # a full disk costs the next time, not this
        save_file(found._asdict(), temporary)
    return found


def chosen(total: int, count: int) -> np.ndarray:
    """Which of `total` images `kept` takes: indices [count], or of all if there are fewer."""
    return np.sort(np.random.default_rng(0).permutation(total)[:count])


def in_batches(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[i : i + BATCH_SIZE] for i in range(0, len(array), BATCH_SIZE))
