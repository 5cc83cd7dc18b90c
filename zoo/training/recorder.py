"""What a run leaves behind: its log, curves, samples and checkpoints."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import keras
import numpy as np

from zoo import backend, data
from zoo.backend import device
from zoo.checkpoints import checkpoint
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.run import Run
from zoo.files import pictures
from zoo.recipe import LEAST_KID_IMAGES, Recipe
from zoo.step.gan import GAN
from zoo.training.estimate import parameters
from zoo.training.finite import NonFinite
from zoo.training.quality import Quality
from zoo.watch.watcher import Failing, Watcher


class Recorder:
    """What the first worker writes into the folder of the run."""

    def __init__(self, gan: GAN, store: data.Store, run: Run) -> None:
        from tensorboardX import SummaryWriter

        self.gan, self.store, self.run = gan, store, run
        self.average, self.raw = Generator(gan.ema, gan.recipe, {}), Generator(gan.generator, gan.recipe, {}, "raw")
        self.images_per_step = gan.recipe.schedule.images_per_step
        count = gan.recipe.log.kid_images
        self.quality = Quality(store, count) if count and len(store.images) >= LEAST_KID_IMAGES else None
        step = int(np.asarray(gan.step))
        run.rewind(step)
        self.watcher = Watcher(gan, store, run.entries())
        run.log({"step": step, "images": step * self.images_per_step, "machine": on(gan.recipe)})
        self.events = SummaryWriter(str(run.path / "events"), purge_step=step * self.images_per_step)

    def watch(self, step: int, numbers: dict[str, float]) -> None:
        """Logs numbers with the watcher's signals, and what it finds there for the first time."""
        known = {finding.name for finding in self.watcher.findings}  # those that ended may begin again
        numbers = {**numbers, **self.watcher.signals(step)}
        found = self.watcher.look({"step": step, "images": step * self.images_per_step, **numbers})
        self.log(step, numbers, findings=[str(finding) for finding in found if finding.name not in known])

    def log(self, step: int, numbers: dict[str, float], **more) -> None:
        images = step * self.images_per_step
        self.run.log({"step": step, "images": images, **numbers, **more})
        for name, value in numbers.items():
            self.events.add_scalar(name, value, images)

    @property
    def alarm(self) -> str:
        """What the progress line says of the findings that last."""
        names = [finding.name for finding in self.watcher.findings if finding.level != "note"]
        return f", failing? {', '.join(names[:3])}" if names else ""

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
                f"evidence and what to change: ganzoo doctor {self.run.path}. "
                f"Received: watch = {self.gan.recipe.watch!r}",
                failing,
            )

    def failed(self, failure: ValueError) -> None:
        """Logs why training ended."""
        if isinstance(failure, NonFinite):
            self.log(int(np.asarray(self.gan.step)), {}, non_finite=str(failure))
        self.events.close()

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        """Saves everything, with a grid of the fixed latents and, if there is time, KID, which tells the best."""
        sheet = pictures.grid(self.average.sample(64))
        quality = {} if hurry or not self.quality else self.quality(self.average, self.raw)
        if quality:
            self.watch(step, quality)
        arrays = {
            file: {name: np.asarray(variable) for name, variable in variables.items()}
            for file, variables in self.gan.saved().items()
        }
        checkpoint.save(
            self.run.checkpoint_path(step),
            self.gan.recipe,
            arrays,
            {**description(self.gan, self.store, step), **quality, "healthy": not self.watcher.failing},
            {"samples.png": pictures.png(sheet)},
        )
        self.run.add_samples(step * self.images_per_step, sheet)
        self.run.prune()
        pictures.curves(self.run.entries(), self.run.path / "curves.png")
        self.events.flush()


def description(gan: GAN, store: data.Store, step: int) -> dict:
    """What ganzoo.json says of a checkpoint: where it comes from and what it was made with."""
    return {
        "name": gan.recipe.name,
        "step": step,
        "images": step * gan.recipe.schedule.images_per_step,
        "parameters": {"generator": parameters(gan.generator), "discriminator": parameters(gan.discriminator)},
        "data": {
            "source": store.source,
            "fingerprint": store.fingerprint,
            "images": len(store.images),
            "classes": list(store.classes),
        },
        **on(gan.recipe),
        "replicas": backend.replicas(),
        "processor": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", keras.backend.backend(), "numpy")},
        },
    }


def on(recipe: Recipe) -> dict[str, Any]:
    """What computes, and how."""
    return {
        "backend": keras.backend.backend(),
        "device": device.device(),
        "precision": device.precision(recipe.precision),
    }
