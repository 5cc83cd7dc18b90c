"""Training: a recipe in, the folder of a run out."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from zoo import backend, data
from zoo import recipe as recipes
from zoo.backend import device
from zoo.checkpoints import resolve
from zoo.checkpoints.run import Run, default_folder, folder_for
from zoo.files.errors import ZooError
from zoo.files.shell import command
from zoo.recipe import Recipe
from zoo.step import noise, schedule
from zoo.step.gan import GAN
from zoo.training.classes import say_what_classes_there_are, with_classes
from zoo.training.finite import NonFinite, require_finite
from zoo.training.progress import Progress
from zoo.training.recorder import Recorder
from zoo.training.starting import restore, roll_back, start_from
from zoo.training.stopping import Stopping
from zoo.watch.watcher import Failing

logger = logging.getLogger("ganzoo")

LEAST_IMAGES = 100  # Zhao 2020, arXiv:2006.10738, section 4.4: sets of 100 images, from scratch and fine-tuned
DONE, STOPPED, ROLLED_BACK = "done", "stopped", "rolled back"  # how an attempt ends


def train(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    data_dir: str | None = None,
    strategy: str = "auto",
    seconds: float | None = None,
    resume: bool = False,
) -> Run:
    """Trains a recipe into a folder, or goes on with the run that is there.

    Args:
        recipe: what to train: a recipe, a name from `zoo.list_recipes()`, or the path of a .toml file.
        out: the folder of the run; by default runs/NAME, or the run `mine` that stands beside `mine.toml`. A run that
            is there must have the same recipe.
        data_dir: where TFDS keeps its data sets.
        strategy: "auto", "none", "mirrored", "multi-worker" or "tpu"; the last two on TensorFlow alone.
        seconds: stop and save after this time, data and compiling included; None: train to the end.
        resume: go on with the run in `out`, also if `recipe` differs from its own in one of the keys that may change
            in the middle: length, learning rates, log, watch and name. The change is recorded in the run. Numbers
            that change over the whole run, such as a decaying rate, follow a new length.

    Returns:
        The run. Ctrl-C saves a checkpoint and returns early.

    Raises:
        ZooError: data, recipe, folder or strategy do not fit.
        NonFinite: a loss or a weight is not finite; the last healthy checkpoint stays.
        Failing: the watcher found that training fails, and `recipe.watch` is not "warn"; the best checkpoint and the
            last healthy one stay.

    Example:
        >>> run = zoo.train("dcgan-fashion-mnist", seconds=600)
        >>> run = zoo.train("dcgan-fashion-mnist")  # goes on
    """
    if not isinstance(recipe, Recipe):
        file, recipe = recipe, recipes.load(recipe)
        out = folder_for(file, recipe.name) if out is None else out
    recipes.require_source(recipe, repr(recipe.name))
    stopping, run = Stopping(seconds), Run(default_folder(recipe.name) if out is None else out)
    with backend.strategy(strategy).scope():
        check_devices(recipe, seconds)
        if recipe.model.classes != "auto":  # then the images decide what the recipe is
            run.check(recipe, resume)
        store = prepared(recipe, data_dir)
        recipe = with_classes(recipe, store)
        run.check(recipe, resume)
        if not run.latest():
            say_what_classes_there_are(recipe, store)
        return train_on(recipe, run, store, stopping, resume)


def train_on(recipe: Recipe, run: Run, store: data.Store, stopping: Stopping, resume: bool = False) -> Run:
    """`train` under the strategy that is in effect, with the images at hand: attempts until one is not rolled back."""
    if device.precision(recipe.precision) != recipe.precision and not run.rollbacks():
        logger.warning("bfloat16 is not known to be faster on this processor: computing in float32 instead")
    ended = ROLLED_BACK
    while ended == ROLLED_BACK:
        ended = attempt(recipe, run, store, stopping, resume)
    if ended == STOPPED:
        run.stopped_by = stopping.signal
        why = "stopped" if stopping.signal else "the time is up: stopped"
        logger.info(f"{why} and saved; go on with: {command('ganzoo', 'train', '--resume', run.path)}")
    return run


def attempt(
    recipe: Recipe, run: Run, store: data.Store, stopping: Stopping, resume: bool = False, shown: bool = True
) -> str:
    """Trains from the latest checkpoint on; returns DONE at the end, STOPPED before it, or ROLLED_BACK.

    `shown`: whether its progress is.
    """
    gan, latest = GAN(recipe.slower(run.rollbacks())), run.beginning(recipe)
    if latest:
        restore(gan, latest, store)
        logger.info(f"going on from {latest}")
    elif recipe.start:
        start_from(gan, resolve.resolve(recipe.start), store)
    first, recorder = int(np.asarray(gan.step)), None
    with contextlib.ExitStack() as held:
        progress = held.enter_context(Progress(recipe, first, shown and backend.is_chief(), stopping))
        if backend.is_chief():  # data, networks and start are there: from here on, something is written
            held.enter_context(run.locked())
            run.start(recipe, resume)
            recorder = held.enter_context(Recorder(gan, store, run, progress))
            if not latest and (recipe.start or recipe.watch != "warn"):
                recorder.checkpoint(0)  # to go on without the checkpoint it started from, or to roll back to
        try:
            with stopping:
                done = loop(gan, store, recorder, progress, stopping)
        except (NonFinite, Failing) as failure:
            if recorder:
                recorder.failed(failure)
            if recipe.watch == "rollback" and roll_back(run, failure):
                return ROLLED_BACK
            raise
    return DONE if done else STOPPED


def check_devices(recipe: Recipe, seconds: float | None = None) -> None:
    """Raises ZooError when the devices that are there cannot train the recipe together."""
    if recipe.schedule.batch_size % backend.devices():
        raise ZooError(
            f"schedule.batch_size must be a multiple of the {backend.devices()} devices that share it, or "
            f"the strategy none. Received: {recipe.schedule.batch_size}"
        )
    if recipe.loss.facts.whole_batch and backend.replicas() > 1:
        raise ZooError(
            f"the loss {recipe.loss.name} compares with the mean over the whole batch, which a replica does not "
            "see; use the strategy none, or another loss. Received: several replicas"
        )
    if recipe.watch != "warn" and backend.workers() > 1:
        raise ZooError(
            'the watcher sees the first worker alone and cannot stop the others; set watch to "warn". '
            f"Received: {recipe.watch!r} with {backend.workers()} workers"
        )
    if seconds is not None and backend.workers() > 1:
        raise ZooError(
            "several workers do not stop after the same step when a time is up; set schedule.images instead. "
            f"Received: {seconds:g} seconds with {backend.workers()} workers"
        )


def prepared(recipe: Recipe, data_dir: str | None) -> data.Store:
    """The recipe's images, decoded once, with a word about what to expect when they are very few."""
    store = data.prepare(
        recipe.data.source,
        resolution=recipe.data.resolution,
        channels=recipe.data.channels,
        fit=recipe.data.fit,
        white=recipe.data.white,
        data_dir=data_dir,
    )
    if len(store.images) < LEAST_IMAGES:
        logger.warning(
            f"{len(store.images)} images to train on are very few: expect near copies of them. Published methods for "
            f"few images begin at {LEAST_IMAGES}, augmented and from a trained checkpoint: see ganzoo finetune --help"
        )
    return store


def loop(gan: GAN, store: data.Store, recorder: Recorder | None, progress: Progress, stopping: Stopping) -> bool:
    """The steps that the recipe still wants. Returns False when `stopping` ended them early."""
    recipe, plan = gan.recipe, gan.recipe.schedule
    engine = backend.Engine(gan)
    steps_per_epoch = max(1, round(len(store.images) / plan.images_per_step))
    log_steps, checkpoint_steps = (
        max(1, every // plan.images_per_step) for every in (recipe.log.every_images, recipe.log.checkpoint_every_images)
    )
    first = window = counted = int(np.asarray(gan.step))
    if recorder and first == 0:
        recorder.watch(0, {})
    progress.compiling()
    clock, trained = time.monotonic(), 0.0  # seconds of training steps alone, up to the clock
    for step, batch in feed(gan, store, first, engine):
        r_t = engine.read(gan.r_t) if plan.wait_above else 0.0
        logs = engine.run(schedule.players(plan, step, steps_per_epoch, r_t), batch)
        if step == first:
            progress.compiled()
        done = step + 1
        progress.step()
        last = stopping.due or done == plan.steps
        wanted = stopping.wants(done, trained + time.monotonic() - clock if step > first else 0.0)
        saving = last or wanted or done % checkpoint_steps == 0
        if saving or done % log_steps == 0:
            numbers = {name: float(value) for name, value in logs.items()}
            engine.sync()
            require_finite(gan, numbers, window, done, weights=saving)
            spent = time.monotonic() - clock
            if step > first:  # the first step compiles
                trained, rate = trained + spent, (done - counted) * plan.images_per_step / spent
                numbers["images_per_second"] = float(f"{rate:.4g}")
            if recorder:
                recorder.watch(done, numbers)
                progress.report(done, numbers, recorder.alarms)
            if recorder and saving:
                recorder.checkpoint(done, hurry=bool(stopping.signal))
            if recorder and (stopping.strict or recipe.watch != "warn"):
                recorder.require_healthy()
            if recorder and saving:
                last = stopping.saved(done) or last
            window, counted, clock = done, done, time.monotonic()
        else:  # neither compiling nor a picture is part of the pace
            paused = time.monotonic()
            if recorder and done in recorder.picture_steps:
                engine.sync()
                recorder.picture(done)
                clock += time.monotonic() - paused
            if step == first:
                counted, clock = done, time.monotonic()
        if last:
            return done == plan.steps
    return True


def feed(gan: GAN, store: data.Store, first: int, engine: backend.Engine) -> Iterator[tuple[int, dict]]:
    """(step, batch) from step `first` to the end; the next batch is made and sent while the current one is used."""
    recipe, plan = gan.recipe, gan.recipe.schedule
    batches = noise.batches_of(recipe, store.images, store.labels)

    def make(step: int) -> dict:
        return engine.transfer(noise.with_images(recipe, gan.generator, batches, step))

    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(make, first) if first < plan.steps else None
        for step in range(first, plan.steps):
            batch = coming.result()
            if step + 1 < plan.steps:
                coming = maker.submit(make, step + 1)
            yield step, batch
