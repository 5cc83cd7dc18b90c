"""Where the weights of a run come from: its own checkpoint, another one's networks, or a healthy moment before."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from zoo import data
from zoo.checkpoints import checkpoint, labels
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.files.text import printable
from zoo.networks.parts.label import name_sees_label
from zoo.networks.parts.variables import assign, by_path
from zoo.recipe import Recipe
from zoo.step.gan import GAN
from zoo.training.classes import counted
from zoo.training.finite import NonFinite
from zoo.watch.watcher import Failing

logger = logging.getLogger("ganzoo")

ROLLBACKS = 2  # at most, in a run
RATES = ("d_adam/learning_rate", "g_adam/learning_rate")


def restore(gan: GAN, path: Path, store: data.Store) -> None:
    """Sets every variable of the GAN from a run's checkpoint, made from the same images.

    The learning rates stay those of the GAN's recipe: it may have changed, and a rollback halves them.
    """
    opened = checkpoint.open_checkpoint(path)
    if opened.info["data"]["fingerprint"] != store.fingerprint:
        raise ZooError(
            "the images are not those that the run was started with; put them back, or train into a new "
            f"folder. Received: {store.source!r}"
        )
    if not opened.has_training_state:
        raise ZooError(
            f"the checkpoint was exported for sampling and fine-tuning and has no optimizer state; start "
            f"from it with `ganzoo finetune`. Received: {str(path)!r}"
        )
    for file, variables in gan.saved().items():
        arrays = opened.arrays(file)
        for rate in RATES:
            variables.pop(rate, None), arrays.pop(rate, None)
        assign(variables, arrays, file)


def start_from(gan: GAN, path: Path, store: data.Store) -> None:
    """Sets both networks from a checkpoint; the raw generator starts as its average.

    What has another shape, or is not there, starts anew, as a run from the beginning would: layers of another size, or
    those that see a label. A class that the checkpoint knows by name keeps its row; another one starts at the mean.

    Raises:
        ZooError: nothing fits.
    """
    opened = checkpoint.open_checkpoint(path)
    old = list(labels.names(opened.recipe, opened.info))
    new = counted(store)[0] if gan.recipe.model.classes else []
    strict = _same_shape(opened.recipe, gan.recipe)
    for file, models in (("generator", (gan.generator, gan.ema)), ("discriminator", (gan.discriminator,))):
        arrays = {name: _rows(name, array, old, new) for name, array in opened.arrays(file).items()}
        for model in models:
            variables = by_path(model.variables)
            left = {name for name in arrays.keys() ^ variables.keys() if not strict or name_sees_label(name)}
            if not strict:
                left |= {name for name, v in variables.items() if name in arrays and arrays[name].shape != v.shape}
            kept = {name: variable for name, variable in variables.items() if name not in left}
            if not any(len(variable.shape) > 2 for variable in kept.values()):
                raise ZooError(
                    f"no convolution of the checkpoint fits the {file}; take more of its recipe, model and "
                    f"data.resolution. Received: {str(path)!r}"
                )
            assign(kept, {name: array for name, array in arrays.items() if name not in left}, file)
        _say_what_is_new(file, sorted(left & variables.keys()), sorted(left - variables.keys()))
    _say_classes(old, new)


def _same_shape(a: Recipe, b: Recipe) -> bool:
    """Whether the networks of two recipes differ in their classes at most."""
    unconditional = [recipe.replace(**{"data.balanced": False, "model.classes": 0}) for recipe in (a, b)]
    one, other = ((recipe.model, recipe.data.resolution, recipe.data.channels) for recipe in unconditional)
    return one == other


def _rows(name: str, array: np.ndarray, old: list[str], new: list[str]) -> np.ndarray:
    """The array of a layer that sees a label, [old classes, C], for other classes; any other array as it is."""
    if not (new and name_sees_label(name) and array.ndim == 2 and len(array) == len(old)):
        return array
    return np.stack([array[old.index(kind)] if kind in old else array.mean(axis=0) for kind in new])


def _say_what_is_new(file: str, new: list[str], left: list[str]) -> None:
    for names, what in ((new, "start anew"), (left, "of the checkpoint are left out")):
        layers = list(dict.fromkeys(name.split("/")[0] for name in names))
        if layers:
            shown = ", ".join(layers[:6]) + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")
            logger.warning(f"of the {file}, {len(layers)} layers {what}: {shown}")


def _say_classes(old: list[str], new: list[str]) -> None:
    if old and new:
        known = [printable(name) for name in new if name in old]
        others = [printable(name) for name in new if name not in old]
        logger.info(
            f"classes that the checkpoint knows: {', '.join(known) or 'none'}; classes that start at the mean of its "
            f"classes: {', '.join(others) or 'none'}"
        )


def roll_back(run: Run, failure: NonFinite | Failing) -> bool:
    """Takes a run back to the last healthy checkpoint before it began to fail; False when there is none, or after two.

    What is left in the log is the way to that checkpoint and a line that tells of the failure.
    """
    healthy = run.healthy(getattr(failure, "step", math.inf))
    if not healthy or run.rollbacks() >= ROLLBACKS:
        return False
    info = checkpoint.open_checkpoint(healthy).info
    reached = run.entries()[-1]["step"]
    run.forget_after(info["step"])
    why = {"from_step": reached, "why": str(failure)}
    run.rolled_back({"step": info["step"], "images": info["images"], "rollback": why})
    logger.warning(f"{failure}; going back from step {reached} to {healthy}, with half the rates")
    return True
