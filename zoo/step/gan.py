"""The algorithm: a generator and a discriminator learn in turns (Goodfellow 2014, arXiv:1406.2661, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import backend, networks
from zoo.backend import device
from zoo.files.errors import ZooError
from zoo.networks.parts.layers import spectral_layers
from zoo.networks.parts.variables import by_path
from zoo.recipe import Recipe, from_dict, largest
from zoo.step import augment, losses, penalties, schedule
from zoo.step.fit import Steps
from zoo.step.optimizers import PairOptimizer


@keras.saving.register_keras_serializable("zoo")
class GAN(keras.Model):
    """A recipe's networks, optimizers and averages, and the step that trains them; in `device.precision`.

    Everything random comes in with the batch (`noise.batch` makes one from numpy), so that a step is a function of
    its inputs: replicas, backends and resumed runs agree. A batch is a dictionary of arrays whose first axis is the
    image in the batch and whose second is the update within the step:

        real                     uint8 [N, d_steps, H, W, C]
        real_label               one-hot [N, d_steps, K], if there are classes; each fake is asked for the same class
        d_<input>, g_<input>     the generator's inputs, [N, d_steps or g_steps, ...]
        d_epsilon                uniform [N, d_steps], where the gradient penalty is taken
        d_uniforms, g_uniforms   uniform [N, d_steps or g_steps, 2, U], for flips and augmentation of real and fake

    Example:
        >>> gan = zoo.GAN(zoo.load_recipe("dcgan-cifar10"))
        >>> gan.generator.count_params() > gan.discriminator.count_params()
        True
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(name="gan")
        self.recipe = recipe
        self.generator, self.discriminator = networks.build(recipe, device.precision(recipe.precision))
        self.ema = networks.build_generator(recipe, precision="float32")  # half-life ema.half_life_images
        self.ema.trainable = False
        for average, variable in zip(self.ema.variables, self.generator.variables, strict=True):
            average.assign(ops.copy(ops.convert_to_tensor(variable)))
        self.step = self._state("step", "int32")
        self.sign_sum = self._state("sign_sum")  # of D(real) since r_t was last taken
        self.r_t = self._state("r_t")
        self.ada_p = self._state("ada_p")
        self.r1 = self._state("r1")  # R1 and R2 when they were last taken
        with_kernel = [layer for layer in self.discriminator.layers if hasattr(layer, "kernel") and layer.trainable]
        if recipe.schedule.freeze_d >= len(with_kernel):
            raise ZooError(
                f"schedule.freeze_d must leave at least one of D's {len(with_kernel)} kernels to train. "
                f"Received: {recipe.schedule.freeze_d}"
            )
        for layer in with_kernel[: recipe.schedule.freeze_d]:
            layer.trainable = False
        self.loss = losses.LOSSES[recipe.loss.name]
        self.decision = recipe.loss.facts.decision
        self.built = True
        self.compile(optimizer=PairOptimizer(recipe), auto_scale_loss=False)
        self.optimizer.d.build(self.discriminator.trainable_variables)
        self.optimizer.g.build(self.generator.trainable_variables)

    def train_step(self, batch: Any) -> dict:
        """What `fit` calls: both players in every step. Periods and waiting belong to `zoo.train`."""
        return self.update(keras.utils.unpack_x_y_sample_weight(batch)[0])

    def fit(self, images: Any, labels: Any = None, **options: Any) -> keras.callbacks.History:
        """Keras's `fit`, on TensorFlow: callbacks, history, early stopping; `zoo.train` can resume and watch.

        Args:
            images: uint8 [N, H, W, C] of the recipe's resolution and channels, or a data set of whole batches.
            labels: whole numbers [N] from 0 on, for a model with classes.
            options: as `keras.Model.fit` takes them.

        Raises:
            ZooError: on JAX, or images of another shape.

        Example:
            >>> gan = zoo.GAN(zoo.load_recipe("dcgan-64"))
            >>> history = gan.fit(images, epochs=10)
        """
        if keras.backend.backend() != "tensorflow":
            raise ZooError(f"fit runs on TensorFlow; use zoo.train. Received: KERAS_BACKEND={keras.backend.backend()}")
        if isinstance(images, np.ndarray):
            images = Steps(self, images, labels)
        return super().fit(images, **{"shuffle": False} | options)

    def get_config(self) -> dict:
        """What `keras.Model.save` keeps beside the weights: the recipe."""
        return {"recipe": self.recipe.to_dict()}

    @classmethod
    def from_config(cls, config: dict) -> GAN:
        """The GAN of a recipe that `get_config` gave."""
        return cls(from_dict(config["recipe"]))

    def get_compile_config(self) -> None:
        """Nothing, since a GAN compiles itself from its recipe."""

    def update(self, batch: dict, players: tuple[str, ...] = schedule.BOTH) -> dict:
        """One training step: `d_steps` updates of D, each on fresh real images, then `g_steps` updates of G.

        A player that is not in `players` is held constant. Returns scalar float32 logs of the last update of each.
        """
        logs, plan, strength = {}, self.recipe.schedule, self.recipe.augment.ada_p
        real = self.scaled(batch["real"])
        if largest(strength) > 0:
            self.ada_p.assign(schedule.value(strength, self.images_seen(), plan) + 0.0 * self.ada_p)
        if "d" in players:
            for i in range(plan.d_steps):
                logs |= self.update_discriminator(real[:, i], turn(batch, "d", i) | turn(batch, "real", i))
        if "g" in players:
            for i in range(plan.g_steps):
                logs |= self.update_generator(real[:, -1], turn(batch, "g", i) | turn(batch, "real", -1))
            self.update_ema()
        self.update_r_t("d" in players)
        self.step.assign(self.step + 1)
        if self.decision is not None:
            logs["r_t"] = self.r_t + 0.0
        if self.recipe.augment.transforms:
            logs["ada_p"] = self.ada_p + 0.0
        return logs

    def update_discriminator(self, real: Any, inputs: dict) -> dict:
        """One update of D on real images [N, H, W, C] in [-1, 1] and as many of G's.

        Args:
            real: scaled, not yet augmented.
            inputs: of this update, as `turn` gives them: those of G and D, "uniforms" and "epsilon".

        Returns:
            Scalar logs.
        """
        loss, plan, judge = self.recipe.loss, self.recipe.schedule, self.judge(inputs)
        fake = ops.stop_gradient(networks.generate(self.generator, inputs, training=True))
        real, fake = self.augmented(real, fake, inputs["uniforms"])
        for layer in spectral_layers(self.discriminator):
            layer.power_iteration()
        count = self.optimizer.d.iterations + 0

        def objective():
            real_logits, fake_logits = judge(real), judge(fake)
            value = self.loss.d(real_logits, fake_logits)
            penalty = ops.zeros(())
            if loss.gradient_penalty:
                weight = schedule.value(loss.gradient_penalty, ops.cast(count, "float32") * plan.batch_size, plan)
                penalty += weight * penalties.gradient_penalty(judge, real, fake, inputs["epsilon"])
            r1 = self.zero_centred_penalties(judge, real, fake, count)
            return (value + penalty + r1) / backend.replicas(), (value, penalty, r1, real_logits, fake_logits)

        (_, (value, penalty, r1, real_logits, fake_logits)), gradients = backend.value_and_grad(
            objective, self.discriminator.trainable_variables, self.variables
        )
        self.optimizer.d.apply(gradients, self.discriminator.trainable_variables)

        if loss.r1 or loss.r2:  # what is logged stays until it is taken again
            taken = ops.equal(ops.mod(count, loss.r1_every_steps), 0)
            self.r1.assign(ops.where(taken, r1 / loss.r1_every_steps, self.r1.value))
            penalty += self.r1.value
        logs = {
            "d_loss": value,
            "penalty": penalty,
            "d_real": ops.mean(real_logits),
            "d_fake": ops.mean(fake_logits),
            "d_gradient": norm(gradients) * backend.replicas(),
        }
        if self.decision is None:
            return logs
        real_logit, fake_logit = ops.mean(real_logits, axis=-1), ops.mean(fake_logits, axis=-1)  # one for each image
        self.sign_sum.assign(self.sign_sum + ops.mean(ops.sign(real_logit - self.decision)))
        return logs | {
            "real_accuracy": ops.mean(ops.cast(real_logit > self.decision, "float32")),
            "fake_accuracy": ops.mean(ops.cast(fake_logit < self.decision, "float32")),
        }

    def zero_centred_penalties(self, judge: Callable, real: Any, fake: Any, count: Any) -> Any:
        """gamma / 2 of R1 and of R2 in every k-th D update, k times; `count` are the updates before this one."""
        loss, plan = self.recipe.loss, self.recipe.schedule
        terms = [(gamma, images) for gamma, images in ((loss.r1, real), (loss.r2, fake)) if gamma]

        def taken():
            weights = [
                schedule.value(gamma, ops.cast(count, "float32") * plan.batch_size, plan) / 2 for gamma, _ in terms
            ]
            values = [penalties.zero_centred(judge, images) for _, images in terms]
            return sum(weight * value for weight, value in zip(weights, values, strict=True))

        return schedule.lazily(taken, loss.r1_every_steps, count) if terms else ops.zeros(())

    def update_generator(self, real: Any, inputs: dict) -> dict:
        """One update of G; arguments and logs as in `update_discriminator`. Few losses look at the real images."""
        judge = self.judge(inputs)

        def objective():
            fake = networks.generate(self.generator, inputs, training=True)
            shown, fake = self.augmented(real, fake, inputs["uniforms"])
            fake_logits = judge(fake)
            value = self.loss.g(judge(shown) if self.loss.g_sees_real else None, fake_logits)
            return value / backend.replicas(), value

        (_, value), gradients = backend.value_and_grad(objective, self.generator.trainable_variables, self.variables)
        self.optimizer.g.apply(gradients, self.generator.trainable_variables)
        return {"g_loss": value, "g_gradient": norm(gradients) * backend.replicas()}

    def judge(self, inputs: dict) -> Callable:
        """D as a function of images alone; what else it takes, a label, is in `inputs`."""
        return lambda images: networks.discriminate(self.discriminator, images, inputs, training=True)

    def update_ema(self) -> None:
        """Moves the average towards G, after an update of it."""
        plan = self.recipe.schedule
        images = self.images_seen()
        half_life = schedule.value(self.recipe.ema.half_life_images, images, plan)
        decay = schedule.ema_decay(images, plan.images_per_step, half_life)
        for average, variable in zip(self.ema.variables, self.generator.variables, strict=True):
            average.assign(variable + decay * (average - variable))

    def update_r_t(self, d_moved: bool) -> None:
        """Every four steps: r_t = E[sign D(real)] over them, 0 if D waited.

        If D moved, ADA's p then moves a little towards where r_t meets its target (Karras 2020, arXiv:2006.06676).
        """
        options, plan = self.recipe.augment, self.recipe.schedule
        due = ops.equal(ops.mod(self.step, 4), 3)
        r_t = self.sign_sum / (4.0 * plan.d_steps)
        if options.ada and d_moved:
            p = augment.ada_update(
                self.ada_p, r_t, 4 * plan.images_per_step, options.ada_target, options.ada_speed_images
            )
            self.ada_p.assign(ops.where(due, p, self.ada_p.value))
        self.r_t.assign(ops.where(due, r_t, self.r_t.value))
        self.sign_sum.assign(ops.where(due, 0.0, self.sign_sum.value))

    def scaled(self, images: Any) -> Any:
        """uint8 to float32 in [-1, 1]."""
        return ops.cast(images, "float32") / 127.5 - 1.0

    def images_seen(self) -> Any:
        """Real images that D has been shown before this step, float32: an int32 would end at 2 billion."""
        return ops.cast(self.step, "float32") * self.recipe.schedule.images_per_step

    def augmented(self, real: Any, fake: Any, uniforms: Any) -> Any:
        """The images as D sees them: the real ones flipped, both augmented. Uniforms [N, 2, U], real before fake."""
        options = self.recipe.augment
        if options.flip:
            real = augment.flip(real, uniforms[:, 0, :1])
        if options.diffaugment:
            return [augment.diffaugment(x, uniforms[:, i, 1:], options.diffaugment) for i, x in enumerate((real, fake))]
        if options.transforms:
            return [augment.ada(x, uniforms[:, i, 1:], self.ada_p) for i, x in enumerate((real, fake))]
        return real, fake

    def saved(self) -> dict[str, dict]:
        """Every variable, by the file of a checkpoint that keeps it and by its name there."""
        counters = [self.step, self.sign_sum, self.r_t, self.ada_p, self.r1]
        return {
            "generator": by_path(self.ema.variables),
            "discriminator": by_path(self.discriminator.variables),
            "training": by_path(self.generator.variables, "generator/")
            | by_path(self.optimizer.variables)
            | by_path(counters),
        }

    def _state(self, name: str, dtype: str = "float32"):
        return self.add_weight(
            shape=(),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean" if dtype == "float32" else None,
            name=name,
        )


def turn(batch: dict, player: str, i: int) -> dict:
    """What update `i` of a player takes: "d_z" [N, d_steps, Z] becomes "z" [N, Z]. Of "real", the labels."""
    start = f"{player}_"
    return {name.removeprefix(start): value[:, i] for name, value in batch.items() if name.startswith(start)}


def norm(gradients: list):
    """The Euclidean norm of all gradients together."""
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in gradients))
