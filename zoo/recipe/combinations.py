"""Combinations of a recipe's numbers that are refused. The ranges of single numbers stand at their keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.files.errors import ZooError
from zoo.recipe.numbers import largest
from zoo.recipe.writing import toml

if TYPE_CHECKING:
    from zoo.recipe.recipe import Recipe

LEAST_KID_IMAGES = 20  # with fewer it says nothing
KID_JUDGE = "efficientnet-lite0"  # whose features KID of a run compares


def require_source(recipe: Recipe, received: str, how: str = "in data.source") -> None:
    """Raises ZooError for a recipe without data of its own; `how` one names them here."""
    if not recipe.data.source:
        raise ZooError(
            "this recipe has no data of its own; name a folder, a .zip, .npz or .npy file or a TFDS set "
            f"{how}. Received: {received}"
        )


def require_possible(recipe: Recipe) -> None:
    """Raises ZooError for a combination that the published methods rule out."""
    network, model, loss, schedule, augment = (
        recipe.model.facts,
        recipe.model,
        recipe.loss,
        recipe.schedule,
        recipe.augment,
    )
    size = recipe.data.resolution
    for wrong, why, received in (
        (
            not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", recipe.name) or recipe.name in (".", ".."),
            "name is the name of a folder, without slashes",
            toml(recipe.name),
        ),
        (
            size not in network.resolutions,
            f"{network.title} builds at {', '.join(map(str, network.resolutions))} pixels; set data.resolution to one",
            size,
        ),
        (bool(model.problem(size)), model.problem(size), f"{toml(model.network)} at {size}"),
        (model.classes == 1, "one class is none: a model with a label needs at least 2; set model.classes to 0", 1),
        (
            recipe.data.balanced and not model.classes,
            'data.balanced draws classes evenly, which only a model with classes does; set model.classes = "auto"',
            "balanced = true, classes = 0",
        ),
        (
            network.d_batch_norm and bool(largest(loss.gradient_penalty) or largest(loss.r1) or largest(loss.r2)),
            f"{network.title}'s discriminator has batch normalisation, for which a penalty on each image's gradient "
            "is not defined (Gulrajani 2017, section 4); set the penalty to 0 or take another network",
            f"gradient_penalty = {toml(loss.gradient_penalty)}, r1 = {toml(loss.r1)}, r2 = {toml(loss.r2)}",
        ),
        (
            (schedule.d_period > 0) != (schedule.g_period > 0),
            "schedule.d_period and g_period are set together, or both are 0",
            f"{schedule.d_period} and {schedule.g_period}",
        ),
        (
            schedule.wait_above > 0 and loss.facts.decision is None,
            f"schedule.wait_above needs a discriminator whose sign tells real from fake; {loss.name} has none",
            schedule.wait_above,
        ),
        (
            not all(largest(adam.learning_rate) > 0 for adam in (recipe.optimizer.d, recipe.optimizer.g)),
            "a learning rate is above 0 somewhere in the run",
            f"{toml(recipe.optimizer.d.learning_rate)} and {toml(recipe.optimizer.g.learning_rate)}",
        ),
        (
            augment.ada and loss.facts.decision is None,
            "augment.ada is steered by sign D(real), which has no meaning for this loss; use augment.diffaugment, or "
            "augment.ada_p for a probability that does not adapt",
            toml(loss.name),
        ),
        (
            augment.ada and largest(augment.ada_p) > 0,
            "augment.ada adapts the probability that augment.ada_p sets; choose one",
            f"ada = true, ada_p = {toml(augment.ada_p)}",
        ),
        (
            augment.transforms and bool(augment.diffaugment),
            "augment.ada and augment.diffaugment do the same work; choose one",
            f"ada = {toml(augment.ada)}, ada_p = {toml(augment.ada_p)}, diffaugment = {toml(augment.diffaugment)}",
        ),
        (
            schedule.d_period > 0 and (augment.ada or schedule.wait_above > 0),
            "augment.ada and schedule.wait_above need D to move in each step; set d_period and g_period to 0",
            f"{schedule.d_period} and {schedule.g_period}",
        ),
        (
            0 < recipe.log.kid_images < LEAST_KID_IMAGES,
            f"log.kid_images must be at least {LEAST_KID_IMAGES}, or 0 to leave KID out",
            recipe.log.kid_images,
        ),
        (
            loss.facts.lipschitz and not largest(loss.gradient_penalty) and not network.d_lipschitz,
            f"the loss {loss.name} needs a Lipschitz critic (Arjovsky 2017): set loss.gradient_penalty, 10 in "
            "Gulrajani 2017, with a network whose D has no batch normalisation",
            f"{toml(model.network)} without a penalty",
        ),
    ):
        if wrong:
            raise ZooError(f"{why}. Received: {received}")
