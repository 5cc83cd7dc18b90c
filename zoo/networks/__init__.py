"""The networks, one file each: `build(recipe)` gives the generator and the discriminator that a recipe names.

A generator is a functional Keras model. Its inputs are named, and `parts/inputs.py` says how each is drawn: `z`
[N, latent_dim] for every network, others for some; one with classes takes a `label`, one-hot [N, K]. Its output is
float32 [N, H, W, C] in [-1, 1]; a linear one may leave that range a little. A discriminator maps such images, and with
classes the same labels, to float32 logits [N, M]: one, or one for each of the places that it judges.

A file in this folder is a network: nothing else lists them.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from zoo.files.errors import ZooError
from zoo.networks.parts.lazy import keras, own
from zoo.networks.parts.network import Model

if TYPE_CHECKING:
    from zoo.recipe import Recipe

NAMES = tuple(sorted(file.name.replace("_", "-") for file in pkgutil.iter_modules(__path__) if not file.ispkg))


def module(name: str) -> ModuleType:
    """The file of a network, by its name in recipes: "wgan-gp" is zoo/networks/wgan_gp.py. Imports no Keras."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def configs() -> dict[str, type[Model]]:
    """What `[model]` of each network's recipes holds, by the network's name."""
    return {name: module(name).Config for name in NAMES}


def build(recipe: Recipe, precision: str | None = None) -> tuple[keras.Model, keras.Model]:
    """Builds (generator, discriminator).

    Args:
        recipe: of any network.
        precision: overrides the recipe's, for instance to draw in "float32".

    Raises:
        ZooError: the networks do not fit in memory.
    """
    parts, network = _arguments(recipe), module(recipe.model.network)
    with _settings(recipe, precision):
        return network.generator(*parts), network.discriminator(*parts)


def build_generator(recipe: Recipe, precision: str | None = None) -> keras.Model:
    """Builds the generator alone; arguments and errors as in `build`."""
    with _settings(recipe, precision):
        return module(recipe.model.network).generator(*_arguments(recipe))


def _arguments(recipe: Recipe) -> tuple:
    if recipe.model.classes == "auto":
        raise ZooError(
            "the number of classes comes from the images; name them with --data, or set model.classes to a number. "
            "Received: model.classes = 'auto'"
        )
    return recipe.model, recipe.data.resolution, recipe.data.channels, own.Initializers(recipe.seed)


@contextlib.contextmanager
def _settings(recipe: Recipe, precision: str | None) -> Iterator[None]:
    """Keras's own settings, which a user's keras.json may have changed, as the networks are built with."""
    settings = keras.config
    before = settings.dtype_policy(), settings.floatx(), settings.epsilon(), settings.image_data_format()
    settings.set_floatx("float32")
    settings.set_epsilon(1e-7)
    settings.set_image_data_format("channels_last")
    settings.set_dtype_policy(precision or recipe.precision)
    try:
        yield
    except MemoryError:
        sizes = {name: getattr(recipe.model, name) for name in ("g_channels", "d_channels", "latent_dim")}
        raise ZooError(
            f"the networks do not fit in memory; make model.g_channels, model.d_channels or "
            f"model.latent_dim smaller. Received: {sizes}"
        ) from None
    finally:
        policy, floatx, epsilon, data_format = before
        settings.set_floatx(floatx)
        settings.set_epsilon(epsilon)
        settings.set_image_data_format(data_format)
        settings.set_dtype_policy(policy)


def generate(generator: keras.Model, inputs: dict, training: bool = False):
    """Images [N, H, W, C] in [-1, 1] from a dictionary with one entry for each of the generator's inputs."""
    given = [inputs[tensor.name] for tensor in generator.inputs]  # Keras sorts a dictionary of symbolic tensors by name
    return generator(given if len(given) > 1 else given[0], training=training)


def discriminate(discriminator: keras.Model, images, inputs: dict, training: bool = False):
    """Logits [N, M] of images [N, H, W, C]; `inputs` holds what else the discriminator takes, a label for instance."""
    given = [images if tensor.name == "image" else inputs[tensor.name] for tensor in discriminator.inputs]
    return discriminator(given if len(given) > 1 else images, training=training)


def styled(recipe: Recipe, generator: keras.Model) -> tuple[keras.Model, keras.Model]:
    """(mapping, synthesis) of a generator whose network has `facts.styles`: inputs -> w, and w with noise -> images."""
    return module(recipe.model.network).styled(generator)


def affine(recipe: Recipe, generator: keras.Model) -> list:
    """The kernels from w to the scales of each layer, of a generator whose network has `facts.styles`."""
    return module(recipe.model.network).affine(generator)
