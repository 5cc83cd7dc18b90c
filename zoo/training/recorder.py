"""What a run leaves behind: its log, curves, samples and checkpoints."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
from PIL import Image

from zoo import backend, data
from zoo.backend import device
from zoo.checkpoints import checkpoint, log
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.run import Run
from zoo.files import pictures
from zoo.files.shell import command
from zoo.recipe import LEAST_KID_IMAGES, Recipe
from zoo.step.gan import GAN
from zoo.training import classes
from zoo.training.estimate import parameters
from zoo.training.finite import NonFinite
from zoo.training.progress import Progress
from zoo.training.quality import Quality
from zoo.watch.watcher import Failing, Watcher

SAMPLES = 64  # in a grid


class Recorder:
    """What the first worker writes into the folder of the run, while its context lasts.

    Attributes:
        picture_steps: steps after which the samples are drawn, between the checkpoints, which draw them too.
    """

    def __init__(self, gan: GAN, store: data.Store, run: Run, progress: Progress) -> None:
        self.gan, self.store, self.run, self.progress = gan, store, run, progress
        info = {"data": described(gan.recipe, store)}
        self.average, self.raw = (
            Generator(model, gan.recipe, info, weights) for model, weights in ((gan.ema, "ema"), (gan.generator, "raw"))
        )
        self.images_per_step = gan.recipe.schedule.images_per_step
        self.picture_steps = picture_steps(gan.recipe)

    def __enter__(self) -> Recorder:
        from tensorboardX import SummaryWriter

        step, count = int(np.asarray(self.gan.step)), self.gan.recipe.log.kid_images
        self.run.rewind(step)
        self.progress.doing("drawing the first pictures")
        self.run.add_real(pictures.grid(some(self.store.images, SAMPLES)))
        if step == 0:
            self.picture(0)
        self.watcher = Watcher(self.gan, self.store, self.run.entries())
        self.progress.doing("looking at the images")
        measured = count and len(self.store.images) >= LEAST_KID_IMAGES
        with ExitStack() as opened:
            self.quality = opened.enter_context(Quality(self.store, count)) if measured else None
            self.run.log({"step": step, "images": step * self.images_per_step, "machine": on(self.gan.recipe)})
            events = SummaryWriter(str(self.run.path / "events"), purge_step=step * self.images_per_step)
            self.events = opened.enter_context(events)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._opened.close()

    def watch(self, step: int, numbers: dict[str, float]) -> None:
        """Logs numbers with the watcher's signals, and what it finds there for the first time."""
        self.progress.doing("watching")
        known = {finding.name for finding in self.watcher.findings}  # those that ended may begin again
        numbers = {**numbers, **self.watcher.signals(step)}
        found = self.watcher.look({"step": step, "images": step * self.images_per_step, **numbers})
        new = [finding for finding in found if finding.name not in known]
        self.log(step, numbers, findings=[log.Said(name=finding.name, text=str(finding)) for finding in new])
        self.progress.doing()

    def log(self, step: int, numbers: dict[str, float], **more) -> None:
        images = step * self.images_per_step
        self.run.log({"step": step, "images": images, **numbers, **more})
        for name, value in numbers.items():
            self.events.add_scalar(name, value, images)

    @property
    def alarms(self) -> list[str]:
        """The names of the findings that last, but for mere notes."""
        return [finding.name for finding in self.watcher.findings if finding.level != "note"]

    def require_healthy(self) -> None:
        """Raises Failing when the watcher finds that training fails."""
        failing = self.watcher.failing
        if failing:
            use = [
                f"{kind}: {path}"
                for kind, path in (
                    ("best", self.run.best()),
                    ("last healthy", self.run.healthy(min(finding.first_step for finding in failing))),
                )
                if path
            ]
            raise Failing(
                f"training fails ({failing[0]}); checkpoints to use: {', '.join(use) or 'none'}; for the "
                f"evidence and what to change: {command('ganzoo', 'doctor', self.run.path)}. "
                f"Received: watch = {self.gan.recipe.watch!r}",
                failing,
            )

    def failed(self, failure: ValueError) -> None:
        """Logs why training ended."""
        if isinstance(failure, NonFinite):
            self.log(int(np.asarray(self.gan.step)), {}, non_finite=str(failure))

    def picture(self, step: int) -> None:
        """Draws the fixed latents."""
        self.run.add_samples(step * self.images_per_step, *self.sheet(step))

    def sheet(self, step: int) -> tuple[Image.Image, dict[str, Any]]:
        """A grid of the fixed latents, and what it says of itself."""
        labels = self.average.rows()[0] if self.average.classes else None
        about = self.average.about(seed=0, labels=labels) | {"step": step}
        return pictures.grid(*self.average.sheet(seed=0)), about

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        """Saves everything, with a grid of the fixed latents and, if there is time, KID, which tells the best."""
        sheet, about = self.sheet(step)
        self.progress.doing("measuring KID" if self.quality and not hurry else "saving")
        quality = {} if hurry or not self.quality else self.quality(self.average, self.raw)
        if quality:
            self.watch(step, quality)
        self.progress.doing("saving")
        arrays = {
            file: {name: np.asarray(variable) for name, variable in variables.items()}
            for file, variables in self.gan.saved().items()
        }
        checkpoint.save(
            self.run.checkpoint_path(step),
            self.gan.recipe,
            arrays,
            {**description(self.gan, self.store, step), **quality, "healthy": not self.watcher.failing},
            {"samples.png": pictures.png(sheet, about)},
        )
        self.run.add_samples(step * self.images_per_step, sheet, about)
        self.run.prune()
        pictures.curves(self.run.entries(), self.run.path / "curves.png")
        self.events.flush()
        self.progress.doing()


def picture_steps(recipe: Recipe) -> frozenset[int]:
    """After about 1, 2, 5, 10, 20, 50 ... thousand images, as far as the first checkpoint."""
    end, images_per_step = recipe.log.checkpoint_every_images, recipe.schedule.images_per_step
    images = (digit * 10**power for power in range(3, 12) for digit in (1, 2, 5))
    return frozenset(max(1, round(count / images_per_step)) for count in images if count < end)


def some(images: np.ndarray, count: int) -> np.ndarray:
    """`count` images, the same ones each time, or all if there are fewer."""
    return np.asarray(images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])])


def description(gan: GAN, store: data.Store, step: int) -> dict:
    """What ganzoo.json says of a checkpoint: where it comes from and what it was made with."""
    return {
        "name": gan.recipe.name,
        "step": step,
        "images": step * gan.recipe.schedule.images_per_step,
        "parameters": {"generator": parameters(gan.generator), "discriminator": parameters(gan.discriminator)},
        "data": described(gan.recipe, store),
        **on(gan.recipe),
        "replicas": backend.replicas(),
        "processor": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", keras.backend.backend(), "numpy")},
        },
    }


def described(recipe: Recipe, store: data.Store) -> dict:
    """What ganzoo.json says of the images: which they are, and how many each class has."""
    about = {"source": store.source, "fingerprint": store.fingerprint, "images": len(store.images)}
    counts = {"class_images": classes.counted(store)[1]} if recipe.model.classes else {}
    return {**about, "classes": list(store.classes), **counts}


def on(recipe: Recipe) -> log.Machine:
    """What computes, and how."""
    return {
        "backend": keras.backend.backend(),
        "device": device.device(),
        "precision": device.precision(recipe.precision),
    }
