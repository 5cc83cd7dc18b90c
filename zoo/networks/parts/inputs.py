"""What a generator takes: how each of its inputs is drawn in training, for a sample, on a walk and in an exported file.

A generator is a Keras model with named inputs; this table has a row for each name. A network with a new kind of input
adds a row here, and nothing else in the house has to know of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Input:
    """One kind of input, [N, ...] float32.

    Attributes:
        training: draws it for training, (rng, shape) -> array; None if it comes with the real images.
        sample: draws it for samples, (rng, shape, class shares [K] or None) -> array.
        derived: its value for a sample, from z [N, latent_dim] and psi; None if each sample draws its own.
        between: how an interpolation moves it, (a, b, share [N, 1]) -> array; None if it stays as it is on a walk.
        asked: an exported file asks for it; one that it does not ask for is derived, or drawn once for all images.
        one_hot: it stands for a class; an exported file asks for the number of that class.
        meaning: what it is, in the words of an exported file.
    """

    training: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] | None
    sample: Callable[[np.random.Generator, tuple[int, ...], Any], np.ndarray] | None = None
    derived: Callable[[Any, float], Any] | None = None
    between: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    asked: bool = False
    one_hot: bool = False
    meaning: str = "as in training"


def _normal(rng: np.random.Generator, shape: tuple[int, ...], shares: Any = None) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape, np.float32)


def _ones(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.ones(shape, np.float32)


def _classes(rng: np.random.Generator, shape: tuple[int, ...], shares: np.ndarray) -> np.ndarray:
    """One-hot rows [..., K] of classes with these shares [K]."""
    return one_hot(_numbers(rng, shape[:-1], shares), shape[-1])


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], shares: np.ndarray) -> np.ndarray:
    """Classes with these shares [K], by number."""
    labels = np.searchsorted(np.cumsum(shares) / np.sum(shares), rng.random(shape), side="right")
    return np.minimum(labels, len(shares) - 1)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Whole numbers [...] -> float32 [..., classes]."""
    return (np.asarray(labels)[..., None] == np.arange(classes)).astype(np.float32)


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points on the great circle from a to b, [N, Z] each; share [N, 1] in [0, 1]."""
    cosine = (
        np.sum(a * b, axis=-1, keepdims=True)
        / np.linalg.norm(a, axis=-1, keepdims=True)
        / np.linalg.norm(b, axis=-1, keepdims=True)
    )
    angle = np.maximum(np.arccos(np.clip(cosine, -1.0, 1.0)), 1e-6)
    return (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)


def _line(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    share = share.reshape(-1, *(1,) * (a.ndim - 1))
    return (1.0 - share) * a + share * b


def _column(value: float, z):
    """[N, 1] of one value, for arrays and for Keras's symbolic tensors alike."""
    return 0.0 * z[:, :1] + value


INPUTS = {
    "z": Input(_normal, _normal, between=slerp, asked=True, meaning="normal numbers"),
    "label": Input(None, _classes, between=_line, asked=True, one_hot=True, meaning="a class"),  # mixtures are allowed
    "w": Input(None, between=_line),  # styles of each layer, instead of z: no input of a generator, but of a part
    "noise": Input(_normal, _normal),  # noise maps of all layers
    "z_mixing": Input(_normal, derived=lambda z, psi: z),  # the second style; the same one in a sample
    "mixing": Input(_uniform, derived=lambda z, psi: _column(1.0, z)),  # 1: one style for all layers
    "truncation": Input(_ones, derived=lambda z, psi: _column(psi, z), asked=True, meaning="0 to 1, where 1 is none"),
}


def draw_training(generator, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What a generator takes in training beside what comes with real images, {name: float32 [*shape, ...]}."""
    drawn = ((tensor, INPUTS[tensor.name].training) for tensor in generator.inputs)
    return {tensor.name: draw(rng, (*shape, *tensor.shape[1:])) for tensor, draw in drawn if draw}


def drawn(generator) -> dict[str, tuple[int, ...]]:
    """The inputs that differ from sample to sample, with the shape of one: {"z": (128,)}."""
    return {tensor.name: tuple(tensor.shape[1:]) for tensor in generator.inputs if INPUTS[tensor.name].sample}


class Sampler:
    """Draws the inputs of one sample after the other; equal seeds give equal inputs, in batches of any size.

    Each input has a random stream of its own: asking for another class changes nothing else.
    """

    def __init__(self, generator, seed: int, shares: np.ndarray | None = None) -> None:
        """`shares` [K]: how often each class comes, for a generator that takes a label."""
        self._shapes, self._shares = drawn(generator), shares
        self._rngs = {name: np.random.default_rng([seed, zlib.crc32(name.encode())]) for name in self._shapes}

    def __call__(self, count: int) -> dict[str, np.ndarray]:
        """The inputs of the next `count` samples, float32."""
        return {name: self.draw(name, count) for name in self._shapes}

    def draw(self, name: str, count: int) -> np.ndarray:
        """One input of the next `count` samples alone."""
        return INPUTS[name].sample(self._rngs[name], (count, *self._shapes[name]), self._shares)

    def labels(self, count: int) -> np.ndarray:
        """The classes of the next `count` samples, int64, of a generator that takes a label."""
        return _numbers(self._rngs["label"], (count,), self._shares)


def walk(stops: dict[str, np.ndarray], steps: int) -> dict[str, np.ndarray]:
    """Inputs [steps, ...] of a closed walk through inputs [stops, ...]: White 2016, arXiv:1609.04468."""
    inputs = {}
    for name, points in stops.items():
        between = INPUTS[name].between
        if between is None:
            inputs[name] = np.broadcast_to(points[:1], (steps, *points.shape[1:]))
            continue
        places = np.arange(steps) * len(points) / steps
        first = places.astype(int)
        inputs[name] = between(points[first], points[(first + 1) % len(points)], (places % 1.0)[:, None]).astype(
            np.float32
        )
    return inputs


def stops(generator, count: int, seed: int, shares: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The inputs [count, ...] that a walk of this seed visits."""
    rng = np.random.default_rng([seed, zlib.crc32(b"walk")])
    return {name: INPUTS[name].sample(rng, (count, *shape), shares) for name, shape in drawn(generator).items()}


def complete(generator, inputs: dict[str, Any], truncation: float = 1.0) -> dict[str, Any]:
    """`inputs` with what a sample derives from them; arrays or symbolic tensors, [N, ...] each."""
    psi = float(truncation)
    return {
        tensor.name: inputs[tensor.name]
        if INPUTS[tensor.name].derived is None
        else inputs.get(tensor.name, INPUTS[tensor.name].derived(inputs["z"], psi))
        for tensor in generator.inputs
    }
