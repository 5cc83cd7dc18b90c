"""Every loss against values worked out by hand."""

import math

import numpy as np
import pytest

from zoo.step.losses import DECISION, LOSSES

REAL, FAKE = np.float32([2.0, -1.0]), np.float32([0.5, -3.0])


def softplus(x):
    return math.log1p(math.exp(x))


# mean(real) = 0.5, mean(fake) = -1.25
EXPECTED = {
    "non-saturating": (
        (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2,
        (softplus(-0.5) + softplus(3)) / 2,
    ),
    "least-squares": (0.5 * (1 + 4) / 2 + 0.5 * (0.25 + 9) / 2, 0.5 * (0.25 + 16) / 2),
    "wasserstein": (-1.25 - 0.5, 1.25),
    "hinge": ((0 + 2) / 2 + (1.5 + 0) / 2, 1.25),
    "relativistic": (
        (softplus(-3.25) + softplus(-0.25)) / 2 + (softplus(0.0) + softplus(-3.5)) / 2,
        (softplus(3.25) + softplus(0.25)) / 2 + (softplus(0.0) + softplus(3.5)) / 2,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_the_formula(name):
    d_loss, g_loss = LOSSES[name]
    assert float(d_loss(REAL, FAKE)) == pytest.approx(EXPECTED[name][0], rel=1e-6)
    assert float(g_loss(lambda: REAL, FAKE)) == pytest.approx(EXPECTED[name][1], rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_discriminator_has_a_lower_loss_and_a_better_generator_too(name):
    d_loss, g_loss = LOSSES[name]
    assert float(d_loss(REAL + 0.1, FAKE)) < float(d_loss(REAL, FAKE))
    fake = np.abs(FAKE)  # above every target of a fake image
    assert float(d_loss(REAL, fake - 0.1)) < float(d_loss(REAL, fake))
    assert float(g_loss(lambda: REAL, FAKE + 0.1)) < float(g_loss(lambda: REAL, FAKE))


def test_only_the_relativistic_generator_looks_at_real_images():
    def forbidden():
        raise AssertionError("D was asked about real images")

    for name, (_, g_loss) in LOSSES.items():
        if name != "relativistic":
            g_loss(forbidden, FAKE)


def test_every_loss_says_where_the_discriminator_is_undecided():
    assert DECISION.keys() == LOSSES.keys()
