"""Whatever is a function of the step: whose turn it is, the pace of the average, when a lazy penalty is due."""

from __future__ import annotations

from keras import ops

from zoo import recipe

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


def ema_decay(images_seen, images_per_step: int, half_life_images: int):
    """The EMA's decay in one step, from its half-life in images.

    The half-life is at most a twentieth of the images seen so far, so that a young average forgets the initial weights:
    the ramp-up of Karras 2020, arXiv:2006.06676.
    """
    half_life = ops.minimum(float(half_life_images), 0.05 * ops.cast(images_seen, "float32"))
    return ops.power(0.5, images_per_step / ops.maximum(half_life, 1e-8))


def lazily(penalty, every: int, count):
    """`every * penalty()` when `count` is a multiple of `every`, else 0: Karras 2020, arXiv:1912.04958, section 3.1."""
    if every == 1:
        return penalty()
    return ops.cond(ops.equal(ops.mod(count, every), 0), lambda: every * penalty(), lambda: ops.zeros(()))
