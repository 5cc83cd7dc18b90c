"""JAX: the same step inside `keras.StatelessScope`, compiled by `jax.jit`; data parallel over several devices.

A replica here is the whole computation: with several devices the batch is split and XLA computes what one device
would, batch statistics included. So `replicas()` is 1, and losses are not divided.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

import jax
import keras
import numpy as np

from zoo.files.errors import ZooError

STRATEGIES = ("auto", "none", "mirrored")
AHEAD = 2  # steps that the device may owe: one runs and one waits, so that it never idles and Ctrl-C need not wait long


def value_and_grad(function, variables: list, state: list):
    """Calls `function() -> (loss, extra)`; returns ((loss, extra), gradients of the loss, one for each variable).

    `state` lists every variable that the function reads or writes: none of it may be missing, or JAX would take it as
    a constant. What the function assigned is assigned afterwards.
    """
    trained = {id(variable) for variable in variables}
    others = [variable for variable in state if id(variable) not in trained]

    def pure(values, other_values):
        mapping = [*zip(variables, values, strict=True), *zip(others, other_values, strict=True)]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            loss, extra = function()
        return loss, (extra, [scope.get_current_value(variable) for variable in others])

    (loss, (extra, after)), gradients = jax.value_and_grad(pure, has_aux=True)(
        [variable.value for variable in variables], [variable.value for variable in others]
    )
    for variable, value in zip(others, after, strict=True):
        variable.assign(value)
    return (loss, extra), gradients


def input_gradient(function, x):
    """The gradient of sum(function(x)) with respect to x, of x's shape; differentiable in turn."""
    return jax.grad(lambda x: function(x).sum())(jax.numpy.asarray(x))


@jax.custom_vjp
def conv_transpose(x, kernel):
    """`ops.conv_transpose` of stride 2: images [N, H, W, C] and a kernel [4, 4, out, C] to [N, 2H, 2W, out].

    Of JAX's own kernel gradient XLA makes a reversed convolution of dilated images, which GPUs have no fast code for.
    The operation is the adjoint of a strided convolution, whose gradients they have.
    """
    return keras.ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last")


def _conv_transpose_backward(saved, gradient):
    x, kernel = saved
    x_gradient, pullback = jax.vjp(
        lambda k: keras.ops.conv(gradient, k, strides=2, padding="same", data_format="channels_last"), kernel
    )
    return x_gradient, pullback(x)[0]


conv_transpose.defvjp(lambda x, kernel: (conv_transpose(x, kernel), (x, kernel)), _conv_transpose_backward)


def grouped_conv(x, kernel, groups: int):
    """A convolution of stride 1 in groups: images [N, H, W, C], kernel [k, k, C / groups, out] to [N, H, W, out]."""
    return keras.ops.conv(x, kernel, padding="same", data_format="channels_last")


def compiled(function, state: list):
    """`function(*arrays)`, compiled, where `state` lists every variable that it reads; what it assigns is forgotten."""

    @jax.jit
    def call(values, *arrays):
        with keras.StatelessScope(state_mapping=zip(state, values, strict=True)):
            return function(*arrays)

    return lambda *arrays: call([variable.value for variable in state], *arrays)


def total(x):
    """x itself: there is one replica."""
    return x


def replicas() -> int:
    """Always 1: with several devices XLA splits one computation."""
    return 1


def devices() -> int:
    """How many devices share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.device_mesh.devices.size if distribution else 1


def workers() -> int:
    """How many processes train together."""
    return jax.process_count()


def is_chief() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


class Strategy:
    """One device, or all of them through `keras.distribution.DataParallel`."""

    def __init__(self, parallel: bool) -> None:
        self._parallel = parallel

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel() if self._parallel else None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)


def strategy(name: str = "auto") -> Strategy:
    """One device ("none"), all of them ("mirrored"), or all if there are several ("auto"); ValueError otherwise."""
    if name not in STRATEGIES:
        raise ZooError(
            f"the strategy {name!r} belongs to tf.distribute, which needs KERAS_BACKEND=tensorflow; JAX "
            f"has {', '.join(STRATEGIES)}. Received: {name!r}"
        )
    return Strategy(name == "mirrored" or (name == "auto" and len(jax.devices()) > 1))


class Engine:
    """Runs `gan.update` compiled, from global batches of arrays.

    Between `sync` calls the weights live here, donated from step to step; the variables are then out of date, and
    reading them is an error of JAX.
    """

    def __init__(self, gan) -> None:
        self._gan = gan
        self._variables = [*gan.variables, *gan.optimizer.variables]
        self._distribution = keras.distribution.distribution()  # of this thread
        self._state = None
        self._functions = {}
        self._under_way = deque()  # the logs of steps that may still run

    def transfer(self, batch: dict[str, np.ndarray]) -> dict:
        """Sends a batch on its way to the devices, its rows split over them, and does not wait; for any thread."""
        if self._distribution is None:
            return jax.device_put(batch)
        return {
            name: keras.distribution.distribute_tensor(value, self._distribution.get_data_layout(value.shape))
            for name, value in batch.items()
        }

    def run(self, players: tuple[str, ...], batch: dict) -> dict:
        """One training step in which the given players ("d", "g") move; returns scalar logs, not waited for.

        Waits for the step before the last one instead: JAX would take dozens of steps, and hold their batches.
        """
        if self._state is None:
            self._state = [variable.value for variable in self._variables]
        if players not in self._functions:
            self._functions[players] = self._compile(players)
        if len(self._under_way) == AHEAD:
            jax.block_until_ready(self._under_way.popleft())
        self._state, logs = self._functions[players](self._state, self.transfer(batch))
        self._under_way.append(logs)
        return logs

    def sync(self) -> None:
        """Brings the GAN's variables up to date."""
        for variable, value in zip(self._variables, self._state or [], strict=bool(self._state)):
            variable.assign(value)
        self._state = None

    def read(self, variable) -> float:
        """The value of a scalar variable now."""
        index = next(i for i, own in enumerate(self._variables) if own is variable)
        return float(self._state[index] if self._state else variable.value)

    def _compile(self, players):
        def step(state, batch):
            with keras.StatelessScope(state_mapping=zip(self._variables, state, strict=True)) as scope:
                logs = self._gan.update(batch, players)
            return [scope.get_current_value(variable) for variable in self._variables], logs

        return jax.jit(step, donate_argnums=0)
