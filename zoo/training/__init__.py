"""A run: from a recipe, or from a checkpoint, to a folder with checkpoints, log and samples."""
