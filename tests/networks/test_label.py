"""Networks with classes: what a label reaches, and what stays as it is without one."""

import numpy as np
import pytest
from keras import ops

from zoo import backend, networks
from zoo.networks.parts import inputs
from zoo.networks.parts.label import name_sees_label
from zoo.networks.parts.layers import spectral_layers

CLASSES = 3


def build(small, network, classes=CLASSES, **overrides):
    recipe = small(f"{network}-cifar10", **{"model.classes": classes, **overrides})
    return recipe, *networks.build(recipe)


def drawn(generator, count=6, seed=0):
    """The inputs of `count` samples, whose classes are 0, 1, 2, 0, 1, 2."""
    rng = np.random.default_rng(seed)
    label = {"label": inputs.one_hot(np.arange(count) % CLASSES, CLASSES)}
    given = inputs.draw_training(generator, (count,), rng) | label
    return {name: ops.convert_to_tensor(value) for name, value in given.items()}


def wake(variables):
    """Layers that start at zero, as most that see a label do, get weights with an effect."""
    for variable in variables:
        if not np.asarray(variable).any():
            variable.assign(np.random.default_rng(0).choice([-0.3, 0.3], variable.shape))


@pytest.mark.parametrize("network", networks.NAMES)
def test_every_parameter_gets_a_gradient_and_every_class_its_own_row(small, network):
    _, generator, discriminator = build(small, network)
    given = drawn(generator)
    variables = generator.trainable_variables + discriminator.trainable_variables
    wake(variables)

    def objective():
        images = networks.generate(generator, given, training=True)
        logits = networks.discriminate(discriminator, images, given, training=True)
        return ops.sum(ops.square(images)) + ops.sum(ops.square(logits)), None

    _, gradients = backend.value_and_grad(objective, variables, generator.variables + discriminator.variables)
    rows = {v.path: np.asarray(g) for v, g in zip(variables, gradients, strict=True) if name_sees_label(v.path)}
    assert len(rows) >= 2
    for path, gradient in rows.items():
        assert len(gradient) == CLASSES, path
        assert np.abs(gradient).sum(axis=-1).min() > 0, path


@pytest.mark.parametrize("network", networks.NAMES)
def test_the_class_changes_images_and_logits(small, network):
    _, generator, discriminator = build(small, network)
    wake(generator.trainable_variables + discriminator.trainable_variables)
    given = drawn(generator)
    other = given | {"label": given["label"][:, ::-1]}  # classes 2, 1, 0: the second and fifth stay
    images, others = (np.asarray(networks.generate(generator, each)) for each in (given, other))
    changed = np.abs(images - others).max(axis=(1, 2, 3)) > 1e-8
    np.testing.assert_array_equal(changed, [True, False, True, True, False, True])
    logits, others = (
        np.asarray(networks.discriminate(discriminator, ops.convert_to_tensor(images), each)) for each in (given, other)
    )
    moved = np.abs(logits - others) > 1e-8
    np.testing.assert_array_equal(moved, np.broadcast_to(changed[:, None], moved.shape))


@pytest.mark.parametrize("network", networks.NAMES)
def test_without_a_label_the_network_is_the_one_of_before(small, network):
    """Layers that see a label come on top: all others have the names and shapes of the unconditional network."""
    _, *labelled = build(small, network)
    _, *bare = build(small, network, classes=0)
    for model, other in zip(labelled, bare, strict=True):
        ours = {v.path: tuple(v.shape) for v in model.variables if not name_sees_label(v.path)}
        assert ours == {v.path: tuple(v.shape) for v in other.variables}
        assert "label" not in {tensor.name for tensor in other.inputs}


def test_the_logit_is_the_projection(small):
    """Miyato and Koyama 2018, equation 3: psi(phi(x)) + <V y, phi(x)>."""
    _, _, discriminator = build(small, "dcgan")
    images = ops.convert_to_tensor(np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32))
    label = ops.convert_to_tensor(inputs.one_hot(np.arange(3), CLASSES))
    features = keras_part(discriminator, "flatten")(images)
    rows = np.asarray(discriminator.get_layer("projection_label").kernel)
    psi = np.asarray(discriminator.get_layer("logit")(features))[:, 0]
    expected = psi + (rows * np.asarray(features)).sum(axis=1)
    logits = np.asarray(networks.discriminate(discriminator, images, {"label": label}))[:, 0]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def keras_part(model, layer):
    import keras

    return keras.Model(model.inputs[0], model.get_layer(layer).output)


def test_the_projection_of_sngan_is_spectrally_normalised(small):
    _, _, discriminator = build(small, "sngan")
    assert "projection_label" in {layer.name for layer in spectral_layers(discriminator)}


def test_conditional_normalisation_begins_with_no_effect(small):
    """It then scales and shifts each class alone: 1 + G[label] times, plus B[label]."""
    _, generator, _ = build(small, "sngan")
    given = drawn(generator)
    same = given | {"label": ops.roll(given["label"], 1, axis=0)}
    np.testing.assert_array_equal(*(np.asarray(networks.generate(generator, each)) for each in (given, same)))
    shift = generator.get_layer("last_shift_label").kernel
    shift.assign(np.eye(CLASSES, 1) * np.ones(shift.shape))  # class 0 alone
    moved = np.asarray(networks.generate(generator, given)) != np.asarray(networks.generate(generator, same))
    assert moved[[0, 1, 3, 4]].any(axis=(1, 2, 3)).all()
    assert not moved[[2, 5]].any()


@pytest.mark.slow
def test_truncation_moves_a_style_towards_the_mean_of_its_class(small):
    _, generator, _ = build(small, "stylegan-lite", **{"model.style_mixing": 0.0})
    for step in range(600):
        networks.generate(generator, drawn(generator, 12, seed=step), training=True)
    styles = generator.get_layer("styles")
    means = np.asarray(styles.w_mean) + np.asarray(styles.w_label)
    mapping, _ = networks.styled(small("stylegan-lite-cifar10"), generator)

    def first_styles(psi):
        given = drawn(generator, 3_000) | {"truncation": ops.full((3_000, 1), psi)}
        given.pop("noise")
        return np.asarray(mapping(given))[:, 0]

    w = first_styles(1.0)
    for label in range(CLASSES):
        away = np.linalg.norm(w[label::CLASSES].mean(axis=0) - means, axis=1)
        assert int(np.argmin(away)) == label
    np.testing.assert_allclose(first_styles(0.0)[:3], means, rtol=1e-4, atol=1e-5)


def test_classes_that_nobody_counted_are_refused(small):
    with pytest.raises(ValueError, match=r"number of classes comes from the images.* Received: model.classes = 'auto'"):
        networks.build(small("dcgan-cifar10", **{"model.classes": "auto"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model.classes": 1}, "at least 2"),
        ({"model.classes": -1}, "classes"),
        ({"model.classes": "many"}, "classes"),
        ({"model.classes": 2**40}, "classes"),
        ({"data.balanced": True}, "only a model with classes"),
    ],
)
def test_recipes_with_impossible_classes_are_refused(small, changes, said):
    with pytest.raises(ValueError, match=f"{said}.* Received: "):
        small("dcgan-cifar10", **changes)
