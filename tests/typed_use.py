"""The public names as a user with a type checker writes them. `mypy` reads this file; nothing runs it.

Each line is an error of the type checker if the hint of what comes back, or of what goes in, becomes wrong or is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np

import zoo
from zoo.evaluation.results import Evaluation


def draw() -> None:
    generator = assert_type(zoo.load_generator("dcgan-fashion-mnist"), zoo.Generator)
    assert_type(generator.sample(4, seed=1, truncation=0.7), np.ndarray)
    assert_type(generator.interpolate(60, stops=4), np.ndarray)
    assert_type(generator.batches(1000), Iterator[np.ndarray])
    assert_type(generator.recipe.schedule.images, int)
    zoo.load_generator(name=7)  # type: ignore[arg-type]


def train() -> None:
    recipe = assert_type(zoo.load_recipe("dcgan-64", {"data.source": "my/images"}), zoo.Recipe)
    run = zoo.train(recipe, "runs/mine")
    assert_type(run.path, Path)
    assert_type(run.best(), Path | None)
    assert_type(zoo.finetune("dcgan-fashion-mnist", "my/images", Path("runs/tuned"), images=1_000).path, Path)
    assert_type(zoo.diagnose(run.path).verdict, str)
    zoo.GAN(recipe)
    zoo.train(recipe, "runs/mine", strategy=2)  # type: ignore[arg-type]


def judge() -> None:
    assert_type(zoo.evaluate("dcgan-fashion-mnist", np.zeros((10, 32, 32, 1), np.uint8)), Evaluation)
    assert_type(zoo.compare(["dcgan-fashion-mnist", Path("runs/mine")], images=100), dict[str, Evaluation])
    zoo.compare(["dcgan-fashion-mnist"], image=100)  # type: ignore[call-arg]
    assert_type(zoo.card("dcgan-fashion-mnist", out="card.md"), str)


def publish() -> None:
    assert_type(zoo.export("runs/mine", "keras", "generator.keras"), Path)
    assert_type(zoo.push("runs/mine", "org/name", private=True), str)
    assert_type(zoo.pull("hf://org/name"), Path)
    assert_type(zoo.list_checkpoints() + zoo.list_recipes(), list[str])
    zoo.nothing()  # type: ignore[attr-defined]


def fail() -> None:
    try:
        zoo.load_recipe("nothing")
    except zoo.ZooError as error:
        assert_type(error, zoo.ZooError)
