"""Fine-tuning: a run that starts from both networks of a checkpoint, on other images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import backend, checkpoint, data, hub, training
from zoo.recipe import Recipe
from zoo.run import Run

SMALL_DATA_IMAGES = 10_000  # below this, fine-tuning augments


def finetune(name: str | Path, source: str, out: str | Path, *, images: int | None = None, freeze_d: int = 0,
             overrides: dict | None = None, data_dir: str | None = None, strategy: str = "auto",
             notify: Callable[[str], None] = print) -> Run:
    """Trains a checkpoint's two networks further on other images, cropped to a square and resized to what it makes.

    Args:
        name: what `load_generator` accepts.
        source: "tfds:NAME", a folder of images or an .npz file.
        images: real images to show to D; by default a tenth of the original run.
        freeze_d: see `zoo.recipe.Schedule`.
        overrides: dotted recipe keys, as `Recipe.replace` takes them.
        out, data_dir, strategy, notify: as in `train`.
    """
    folder, overrides = hub.resolve(name), overrides or {}
    old = checkpoint.open_checkpoint(folder).recipe
    changes = {"name": Path(out).name, "start": hub.pinned(name, folder), "data.source": source, "data.fit": "crop",
               "schedule.images": images or max(1, old.schedule.images // 10), "schedule.freeze_d": freeze_d}
    changes["log.checkpoint_every_images"] = min(old.log.checkpoint_every_images, -(-changes["schedule.images"] // 5))
    recipe = old.replace(**(changes | overrides))
    with backend.strategy(strategy).scope():
        store = training.prepared(recipe, data_dir, notify)
        if len(store.images) < SMALL_DATA_IMAGES and not recipe.augment.ada:
            changes["augment.diffaugment"] = ["color", "translation", "cutout"]
            recipe = old.replace(**(changes | overrides))
        run = Run(out)
        run.check(recipe)
        _announce(name, recipe, store, notify)
        return training.train_on(recipe, run, store, notify)


def _announce(name: str | Path, recipe: Recipe, store: data.Store, notify: Callable[[str], None]) -> None:
    channels = recipe.data.channels
    brought = {"crop": "cropped and resized", "pad": "padded"}[recipe.data.fit]
    notify(f"fine-tuning {name} on {len(store.images):,} images, {brought} to {recipe.data.resolution} pixels, with "
           f"{channels} channel{'s' if channels > 1 else ''}, "
           f"{recipe.schedule.images:,} images shown, augmentation: "
           f"{'ADA' if recipe.augment.ada else ', '.join(recipe.augment.diffaugment) or 'none'}")
