"""Training: a recipe in, the folder of a run out."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo import backend, data
from zoo.backend import device
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.networks.parts.variables import assign, by_path
from zoo.recipe import Ramp, Recipe
from zoo.step import noise, schedule
from zoo.step.gan import GAN
from zoo.training.finite import NonFinite, require_finite
from zoo.training.recorder import Recorder
from zoo.watch.watcher import Failing

logger = logging.getLogger("ganzoo")

ROLLBACKS = 2  # at most, in a run


def train(recipe: Recipe, out: str | Path, *, data_dir: str | None = None, strategy: str = "auto") -> Run:
    """Trains a recipe into the folder `out`, or goes on with the run that is there.

    Args:
        recipe: what to train; must equal that of a run to go on with.
        out: the folder of the run.
        data_dir: where TFDS keeps its data sets.
        strategy: "auto", "none", "mirrored", "multi-worker" or "tpu"; the last two on TensorFlow alone.

    Returns:
        The run. Ctrl-C saves a checkpoint and returns early.

    Raises:
        ZooError: data, recipe, folder or strategy do not fit.
        NonFinite: a loss or a weight is not finite; the last healthy checkpoint stays.
        Failing: the watcher found that training fails, and `recipe.watch` is not "warn"; the best checkpoint and the
            last healthy one stay.
    """
    with backend.strategy(strategy).scope():
        run = Run(out)
        run.check(recipe)
        return train_on(recipe, run, prepared(recipe, data_dir))


def train_on(recipe: Recipe, run: Run, store: data.Store) -> Run:
    """`train` under the strategy that is in effect, with the images at hand."""
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
    if device.precision(recipe.precision) != recipe.precision and not run.rollbacks():
        logger.warning("bfloat16 is not known to be faster on this processor: computing in float32 instead")
    gan, latest = GAN(recipe.slower(run.rollbacks())), run.latest()
    if latest:
        restore(gan, latest, store)
        logger.info(f"going on from {latest}")
    elif recipe.start:
        start_from(gan, resolve.resolve(recipe.start))
    recorder = None
    with contextlib.ExitStack() as held:
        if backend.is_chief():  # data, networks and start are there: from here on, something is written
            run.start(recipe)
            held.enter_context(run.locked())
            recorder = Recorder(gan, store, run)
            if (recipe.start or recipe.watch != "warn") and not latest:
                recorder.checkpoint(0)  # to go on without the checkpoint it started from, or to roll back to
        try:
            done = loop(gan, store, recorder)
        except (NonFinite, Failing) as failure:
            if recorder:
                recorder.failed(failure)
            if not (recipe.watch == "rollback" and roll_back(run, failure)):
                raise
        else:
            if not done:
                logger.info(f"stopped and saved; go on with: ganzoo train --resume {run.path}")
            return run
    del gan, recorder  # before there are others
    return train_on(recipe, run, store)


def prepared(recipe: Recipe, data_dir: str | None) -> data.Store:
    """The recipe's images, decoded once."""
    return data.prepare(
        recipe.data.source,
        resolution=recipe.data.resolution,
        channels=recipe.data.channels,
        fit=recipe.data.fit,
        data_dir=data_dir,
    )


def loop(gan: GAN, store: data.Store, recorder: Recorder | None) -> bool:
    """The steps that the recipe still wants. Returns False when Ctrl-C ended them early."""
    recipe, plan = gan.recipe, gan.recipe.schedule
    engine = backend.Engine(gan)
    images_per_step = plan.images_per_step
    steps_per_epoch = max(1, round(len(store.images) / images_per_step))
    first = window = int(np.asarray(gan.step))
    log_steps, checkpoint_steps = (
        max(1, every // images_per_step) for every in (recipe.log.every_images, recipe.log.checkpoint_every_images)
    )
    clock = time.monotonic()
    with interruptible() as interrupted, progress_bar(recipe, first, images_per_step, recorder) as bar:
        bar.set_postfix_str("compiling")
        if recorder and first == 0:
            recorder.watch(0, {})
            clock = time.monotonic()
        for step, batch in feed(gan, store, first, engine):
            r_t = engine.read(gan.r_t) if plan.wait_above else 0.0
            logs = engine.run(schedule.players(plan, step, steps_per_epoch, r_t), batch)
            if step == first:
                bar.unpause()  # compiling is no part of the pace
                bar.set_postfix_str("", refresh=False)
            step += 1
            bar.update(images_per_step)
            last = interrupted() or step == plan.steps
            saving = step % checkpoint_steps == 0 or last
            if saving or step % log_steps == 0:
                numbers = {name: float(value) for name, value in logs.items()}
                engine.sync()
                require_finite(gan, numbers, window, step, weights=saving)
                rate = (step - window) * images_per_step / (time.monotonic() - clock)
                if recorder:
                    recorder.watch(step, {**numbers, "images_per_second": float(f"{rate:.4g}")})
                    bar.set_postfix_str(summary(numbers) + recorder.alarm)
                if recorder and saving:
                    recorder.checkpoint(step, hurry=interrupted())
                if recorder and recipe.watch != "warn":
                    recorder.require_healthy()
                window, clock = step, time.monotonic()
            if last:
                return step == plan.steps
    return True


def feed(gan: GAN, store: data.Store, first: int, engine: backend.Engine) -> Iterator[tuple[int, dict]]:
    """(step, batch) from step `first` to the end; the next batch is made and sent while the current one is used."""
    recipe, plan = gan.recipe, gan.recipe.schedule
    batches = data.Batches(store.images, seed=recipe.seed, batch_size=plan.batch_size, d_steps=plan.d_steps)

    def make(step: int) -> dict:
        return engine.transfer({"real": batches[step], **noise.batch(recipe, gan.generator, step)})

    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(make, first)
        for step in range(first, plan.steps):
            batch, coming = coming.result(), maker.submit(make, step + 1)
            yield step, batch


def roll_back(run: Run, failure: NonFinite | Failing) -> bool:
    """Takes a run back to the last healthy checkpoint before it began to fail; False when there is none, or after two.

    What is left in the log is the way to that checkpoint and a line that tells of the failure.
    """
    healthy = run.healthy(getattr(failure, "step", math.inf))
    if not healthy or run.rollbacks() >= ROLLBACKS:
        return False
    info = checkpoint.open_checkpoint(healthy).info
    reached = run.entries()[-1]["step"]
    run.forget_after(info["step"])
    run.log({"step": info["step"], "images": info["images"], "rollback": {"from_step": reached, "why": str(failure)}})
    logger.warning(f"{failure}; going back from step {reached} to {healthy}, with half the rates")
    return True


def restore(gan: GAN, path: Path, store: data.Store) -> None:
    """Sets every variable of the GAN from a run's checkpoint, made from the same images."""
    opened = checkpoint.open_checkpoint(path)
    if opened.info["data"]["fingerprint"] != store.fingerprint:
        raise ZooError(
            "the images are not those that the run was started with; put them back, or train into a new "
            f"folder. Received: {store.source!r}"
        )
    if not opened.has_training_state:
        raise ZooError(
            f"the checkpoint was exported for sampling and fine-tuning and has no optimizer state; start "
            f"from it with `ganzoo finetune`. Received: {str(path)!r}"
        )
    for file, variables in gan.saved().items():
        assign(variables, opened.arrays(file), file)
    for player in ("d", "g"):  # after a rollback the recipe's rate is lower than the checkpoint's
        options = getattr(gan.recipe.optimizer, player)
        if not isinstance(options.learning_rate, Ramp):
            getattr(gan.optimizer, player).learning_rate = options.learning_rate


def start_from(gan: GAN, path: Path) -> None:
    """Sets both networks from a checkpoint; the raw generator starts as its average."""
    opened = checkpoint.open_checkpoint(path)
    weights = opened.arrays("generator")
    for generator in (gan.generator, gan.ema):
        assign(by_path(generator.variables), weights, "generator")
    assign(gan.saved()["discriminator"], opened.arrays("discriminator"), "discriminator")


def summary(numbers: dict[str, float]) -> str:
    """The end of the progress line."""
    losses = (("D", "d_loss"), ("G", "g_loss"))
    text = " ".join(f"{label} {numbers[name]:.2f}" for label, name in losses if name in numbers)
    if "d_real" not in numbers:
        return text
    if "real_accuracy" not in numbers:
        return f"{text}, critic gap {numbers['d_real'] - numbers['d_fake']:.2f}"
    return f"{text}, D right on real {numbers['real_accuracy']:.0%} fake {numbers['fake_accuracy']:.0%}"


def progress_bar(recipe: Recipe, first: int, images_per_step: int, shown) -> tqdm:
    return tqdm(
        total=recipe.schedule.steps * images_per_step,
        initial=first * images_per_step,
        unit="img",
        unit_scale=True,
        desc=recipe.name,
        disable=not shown,
        mininterval=1.0,
        dynamic_ncols=True,
    )


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """While it lasts, Ctrl-C and SIGTERM make the yielded function true instead; a second Ctrl-C interrupts at once."""
    asked = []

    def ask(number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asked.append(number)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, which alone receives signals
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
