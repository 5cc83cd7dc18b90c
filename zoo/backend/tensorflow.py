"""TensorFlow: gradient tapes, `tf.function`, and tf.distribute for several devices, workers or a TPU."""

from __future__ import annotations

import json
import math
import os

import keras
import numpy as np
import tensorflow as tf

from zoo.files.errors import ZooError

LEAST_CHANNELS = 16  # of a convolution on a CPU, where groups are narrower (measured: 32 takes 1.2 times as long)
STRATEGIES = ("auto", "none", "mirrored", "multi-worker", "tpu")


def value_and_grad(function, variables: list, state: list):
    """Calls `function() -> (loss, extra)`; returns ((loss, extra), gradients of the loss, one for each variable).

    `state`, every variable that the function reads or writes, is for backends without tapes.
    """
    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss, extra = function()
    return (loss, extra), tape.gradient(loss, values, unconnected_gradients="zero")


def input_gradient(function, x):
    """The gradient of sum(function(x)) with respect to x, of x's shape; differentiable in turn."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(x))
    return tape.gradient(total, x)


def conv_transpose(x, kernel):
    """`ops.conv_transpose` of stride 2: images [N, H, W, C] and a kernel [4, 4, out, C] to [N, 2H, 2W, out]."""
    return keras.ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last")


def grouped_conv(x, kernel, groups: int):
    """A convolution of stride 1 in groups: images [N, H, W, C], kernel [k, k, C / groups, out] to [N, H, W, out].

    TensorFlow's gradients of a grouped convolution are slow on CPUs. There, every group is a convolution of its own;
    narrow ones are joined, with zeros between them.
    """
    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return keras.ops.conv(x, kernel, padding="same", data_format="channels_last")
    joined = math.gcd(groups, max(1, LEAST_CHANNELS // kernel.shape[2]))
    xs, kernels = (tf.split(tensor, groups // joined, axis=-1) for tensor in (x, kernel))
    convolved = [
        keras.ops.conv(x, _ungrouped(kernel, joined), padding="same", data_format="channels_last")
        for x, kernel in zip(xs, kernels, strict=True)
    ]
    return tf.concat(convolved, axis=-1)


def _ungrouped(kernel, groups: int):
    """The kernel [k, k, C, out] of the same convolution without groups."""
    size, _, width, filters = kernel.shape
    blocks = tf.reshape(kernel, (size, size, width, groups, filters // groups))
    same = tf.eye(groups, dtype=kernel.dtype)
    return tf.reshape(tf.einsum("ijcgo,hg->ijhcgo", blocks, same), (size, size, groups * width, filters))


def compiled(function, state: list):
    """`function(*arrays)`, compiled. What it assigns to variables is forgotten; `state` is for JAX.

    The arrays' first axis may vary: from its second length on, one trace serves them all.
    """
    traces = {}  # by the other axes, which layers take as constants

    def stateless(*arrays):
        with keras.StatelessScope():
            return function(*arrays)

    def call(*arrays):
        arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
        shapes = tuple(tuple(array.shape[1:]) for array in tf.nest.flatten(arrays))
        if shapes not in traces:  # without autograph: no Python branch depends on a tensor, or JAX would fail
            traces[shapes] = tf.function(stateless, autograph=False, reduce_retracing=True)
        return traces[shapes](*arrays)

    return call


def total(x):
    """The sum of x over the replicas that train together."""
    if replicas() == 1:
        return x
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, x)


def replicas() -> int:
    """How many copies of the model train together under the current strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def strategy(name: str = "auto") -> tf.distribute.Strategy:
    """The tf.distribute strategy of that name.

    Args:
        name: "none" for one device; "mirrored" for all GPUs (or logical CPUs) of this machine; "multi-worker" for
            several machines described by TF_CONFIG; "tpu" for the TPU of this machine; "auto" for the first of
            multi-worker, tpu and mirrored that the environment asks for or offers.

    Raises:
        ZooError: an unknown name, or a strategy that this machine cannot provide.
    """
    if name not in STRATEGIES:
        raise ZooError(f"the strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}")
    if name == "auto":
        if len(_cluster()) > 1:
            name = "multi-worker"
        elif "TPU_NAME" in os.environ:
            name = "tpu"
        else:
            name = "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "none"
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        return tf.distribute.MirroredStrategy([d.name for d in gpus or tf.config.list_logical_devices("CPU")])
    if name == "multi-worker":
        if not _cluster():
            raise ZooError(
                "multi-worker training reads the cluster from the environment variable TF_CONFIG; set it "
                "in every worker. Received: no TF_CONFIG"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise ZooError(f"no TPU was found ({str(error).splitlines()[0]}). Received: 'tpu'") from None
    return tf.distribute.TPUStrategy(resolver)


def _cluster() -> list[str]:
    """The addresses of the workers, the chief among them, in the environment variable TF_CONFIG; none without it."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        cluster = config.get("cluster", {})
        workers = [*cluster.get("chief", []), *cluster.get("worker", [])]
        if workers:
            task = config["task"]
            _ = cluster[task["type"]][int(task["index"])]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ZooError(
            "the environment variable TF_CONFIG is not what multi-worker training reads, for instance "
            '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}; '
            f"mend or unset it ({type(error).__name__}: {error}). Received: TF_CONFIG = {text[:200]!r}"
        ) from None
    return workers


def devices() -> int:
    """How many devices share a batch: one for each replica."""
    return replicas()


def workers() -> int:
    """How many processes train together under the current strategy."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None or resolver.task_type in (None, ""):
        return 1
    cluster = resolver.cluster_spec()
    return sum(cluster.num_tasks(job) for job in cluster.jobs if job in ("chief", "worker"))


def is_chief() -> bool:
    """Whether this process is the worker that writes."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None or resolver.task_type in (None, "", "chief"):
        return True
    return resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs


class Engine:
    """Runs `gan.update` compiled, on every replica, from global batches of numpy arrays.

    Every worker makes the same global batch, a function of (seed, step), and each replica takes its rows.
    """

    def __init__(self, gan) -> None:
        self._gan = gan
        self._strategy = tf.distribute.get_strategy()
        self._functions = {}

    def transfer(self, batch: dict[str, np.ndarray]) -> dict:
        """The batch as it is: `run` hands each replica its rows."""
        return batch

    def run(self, players: tuple[str, ...], batch: dict[str, np.ndarray]) -> dict:
        """One training step in which the given players ("d", "g") move; returns scalar logs as tensors."""
        if players not in self._functions:
            self._functions[players] = self._compile(players)
        return self._functions[players](self._distribute(batch))

    def sync(self) -> None:
        """Does nothing, since the GAN's variables are always up to date."""

    def read(self, variable) -> float:
        """The value of a scalar variable now."""
        return float(np.asarray(variable))

    def _compile(self, players):
        def update(batch):
            logs = self._gan.update(batch, players)
            if replicas() == 1:
                return logs
            context = tf.distribute.get_replica_context()
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stack(list(logs.values())))
            return dict(zip(logs, tf.unstack(means), strict=True))

        @tf.function(autograph=False)
        def step(batch):
            logs = self._strategy.run(update, args=(batch,))
            return {name: self._strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        return step

    def _distribute(self, batch):
        count = self._strategy.num_replicas_in_sync
        if count == 1:
            return {name: tf.convert_to_tensor(value) for name, value in batch.items()}

        def rows(value):
            size = len(value) // count
            return self._strategy.experimental_distribute_values_from_function(
                lambda context: tf.convert_to_tensor(value[context.replica_id_in_sync_group * size :][:size])
            )

        return {name: rows(value) for name, value in batch.items()}
