"""A search from its arguments: over a recipe, in a new folder or in one where it goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo import backend
from zoo.checkpoints.run import default_folder
from zoo.data import Store
from zoo.files.atomic import require_new_folder
from zoo.files.errors import ZooError
from zoo.recipe import LEAST_KID_IMAGES, Recipe, require_source
from zoo.training.classes import with_classes
from zoo.training.loop import check_devices, prepared
from zoo.training.search import plan
from zoo.training.search.plan import Plan
from zoo.training.search.space import chosen, loaded
from zoo.training.search.study import Study, optuna
from zoo.training.search.worker import Search, Worker

SHARE = 20  # of a search for a time, the part that a trial may take; most end early
TENTH = 10  # of the recipe's images, what a trial sees when no time is given


def search(
    recipe: Recipe | str | Path | None = None,
    out: str | Path | None = None,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    trial_images: int | None = None,
    trial_seconds: float | None = None,
    overrides: dict[str, Any] | None = None,
    space: str | Path | None = None,
    objectives: Sequence[str] = ("kid",),
    finalists: int = 3,
    sampler: str = "tpe",
    prune: bool = True,
    data_dir: str | None = None,
) -> Search:
    """Tries variants of a recipe, ends the bad ones early, and names the best; or goes on with the search in `out`.

    Several processes may work on one search, if they are given the same `out`.

    Args:
        recipe: what is varied: a recipe, its name, or the path of a .toml file; None: go on with the search in `out`,
            where of the other arguments only `trials`, `seconds` and `data_dir` count, and "data.source" in `overrides`
            if the images have moved.
        out: the folder of the search, by default search/NAME.
        trials: how many in the whole search, without repetitions; 40 unless `seconds` are given.
        seconds: the time for this call.
        trial_images, trial_seconds: the length of a trial, in images shown to D or in seconds of training steps. By
            default a twentieth of `seconds`, or a tenth of the recipe's images.
        overrides: dotted recipe keys with values that are fixed.
        space: a file with the table `[search]`, instead of the recipe's or the network's.
        objectives: "kid", or "kid" and one of "recall" and "time"; with two, only what fails is ended early.
        finalists: so many of the best are run again with another seed.
        sampler: "tpe", or "random".
        prune: end trials early whose KID is not in the best third.
        data_dir: where TFDS keeps its data sets.

    Returns:
        The folder and what was found. Ctrl-C saves the running trial and returns early.

    Raises:
        ZooError: Optuna is not installed; recipe, space, data or folder do not fit; no trial came to its end.

    Example:
        >>> found = zoo.search("quick-64", overrides={"data.source": "my/images"}, seconds=6 * 3600)
        >>> run = zoo.train(found.path / "best.toml")  # goes on
    """
    begun = time.monotonic()
    optuna()
    overrides = overrides or {}
    with backend.strategy("auto").scope():
        if backend.workers() > 1:
            raise ZooError("start several processes on one folder instead. Received: a search with several workers")
        if recipe is None:
            folder, made, store = _going_on(out, overrides, data_dir)
        else:
            folder, made, store = _beginning(
                recipe,
                out,
                overrides,
                space,
                data_dir,
                objectives=tuple(objectives),
                finalists=finalists,
                sampler=sampler,
                prune=prune,
                **_length(recipe, overrides, seconds, trial_images, trial_seconds),
            )
        left = None if seconds is None else seconds - (time.monotonic() - begun)
        return Worker(Study(folder, made), store, trials, left).work()


def _going_on(out: str | Path | None, overrides: dict[str, Any], data_dir: str | None) -> tuple[Path, Plan, Store]:
    if out is None:
        raise ZooError("give a recipe to search over, or the folder of a search to go on with. Received: neither")
    folder, made = Path(out), plan.load(Path(out))
    if set(overrides) - {"data.source"}:
        raise ZooError(
            "a search that goes on keeps its recipe; search into a new folder to change it. "
            f"Received: {', '.join(sorted(set(overrides) - {'data.source'}))}"
        )
    store = prepared(made.base.replace(**overrides), data_dir)
    if store.fingerprint != made.fingerprint:
        raise ZooError(
            "the images are not those that the search was begun with; put them back, or search into a new folder. "
            f"Received: {store.source!r}"
        )
    return folder, made, store


def _beginning(
    recipe: Recipe | str | Path,
    out: str | Path | None,
    overrides: dict[str, Any],
    space: str | Path | None,
    data_dir: str | None,
    **more: Any,
) -> tuple[Path, Plan, Store]:
    """The folder with its search.toml: a new one, or that of the same search."""
    base = loaded(recipe, overrides)
    require_source(base, repr(base.name))
    found = chosen(recipe, overrides, space, bool(more["seconds"]) or "time" in more["objectives"])
    check_devices(base)
    folder = Path(out) if out else Path("search") / default_folder(base.name).name
    there = (folder / "search.toml").is_file()
    if not there:
        require_new_folder(folder)
    store = prepared(base, data_dir)
    _require_images(base, store)
    base = with_classes(base, store)
    made = plan.made(fingerprint=store.fingerprint, recipe=base.to_dict(), search=found.to_dict(), **more)
    if there:
        old = plan.load(folder)
        old.require_same(made, folder)
        return folder, old, store
    made.write(folder / "search.toml")
    return folder, made, store


def _length(
    recipe: Recipe | str | Path,
    overrides: dict[str, Any],
    seconds: float | None,
    trial_images: int | None,
    trial_seconds: float | None,
) -> dict[str, Any]:
    """{"images", "seconds"} of a trial, one of which is 0."""
    whole = loaded(recipe, overrides).schedule.images
    if trial_images is not None and trial_seconds is not None:
        raise ZooError(
            "a trial is as long in images or in time; give one of them. "
            f"Received: {trial_images} images and {trial_seconds:g} seconds"
        )
    if trial_images is not None and not 1 <= trial_images <= whole:
        raise ZooError(f"a trial has from 1 to {whole:,} images, those of the recipe. Received: {trial_images}")
    if trial_seconds is not None and trial_seconds <= 0:
        raise ZooError(f"a trial takes some time. Received: {trial_seconds:g} seconds")
    if trial_images is None and (trial_seconds or seconds):
        return {"images": 0, "seconds": float(trial_seconds or seconds / SHARE)}
    return {"images": trial_images or max(1, whole // TENTH), "seconds": 0.0}


def _require_images(base: Recipe, store: Store) -> None:
    if not base.log.kid_images:
        raise ZooError("a search compares by KID; set log.kid_images to 1000, say. Received: log.kid_images = 0")
    if len(store.images) < LEAST_KID_IMAGES:
        raise ZooError(f"KID says something from {LEAST_KID_IMAGES} images on. Received: {len(store.images)} images")
