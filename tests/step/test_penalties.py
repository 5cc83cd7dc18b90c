import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend
from zoo.step import penalties

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 4, 1)).astype("float32")
REAL, FAKE = (RNG.standard_normal((3, 4, 4, 1)).astype("float32") for _ in range(2))


def linear(x):
    return ops.reshape(ops.sum(x * A, axis=(1, 2, 3)), (-1, 1))


def test_gradient_penalty_of_a_linear_discriminator():
    norm = np.linalg.norm(A)
    penalty = penalties.gradient_penalty(linear, REAL, FAKE, np.float32([0.1, 0.5, 0.9]))
    assert float(penalty) == pytest.approx((norm - 1) ** 2, rel=1e-5)


def test_r1_of_a_linear_discriminator():
    assert float(penalties.zero_centred(linear, REAL)) == pytest.approx(float(np.sum(A**2)), rel=1e-5)


def test_gradient_penalty_is_taken_between_real_and_fake():
    def square(x):  # gradient x: its norm tells where it was taken
        return ops.reshape(ops.sum(x * x, axis=(1, 2, 3)) / 2, (-1, 1))

    for epsilon, x in ((1.0, REAL), (0.0, FAKE), (0.25, 0.25 * REAL + 0.75 * FAKE)):
        norms = np.sqrt((x**2).sum(axis=(1, 2, 3)))
        penalty = penalties.gradient_penalty(square, REAL, FAKE, np.full(3, epsilon, "float32"))
        assert float(penalty) == pytest.approx(float(np.mean((norms - 1) ** 2)), rel=1e-4)


def test_penalties_have_finite_gradients_where_the_discriminator_is_flat():
    weight = keras.Variable(0.0)

    def objective():
        return penalties.gradient_penalty(lambda x: weight * linear(x), REAL, FAKE, np.zeros(3, "float32")), None

    _, (gradient,) = backend.value_and_grad(objective, [weight], [weight])
    assert np.isfinite(float(gradient))
