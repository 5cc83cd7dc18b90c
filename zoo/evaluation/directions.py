"""Directions in the latent space along which images change most.

For generators with w, SeFa (Shen and Zhou 2021, arXiv:2007.06600). w reaches the image through one matrix A^T, of all
layers that turn it into scales. The eigenvectors of A^T A with the largest eigenvalues move the scales most.

For others, GANSpace (Härkönen 2020, arXiv:2004.02546): the principal components of a layer's activations on random
images. Linear regression brings them back to z, as there for BigGAN.

Nobody says what a direction means. Look at the sheet, and judge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo import backend, networks
from zoo.checkpoints.generator import Generator
from zoo.files.errors import ZooError
from zoo.networks.parts import inputs
from zoo.networks.parts.lazy import keras

SAMPLES = 1024
REACH = 3.0  # standard deviations to both sides, for sheets and films
COLUMNS = 9  # of a sheet


class Directions(NamedTuple):
    """Attributes:
    method: "SeFa" or "GANSpace".
    space: "w" or "z".
    vectors: of length 1, the one that changes most first: float32 [count, latent_dim].
    spread: the standard deviation of random latents along each: float32 [count].
    """

    method: str
    space: str
    vectors: np.ndarray
    spread: np.ndarray

    def moved(self, latents: dict[str, np.ndarray], number: int, amounts: np.ndarray) -> dict[str, np.ndarray]:
        """Latents moved along direction `number`, which counts from 1, by `amounts` [N] in standard deviations.

        Args:
            latents: N of them, or one that is moved by each amount; in `space`.

        Raises:
            ZooError: there is no such direction.

        Example:
            >>> generator = zoo.load_generator("dcgan-fashion-mnist")
            >>> moved = directions.find(generator).moved(generator.latents(seed=3), 1, [-2, 0, 2])
        """
        if not 1 <= number <= len(self.vectors):
            raise ZooError(f"directions have the numbers 1 to {len(self.vectors)}. Received: {number}")
        start, amounts = latents[self.space], np.asarray(amounts, np.float32)
        step = self.spread[number - 1] * self.vectors[number - 1]
        moved = start + amounts.reshape(-1, *(1,) * (start.ndim - 1)) * step
        return {name: np.broadcast_to(array, (len(moved), *array.shape[1:])) for name, array in latents.items()} | {
            self.space: moved.astype(np.float32)
        }


def find(generator: Generator, count: int = 8, seed: int = 0) -> Directions:
    """The first directions of a generator; equal seeds give equal directions.

    Raises:
        ZooError: more directions than the latent space has.

    Example:
        >>> generator = zoo.load_generator("dcgan-fashion-mnist")
        >>> found = directions.find(generator)
        >>> images = generator.images(found.moved(generator.latents(seed=3), 1, [-2, 0, 2]))
    """
    if not 1 <= count <= generator.recipe.model.latent_dim:
        most = generator.recipe.model.latent_dim
        raise ZooError(f"a generator has from 1 to latent_dim = {most} directions. Received: {count}")
    return _sefa(generator, count, seed) if generator.has_w else _ganspace(generator, count, seed)


def in_space(generator: Generator, found: Directions, latents: dict[str, np.ndarray], truncation: float = 1.0) -> dict:
    """Latents in the space of the directions, truncated if that space is w."""
    return generator.in_w(latents, truncation) if found.space == "w" else latents


def sheet(generator: Generator, found: Directions, latents: dict[str, np.ndarray]) -> np.ndarray:
    """One image moved along each direction, COLUMNS images from -REACH to REACH: uint8 [COLUMNS * count, H, W, C]."""
    start, amounts = in_space(generator, found, latents), np.linspace(-REACH, REACH, COLUMNS)
    rows = [generator.images(found.moved(start, number, amounts)) for number in range(1, len(found.vectors) + 1)]
    return np.concatenate(rows)


def there_and_back(found: Directions, latents: dict[str, np.ndarray], number: int, steps: int) -> dict[str, np.ndarray]:
    """Latents of a closed walk along a direction, from one latent to REACH, to -REACH and back: [steps, ...]."""
    return found.moved(latents, number, REACH * np.sin(2.0 * np.pi * np.arange(steps) / steps))


def _sefa(generator: Generator, count: int, seed: int) -> Directions:
    kernels = np.concatenate(networks.affine(generator.recipe, generator.model), axis=1)  # [latent_dim, scales]
    _, vectors = np.linalg.eigh(kernels.astype(np.float64) @ kernels.T)
    vectors = _signed(vectors[:, ::-1][:, :count].T)
    w = generator.in_w(generator.latents(SAMPLES, seed))["w"][:, 0]
    return Directions("SeFa", "w", vectors, (w @ vectors.T).std(axis=0))


def _ganspace(generator: Generator, count: int, seed: int) -> Directions:
    drawn = generator.latents(SAMPLES, seed)
    drawn = {name: array if name == "z" else np.repeat(array[:1], SAMPLES, axis=0) for name, array in drawn.items()}
    layer = generator.model.get_layer(generator.recipe.model.facts.activations)
    model = keras.Model(generator.model.inputs, layer.output)
    activate = backend.compiled(lambda given: networks.generate(model, given), generator.model.variables)
    rows = [
        np.asarray(
            activate(inputs.complete(generator.model, {name: array[i : i + 64] for name, array in drawn.items()}))
        )
        for i in range(0, SAMPLES, 64)
    ]
    activations = np.concatenate(rows).reshape(SAMPLES, -1)
    activations -= activations.mean(axis=0)
    gram, z = activations @ activations.T, drawn["z"] - drawn["z"].mean(axis=0)
    _, components = np.linalg.eigh(gram)  # the coordinates of the samples, each of length 1
    vectors = components[:, ::-1][:, :count].T @ z  # the regression of z on coordinates that are orthonormal
    vectors = _signed(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return Directions("GANSpace", "z", vectors, np.ones(count, np.float32))


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Vectors of which the largest value is positive, so that a direction does not depend on the machine."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return (vectors * np.sign(largest)).astype(np.float32)
