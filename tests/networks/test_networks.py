import re

import numpy as np
import pytest
from keras import ops

from zoo import backend, networks
from zoo import recipe as recipes
from zoo.files.errors import ZooError
from zoo.networks.parts import efficientnet_lite0, inputs
from zoo.networks.parts.resnet import ResNet
from zoo.training.estimate import estimate, parameters


def build(small, name, **overrides):
    recipe = small(name, **overrides)
    return recipe, *networks.build(recipe)


def latents(generator, count=2, seed=0):
    classes = {tensor.name: tensor.shape[1] for tensor in generator.inputs}.get("label")
    label = {"label": inputs.one_hot(np.arange(count) % classes, classes)} if classes else {}
    drawn = inputs.draw_training(generator, (count,), np.random.default_rng(seed)) | label
    return {name: ops.convert_to_tensor(value) for name, value in drawn.items()}


HEADERS = {  # the recipe whose sizes the header of the network names
    "dcgan-64": {},
    "sngan-cifar10": {},
    "wgan-gp-cifar10": {},
    "stylegan-lite-cifar10": {"model.g_channels": 64, "model.d_channels": 64},
    "r3gan-cifar10": {"model.g_channels": 768, "model.d_channels": 768, "model.pyramid": False},
    "projected-gan-64": {"model.latent_dim": 128, "model.g_channels": 20, "model.d_channels": 32},
}


def test_no_header_is_left_out():
    assert {recipes.load(name).model.network for name in HEADERS} == set(networks.NAMES)


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize("name", HEADERS)
def test_the_parameter_counts_of_a_header(name, classes):
    recipe = recipes.load(name, HEADERS[name] | {"model.classes": classes})
    generator, discriminator = (f"{parameters(model):,}" for model in networks.build(recipe))
    said = "With 10 classes" if classes else "Parameters"
    header = " ".join(networks.module(recipe.model.network).__doc__.split())
    pattern = rf"{said}[^.]*\b{generator}\b[^.]*\b{discriminator}\b"
    assert re.search(pattern, header, re.IGNORECASE), f"{said}: {generator} and {discriminator}"


@pytest.mark.parametrize("name", ["sngan-cifar10", "wgan-gp-cifar10"])
def test_the_size_of_the_usual_comparison(name):
    generator, discriminator = networks.build(recipes.load(name))
    assert parameters(generator) == 4_276_739
    assert parameters(discriminator) == 1_053_825


@pytest.mark.parametrize("name", ["sngan-cifar10", "wgan-gp-cifar10"])
def test_a_pyramid_is_wider_where_the_image_is_smaller(name):
    generator, discriminator = networks.build(
        recipes.load(name, {"model.pyramid": True, "model.g_channels": 64, "model.d_channels": 48})
    )
    blocks = {"generator": [(4, 64), (8, 32), (16, 16), (32, 8)], "discriminator": [(16, 6), (8, 12), (4, 24), (4, 48)]}
    for model, names in (
        (generator, ("reshape", "block8", "block16", "block32")),
        (discriminator, ("block1", "block2", "block3", "block4")),
    ):
        shapes = [model.get_layer(block).output.shape[1:] for block in names]
        assert shapes == [(size, size, width) for size, width in blocks[model.name]]


def test_the_sizes_in_the_header_of_dcgan():
    generator, discriminator = networks.build(recipes.load("dcgan-64"))
    assert (parameters(generator), parameters(discriminator)) == (3_576_707, 2_765_633)
    for size in (16, 8, 4):
        assert discriminator.get_layer(f"down{size}").output.shape[1:3] == (size, size)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_builds_and_every_parameter_gets_a_gradient(small, name):
    recipe, generator, discriminator = build(small, name)
    size, channels = recipe.data.resolution, recipe.data.channels

    given = latents(generator)

    def objective():
        images = networks.generate(generator, given, training=True)
        assert images.shape == (2, size, size, channels)
        logits = networks.discriminate(discriminator, images, given, training=True)
        assert logits.shape == (2, *discriminator.output_shape[1:])
        return ops.sum(ops.square(images)) + ops.sum(logits), None

    variables = generator.trainable_variables + discriminator.trainable_variables
    for variable in variables:
        if not np.asarray(variable).any():  # what starts at zero hides what lies before it
            variable.assign(np.random.default_rng(0).choice([-0.1, 0.1], variable.shape))
    _, gradients = backend.value_and_grad(objective, variables, generator.variables + discriminator.variables)
    silent = [
        variable.path
        for variable, gradient in zip(variables, gradients, strict=True)
        if not np.any(np.asarray(gradient))
    ]
    if isinstance(recipe.model, ResNet):  # biases before a normalisation have a true gradient of zero
        biases = {variable.path for variable in generator.variables if variable.path.endswith("bias")}
        silent = [path for path in silent if path not in biases]
    assert not silent


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("resolution", [32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_resolutions_and_channels(small, name, resolution, channels):
    if resolution not in networks.configs()[name].facts.resolutions:
        with pytest.raises(ZooError, match=f"builds at .* pixels.*Received: {resolution}"):
            small(f"{name}-cifar10", **{"data.resolution": resolution})
        return
    _, generator, discriminator = build(
        small,
        f"{name}-cifar10",
        **{"data.resolution": resolution, "data.channels": channels, "model.g_channels": 16, "model.d_channels": 16},
    )
    assert generator.output_shape == (None, resolution, resolution, channels)
    assert discriminator.input_shape == (None, resolution, resolution, channels)


@pytest.mark.parametrize("name", networks.NAMES)
def test_names_are_the_same_in_every_build_and_unique(small, name):
    _, *first = build(small, f"{name}-cifar10")
    _, *second = build(small, f"{name}-cifar10")
    for a, b in zip(first, second, strict=True):
        paths = [variable.path for variable in a.variables]
        assert paths == [variable.path for variable in b.variables]
        assert len(set(paths)) == len(paths)
        for x, y in zip(a.variables, b.variables, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", networks.NAMES)
def test_mixed_precision_keeps_weights_images_and_logits_in_float32(small, name):
    _, generator, discriminator = build(small, f"{name}-cifar10", precision="mixed_bfloat16")
    images = networks.generate(generator, latents(generator, 4))
    assert images.dtype == "float32"
    assert discriminator(images).dtype == "float32"
    assert {variable.dtype for variable in generator.variables + discriminator.variables} <= {"float32"}
    assert any(layer.compute_dtype == "bfloat16" for layer in generator.layers + discriminator.layers)


def test_the_estimate_counts_weights_and_outputs(small):
    needs = estimate(small("dcgan-cifar10"))
    assert needs["memory_bytes"] == needs["weights_bytes"] + needs["activations_bytes"]
    assert needs["weights_bytes"] == 4 * (5 * needs["generator"] + 4 * needs["discriminator"])
    larger = estimate(small("dcgan-cifar10", **{"schedule.batch_size": 8}))
    assert larger["activations_bytes"] == 2 * needs["activations_bytes"]


def test_the_estimate_counts_what_is_inside_frozen_features(small):
    needs = estimate(small("projected-gan-cifar10", **{"schedule.batch_size": 1}))
    inside = efficientnet_lite0.scales(64)
    outputs = sum(int(np.prod(layer.output.shape[1:])) for layer in inside.layers)
    assert needs["activations_bytes"] > 2 * 4 * 2 * outputs  # forward and backward, four bytes, real and fake
