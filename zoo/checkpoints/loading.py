"""A trained generator by its name: opened, checked, built, and given its weights."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from zoo.checkpoints import resolve
from zoo.checkpoints.checkpoint import Checkpoint, open_checkpoint
from zoo.checkpoints.generator import Generator
from zoo.files.errors import ZooError
from zoo.networks.parts.variables import assign, by_path

logger = logging.getLogger("ganzoo")


def load_generator(name: str | Path, weights: str = "ema", checkpoint: str | None = None) -> Generator:
    """Loads a pretrained generator.

    Args:
        name: a shipped name ("dcgan-fashion-mnist"), a checkpoint folder, the folder of a run, or an address on the
            Hugging Face Hub ("hf://org/name", "hf://org/name@revision").
        weights: "ema" for their average, which is what one draws from; "raw" for the last ones, in a run alone.
        checkpoint: of a run: "best" (the smallest KID; the default), "latest", "healthy" or a step, "12000".

    Raises:
        ZooError: unknown name, or a corrupt checkpoint.

    Example:
        >>> zoo.load_generator("dcgan-fashion-mnist").sample(4, seed=0).shape
        (4, 32, 32, 1)
    """
    return built(name, opened(name, checkpoint), weights)


def opened(name: str | Path, which: str | None = None) -> Checkpoint:
    """The checkpoint that `load_generator` would draw from, before Keras is imported; errors as there."""
    found = open_checkpoint(resolve.resolve(name, which))
    if found.info.get("step") == 0 and not resolve.is_run(name):  # of a run, the choice says so
        logger.warning(f"{found.path} is of step 0, the start of a run, which training has not touched")
    return found


def built(name: str | Path, opened: Checkpoint, weights: str = "ema") -> Generator:
    """The generator of an `opened` checkpoint, of the name that it was opened by; arguments as in `load_generator`."""
    from zoo import networks

    model = networks.build_generator(opened.recipe, precision="float32")
    assign(by_path(model.variables), _weights(opened, weights), "generator")
    return Generator(model, opened.recipe, opened.info, weights, resolve.public(name, opened.path))


def _weights(opened: Checkpoint, kind: str) -> dict[str, np.ndarray]:
    if kind == "ema":
        return opened.arrays("generator")
    if kind != "raw" or not opened.has_training_state:
        raise ZooError(
            f'weights are "ema", or in the checkpoint of a run "raw". Received: {kind!r} of {str(opened.path)!r}'
        )
    prefix = "generator/"
    return {
        name.removeprefix(prefix): array for name, array in opened.arrays("training").items() if name.startswith(prefix)
    }
