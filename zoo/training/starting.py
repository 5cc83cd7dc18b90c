"""Where the weights of a run come from: its own checkpoint, another one's networks, or a healthy moment before."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from zoo import data
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.networks.parts.variables import assign, by_path
from zoo.step.gan import GAN
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


def start_from(gan: GAN, path: Path) -> None:
    """Sets both networks from a checkpoint; the raw generator starts as its average."""
    opened = checkpoint.open_checkpoint(path)
    weights = opened.arrays("generator")
    for generator in (gan.generator, gan.ema):
        assign(by_path(generator.variables), weights, "generator")
    assign(gan.saved()["discriminator"], opened.arrays("discriminator"), "discriminator")


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
