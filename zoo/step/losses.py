"""Adversarial losses as pure functions of the discriminator's logits.

Each loss is a pair: the discriminator minimises `d_x(real_logits, fake_logits)`, the generator `g_x(real_logits,
fake_logits)`. Logits are float32 of shape [N] or [N, 1]; every function returns a float32 scalar. In G's losses
`real_logits` is a function without arguments, since the relativistic loss alone needs D on real images there.
"""

from __future__ import annotations

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
    return d_relativistic(fake_logits, real_logits())


LOSSES = {
    "non-saturating": (d_non_saturating, g_non_saturating),
    "least-squares": (d_least_squares, g_least_squares),
    "wasserstein": (d_wasserstein, g_wasserstein),
    "hinge": (d_hinge, g_hinge),
    "relativistic": (d_relativistic, g_relativistic),
}

# The logit at which D is undecided: accuracy on real images is the share above it. A Wasserstein critic and a
# relativistic discriminator have none: for them only the gap between the means is meaningful.
DECISION = {"non-saturating": 0.0, "least-squares": 0.5, "hinge": 0.0, "wasserstein": None, "relativistic": None}
