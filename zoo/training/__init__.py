"""A run: from a recipe, or from a checkpoint, to a folder with checkpoints, log and samples."""

import zoo.backend  # noqa: F401 - before Keras, and says what is wrong where Keras cannot be imported
