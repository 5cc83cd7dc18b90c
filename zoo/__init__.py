"""ganzoo: GAN recipes and pretrained generators for Keras 3.

    import zoo
    images = zoo.load_generator("dcgan-fashion-mnist").sample(16, seed=0)  # uint8 [16, 32, 32, 1]

Public names are imported on first use: `import zoo` loads no backend.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "load_generator": "zoo.checkpoints.generator",
    "Generator": "zoo.checkpoints.generator",
    "GAN": "zoo.step.gan",
    "Recipe": "zoo.recipe",
    "load_recipe": "zoo.recipe",
    "train": "zoo.training.loop",
    "finetune": "zoo.training.finetuning",
    "evaluate": "zoo.evaluation.evaluate",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return getattr(module, {"load_recipe": "load"}.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
