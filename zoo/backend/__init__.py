"""The few operations in which TensorFlow and JAX differ; everything else is `keras.ops`.

    value_and_grad(function, variables, state)   the loss, what came with it, and its gradients
    input_gradient(function, x)           the gradient of sum(function(x)) with respect to x, itself differentiable
    compiled(function, state)             a function of arrays that reads variables, compiled; it changes none
    replicas()                            copies of the model that train together
    workers()                             processes that train together
    is_chief()                            whether this process is the one that writes
    Engine(gan)                           runs the compiled `gan.update` on numpy batches
    strategy(name)                        the devices to run on
"""

from __future__ import annotations

import keras

if keras.backend.backend() == "tensorflow":
    from zoo.backend.tensorflow import (
        Engine,
        compiled,
        input_gradient,
        is_chief,
        replicas,
        strategy,
        value_and_grad,
        workers,
    )
elif keras.backend.backend() == "jax":
    from zoo.backend.jax import Engine, compiled, input_gradient, is_chief, replicas, strategy, value_and_grad, workers
else:
    raise ValueError("ganzoo runs on TensorFlow and JAX; set KERAS_BACKEND to tensorflow or jax. "
                     f"Received: {keras.backend.backend()!r}")

__all__ = ["Engine", "compiled", "input_gradient", "is_chief", "replicas", "strategy", "value_and_grad", "workers"]
