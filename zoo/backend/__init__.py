"""The few operations in which TensorFlow and JAX differ; everything else is `keras.ops`.

value_and_grad(function, variables, state)   the loss, what came with it, and its gradients
input_gradient(function, x)                  the gradient of sum(function(x)) in x, itself differentiable
conv_transpose(x, kernel)                    of stride 2, with gradients that are fast on GPUs
grouped_conv(x, kernel, groups)              of stride 1, with gradients that are fast on CPUs
compiled(function, state)                    a function of arrays that reads variables, compiled; it changes none
total(x)                                     the sum of x over these copies
replicas()                                   copies of the model that train together
devices()                                    devices that share a batch
workers()                                    processes that train together
is_chief()                                   whether this process is the one that writes
Engine(gan)                                  runs the compiled `gan.update` on numpy batches
strategy(name)                               the devices to run on
"""

from __future__ import annotations

import logging
import os
import platform
from importlib.util import find_spec

from zoo.files.errors import ZooError
from zoo.files.plotting import any_display

logger = logging.getLogger("ganzoo")

OURS = ("tensorflow", "jax")
SETTINGS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}  # of Keras


def _fast_on_cpus() -> None:
    """Turns oneDNN on before TensorFlow is imported, which leaves it off on x86 CPUs without AVX-512 VNNI.

    With AVX2 alone, training steps take 0.55 to 0.7 of the time. TF_ENABLE_ONEDNN_OPTS=0 in the environment is kept.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _backend() -> str:
    """The backend of Keras, one of ours.

    Raises:
        ZooError: Keras is told to run on another, or on one that is not installed. Any other failure is not ours to
            explain, and passes.
    """
    try:
        with any_display():
            import keras

        name = keras.backend.backend()
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in (*OURS, "jaxlib", "torch", "openvino"):
            raise
    except ValueError as error:
        if not str(error).startswith("Unable to import backend"):
            raise
        name = os.environ.get("KERAS_BACKEND", "")
    installed = [ours for ours in OURS if find_spec(ours)]
    if name in installed:
        return name
    remedy = "pip install tensorflow, or pip install jax and set KERAS_BACKEND=jax"
    if installed:
        remedy = "set " + " or ".join(f"KERAS_BACKEND={ours}" for ours in installed)
    raise ZooError(
        f"ganzoo runs on TensorFlow and JAX, and Keras is to run on {name or 'another backend'}; {remedy}. "
        f"Received: KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')!r}"
    )


def _settle() -> None:
    """Sets Keras as the networks, the training step and the extractors are written for, whatever keras.json says."""
    import keras

    before = {name: getattr(keras.config, name)() for name in SETTINGS}
    for name, value in SETTINGS.items():
        getattr(keras.config, f"set_{name}")(value)
    if before != SETTINGS:
        other = ", ".join(f"{name} was {value}" for name, value in before.items() if value != SETTINGS[name])
        logger.warning(f"ganzoo computes in float32 with channels last, and sets Keras so in this process: {other}")


_fast_on_cpus()
_name = _backend()
_settle()
if _name == "tensorflow":
    from zoo.backend import tensorflow as chosen
else:
    from zoo.backend import jax as chosen

Engine = chosen.Engine
compiled = chosen.compiled
conv_transpose = chosen.conv_transpose
devices = chosen.devices
grouped_conv = chosen.grouped_conv
input_gradient = chosen.input_gradient
is_chief = chosen.is_chief
replicas = chosen.replicas
strategy = chosen.strategy
total = chosen.total
value_and_grad = chosen.value_and_grad
workers = chosen.workers

__all__ = [
    "Engine",
    "compiled",
    "conv_transpose",
    "devices",
    "grouped_conv",
    "input_gradient",
    "is_chief",
    "replicas",
    "strategy",
    "total",
    "value_and_grad",
    "workers",
]
