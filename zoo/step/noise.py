"""Randomness as data: everything a training step draws, as numpy arrays that are functions of (seed, step).

Counter-based generators (Philox, Salmon 2011) make any step directly, so a resumed run, another backend and every
replica see the same numbers.
"""

from __future__ import annotations

import numpy as np

from zoo.data import Batches
from zoo.networks.parts import inputs
from zoo.recipe import Recipe
from zoo.step import augment


def batches_of(recipe: Recipe, images: np.ndarray, labels: np.ndarray | None) -> Batches:
    """The real images of a run, and their labels, in the order in which its steps take them."""
    plan = recipe.schedule
    return Batches(
        images,
        labels,
        seed=recipe.seed,
        batch_size=plan.batch_size,
        d_steps=plan.d_steps,
        balanced=recipe.data.balanced,
    )


def with_images(recipe: Recipe, generator, batches: Batches, step: int) -> dict[str, np.ndarray]:
    """The whole batch of training step `step`: real images, their labels if there are classes, and what is drawn."""
    real = {"real": batches[step]}
    if recipe.model.classes:
        real["real_label"] = inputs.one_hot(batches.labels(step), recipe.model.classes)
    return real | batch(recipe, generator, step)


def batch(recipe: Recipe, generator, step: int) -> dict[str, np.ndarray]:
    """The random part of the batch of training step `step`; `GAN` describes its entries."""
    rng = np.random.Generator(np.random.Philox(key=recipe.seed, counter=[0, 0, 0, step]))
    size, uniforms = recipe.schedule.batch_size, augment.uniform_count(recipe.augment.used)
    draws = {}
    for player, updates in (("d", recipe.schedule.d_steps), ("g", recipe.schedule.g_steps)):
        draws |= {
            f"{player}_{name}": value for name, value in inputs.draw_training(generator, (size, updates), rng).items()
        }
        draws[f"{player}_uniforms"] = rng.random((size, updates, 2, uniforms), np.float32)
    draws["d_epsilon"] = rng.random((size, recipe.schedule.d_steps), np.float32)
    return draws
