"""Directions: orthonormal or of length 1, those that change images most come first, and seeds repeat them."""

import numpy as np
import pytest
from test_projection import made, with_classes

from zoo import networks
from zoo.evaluation import directions
from zoo.files.errors import ZooError


@pytest.fixture(scope="module")
def generators():
    return {name: made(name) for name in ("dcgan-fashion-mnist", "stylegan-lite-cifar10")}


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(directions, "SAMPLES", 128)


@pytest.mark.parametrize("network", networks.NAMES)
def test_every_network_has_directions(network):
    generator = made(f"{network}-cifar10")
    found, method = directions.find(generator, 4), "SeFa" if generator.has_w else "GANSpace"
    assert (found.method, found.vectors.shape, found.spread.shape) == (method, (4, 8), (4,))
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    again = directions.find(generator, 2)
    np.testing.assert_allclose(again.vectors, found.vectors[:2], atol=1e-4)


def test_sefa_is_the_eigenvectors_of_the_weights(generators):
    generator = generators["stylegan-lite-cifar10"]
    found = directions.find(generator, 8)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(8), atol=1e-5)
    kernels = [v.numpy() for v in generator.model.variables if v.path.endswith("_style/kernel")]
    assert len(kernels) == 11  # seven convolutions and four images of 32 pixels
    moved = [sum(np.square(vector @ kernel).sum() for kernel in kernels) for vector in found.vectors]
    assert moved == sorted(moved, reverse=True)
    rng = np.random.default_rng(0)
    for vector in rng.standard_normal((20, 8)):
        vector /= np.linalg.norm(vector)
        assert sum(np.square(vector @ kernel).sum() for kernel in kernels) <= moved[0] * (1 + 1e-5)


@pytest.mark.parametrize("name", ["dcgan-fashion-mnist", "stylegan-lite-cifar10"])
def test_a_direction_keeps_the_class(name):
    generator = with_classes(name)
    found, start = directions.find(generator, 2), generator.latents(6, seed=5, label=1)
    start = directions.in_space(generator, found, start)
    still = generator.images(found.moved(start, 1, np.zeros(6)))
    np.testing.assert_allclose(still.astype(int), generator.sample(6, seed=5, label=1), atol=1)  # level
    moved = generator.images(found.moved(start, 1, np.full(6, 2.0))).astype(int)
    assert np.abs(moved - still).mean() > 0.5  # levels, of images that are nearly grey


def test_the_first_direction_changes_images_more_than_the_last(generators):
    for generator in generators.values():
        found = directions.find(generator, 8)
        start = directions.in_space(generator, found, generator.latents(8, seed=5))

        def change(number, generator=generator, found=found, start=start):
            there, back = (
                generator.images(found.moved(start, number, np.full(8, amount))).astype(float) for amount in (-1, 1)
            )
            return np.abs(there - back).mean() / found.spread[number - 1]

        assert np.mean([change(1), change(2)]) > np.mean([change(7), change(8)])


def test_moving_is_what_it_says(generators):
    for generator in generators.values():
        found = directions.find(generator, 3)
        start = directions.in_space(generator, found, generator.latents(seed=1))
        moved = found.moved(start, 2, [-1.0, 0.0, 2.0])
        images = generator.images(moved)
        assert np.abs(images[1].astype(int) - generator.images(start)[0]).max() <= 1  # level
        away = (moved[found.space] - start[found.space]).reshape(3, -1, 8)[:, 0]
        np.testing.assert_allclose(away @ found.vectors[1], found.spread[1] * np.array([-1, 0, 2]), atol=1e-4)
        assert {name: array.shape for name, array in moved.items()} == {
            name: (3, *array.shape[1:]) for name, array in start.items()
        }


def test_a_walk_along_a_direction_is_closed(generators):
    generator = generators["dcgan-fashion-mnist"]
    found = directions.find(generator, 3)
    start = generator.latents(seed=1)
    walk = directions.there_and_back(found, start, 1, 40)["z"]
    amounts = (walk - start["z"]) @ found.vectors[0]
    assert amounts[0] == pytest.approx(0, abs=1e-5)
    assert (amounts.max(), amounts.min()) == pytest.approx((3, -3), abs=1e-4)
    steps = np.abs(np.diff(np.append(amounts, amounts[0])))
    assert steps.max() < 0.5


def test_a_sheet_has_the_image_in_its_middle_column(generators):
    generator = generators["stylegan-lite-cifar10"]
    found = directions.find(generator, 3)
    sheet = directions.sheet(generator, found, generator.latents(seed=2)).reshape(3, 9, 32, 32, 3).astype(int)
    assert np.abs(sheet[:, 4] - generator.sample(1, seed=2)[0]).max() <= 1  # level
    assert np.abs(sheet[0, 0] - sheet[0, 8]).mean() > 1


@pytest.mark.parametrize("number", [0, 4, -1])
def test_numbers_that_are_none_are_one_line(number, generators):
    generator = generators["dcgan-fashion-mnist"]
    with pytest.raises(ZooError, match=rf"the numbers 1 to 3\. Received: {number}"):
        directions.find(generator, 3).moved(generator.latents(), number, [0.0])
    with pytest.raises(ZooError, match=r"from 1 to latent_dim = 8 directions\. Received: 9"):
        directions.find(generator, 9)
