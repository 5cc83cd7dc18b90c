"""What the benchmarks of the watcher share: two kinds of data, small networks that can be broken, and their quality.

25 Gaussians on a grid, each point drawn as an image, where modes are counted exactly; and Fashion-MNIST at 32 x 32. The
critics of the hinge and Wasserstein losses are DCGAN's without batch normalisation, with spectral normalisation for
hinge. All runs of a cell share one compiled step; what breaks a run is done behind the recipe's back.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

BATCH = 16
SIDE, SPACING, STD = 5, 0.4, 0.04  # the grid of Gaussians


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
    """KID's kernel distance on the first 48 principal components of pixels, with its standard error."""

    def __init__(self, heldout: np.ndarray) -> None:
        flat = heldout.reshape(len(heldout), -1).astype(np.float64) / 127.5 - 1
        self.mean = flat.mean(axis=0)
        _, scale, axes = np.linalg.svd(flat - self.mean, full_matrices=False)
        self.axes = axes[:48].T / (scale[0] / math.sqrt(len(flat)))
        self.real = (flat - self.mean) @ self.axes

    def __call__(self, images: np.ndarray) -> tuple[float, float]:
        from zoo.evaluation.metrics.kernel import kernel_distance

        flat = np.clip(np.nan_to_num(images), -1, 1).reshape(len(images), -1)
        return kernel_distance(self.real, (flat - self.mean) @ self.axes, subset_size=None)


def stores(kind: str, data_dir: str | None) -> dict:
    """The healthy store and the broken ones. Held-out images stay as they are, but for constant data."""
    from zoo import data

    if kind == "grid":
        (images, labels), (heldout, heldout_labels) = (points(n, np.random.default_rng(n)) for n in (6000, 1000))
    else:
        whole = data.prepare("tfds:fashion_mnist", resolution=32, channels=1, fit="pad", data_dir=data_dir)
        images, labels = np.asarray(whole.images[:20_000]), whole.labels[:20_000]
        heldout, heldout_labels = np.asarray(whole.heldout[:1000]), whole.heldout_labels[:1000]

    def store(images, heldout=heldout, labels=None, heldout_labels=None):
        return data.Store(Path(), kind, images, heldout, labels, heldout_labels, (), kind, ())

    grey = np.full_like(images[:1000], 128)
    return {
        "healthy": store(images),
        "labelled": store(images, heldout, labels, heldout_labels),
        "few_images": store(images[:64]),
        "one_class": store(images[labels == 0]),
        "constant": store(grey, grey[:100]),
    }


# Networks


def critic(conv: type, dense: type):
    """A strided discriminator as DCGAN's, without batch normalisation, of the given layers."""
    import keras

    def discriminator(model, resolution, channels, init):
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
        x = keras.layers.Flatten()(x)
        logit = dense(1, dtype="float32", kernel_initializer=init.glorot_uniform(), name="logit")(x)
        return keras.Model(image, logit, name="discriminator")

    return discriminator


def with_small_critics() -> None:
    """From here on, "sngan" and "wgan-gp" are DCGAN's generator and a small critic."""
    import keras

    from zoo import networks
    from zoo.networks.parts.layers import SNConv2D, SNDense

    for name, layers in {"sngan": (SNConv2D, SNDense), "wgan-gp": (keras.layers.Conv2D, keras.layers.Dense)}.items():
        networks.module(name).generator = networks.module("dcgan").generator
        networks.module(name).discriminator = critic(*layers)


def small(network: str, kind: str, seed: int, steps: int, every: int, rate: float, beta_1: float, **overrides):
    """A recipe of a small network with constant rates."""
    from zoo import recipe as recipes

    values = {
        "data.source": kind,
        "precision": "float32",
        "data.channels": 1,
        "model.latent_dim": 16,
        "model.g_channels": 8,
        "model.d_channels": 8,
        "schedule.batch_size": BATCH,
        "schedule.d_steps": 1,
        "schedule.images": steps * BATCH,
        "log.every_images": every * BATCH,
        "log.checkpoint_every_images": 10**9,
        "ema.half_life_images": 500,
        "seed": seed,
    }
    for player in ("d", "g"):
        values |= {
            f"optimizer.{player}.learning_rate": rate,
            f"optimizer.{player}.beta_1": beta_1,
            f"optimizer.{player}.beta_2": 0.99,
        }
    return recipes.load(f"{network}-fashion-mnist", values | overrides)


KNOBS = (
    "swapped",
    "saturating",
    "range",
    "overflow",
    "no_penalty",
    "no_augmentation",
    "no_average",
    "frozen_statistics",
)


def breakable(recipe, mixed: bool = False):
    """A GAN with a knob for each failure; at 0 they leave it as it is."""
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
            d_loss, g_loss = self.loss.d, self.loss.g
            self.knobs = knobs = {key: keras.Variable(0.0, trainable=False, name=key) for key in KNOBS}
            self.momentum = keras.Variable(recipe.optimizer.d.beta_1, trainable=False, name="momentum")
            for player in (self.optimizer.d, self.optimizer.g):
                object.__setattr__(player, "beta_1", self.momentum)
            for layer in self.generator.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    still = Momentum(layer.momentum, knobs["frozen_statistics"])
                    object.__setattr__(layer, "momentum", still)

            def broken_d_loss(real, fake):
                value = ops.where(knobs["swapped"] > 0, d_loss(fake, real), d_loss(real, fake))
                return value * ops.cast(ops.cast(1.0 + 2.0 * 65504.0 * knobs["overflow"], "float16"), "float32")

            def broken_g_loss(real, fake):
                return ops.where(knobs["saturating"] > 0, -ops.mean(ops.softplus(fake)), g_loss(real, fake))

            self.loss = self.loss._replace(d=broken_d_loss, g=broken_g_loss)

        def scaled(self, images):
            return ops.where(self.knobs["range"] > 0, ops.cast(images, "float32"), super().scaled(images))

        def zero_centred_penalties(self, judge, real, fake, count):
            return (1.0 - self.knobs["no_penalty"]) * super().zero_centred_penalties(judge, real, fake, count)

        def update_r_t(self, d_moved):
            super().update_r_t(d_moved)
            self.ada_p.assign(self.ada_p * (1.0 - self.knobs["no_augmentation"]))

        def update_ema(self):
            before = [variable + 0.0 for variable in self.ema.variables]
            super().update_ema()
            for variable, value in zip(self.ema.variables, before, strict=True):
                variable.assign(ops.where(self.knobs["no_average"] > 0, value, variable))

        def update_discriminator(self, real, inputs):
            if not mixed:
                return super().update_discriminator(real, inputs)
            network, augmented = self.discriminator, self.augmented

            def remember(real, fake, uniforms):
                pair = augmented(real, fake, uniforms)
                self.discriminator = Together(network, pair)
                return pair

            self.augmented = remember
            try:
                return super().update_discriminator(real, inputs)
            finally:
                self.discriminator, self.augmented = network, augmented

    class Momentum:
        """Of batch normalisation: as it is, or 1."""

        def __init__(self, value, knob):
            self.value, self.knob = value, knob

        def __rmul__(self, other):
            return other * (self.value + (1.0 - self.value) * self.knob)

        def __rsub__(self, other):
            return other - (self.value + (1.0 - self.value) * self.knob)

    one = Breakable(recipe)
    if recipe.loss.gradient_penalty:
        original = penalties.gradient_penalty
        gan.penalties.gradient_penalty = lambda *args: (1.0 - one.knobs["no_penalty"]) * original(*args)
    return one


def keep(file: Path, result: dict) -> None:
    """Writes what a run gave, whole or not at all: a benchmark that was stopped makes the run again."""
    from zoo.files.atomic import replacing

    with replacing(file) as new:
        new.write_text(json.dumps(result))


class Bench:
    """One cell: its compiled step and probe, used for run after run."""

    def __init__(self, recipe, mixed: bool = False) -> None:
        from zoo import backend

        self.gan = breakable(recipe, mixed)
        self.engine = backend.Engine(self.gan)
        self.compute = None  # of the probe
        self.draw = backend.compiled(self._draw, self.gan.variables)

    def _draw(self, latents):
        from zoo import networks

        return networks.generate(self.gan.ema, latents, training=False)

    def reset(self, recipe, scale: float = 1.0) -> None:
        """Fresh weights of the recipe's seed, kernels times `scale`; every knob at 0."""
        from zoo import networks

        gan = self.gan
        gan.recipe = recipe
        for own, fresh in zip((gan.generator, gan.discriminator), networks.build(recipe), strict=True):
            for variable, value in zip(own.variables, fresh.variables, strict=True):
                factor = scale if variable.trainable and len(variable.shape) > 1 else 1.0
                variable.assign(factor * np.asarray(value))
        for average, variable in zip(gan.ema.variables, gan.generator.variables, strict=True):
            average.assign(np.asarray(variable))
        for variable in (*gan.optimizer.variables, gan.step, gan.sign_sum, gan.r_t, gan.ada_p, gan.r1):
            variable.assign(np.zeros(variable.shape))
        self.mend(recipe)

    def mend(self, recipe) -> None:
        """Every knob at 0, and the recipe's momentum."""
        for variable in self.gan.knobs.values():
            variable.assign(0.0)
        self.gan.momentum.assign(recipe.optimizer.d.beta_1)

    @property
    def variables(self) -> list:
        return [*self.gan.variables, *self.gan.optimizer.variables]

    def state(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in self.variables]

    def restore(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def probe(self, store):
        from zoo.watch.probe import Probe

        probe = Probe(self.gan, store)
        probe.compute = self.compute = self.compute or probe.compute
        return probe

    def train(self, store, notebook) -> str:
        """The steps that are left; returns why it ended early, or nothing."""
        from zoo import backend
        from zoo.training import loop
        from zoo.training.progress import Progress
        from zoo.training.stopping import Stopping

        engine, backend.Engine, stopping = backend.Engine, lambda gan: self.engine, Stopping()
        try:
            progress = Progress(self.gan.recipe, 0, shown=False, stopping=stopping)
            loop.loop(self.gan, store, notebook, progress, stopping)
        except loop.NonFinite as error:
            return str(error)
        finally:
            backend.Engine = engine
        return ""
