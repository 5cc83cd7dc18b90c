"""A tiny network that trains in seconds, and the command as people type it."""

from click.testing import CliRunner

from zoo import networks
from zoo.cli import main
from zoo.networks.parts.variables import by_path

TINY = {
    "model.latent_dim": 4,
    "model.g_channels": 2,
    "model.d_channels": 2,
    "ema.half_life_images": 16,
    "schedule.batch_size": 4,
    "schedule.images": 32,
    "log.every_images": 8,
    "log.checkpoint_every_images": 16,
    "log.kid_images": 0,
}


def settings(**more):
    """TINY, and more keys, as the command takes them."""
    return [argument for key, value in (TINY | more).items() for argument in ("--set", f"{key}={value}")]


def tensors(recipe, contrast=1.0):
    """What a checkpoint keeps of untrained networks; the kernels of the generator times a `contrast`."""
    found = {
        model.name: {path: variable.numpy().copy() for path, variable in by_path(model.variables).items()}
        for model in networks.build(recipe)
    }
    for path, array in found["generator"].items():
        array *= contrast if path.endswith("kernel") else 1
    return found


def ganzoo(*arguments, status=None):
    """Runs the command; anything but success and a reported error is a crash of the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    assert status in (None, result.exit_code), result.output
    return result
