"""The classes of the images that a conditional model is trained on."""

from __future__ import annotations

import logging

import numpy as np

from zoo import data
from zoo.files.errors import ZooError
from zoo.files.text import printable
from zoo.recipe import Recipe

logger = logging.getLogger("ganzoo")


def with_classes(recipe: Recipe, store: data.Store) -> Recipe:
    """The recipe with the number of classes that the images have, where it says "auto"; unconditional ones unchanged.

    Raises:
        ZooError: images without labels, one class alone, a class without images, or another number of classes than
            the recipe says.
    """
    if not recipe.model.classes:
        return recipe
    names, counts = counted(store)
    if len(names) == 1:
        raise ZooError(
            "the images are all of one class, so that a label says nothing; set model.classes=0. "
            f"Received: {printable(names[0])!r}"
        )
    if recipe.model.classes not in ("auto", len(names)):
        raise ZooError(
            f'the images have {len(names)} classes ({_listed(names)}); set model.classes to that, or to "auto". '
            f"Received: model.classes = {recipe.model.classes}"
        )
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if empty:
        raise ZooError(
            f"{len(empty)} of {len(names)} classes have no image to train on: give them images or take them out. "
            f"Received: {_listed(empty)}"
        )
    return recipe.replace(**{"model.classes": len(names)})


def say_what_classes_there_are(recipe: Recipe, store: data.Store) -> None:
    """To the user of a folder with class folders, whose recipe has no classes; TFDS has recipes of both kinds."""
    if not recipe.model.classes and labelled(store) and not recipe.data.source.startswith("tfds:"):
        logger.info(
            "this recipe ignores the classes of the images; add --set model.classes=auto to learn them, and to draw "
            "one by name"
        )


def labelled(store: data.Store) -> bool:
    """Whether the images have labels of two classes or more."""
    return store.labels is not None and len(np.unique(store.labels)) > 1


def counted(store: data.Store) -> tuple[list[str], list[int]]:
    """The names of the classes, and how many training images each has.

    Raises:
        ZooError: images without labels, or labels that are not 0, 1, ...
    """
    if store.labels is None:
        raise ZooError(
            "a model with classes needs labelled images: a sub-folder for each class, two or more, and no image "
            "outside them; labels of all images in the .npz or dataset.json; or a labelled TFDS set. Otherwise set "
            f"model.classes=0. Received: {store.source!r}"
        )
    least, most = int(store.labels.min()), int(store.labels.max())
    if not store.class_names or most >= max(len(store.classes), len(store.images)):
        raise ZooError(
            f"labels count the classes from 0 on, and there are no more classes than images. Received: labels from "
            f"{least} to {most} of {len(store.images):,} images"
        )
    names = store.class_names
    return list(names), np.bincount(store.labels, minlength=len(names)).tolist()


def _listed(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
