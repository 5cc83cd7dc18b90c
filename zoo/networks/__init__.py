"""The networks: `build(recipe)` gives the generator and the discriminator that a recipe names.

A generator is a functional Keras model. Its inputs are named: `z` [N, latent_dim] for every network, and for
StyleGAN-lite also its other sources of noise. Its output is float32 [N, H, W, C] in [-1, 1]; StyleGAN-lite's is linear
and may leave that range a little. A discriminator maps such images to float32 logits [N, 1].
"""

from __future__ import annotations

import keras

from zoo.files.errors import ZooError
from zoo.networks import dcgan, sngan, stylegan_lite, wgan_gp
from zoo.recipe import Recipe

NETWORKS = {"dcgan": dcgan, "wgan-gp": wgan_gp, "sngan": sngan, "stylegan-lite": stylegan_lite}


def build(recipe: Recipe, precision: str | None = None) -> tuple[keras.Model, keras.Model]:
    """Builds (generator, discriminator); `precision` overrides the recipe's, sampling in float32 for instance."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or recipe.precision)
    try:
        return NETWORKS[recipe.model.network].build(
            recipe.model, recipe.data.resolution, recipe.data.channels, recipe.seed
        )
    except MemoryError:
        sizes = {name: getattr(recipe.model, name) for name in ("g_channels", "d_channels", "latent_dim")}
        raise ZooError(
            f"the networks do not fit in memory; make model.g_channels, model.d_channels or "
            f"model.latent_dim smaller. Received: {sizes}"
        ) from None
    finally:
        keras.config.set_dtype_policy(before)


def generate(generator: keras.Model, noise: dict, training: bool = False):
    """Images [N, H, W, C] in [-1, 1] from a dictionary with one entry for each of the generator's inputs."""
    names = [tensor.name for tensor in generator.inputs]
    return generator(noise["z"] if names == ["z"] else {name: noise[name] for name in names}, training=training)
