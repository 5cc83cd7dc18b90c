"""Penalties on the discriminator's gradient with respect to images; its norm is float32 at any precision."""

from __future__ import annotations

from keras import ops

from zoo import backend


def gradient_penalty(discriminator, real, fake, epsilon):
    """E[(|grad D(x)| - 1)^2] at x between real and fake: Gulrajani 2017, arXiv:1704.00028, algorithm 1.

    Args:
        discriminator: a function, images [N, H, W, C] -> logits [N, 1]; of several, the gradient is that of their sum.
        real, fake: float32 [N, H, W, C].
        epsilon: float32 [N], uniform in [0, 1).

    Returns:
        A float32 scalar, to be multiplied by lambda.
    """
    epsilon = ops.reshape(epsilon, (-1, 1, 1, 1))
    gradient = backend.input_gradient(discriminator, epsilon * real + (1.0 - epsilon) * fake)
    return ops.mean(ops.square(_norm(gradient) - 1.0))


def zero_centred(discriminator, images):
    """E[|grad D(x)|^2], to be multiplied by gamma / 2: Mescheder 2018, arXiv:1801.04406, equation 9.

    R1 of real images, R2 of generated ones [N, H, W, C].
    """
    gradient = ops.cast(backend.input_gradient(discriminator, images), "float32")
    return ops.mean(ops.sum(ops.square(gradient), axis=(1, 2, 3)))


def _norm(gradient):
    squares = ops.sum(ops.square(ops.cast(gradient, "float32")), axis=(1, 2, 3))
    return ops.sqrt(squares + 1e-12)  # the square root has no gradient at zero
