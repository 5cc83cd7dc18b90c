"""Every loss against values worked out by hand."""

import math

import numpy as np
import pytest

from zoo.step.losses import LOSSES

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
    # real - fake is 1.5 and 2
    "relativistic-pairing": ((softplus(-1.5) + softplus(-2)) / 2, (softplus(1.5) + softplus(2)) / 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_the_formula(name):
    d_loss, g_loss, _ = LOSSES[name]
    assert float(d_loss(REAL, FAKE)) == pytest.approx(EXPECTED[name][0], rel=1e-6)
    assert float(g_loss(REAL, FAKE)) == pytest.approx(EXPECTED[name][1], rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_discriminator_has_a_lower_loss_and_a_better_generator_too(name):
    d_loss, g_loss, _ = LOSSES[name]
    assert float(d_loss(REAL + 0.1, FAKE)) < float(d_loss(REAL, FAKE))
    fake = np.abs(FAKE)  # above every target of a fake image
    assert float(d_loss(REAL, fake - 0.1)) < float(d_loss(REAL, fake))
    assert float(g_loss(REAL, FAKE + 0.1)) < float(g_loss(REAL, FAKE))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_g_that_sees_no_real_images_takes_none(name):
    _, g_loss, sees_real = LOSSES[name]
    if sees_real:
        assert float(g_loss(REAL, FAKE)) != float(g_loss(REAL + 1.0, FAKE))
    else:
        assert float(g_loss(None, FAKE)) == float(g_loss(REAL, FAKE))
