"""How well the watcher recognises failing runs: many short runs, half of them broken on purpose.

    python benchmarks/failure_detection.py run OUT [--data-dir DIR]     one JSON file for each run; goes on where it was
    python benchmarks/failure_detection.py fit OUT                      thresholds from the runs of one half
    python benchmarks/failure_detection.py report OUT                   the table of the runs of the other half

Four losses on two kinds of data: 25 Gaussians on a grid, each point drawn as an image, where modes are counted exactly,
and Fashion-MNIST at 32 x 32. Networks are DCGAN's at a width of 8; the critics of the hinge and Wasserstein losses are
DCGAN's without batch normalisation, with spectral normalisation for hinge. What breaks a run is done here, behind the
recipe's back; the recipe tells of the momentum alone. All runs of a loss share one compiled step, and take seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import numpy as np

STEPS, EVERY, BATCH = 360, 8, 16
LOSSES = {"non-saturating": "dcgan", "least-squares": "dcgan", "hinge": "sngan", "wasserstein": "wgan-gp"}
KINDS = ("grid", "fashion")
RATES = {"non-saturating": 1e-3, "least-squares": 1e-3, "hinge": 1e-3, "wasserstein": 1e-3}
SIDE, SPACING, STD = 5, 0.4, 0.04  # the grid of Gaussians

FAILURES = (
    "d_fast",
    "d_slow",
    "g_fast",
    "d_frozen",
    "g_frozen",
    "swapped",
    "saturating",
    "mixed_batches",
    "few_images",
    "one_class",
    "constant",
    "range",
    "zero_weights",
    "huge_weights",
    "overflow",
    "momentum",
    "no_penalty",
)
ONLY = {
    "saturating": ("non-saturating",),
    "mixed_batches": ("non-saturating", "least-squares"),
    "no_penalty": ("wasserstein",),
}


def plan(rounds: int) -> list[dict]:
    """The runs, the most needed first. In each round, every failure meets half of the losses and kinds, and for each
    broken run there is a healthy one. `half` is 0 for fitting and 1 for reporting; both halves see every failure."""
    runs, rng = [], np.random.default_rng(0)
    for turn in range(rounds):
        for f, failure in enumerate(FAILURES):
            losses = [loss for loss in LOSSES if loss in ONLY.get(failure, LOSSES)]
            cells = [(loss, kind) for loss in losses for kind in KINDS]
            if len(losses) == len(LOSSES):
                cells = [cell for n, cell in enumerate(cells) if (n // 2 + n + f + turn) % 2 == 0]
            for broken in (failure, "healthy"):
                halves = rng.permutation(len(cells)) % 2
                for n, ((loss, kind), half) in enumerate(zip(cells, halves.tolist(), strict=True)):
                    seed = 1000 * turn + 40 * f + 4 * n + 2 * (broken == "healthy")
                    runs.append({"failure": broken, "loss": loss, "kind": kind, "seed": seed, "half": half})
    return runs


def name(run: dict) -> str:
    return "-".join(str(run[key]) for key in ("failure", "loss", "kind", "seed"))


# Data


def halves() -> np.ndarray:
    """[32 * 32, 2]: how much a pixel belongs to the top and to the bottom half, which blend into each other."""
    bottom = np.repeat(np.clip((np.arange(32) - 15.5) / 8 + 0.5, 0, 1), 32)
    return np.stack([1 - bottom, bottom], axis=1)


def points(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 32, 32, 1] of points from 25 Gaussians on a grid, and which: x is the brightness of the top
    half, y that of the bottom half."""
    which = rng.integers(SIDE * SIDE, size=count)
    xy = SPACING * (np.stack([which // SIDE, which % SIDE], axis=1) - SIDE // 2) + rng.normal(0, STD, (count, 2))
    return np.rint((np.clip(xy @ halves().T, -1, 1) + 1) * 127.5).astype(np.uint8).reshape(-1, 32, 32, 1), which


def modes(images: np.ndarray) -> tuple[int, float]:
    """How many of the 25 Gaussians have a sample within 4 standard deviations, whose image is that of a point up to a
    root mean square of 0.15, and the share of such samples; images in [-1, 1]."""
    flat = images.reshape(len(images), -1)
    xy = np.linalg.lstsq(halves(), flat.T)[0].T
    place = np.clip(np.rint(xy / SPACING), -(SIDE // 2), SIDE // 2)
    rest = np.sqrt(np.mean((flat - xy @ halves().T) ** 2, axis=1))
    good = (np.abs(xy - SPACING * place).max(axis=1) < 4 * STD) & (rest < 0.15)
    return len(np.unique(place[good] @ [SIDE, 1])), float(good.mean())


class Quality:
    """Polynomial-kernel MMD, as KID's, on the first 48 principal components of pixels."""

    def __init__(self, heldout: np.ndarray) -> None:
        flat = heldout.reshape(len(heldout), -1).astype(np.float64) / 127.5 - 1
        self.mean = flat.mean(axis=0)
        _, scale, axes = np.linalg.svd(flat - self.mean, full_matrices=False)
        self.axes = axes[:48].T / (scale[0] / math.sqrt(len(flat)))
        self.real = (flat - self.mean) @ self.axes
        self.within = mean_kernel(self.real, self.real, different=True)

    def __call__(self, images: np.ndarray) -> float:
        fake = (images.reshape(len(images), -1) - self.mean) @ self.axes
        return self.within + mean_kernel(fake, fake, different=True) - 2 * mean_kernel(self.real, fake)


def mean_kernel(a: np.ndarray, b: np.ndarray, different: bool = False) -> float:
    products = a @ b.T / a.shape[1] + 1
    kernel = products * products * products
    if different:
        return float((kernel.sum() - np.trace(kernel)) / len(a) / (len(a) - 1))
    return float(kernel.mean())


def stores(kind: str, data_dir: str | None) -> dict:
    """The healthy store and the broken ones. Held-out images stay as they are, but for constant data."""
    from zoo import data

    if kind == "grid":
        (images, labels), (heldout, _) = (points(n, np.random.default_rng(n)) for n in (6000, 1000))
    else:
        whole = data.prepare("tfds:fashion_mnist", resolution=32, channels=1, fit="pad", data_dir=data_dir)
        images, labels = np.asarray(whole.images[:20_000]), whole.labels[:20_000]
        heldout = np.asarray(whole.heldout[:1000])

    def store(images, heldout=heldout):
        return data.Store(Path(), kind, images, heldout, None, None, (), kind, ())

    grey = np.full_like(images[:1000], 128)
    return {
        "healthy": store(images),
        "few_images": store(images[:64]),
        "one_class": store(images[labels == 0]),
        "constant": store(grey, grey[:100]),
    }


# Runs


def critic(conv: type, dense: type):
    """`build` of DCGAN's generator with a strided discriminator without batch normalisation."""
    from types import SimpleNamespace

    import keras

    from zoo.networks import dcgan
    from zoo.networks.parts.layers import Initializers

    def build(model, resolution, channels, seed):
        init = Initializers(seed)
        x = image = keras.Input((resolution, resolution, channels), name="image")
        for i, size in enumerate((16, 8, 4)):
            x = conv(
                model.d_channels * 2**i,
                4,
                strides=2,
                padding="same",
                kernel_initializer=init.glorot_uniform(1.4),
                name=f"down{size}",
            )(x)
            x = keras.layers.LeakyReLU(0.2, name=f"down{size}_relu")(x)
        logit = dense(1, dtype="float32", kernel_initializer=init.glorot_uniform(), name="logit")(
            keras.layers.Flatten()(x)
        )
        return dcgan.build(model, resolution, channels, seed)[0], keras.Model(image, logit, name="discriminator")

    return SimpleNamespace(build=build)


def recipe_for(run: dict):
    from zoo import recipe as recipes

    network = LOSSES[run["loss"]]
    beta_1 = {"momentum": 0.99}.get(run["failure"], 0.5 if network == "dcgan" else 0.0)
    overrides = {
        "data.source": run["kind"],
        "precision": "float32",
        "data.channels": 1,
        "model.latent_dim": 16,
        "model.g_channels": 8,
        "model.d_channels": 8,
        "loss.name": run["loss"],
        "schedule.batch_size": BATCH,
        "schedule.d_steps": 1,
        "loss.gradient_penalty": 10.0 if run["loss"] == "wasserstein" else 0.0,
        "loss.r1": 0.0,
        "schedule.images": STEPS * BATCH,
        "log.every_images": EVERY * BATCH,
        "log.checkpoint_every_images": 10**9,
        "ema.half_life_images": 500,
        "seed": run["seed"],
    }
    for player in ("d", "g"):
        overrides |= {
            f"optimizer.{player}.learning_rate": RATES[run["loss"]],
            f"optimizer.{player}.beta_1": beta_1,
            f"optimizer.{player}.beta_2": 0.99,
            f"optimizer.{player}.decay": "constant",
        }
    return recipes.load(f"{network}-fashion-mnist", overrides)


def breakable(recipe, mixed: bool):
    """A GAN with a knob for each failure; turned to 0 or 1, they leave it as it is."""
    import keras
    from keras import ops

    from zoo.step import gan, penalties

    class Together:
        """D on real and fake images in one batch, of which a call returns the half it was given."""

        def __init__(self, network, pair):
            self.network, self.pair = network, pair

        def __call__(self, images, training):
            logits = self.network(ops.concatenate(self.pair, axis=0), training=training)
            return logits[:BATCH] if images is self.pair[0] else logits[BATCH:]

        def __getattr__(self, name):
            return getattr(self.network, name)

    class Breakable(gan.GAN):
        def __init__(self, recipe):
            super().__init__(recipe)
            d_loss, g_loss = self.d_loss, self.g_loss
            self.knobs = knobs = {
                key: keras.Variable(0.0, trainable=False, name=key)
                for key in ("swapped", "saturating", "range", "overflow", "no_penalty")
            }

            def broken_d_loss(real, fake):
                value = ops.where(knobs["swapped"] > 0, d_loss(fake, real), d_loss(real, fake))
                return value * ops.cast(ops.cast(1.0 + 2.0 * 65504.0 * knobs["overflow"], "float16"), "float32")

            def broken_g_loss(real, fake):
                return ops.where(knobs["saturating"] > 0, -ops.mean(ops.softplus(fake)), g_loss(real, fake))

            self.d_loss, self.g_loss = broken_d_loss, broken_g_loss

        def scaled(self, images):
            return ops.where(self.knobs["range"] > 0, ops.cast(images, "float32"), super().scaled(images))

        def update_discriminator(self, real, noise):
            if not mixed:
                return super().update_discriminator(real, noise)
            network, shown = self.discriminator, self.shown

            def remember(real, fake, uniforms):
                pair = shown(real, fake, uniforms)
                self.discriminator = Together(network, pair)
                return pair

            self.shown = remember
            try:
                return super().update_discriminator(real, noise)
            finally:
                self.discriminator, self.shown = network, shown

    one = Breakable(recipe)
    if recipe.loss.gradient_penalty:
        original = penalties.gradient_penalty
        gan.penalties.gradient_penalty = lambda *args: (1.0 - one.knobs["no_penalty"]) * original(*args)
    return one


class Bench:
    """One loss: its compiled step and probe, used for run after run."""

    def __init__(self, run: dict, mixed: bool) -> None:
        from zoo import backend

        self.gan = breakable(recipe_for(run), mixed)
        self.engine = backend.Engine(self.gan)
        self.probe_compute = None

    def reset(self, run: dict) -> None:
        """Fresh weights of the run's seed and its rates; then what breaks it."""
        from zoo import networks

        gan, failure, recipe = self.gan, run["failure"], recipe_for(run)
        gan.recipe = recipe
        rng = np.random.default_rng([run["seed"], 3])
        for own, fresh in zip((gan.generator, gan.discriminator), networks.build(recipe), strict=True):
            scale = {"zero_weights": 0.0, "huge_weights": 30.0}.get(failure, 1.0)
            for variable, value in zip(own.variables, fresh.variables, strict=True):
                factor = scale if variable.trainable and len(variable.shape) > 1 else 1.0
                variable.assign(factor * np.asarray(value))
        for average, variable in zip(gan.ema.variables, gan.generator.variables, strict=True):
            average.assign(np.asarray(variable))
        for variable in (*gan.optimizer.variables, gan.step, gan.sign_sum, gan.r_t, *gan.knobs.values()):
            variable.assign(np.zeros(variable.shape))
        factors = {
            "d_fast": (50, 1),
            "d_slow": (1 / 50, 1),
            "g_fast": (1, 50),
            "d_frozen": (0, 1),
            "g_frozen": (1, 0),
            "saturating": (10, 1),
        }.get(failure, (1, 1))
        for player, factor in zip((gan.optimizer.d, gan.optimizer.g), factors, strict=True):
            variation = 2 ** rng.uniform(-0.5, 0.5)  # healthy rates are not all the same
            player.learning_rate = factor * variation * recipe.optimizer.d.learning_rate
        if failure in gan.knobs and failure != "overflow":
            gan.knobs[failure].assign(1.0)
        self.overflow_at = rng.uniform(0.02, 0.5) * STEPS if failure == "overflow" else math.inf


class Notebook:
    """Takes the place of `zoo.recorder.Recorder`: every line with all signals and the quality, in memory."""

    alarms = ()
    picture_steps = frozenset()

    def __init__(self, bench: Bench, probe, quality: Quality, kind: str) -> None:
        self.bench, self.probe, self.quality, self.kind, self.entries = bench, probe, quality, kind, []

    def watch(self, step: int, numbers: dict) -> None:
        numbers = {**numbers, **self.probe.measure(step)}
        samples = np.nan_to_num(self.probe.before["fake"])
        numbers["kid"] = self.quality(np.clip(samples, -1, 1))
        if self.kind == "grid":
            numbers["modes"], numbers["good"] = modes(samples)
        self.entries.append({"step": step, "images": step * BATCH, **numbers})
        if step >= self.bench.overflow_at:
            self.bench.gan.knobs["overflow"].assign(1.0)

    def checkpoint(self, step: int, hurry: bool = False) -> None:
        """Nothing is saved."""


def execute(bench: Bench, run: dict, data: dict) -> dict:
    from zoo import backend
    from zoo.training import loop
    from zoo.training.progress import Progress
    from zoo.training.stopping import Stopping
    from zoo.watch.probe import Probe

    bench.reset(run)
    store = data["stores"].get(run["failure"], data["stores"]["healthy"])
    probe = Probe(bench.gan, store)
    probe.compute = bench.probe_compute = bench.probe_compute or probe.compute
    notebook = Notebook(bench, probe, data["quality"], run["kind"])
    engine, backend.Engine = backend.Engine, lambda gan: bench.engine
    try:
        loop.loop(bench.gan, store, notebook, Progress(bench.gan.recipe, 0, shown=False), Stopping())
    except loop.NonFinite as error:
        step = notebook.entries[-1]["step"] + EVERY
        notebook.entries.append({"step": step, "images": step * BATCH, "non_finite": str(error)})
    finally:
        backend.Engine = engine
    return {**run, "recipe": bench.gan.recipe.to_dict(), "entries": notebook.entries}


def run_all(out: Path, data_dir: str | None, rounds: int, only: list[str]) -> None:
    import keras

    from zoo import networks
    from zoo.networks.parts.layers import SNConv2D, SNDense

    networks.NETWORKS |= {
        "sngan": critic(SNConv2D, SNDense),
        "wgan-gp": critic(keras.layers.Conv2D, keras.layers.Dense),
    }
    out.mkdir(parents=True, exist_ok=True)
    data, benches = {}, {}
    for run in plan(rounds):
        file = out / f"{name(run)}.json"
        if file.exists() or (only and run["failure"] not in only):
            continue
        start, used = time.monotonic(), time.process_time()
        if run["kind"] not in data:
            kept = stores(run["kind"], data_dir)
            data[run["kind"]] = {"stores": kept, "quality": Quality(kept["healthy"].heldout)}
        key = run["loss"], run["failure"] == "mixed_batches"
        if key not in benches:
            benches[key] = Bench(run, key[1])
        result = execute(benches[key], run, data[run["kind"]])
        file.with_suffix(".part").write_text(json.dumps(result))
        file.with_suffix(".part").rename(file)
        last = result["entries"][-1]
        print(
            f"{name(run):45} {time.monotonic() - start:6.1f} s, {time.process_time() - used:5.1f} s of processor, "
            f"kid {last.get('kid', math.nan):.3f} modes {last.get('modes')} good {last.get('good')}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "fit", "report"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--rounds", type=int, default=1, help="128 runs each")
    parser.add_argument("--only", nargs="*", default=[], metavar="FAILURE")
    options = parser.parse_args()
    if options.what == "run":
        run_all(options.out, options.data_dir, options.rounds, options.only)
    else:
        import failure_table

        print(getattr(failure_table, options.what)(options.out))


if __name__ == "__main__":
    main()
