"""Training: a recipe in, the folder of a run out."""

from __future__ import annotations

import contextlib
import math
import platform
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from zoo import backend, checkpoint, data, hub, machine, noise, pictures, schedule
from zoo.estimate import parameters
from zoo.gan import GAN
from zoo.generator import Generator
from zoo.quality import Quality
from zoo.recipe import LEAST_KID_IMAGES, Recipe
from zoo.run import Run
from zoo.watch.watcher import Failing, Watcher

ROLLBACKS = 2  # at most, in a run
SMALL_DATA_IMAGES = 10_000  # below this, fine-tuning augments


class NonFinite(ValueError):
    """Training stopped because a value was not finite; the message names the steps and the tensors."""


def train(recipe: Recipe, out: str | Path, *, data_dir: str | None = None, strategy: str = "auto",
          notify: Callable[[str], None] = print) -> Run:
    """Trains a recipe into the folder `out`, or goes on with the run that is there.

    Args:
        recipe: what to train; must equal that of a run to go on with.
        out: the folder of the run.
        data_dir: where TFDS keeps its data sets.
        strategy: "auto", "none", "mirrored", "multi-worker" or "tpu"; see `zoo.backend.tensorflow.strategy`.
        notify: receives a line of text whenever there is something to say.

    Returns:
        The run. Ctrl-C saves a checkpoint and returns early.

    Raises:
        ValueError: data, recipe, folder or strategy do not fit.
        NonFinite: a loss or a weight is not finite; the last healthy checkpoint stays.
        Failing: the watcher found that training fails, and `recipe.watch` is not "warn"; the best checkpoint and the
            last healthy one stay.
    """
    with backend.strategy(strategy).scope():
        run = Run(out)
        run.check(recipe)
        return _train(recipe, run, _prepare(recipe, data_dir, notify), notify)


def _train(recipe: Recipe, run: Run, store: data.Store, notify: Callable[[str], None]) -> Run:
    """`train` under the strategy that is in effect, with the images at hand."""
    if recipe.schedule.batch_size % backend.devices():
        raise ValueError(f"schedule.batch_size must be a multiple of the {backend.devices()} devices that share it, or "
                         f"the strategy none. Received: {recipe.schedule.batch_size}")
    if recipe.loss.name == "relativistic" and backend.replicas() > 1:
        raise ValueError("the relativistic loss compares with the mean over the whole batch, which a replica does not "
                         "see; use the strategy none, or another loss. Received: several replicas")
    if recipe.watch != "warn" and backend.workers() > 1:
        raise ValueError("the watcher sees the first worker alone and cannot stop the others; set watch to \"warn\". "
                         f"Received: {recipe.watch!r} with {backend.workers()} workers")
    gan, latest = GAN(slower(recipe, run.rollbacks())), run.latest()
    if latest:
        restore(gan, latest, store)
        notify(f"going on from {latest}")
    elif recipe.start:
        start_from(gan, hub.resolve(recipe.start))
    recorder = None
    if backend.is_chief():  # data, networks and start are there: from here on, something is written
        run.start(recipe)
        recorder = Recorder(gan, store, run)
        if (recipe.start or recipe.watch != "warn") and not latest:
            recorder.checkpoint(0)  # to go on without the checkpoint it started from, or to roll back to
    try:
        done = loop(gan, store, recorder)
    except (NonFinite, Failing) as failure:
        if recorder:
            recorder.failed(failure)
        if not (recipe.watch == "rollback" and roll_back(run, failure, notify)):
            raise
        done = None
    if done is None:
        del gan, recorder
        return _train(recipe, run, store, notify)
    if not done:
        notify(f"stopped and saved; go on with: ganzoo train --resume {run.path}")
    return run


def _prepare(recipe: Recipe, data_dir: str | None, notify: Callable[[str], None]) -> data.Store:
    return data.prepare(recipe.data.source, resolution=recipe.data.resolution, channels=recipe.data.channels,
                        fit=recipe.data.fit, data_dir=data_dir, notify=notify)


def loop(gan: GAN, store: data.Store, recorder: Recorder | None) -> bool:
    """The steps that the recipe still wants. Returns False when Ctrl-C ended them early."""
    recipe, plan = gan.recipe, gan.recipe.schedule
    engine = backend.Engine(gan)
    images_per_step = plan.images_per_step
    steps_per_epoch = max(1, round(len(store.images) / images_per_step))
    first = window = int(np.asarray(gan.step))
    log_steps, checkpoint_steps = (max(1, every // images_per_step) for every in
                                   (recipe.log.every_images, recipe.log.checkpoint_every_images))
    clock = time.monotonic()
    with interruptible() as interrupted, progress_bar(recipe, first, images_per_step, recorder) as bar:
        if recorder and first == 0:
            recorder.watch(0, {})
            clock = time.monotonic()
        for step, batch in feed(gan, store, first, engine):
            r_t = engine.read(gan.r_t) if plan.wait_above else 0.0
            logs = engine.run(schedule.players(plan, step, steps_per_epoch, r_t), batch)
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
                    recorder.watch(step, {**numbers, "images_per_second": round(rate, 1)})
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


class Recorder:
    """What the first worker writes into the folder of the run."""

    def __init__(self, gan: GAN, store: data.Store, run: Run) -> None:
        from tensorboardX import SummaryWriter

        self.gan, self.store, self.run = gan, store, run
        self.images_per_step = gan.recipe.schedule.images_per_step
        count = gan.recipe.log.kid_images
        self.quality = Quality(store, count) if count and len(store.images) >= LEAST_KID_IMAGES else None
        step = int(np.asarray(gan.step))
        run.rewind(step)
        self.watcher = Watcher(gan, store, run.entries())
        self.events = SummaryWriter(str(run.path / "events"), purge_step=step * self.images_per_step)

    def watch(self, step: int, numbers: dict[str, float]) -> None:
        """Logs numbers with the watcher's signals, and what it finds there for the first time."""
        known = {finding.name for finding in self.watcher.findings}  # those that ended may begin again
        numbers = {**numbers, **self.watcher.signals(step)}
        found = self.watcher.look({"step": step, "images": step * self.images_per_step, **numbers})
        self.log(step, numbers, findings=[str(finding) for finding in found if finding.name not in known])

    def log(self, step: int, numbers: dict[str, float], **more) -> None:
        images = step * self.images_per_step
        self.run.log({"step": step, "images": images, **numbers, **more})
        for name, value in numbers.items():
            self.events.add_scalar(name, value, images)

    @property
    def alarm(self) -> str:
        """What the progress line says of the findings that last."""
        names = [finding.name for finding in self.watcher.findings if finding.level != "note"]
        return f", failing? {', '.join(names[:3])}" if names else ""

    def require_healthy(self) -> None:
        """Raises Failing when the watcher finds that training fails."""
        failing = self.watcher.failing
        if failing:
            use = [f"{kind}: {path}" for kind, path in (("best", self.run.best()), ("last healthy", self.run.healthy(
                min(finding.first_step for finding in failing)))) if path]
            raise Failing(f"training fails ({failing[0]}); checkpoints to use: {', '.join(use) or 'none'}; for the "
                          f"evidence and what to change: ganzoo doctor {self.run.path}. "
                          f"Received: watch = {self.gan.recipe.watch!r}", failing)

    def failed(self, failure: ValueError) -> None:
        """Logs why training ended."""
        if isinstance(failure, NonFinite):
            self.log(int(np.asarray(self.gan.step)), {}, non_finite=str(failure))
        self.events.close()

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        """Saves everything, with a grid of the fixed latents and, if there is time, KID, which tells the best."""
        generator = Generator(self.gan.ema, self.gan.recipe, {})
        sheet = pictures.grid(generator.sample(64))
        quality = {} if hurry or not self.quality else self.quality(generator, Generator(
            self.gan.generator, self.gan.recipe, {}, "raw"))
        if quality:
            self.watch(step, quality)
        arrays = {file: {name: np.asarray(variable) for name, variable in variables.items()}
                  for file, variables in self.gan.saved().items()}
        checkpoint.save(self.run.checkpoint_path(step), self.gan.recipe, arrays,
                        {**description(self.gan, self.store, step), **quality, "healthy": not self.watcher.failing},
                        {"samples.png": pictures.png(sheet)})
        self.run.add_samples(step * self.images_per_step, sheet)
        self.run.prune()
        pictures.curves(self.run.entries(), self.run.path / "curves.png")
        self.events.flush()


def description(gan: GAN, store: data.Store, step: int) -> dict:
    """What ganzoo.json says of a checkpoint: where it comes from and what it was made with."""
    return {
        "name": gan.recipe.name, "recipe_sha256": gan.recipe.digest, "step": step,
        "images": step * gan.recipe.schedule.images_per_step,
        "parameters": {"generator": parameters(gan.generator), "discriminator": parameters(gan.discriminator)},
        "data": {"source": store.source, "fingerprint": store.fingerprint, "images": len(store.images),
                 "classes": list(store.classes)},
        "backend": keras.backend.backend(), "replicas": backend.replicas(), "processor": platform.machine(),
        "device": machine.device(),
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in ("keras", keras.backend.backend(), "numpy")}},
    }


def slower(recipe: Recipe, rollbacks: int) -> Recipe:
    """The recipe with both rates halved for each rollback."""
    rates = {f"optimizer.{player}.learning_rate": getattr(recipe.optimizer, player).learning_rate / 2 ** rollbacks
             for player in ("d", "g")}
    return recipe.replace(**rates)


def roll_back(run: Run, failure: NonFinite | Failing, notify: Callable[[str], None]) -> bool:
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
    notify(f"{failure}; going back from step {reached} to {healthy}, with half the rates")
    return True


def restore(gan: GAN, path: Path, store: data.Store) -> None:
    """Sets every variable of the GAN from a run's checkpoint, made from the same images."""
    opened = checkpoint.open_checkpoint(path)
    if opened.info["data"]["fingerprint"] != store.fingerprint:
        raise ValueError("the images are not those that the run was started with; put them back, or train into a new "
                         f"folder. Received: {store.source!r}")
    if not opened.has_training_state:
        raise ValueError(f"the checkpoint was exported for sampling and fine-tuning and has no optimizer state; start "
                         f"from it with `ganzoo finetune`. Received: {str(path)!r}")
    for file, variables in gan.saved().items():
        checkpoint.assign(variables, opened.arrays(file), file)
    for player in ("d", "g"):  # after a rollback the recipe's rate is lower than the checkpoint's
        options = getattr(gan.recipe.optimizer, player)
        if options.decay == "constant":
            getattr(gan.optimizer, player).learning_rate = options.learning_rate


def start_from(gan: GAN, path: Path) -> None:
    """Sets both networks from a checkpoint; the raw generator starts as its average."""
    opened = checkpoint.open_checkpoint(path)
    weights = opened.arrays("generator")
    for generator in (gan.generator, gan.ema):
        checkpoint.assign(checkpoint.by_path(generator.variables), weights, "generator")
    checkpoint.assign(gan.saved()["discriminator"], opened.arrays("discriminator"), "discriminator")


def finetune(name: str | Path, source: str, out: str | Path, *, images: int | None = None, freeze_d: int = 0,
             overrides: dict | None = None, data_dir: str | None = None, strategy: str = "auto",
             notify: Callable[[str], None] = print) -> Run:
    """Trains a checkpoint's two networks further on other images, resized to what it makes.

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
    changes = {"name": Path(out).name, "start": hub.pinned(name, folder), "data.source": source,
               "schedule.images": images or max(1, old.schedule.images // 10), "schedule.freeze_d": freeze_d}
    changes["log.checkpoint_every_images"] = min(old.log.checkpoint_every_images, -(-changes["schedule.images"] // 5))
    recipe = old.replace(**(changes | overrides))
    with backend.strategy(strategy).scope():
        store = _prepare(recipe, data_dir, notify)
        if len(store.images) < SMALL_DATA_IMAGES and not recipe.augment.ada:
            changes["augment.diffaugment"] = ["color", "translation", "cutout"]
            recipe = old.replace(**(changes | overrides))
        run = Run(out)
        run.check(recipe)
        _announce(name, recipe, store, notify)
        return _train(recipe, run, store, notify)


def _announce(name: str | Path, recipe: Recipe, store: data.Store, notify: Callable[[str], None]) -> None:
    channels = recipe.data.channels
    notify(f"fine-tuning {name} on {len(store.images):,} images at {recipe.data.resolution} pixels with "
           f"{channels} channel{'s' if channels > 1 else ''}, "
           f"{recipe.schedule.images:,} images shown, augmentation: "
           f"{'ADA' if recipe.augment.ada else ', '.join(recipe.augment.diffaugment) or 'none'}")


def require_finite(gan: GAN, numbers: dict[str, float], first: int, last: int, weights: bool) -> None:
    """Raises NonFinite when a log, or with `weights` a variable, is not finite; steps count from 1."""
    broken = [name for name, value in numbers.items() if not np.isfinite(value)]
    if not (broken or weights):
        return
    for file, variables in gan.saved().items():
        tensors = [name for name, variable in variables.items() if not np.isfinite(np.asarray(variable)).all()]
        if tensors:
            broken.append(f"{file}: {tensors[0]}" + (f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""))
    if broken:
        raise NonFinite(f"values are not finite in steps {first + 1} to {last}; the checkpoints before them stay. "
                        f"Lower the learning rates, or use precision = \"float32\". Received: {', '.join(broken)}")


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
    return tqdm(total=recipe.schedule.steps * images_per_step, initial=first * images_per_step, unit="img",
                unit_scale=True, desc=recipe.name, disable=not shown, mininterval=1.0, dynamic_ncols=True)


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
