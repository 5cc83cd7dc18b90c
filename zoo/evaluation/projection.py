"""Projection: the latents whose image is nearest to a given picture.

First gradient descent with Adam from several starts at once: on w and the noise maps where a generator has w, on z
otherwise. The distance is that of pixels, and of the features of efficientnet-lite0 at four scales, each of unit length
as in LPIPS (Zhang 2018, arXiv:1801.03924), but without its learned weights. The starts are those of many random
images that are nearest to the picture.

Then the best are polished on pixels alone, with the method of Levenberg and Marquardt (Marquardt 1963). Adam crawls
there: the valley is curved and narrow. The Jacobian takes one image for each value of z or w, by finite differences.

A generator's own images are found again: benchmarks/projection.py measures how well. Other pictures come as near as the
generator can draw such things.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo import backend, networks
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.loading import load_generator
from zoo.data import read_picture
from zoo.evaluation.metrics.extractors.resize import half_pixel, resize
from zoo.files.errors import ZooError
from zoo.networks.parts import efficientnet_lite0, inputs
from zoo.networks.parts.lazy import ops

logger = logging.getLogger("ganzoo")

POOL = 1024  # random images, from which the starts are chosen
STARTS, POLISHED = 8, 4
STEPS = 100  # of Adam
RATE = 0.2  # of Adam, in standard deviations of a latent
FEATURES = 0.1  # weight of the feature distance beside the mean square of pixels in [-1, 1]
PRIOR = 1e-2  # weight of how much longer than random latents the latents are
LEAST_RESOLUTION = 64  # at which features are seen
POLISHING_STEPS, DIFFERENCE = 30, 1e-2  # of Levenberg and Marquardt, and of finite differences
ENOUGH = 1e-4  # mean square of pixels in [-1, 1]: 46 dB, after which no other start is polished


class Projection(NamedTuple):
    """What `project` returns.

    Attributes:
        latents: of the nearest image, for `Generator.images`: {"z": float32 [1, latent_dim], ...} or {"w": ...}.
        image: that image, uint8 [H, W, C].
        target: the picture as it was compared, uint8 [H, W, C].
        psnr: peak signal-to-noise ratio between the two, in dB; 100 where they are equal.
        way: images on the way to it, uint8 [N, H, W, C].
        generator: it, whose `about` names the checkpoint.
        fitted: in words, what was changed of the picture to compare it: "was 640 x 480 pixels, ..."; perhaps nothing.
    """

    latents: dict[str, np.ndarray]
    image: np.ndarray
    target: np.ndarray
    psnr: float
    way: np.ndarray
    generator: Generator
    fitted: str = ""


def project(
    name: str | Path | Generator,
    picture: str | Path | np.ndarray,
    *,
    steps: int = STEPS,
    seed: int = 0,
    checkpoint: str | None = None,
    told: Callable[[float, float], None] | None = None,
) -> Projection:
    """Finds the latents whose image is nearest to a picture.

    Args:
        name: what `load_generator` accepts, or a generator that is loaded.
        picture: a file, or an array uint8 [H, W, C]; its middle square is scaled to the generator's size.
        steps: of gradient descent, at least 1.
        seed: of the random images that it starts from.
        checkpoint: of a run, as in `load_generator`.
        told: called with the share that is done, in [0, 1], and the smallest distance so far.

    Raises:
        ZooError: unknown name, a picture that cannot be read, or too few steps.

    Example:
        >>> found = zoo.project("dcgan-fashion-mnist", "shirt.png")
        >>> again = found.generator.images(found.latents)
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ZooError(f"a projection takes at least 1 step. Received: {steps!r}")
    generator = name if isinstance(name, Generator) else load_generator(name, checkpoint=checkpoint)
    data = generator.recipe.data
    target, fitted = read_picture(picture, data.resolution, data.channels)
    if fitted:
        logger.info(f"the picture {fitted}")
    return _descend(generator, target, steps, seed, told or (lambda share, distance: None))._replace(fitted=fitted)


def _descend(
    generator: Generator, target: np.ndarray, steps: int, seed: int, told: Callable[[float, float], None]
) -> Projection:
    pool = generator.latents(POOL, seed)
    pool = generator.in_w(pool) if generator.has_w else pool
    task = _Task(generator, pool, target)
    images = np.concatenate(list(generator.image_batches(pool)))
    starts = np.argsort(task.distances(images), kind="stable")[:STARTS]
    adam, way = _Adam(task.packed(pool, starts)), []
    for step in range(steps):
        losses, gradients = task.losses_and_gradients(adam.x, starts)
        way.append(adam.x)
        adam.step(gradients, _rate(step / steps))
        told(0.5 * (step + 1) / steps, float(losses.min()))
    rows = np.argsort(losses, kind="stable")[:POLISHED]
    best, best_steps, least = rows[0], adam.x[rows[:1]], float("inf")
    for done, row in enumerate(rows, start=1):
        polished, distance = _polished(task, adam.x[row], starts[row : row + 1])
        if distance < least:
            best, best_steps, least = row, polished, distance
        told(0.5 + 0.5 * done / len(rows), least)
        if least < ENOUGH:
            break
    x = np.concatenate([np.stack([rows[best] for rows in way]), best_steps])
    latents = task.latents(x, np.repeat(starts[best], len(x)))
    images = np.concatenate(list(generator.image_batches(latents)))
    error = np.square(images[-1].astype(np.float32) - target).mean()
    psnr = min(100.0, float(10.0 * np.log10(255.0**2 / max(error, 1e-6))))
    found = {name: array[-1:] for name, array in latents.items()}
    return Projection(found, images[-1], target, psnr, images, generator)


def _rate(share: float) -> float:
    """A quick rise, then a cosine to 0."""
    return RATE * min(1.0, 0.05 + 20.0 * share) * float(np.cos(0.5 * np.pi * share))


def _polished(task: _Task, x: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """The steps [N, D] of Levenberg and Marquardt from x [D], and the mean square that is left."""
    steps, damping, size = [x], 1e-2, task.polished_size
    residuals = task.residuals(x[None], start)[0]
    for _ in range(POLISHING_STEPS):
        near = np.repeat(x[None], size, axis=0)
        near[np.arange(size), np.arange(size)] += DIFFERENCE
        jacobian = (task.residuals(near, start) - residuals) / DIFFERENCE
        product, gradient = (jacobian @ jacobian.T).astype(np.float64), jacobian @ residuals
        for _ in range(5):
            damped = product + damping * product.trace() / size * np.eye(size)
            new = x.copy()
            new[:size] -= np.linalg.solve(damped, gradient)
            new_residuals = task.residuals(new[None], start)[0]
            better = np.square(new_residuals).sum() < np.square(residuals).sum()
            damping *= 0.2 if better else 5.0
            if better:
                break
        else:
            break
        gain = 1.0 - np.square(new_residuals).sum() / np.square(residuals).sum()
        x, residuals = new, new_residuals
        steps.append(x)
        if gain < 1e-3 or np.square(residuals).sum() < 0.1 * ENOUGH:
            break
    return np.stack(steps), float(np.square(residuals).sum())


class _Adam:
    """Rows x [S, D] that descend, each on its own: Kingma and Ba 2015, arXiv:1412.6980."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self._mean, self._square, self._steps = x, np.zeros_like(x), np.zeros_like(x), 0

    def step(self, gradients: np.ndarray, rate: float) -> None:
        self._steps += 1
        self._mean = 0.9 * self._mean + 0.1 * gradients
        self._square = 0.999 * self._square + 0.001 * gradients**2
        mean, square = self._mean / (1 - 0.9**self._steps), self._square / (1 - 0.999**self._steps)
        self.x = (self.x - rate * mean / (np.sqrt(square) + 1e-12)).astype(np.float32)


class _Task:
    """The distance of images from a target as a function of rows x [S, D].

    A row has the latents of an image, in standard deviations from the mean of the pool: first z, or one w for all
    layers. A label stays that of the start in the pool.
    """

    def __init__(self, generator: Generator, pool: dict[str, np.ndarray], target: np.ndarray) -> None:
        self._fixed = {name: array for name, array in pool.items() if name == "label"}
        self._full = {name: array.shape[1:] for name, array in pool.items() if name not in self._fixed}
        moved = {name: pool[name][:, :1] if name == "w" else pool[name] for name in self._full}
        self._shapes = {name: array.shape[1:] for name, array in moved.items()}
        self._means = {name: array.mean(axis=0) for name, array in moved.items()}
        self._scales = {name: float(array.std()) for name, array in moved.items()}
        self.polished_size = int(np.prod(self._shapes["w" if generator.has_w else "z"]))
        self._target = _floats(target[None])
        self._network = efficientnet_lite0.scales(max(LEAST_RESOLUTION, len(target)))
        self._image = generator.parts[1] if generator.has_w else _from_z(generator)
        state = [*generator.model.variables, *self._network.variables]
        self._distance = backend.compiled(self._distances, state)
        self._draw = backend.compiled(lambda x, fixed: self._image(self._unpacked(x, fixed)), state)
        self._both = backend.compiled(self._loss_and_gradient, state)

    def distances(self, images: np.ndarray) -> np.ndarray:
        """Of uint8 images [N, H, W, C] from the target: [N]."""
        parts = [_floats(images[i : i + 64]) for i in range(0, len(images), 64)]
        return np.concatenate([np.asarray(self._distance(part, self._target)) for part in parts])

    def losses_and_gradients(self, x: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distances [S] with the prior, and their gradients [S, D]."""
        losses, gradients = self._both(x, self._fixed_of(starts), self._target)
        return np.asarray(losses), np.asarray(gradients)

    def residuals(self, x: np.ndarray, start: np.ndarray) -> np.ndarray:
        """[S, R], whose squares sum to the mean square of pixels and the prior, for rows of one start."""
        parts = []
        for i in range(0, len(x), 64):
            part = x[i : i + 64]
            images = np.asarray(self._draw(part, self._fixed_of(np.repeat(start, len(part)))))
            pixels = np.asarray(_errors(images, self._target)).reshape(len(part), -1)
            prior = np.sqrt(PRIOR) * np.maximum(0.0, np.square(part[:, : self.polished_size]).mean(axis=1) - 1.0)
            parts.append(np.column_stack([pixels / np.sqrt(pixels.shape[1]), prior]).astype(np.float32))
        return np.concatenate(parts)

    def packed(self, pool: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """The rows of the pool as x [S, D]."""
        parts = [
            (pool[name][rows].reshape(len(rows), -1)[:, : int(np.prod(shape))].reshape(-1, *shape) - self._means[name])
            / self._scales[name]
            for name, shape in self._shapes.items()
        ]
        return np.concatenate([part.reshape(len(rows), -1) for part in parts], axis=1).astype(np.float32)

    def latents(self, x: np.ndarray, starts: np.ndarray) -> dict[str, np.ndarray]:
        """x [S, D] as arrays for `Generator.images`."""
        return {name: np.asarray(value) for name, value in self._unpacked(x, self._fixed_of(starts)).items()}

    def _fixed_of(self, starts: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[starts] for name, array in self._fixed.items()}

    def _parts(self, x: Any) -> dict[str, Any]:
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        ends = np.cumsum(sizes)
        return {name: x[:, end - size : end] for name, size, end in zip(self._shapes, sizes, ends, strict=True)}

    def _unpacked(self, x: Any, fixed: dict[str, Any]) -> dict[str, Any]:
        moved = {}
        for name, part in self._parts(x).items():
            value = ops.reshape(part, (-1, *self._shapes[name])) * self._scales[name] + self._means[name]
            moved[name] = value * np.ones(self._full[name], np.float32)  # one w for all layers
        return {**moved, **fixed}

    def _loss_and_gradient(self, x: Any, fixed: dict[str, Any], target: Any) -> tuple[Any, Any]:
        def loss(x):
            longer = (ops.relu(ops.mean(ops.square(part), axis=1) - 1.0) for part in self._parts(x).values())
            return self._distances(self._image(self._unpacked(x, fixed)), target) + PRIOR * sum(map(ops.square, longer))

        return loss(x), backend.input_gradient(loss, x)

    def _distances(self, images: Any, target: Any) -> Any:
        """Of images [N, H, W, C] in [-1, 1] from the target: [N]."""
        features = [
            ops.mean(ops.sum(ops.square(a - b), axis=-1), axis=(1, 2))
            for a, b in zip(self._features(images), self._features(target), strict=True)
        ]
        return ops.mean(ops.square(_errors(images, target)), axis=(1, 2, 3)) + FEATURES * sum(features)

    def _features(self, images: Any) -> list:
        """Of each scale [N, h, w, C], of unit length at each place."""
        size = self._network.inputs[0].shape[1]
        taps = half_pixel(images.shape[1], size), half_pixel(images.shape[2], size)
        x = resize((ops.clip(images, -1.0, 1.0) + 1.0) * 127.5, *taps)
        maps = self._network(ops.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x)
        return [each * ops.rsqrt(ops.sum(ops.square(each), axis=-1, keepdims=True) + 1e-6) for each in maps]


def _errors(images: Any, target: Any) -> Any:
    """images - target, and 0 where a linear image is beyond a target of -1 or 1, which may have been cut there."""
    beyond = ((target >= 1.0) & (images > 1.0)) | ((target <= -1.0) & (images < -1.0))
    return ops.where(beyond, 0.0, images - target)


def _from_z(generator: Generator) -> Callable:
    return lambda latents: networks.generate(generator.model, inputs.complete(generator.model, latents))


def _floats(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1.0
