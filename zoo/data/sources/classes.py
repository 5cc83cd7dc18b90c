"""The classes of image files: by their folders, or by dataset.json as the StyleGAN tools write it."""

from __future__ import annotations

import logging
import os
from typing import Annotated, NamedTuple

import msgspec

from zoo.files.errors import ZooError
from zoo.files.text import printable

logger = logging.getLogger("ganzoo")

PARTS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
TABLE = "dataset.json"


class Labelled(NamedTuple):
    """Labels by the name of the image, the names of the classes, where they are known, and why some are left out."""

    classes: list[str]
    labels: dict[str, int]
    warnings: tuple[str, ...] = ()


def by_folders(root: str, images: list[str], empty: list[str]) -> Labelled:
    """The folders are classes if there are two or more, and no image lies outside them; `empty` ones are named.

    Folders that are all named like train, val and test are no classes; those inside them may be.
    """
    folders = {name: name.split("/")[:-1] or [""] for name in images}
    tops = sorted({path[0] for path in folders.values()})
    if tops and {name.lower() for name in tops} <= PARTS:
        if len(tops) > 1:
            example = max(tops, key=lambda name: name.lower().startswith("train"))
            logger.warning(
                f"the folders {', '.join(tops)} are taken for parts of one data set, not for classes, and all are "
                f"read; to read one alone, give it as the source, {os.path.join(root, example)!r} for instance"
            )
        folders = {name: path[1:] or [""] for name, path in folders.items()}
        empty = [name.partition("/")[2] for name in empty]
    classes = sorted({path[0] for path in folders.values()})
    outside = sorted(name for name, path in folders.items() if not path[0])
    if outside:
        reason = (
            f"the folders {some(classes[1:])} are not taken for classes, since images lie outside them, "
            f"{len(outside)} in all: {some(outside)}"
        )
        return Labelled([], {}, (reason,) if len(classes) > 2 else ())
    empty = sorted({name.split("/")[0] for name in empty} - {"", *classes})
    warnings = (f"these folders have no image, so they are no classes: {some(empty)}",) if empty else ()
    if len(classes) < 2:
        return Labelled([], {}, warnings)
    logger.info(f"{len(classes)} folders are taken for classes: {some(classes)}")
    number = {name: label for label, name in enumerate(classes)}
    return Labelled(classes, {name: number[path[0]] for name, path in folders.items()}, warnings)


class _Table(msgspec.Struct):
    """`{"labels": [["00000/img00000000.png", 6], ...]}`, or null for images without labels."""

    labels: list[tuple[str, Label | list[float]]] | msgspec.UnsetType | None = msgspec.UNSET


Label = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def by_table(content: bytes, path: str, images: list[str]) -> Labelled | None:
    """The labels that dataset.json gives; None if it is a file of another kind.

    Raises:
        ZooError: it is damaged.
    """
    try:
        labels = msgspec.json.decode(content, type=_Table).labels
    except (ValueError, RecursionError) as error:
        raise ZooError(
            f'not as the StyleGAN tools write it, {{"labels": [[name, class], ...]}}: {printable(str(error))}; '
            f"correct or remove it. Received: {path!r}"
        ) from error
    if labels is msgspec.UNSET:
        return None
    if any(isinstance(label, list) for _, label in labels or []):
        return Labelled([], {}, (f"the labels in {TABLE} are vectors and not classes: no labels are used",))
    labels = {name.replace("\\", "/"): label for name, label in labels or []}
    missing = [name for name in images if name not in labels]
    if labels and missing:
        reason = f"{TABLE} has no label for {len(missing)} images, so none are used: {some(missing)}"
        return Labelled([], {}, (reason,))
    return Labelled([], labels)


def some(names: list[str]) -> str:
    """The first names, in one line."""
    return ", ".join(map(printable, names[:10])) + (" ..." if len(names) > 10 else "")
