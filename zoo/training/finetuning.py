"""Fine-tuning: a run that starts from both networks of a checkpoint, on other images.

The recipe is the checkpoint's, except for three things.

The rates are larger. Training leaves kernels larger than they began, 1.2 to 2.9 times in the shipped checkpoints (the
median), but Adam's steps stay as long as its rate: at the first run's rates a checkpoint can learn slower than fresh
weights (Lyle 2024, arXiv:2407.01800, on effective rates under normalisation). So each player's rate grows as its
kernels have grown.

Batches are smaller in a run so short that it would have few steps.

A checkpoint with classes goes on with those of the images, or without any where the images have no labels; an
unconditional one learns classes with `model.classes = "auto"`. `starting.start_from` says which weights are kept.

DiffAugment comes on for few images that are shown often. D learns images by heart only after many epochs (Karras 2020,
arXiv:2006.06676, figure 1: the fewer, the sooner); until then augmentation only slows training.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from zoo import backend, data, networks
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.run import Run
from zoo.networks.parts.variables import assign, by_path
from zoo.recipe import Recipe, Schedule, largest, scaled
from zoo.step import augment
from zoo.training import loop
from zoo.training.classes import labelled, say_what_classes_there_are, with_classes
from zoo.training.stopping import Stopping

logger = logging.getLogger("ganzoo")

FEW_IMAGES, OFTEN = 10_000, 50  # fewer images, each shown at least so often (chosen; 7 times was too few): augment
FEW_STEPS, LEAST_BATCH = 1_000, 8  # fewer steps: halve the batch, to no fewer images on each device


def finetune(
    name: str | Path,
    source: str,
    out: str | Path,
    *,
    images: int | None = None,
    freeze_d: int = 0,
    overrides: dict | None = None,
    data_dir: str | None = None,
    strategy: str = "auto",
    seconds: float | None = None,
) -> Run:
    """Trains a checkpoint's two networks further on other images, cropped to a square and resized to what it makes.

    Args:
        name: what `load_generator` accepts.
        source: "tfds:NAME", a folder of images, a .zip, .npz or .npy file.
        images: real images to show to D; by default a tenth of the original run, or all of it where `seconds` end it.
        freeze_d: see `zoo.recipe.Schedule`.
        overrides: dotted recipe keys, as `Recipe.replace` takes them; they also replace what is chosen here.
        out, data_dir, strategy, seconds: as in `train`.

    Example:
        >>> run = zoo.finetune("stylegan-lite-fashion-mnist", "my/images", "runs/mine")
    """
    stopping, run = Stopping(seconds), Run(out)
    folder, overrides = resolve.resolve(name), overrides or {}
    opened = checkpoint.open_checkpoint(folder)
    old = opened.recipe
    changes = {
        "name": Path(out).resolve().name,
        "start": resolve.pinned(name, folder),
        "data.source": source,
        "data.fit": "crop",
        "schedule.images": images or length(old.schedule.images, seconds, run),
        "schedule.freeze_d": freeze_d,
    }
    asked = old.replace(**(changes | overrides))
    changes["log.checkpoint_every_images"] = min(old.log.checkpoint_every_images, math.ceil(asked.schedule.images / 5))
    with backend.strategy(strategy).scope():
        store = loop.prepared(asked, data_dir)
        changes |= rates(opened) | {"schedule.batch_size": batch_size(asked.schedule)}
        if needs_augmentation(asked, len(store.images)):
            changes["augment.diffaugment"] = list(augment.DIFFAUGMENT)
        if old.model.classes and "model.classes" not in overrides:
            if labelled(store):
                changes["model.classes"] = "auto"
            else:
                logger.warning("the images have no labels, or one class: fine-tuning goes on without classes")
                changes |= {"model.classes": 0, "data.balanced": False}
        recipe = with_classes(old.replace(**(changes | overrides)), store)
        say_what_classes_there_are(recipe, store)
        run.check(recipe)
        loop.check_devices(recipe, seconds)
        _announce(name, recipe, store)
        return loop.train_on(recipe, run, store, stopping)


def length(before: int, seconds: float | None, run: Run) -> int:
    """Images to show where nobody says how many: those of a run that goes on, else a tenth of the first run.

    Where a time ends the run, as many as the first run had.
    """
    if (run.path / "recipe.toml").is_file():
        return run.recipe.schedule.images
    return before if seconds else max(1, before // 10)


def rates(opened: checkpoint.Checkpoint) -> dict[str, Any]:
    """Recipe keys: each player's rate times the median growth of its kernels; none if that run was a fine-tuning."""
    recipe = opened.recipe
    if recipe.start:
        return {}
    grown = {}
    generator, discriminator = networks.build(recipe)
    for player, file, network in (("g", "generator", generator), ("d", "discriminator", discriminator)):
        kernels = [variable for variable in network.trainable_variables if len(variable.shape) > 1]
        kernels = [kernel for kernel in kernels if np.asarray(kernel).any()]  # one that starts at 0 has no growth
        first = [_size(kernel) for kernel in kernels]
        assign(by_path(network.variables), opened.arrays(file), file)
        growth = np.median([_size(kernel) / size for kernel, size in zip(kernels, first, strict=True)])
        grown[f"optimizer.{player}.learning_rate"] = scaled(getattr(recipe.optimizer, player).learning_rate, growth)
    return grown


def _size(variable) -> float:
    """Root mean square of a variable's values."""
    return float(np.sqrt(np.mean(np.square(np.asarray(variable, "float64")))))


def batch_size(plan: Schedule) -> int:
    """The plan's batch, halved while the run has fewer than 1,000 steps and each device 16, 24, 32 ... images."""
    size, least = plan.batch_size, LEAST_BATCH * backend.devices()
    while plan.images < FEW_STEPS * size * plan.d_steps and size % least == 0 and size > least:
        size //= 2
    return size


def needs_augmentation(recipe: Recipe, count: int) -> bool:
    """Whether D is shown so few images (`count`) so often that it would learn them by heart, and has no ADA."""
    return count < FEW_IMAGES and recipe.schedule.images >= OFTEN * count and not recipe.augment.transforms


def _announce(name: str | Path, recipe: Recipe, store: data.Store) -> None:
    channels, plan = recipe.data.channels, recipe.schedule
    d_rate, g_rate = (largest(adam.learning_rate) for adam in (recipe.optimizer.d, recipe.optimizer.g))
    brought = {"crop": "cropped and resized", "pad": "padded"}[recipe.data.fit]
    logger.info(
        f"fine-tuning {name} on {len(store.images):,} images, {brought} to {recipe.data.resolution} pixels, with "
        f"{channels} channel{'s' if channels > 1 else ''}, "
        f"{plan.images:,} images shown in batches of {plan.batch_size}, rates {d_rate:g} (D) and "
        f"{g_rate:g} (G), augmentation: "
        f"{'ADA' if recipe.augment.transforms else ', '.join(recipe.augment.diffaugment) or 'none'}"
    )
