"""Adam with the recipe's numbers, which may change during the run."""

from __future__ import annotations

import keras
from keras import ops

from zoo import recipe
from zoo.recipe import Ramp, Recipe
from zoo.step import schedule


class PairOptimizer(keras.optimizers.Optimizer):
    """D's and G's Adam in one object, so that a Keras model compiles, saves and resumes both."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(learning_rate=0.0, name="pair")
        plan = recipe.schedule
        self.d = Adam(recipe.optimizer.d, plan, plan.batch_size, "d_adam")
        self.g = Adam(recipe.optimizer.g, plan, plan.images_per_step / plan.g_steps, "g_adam")
        self.built = True

    @property
    def variables(self) -> list:
        return self.d.variables + self.g.variables

    def finalize_variable_values(self, variables) -> None:
        """Does nothing, since the averages of the weights are the GAN's own."""


class Adam(keras.optimizers.Adam):
    """Kingma 2015, arXiv:1412.6980. Learning rate and beta_2 may be ramps over the real images that D has seen."""

    def __init__(self, options: recipe.Adam, plan: recipe.Schedule, images_per_update: float, name: str) -> None:
        """`images_per_update`: real images between two updates of this player."""
        rate = options.learning_rate
        if isinstance(rate, Ramp):
            rate = RampedRate(rate, plan, images_per_update)
        super().__init__(rate, options.beta_1, 0.0, options.epsilon, name=name)
        self._options, self._plan, self._images_per_update = options, plan, images_per_update

    @property
    def beta_2(self):
        """The decay of the mean square; with a ramp, its value in this update."""
        if not isinstance(self._options.beta_2, Ramp):
            return self._options.beta_2
        images = ops.cast(self.iterations, "float32") * self._images_per_update
        return schedule.value(self._options.beta_2, images, self._plan)

    @beta_2.setter
    def beta_2(self, value) -> None:
        """Does nothing, since the recipe has the number; Keras sets it when an Adam is made."""


class RampedRate(keras.optimizers.schedules.LearningRateSchedule):
    """A ramp as Keras's function of the optimizer's own updates."""

    def __init__(self, ramp: Ramp, plan: recipe.Schedule, images_per_update: float) -> None:
        self._ramp, self._plan, self._images_per_update = ramp, plan, images_per_update

    def __call__(self, step):
        return schedule.value(self._ramp, ops.cast(step, "float32") * self._images_per_update, self._plan)

    def get_config(self) -> dict:
        return {"ramp": self._ramp, "plan": self._plan, "images_per_update": self._images_per_update}
