"""ganzoo: GAN recipes and pretrained generators for Keras 3.

    import zoo
    images = zoo.load_generator("dcgan-fashion-mnist").sample(16, seed=0)  # uint8 [16, 32, 32, 1]

A public name is imported when it is first used, so that `import zoo` loads no backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "Generator",
    "Recipe",
    "ZooError",
    "__version__",
    "card",
    "compare",
    "demo",
    "diagnose",
    "evaluate",
    "export",
    "finetune",
    "list_checkpoints",
    "list_recipes",
    "load_generator",
    "load_recipe",
    "project",
    "pull",
    "push",
    "search",
    "train",
]

if TYPE_CHECKING:  # what editors and type checkers read
    from zoo.checkpoints.generator import Generator
    from zoo.checkpoints.loading import load_generator
    from zoo.checkpoints.resolve import list_checkpoints, pull
    from zoo.evaluation.compare import compare
    from zoo.evaluation.evaluate import evaluate
    from zoo.evaluation.projection import project
    from zoo.files.errors import ZooError
    from zoo.publish.demo import demo
    from zoo.publish.export import export
    from zoo.publish.model_card import card
    from zoo.publish.push import push
    from zoo.recipe import Recipe
    from zoo.recipe import load as load_recipe
    from zoo.recipe import names as list_recipes
    from zoo.step.gan import GAN
    from zoo.training.finetuning import finetune
    from zoo.training.loop import train
    from zoo.training.search.search import search
    from zoo.watch.diagnosis import diagnose
else:  # what runs: the same imports, late
    _HOMES = {
        "GAN": "zoo.step.gan",
        "Generator": "zoo.checkpoints.generator",
        "Recipe": "zoo.recipe",
        "ZooError": "zoo.files.errors",
        "card": "zoo.publish.model_card",
        "compare": "zoo.evaluation.compare",
        "demo": "zoo.publish.demo",
        "diagnose": "zoo.watch.diagnosis",
        "evaluate": "zoo.evaluation.evaluate",
        "export": "zoo.publish.export",
        "finetune": "zoo.training.finetuning",
        "list_checkpoints": "zoo.checkpoints.resolve",
        "list_recipes": "zoo.recipe",
        "load_generator": "zoo.checkpoints.loading",
        "load_recipe": "zoo.recipe",
        "project": "zoo.evaluation.projection",
        "pull": "zoo.checkpoints.resolve",
        "push": "zoo.publish.push",
        "search": "zoo.training.search.search",
        "train": "zoo.training.loop",
    }
    _NAMES_AT_HOME = {"list_recipes": "names", "load_recipe": "load"}

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'zoo' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), _NAMES_AT_HOME.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
