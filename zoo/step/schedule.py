"""Whatever is a function of the step: whose turn it is, numbers that change, when a lazy penalty is due."""

from __future__ import annotations

import math

from keras import ops

from zoo import recipe
from zoo.recipe import Ramp

BOTH, D_ONLY, G_ONLY = ("d", "g"), ("d",), ("g",)


def players(schedule: recipe.Schedule, step: int, steps_per_epoch: int, r_t: float = 0.0) -> tuple[str, ...]:
    """Who moves in training step `step`: D and G in each step, or long periods of one and then of the other.

    Args:
        schedule: the recipe's.
        step: from 0.
        steps_per_epoch: how many steps show D every image once.
        r_t: E[sign D(real)] in [-1, 1] of the last four steps, 0 if D waited in them. Above `wait_above`, D waits.
    """
    if schedule.wait_above and r_t > schedule.wait_above:
        return G_ONLY
    if not schedule.d_period:
        return BOTH
    unit = steps_per_epoch if schedule.period_unit == "epochs" else 1
    d_period, g_period = schedule.d_period * unit, schedule.g_period * unit
    return D_ONLY if step % (d_period + g_period) < d_period else G_ONLY


def value(number: float | Ramp, images, plan: recipe.Schedule):
    """A number of the recipe after D has seen `images` real images: as it is, or where its ramp has come to.

    Args:
        number: a number, which is returned, or a ramp.
        images: a scalar tensor.
        plan: the run's, whose length a ramp may have.
    """
    if not isinstance(number, Ramp):
        return number
    length = plan.steps * plan.images_per_step if number.images == "run" else number.images
    share = ops.clip(ops.cast(images, "float32") / length, 0.0, 1.0)
    if number.shape == "cosine":
        share = 0.5 - 0.5 * ops.cos(math.pi * share)
    return number.start + share * (number.to - number.start)


def ema_decay(images_seen, images_per_step: int, half_life_images):
    """The EMA's decay in one step, from its half-life in images.

    The half-life is at most a twentieth of the images seen so far, so that a young average forgets the initial weights:
    the ramp-up of Karras 2020, arXiv:2006.06676.
    """
    half_life = ops.minimum(ops.cast(half_life_images, "float32"), 0.05 * ops.cast(images_seen, "float32"))
    return ops.power(0.5, images_per_step / ops.maximum(half_life, 1e-8))


def lazily(penalty, every: int, count):
    """`every * penalty()` when `count` is a multiple of `every`, else 0: Karras 2020, arXiv:1912.04958, section 3.1."""
    if every == 1:
        return penalty()
    return ops.cond(ops.equal(ops.mod(count, every), 0), lambda: every * penalty(), lambda: ops.zeros(()))
