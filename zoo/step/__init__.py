"""How a GAN learns: the training step, its losses and penalties, augmentation, schedules, and noise as data."""

import zoo.backend  # noqa: F401 - before Keras, and says what is wrong where Keras cannot be imported
