"""How good a generator is at the moment: KID and recall of a small fixed sample, cheap enough to follow a run."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from zoo import data
from zoo.checkpoints.generator import Generator
from zoo.evaluation import features
from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.kernel import kernel_distance
from zoo.evaluation.metrics.neighbours import recall
from zoo.recipe import KID_JUDGE

SHARE = 0.04  # of the time of training; beyond it, the raw generator goes unmeasured


class Quality:
    """Kernel distance (Binkowski 2018, arXiv:1801.01401) and recall (Kynkaanniemi 2019, arXiv:1904.06991) on
    efficientnet-lite0 between real and generated images.

    The real ones are held-out images where there are enough, otherwise training images. The numbers compare moments
    and variants of runs on the same images; `zoo.evaluate` is for scores that are published. KID says little of the
    variety within a mode, so that it may be low while recall, the share of real images among the samples, is too.

    A context: its thread, to which no strategy or distribution reaches, lives as long.
    """

    def __init__(self, store: data.Store, count: int) -> None:
        """`count` images of each kind, or as many as there are."""
        part, images = "held out", store.heldout
        if len(images) < count:
            part, images = "real", store.images
        self.count = min(count, len(images))
        self._of = store, images, part

    def __enter__(self) -> Quality:
        with ExitStack() as opened:
            self._thread = opened.enter_context(ThreadPoolExecutor(max_workers=1))
            self._extractor, self._real = self._thread.submit(self._prepare, *self._of).result()
            self._opened = opened.pop_all()
        self._start, self._spent = time.monotonic(), 0.0
        return self

    def __exit__(self, *error) -> None:
        self._opened.close()

    def _prepare(self, store: data.Store, images: np.ndarray, part: str):
        extractor = extractors.load(KID_JUDGE)
        return extractor, features.kept(extractor, images, store.fingerprint, part, self.count, quiet=True).features

    def __call__(self, average: Generator, raw: Generator) -> dict[str, float]:
        """{"kid", "kid_error": its standard error, "recall", "kid_raw": of the raw generator, if there is time}."""
        begun = time.monotonic()
        fake = self._features(average)
        kid, error = kernel_distance(self._real, fake, subset_size=None)
        numbers = {"kid": kid, "kid_error": error, "recall": recall(self._real, fake)}
        if self._spent < SHARE * (begun - self._start):
            numbers["kid_raw"], _ = kernel_distance(self._real, self._features(raw), subset_size=None)
        self._spent += time.monotonic() - begun
        return numbers

    def _features(self, generator: Generator) -> np.ndarray:
        images = generator.sample(self.count, seed=1)
        return (
            self._thread.submit(
                features.extract, self._extractor, features.in_batches(images), len(images), "generated", quiet=True
            )
            .result()
            .features
        )
