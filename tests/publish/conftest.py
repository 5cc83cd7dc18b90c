import pytest
from tiny import tensors

from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run


@pytest.fixture
def begun(small, tmp_path) -> Run:
    """A run that has started, and has neither a line in its log nor a checkpoint yet."""
    run = Run(tmp_path / "begun")
    run.start(small("dcgan-fashion-mnist"))
    return run


@pytest.fixture
def save_first(begun):
    """A function that saves the first checkpoint of `begun`."""

    def save() -> None:
        checkpoint.save(begun.checkpoint_path(4), begun.recipe, tensors(begun.recipe), {"images": 16, "step": 4})

    return save
