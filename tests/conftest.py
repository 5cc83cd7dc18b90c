import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the tests are about numbers that a CPU repeats to the bit
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as zoo.backend does; some tests import Keras before it

import numpy as np
import pytest

from zoo import recipe as recipes

SMALL = {
    "data.source": "",
    "precision": "float32",
    "model.latent_dim": 8,
    "model.g_channels": 4,
    "model.d_channels": 4,
    "model.classes": 0,
    "schedule.batch_size": 4,
    "schedule.images": 64,
    "log.every_images": 16,
    "log.checkpoint_every_images": 32,
    "log.kid_images": 0,
    "ema.half_life_images": 16,
}


@pytest.fixture
def small():
    """A function that makes a shipped recipe small: `small("sngan-cifar10", **{"schedule.images": 8})`."""

    def make(name: str, **overrides) -> recipes.Recipe:
        recipe = recipes.load(name)
        narrows = recipe.data.resolution > 32 or getattr(
            recipe.model, "pyramid", False
        )  # to a fraction of these widths
        wide = {"model.g_channels": 16, "model.d_channels": 16} if narrows else {}
        return recipe.replace(**(SMALL | wide | overrides))

    return make


@pytest.fixture
def images(tmp_path) -> str:
    """An .npz file of 120 images of 32 x 32 with one channel: bright squares at random places."""
    rng = np.random.default_rng(0)
    array = np.zeros((120, 32, 32), np.uint8)
    for image in array:
        top, left = rng.integers(2, 20, 2)
        image[top : top + 8, left : left + 8] = rng.integers(100, 255)
    np.savez(tmp_path / "squares.npz", images=array, labels=np.arange(120) % 3)
    return str(tmp_path / "squares.npz")


@pytest.fixture
def said():
    """What ganzoo said in this test, line by line."""
    lines, handler, logger = [], logging.Handler(), logging.getLogger("ganzoo")
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Image stores of a test go to its own folder."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
