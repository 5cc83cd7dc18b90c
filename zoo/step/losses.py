"""Adversarial losses as pure functions of the discriminator's logits.

Each loss is a pair: the discriminator minimises `d_x(real_logits, fake_logits)`, the generator `g_x(real_logits,
fake_logits)`. Logits are float32 [N] or [N, M]; every function returns a float32 scalar. Few of G's losses look
at real images: the others get None there, and D is not applied to real images for them.

What is known of a loss without Keras stands in `zoo/recipe/losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from keras import ops


def d_non_saturating(real_logits, fake_logits):
    """-log sigmoid(real) - log(1 - sigmoid(fake)): Goodfellow 2014, arXiv:1406.2661, equation 1, on logits."""
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def g_non_saturating(real_logits, fake_logits):
    """-log sigmoid(fake): the non-saturating variant of Goodfellow 2014, section 3."""
    return ops.mean(ops.softplus(-fake_logits))


def d_least_squares(real_logits, fake_logits):
    """Mao 2017, arXiv:1611.04076, equation 9, with targets 1 for real and 0 for fake."""
    return 0.5 * ops.mean(ops.square(real_logits - 1.0)) + 0.5 * ops.mean(ops.square(fake_logits))


def g_least_squares(real_logits, fake_logits):
    return 0.5 * ops.mean(ops.square(fake_logits - 1.0))


def d_wasserstein(real_logits, fake_logits):
    """Arjovsky 2017, arXiv:1701.07875: the negative of the critic gap E[D(real)] - E[D(fake)]."""
    return ops.mean(fake_logits) - ops.mean(real_logits)


def g_wasserstein(real_logits, fake_logits):
    return -ops.mean(fake_logits)


def d_hinge(real_logits, fake_logits):
    """Miyato 2018, arXiv:1802.05957, equation 16."""
    return ops.mean(ops.relu(1.0 - real_logits)) + ops.mean(ops.relu(1.0 + fake_logits))


def g_hinge(real_logits, fake_logits):
    return -ops.mean(fake_logits)


def d_relativistic(real_logits, fake_logits):
    """Relativistic average loss: Jolicoeur-Martineau 2018, arXiv:1807.00734, RaSGAN."""
    real = real_logits - ops.mean(fake_logits)
    fake = fake_logits - ops.mean(real_logits)
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def g_relativistic(real_logits, fake_logits):
    return d_relativistic(fake_logits, real_logits)


def d_relativistic_pairing(real_logits, fake_logits):
    """softplus(fake - real) of each real image with one fake: Huang 2024, arXiv:2501.05441, equation 1 (RpGAN)."""
    return ops.mean(ops.softplus(fake_logits - real_logits))


def g_relativistic_pairing(real_logits, fake_logits):
    return d_relativistic_pairing(fake_logits, real_logits)


class Loss(NamedTuple):
    """The losses of both players."""

    d: Callable
    g: Callable
    g_sees_real: bool = False  # whether G's loss looks at D's logits of real images


LOSSES = {
    "non-saturating": Loss(d_non_saturating, g_non_saturating),
    "least-squares": Loss(d_least_squares, g_least_squares),
    "wasserstein": Loss(d_wasserstein, g_wasserstein),
    "hinge": Loss(d_hinge, g_hinge),
    "relativistic": Loss(d_relativistic, g_relativistic, g_sees_real=True),
    "relativistic-pairing": Loss(d_relativistic_pairing, g_relativistic_pairing, g_sees_real=True),
}
