"""What people draw from a trained generator."""

import io
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.generator import Generator, to_uint8
from zoo.checkpoints.loading import load_generator
from zoo.files import pictures
from zoo.files.errors import ZooError
from zoo.networks.parts import inputs
from zoo.publish import card

TINY = {"model.latent_dim": 8, "model.g_channels": 4, "model.d_channels": 4}
SAVED = {"dcgan": "dcgan-fashion-mnist", "stylegan-lite": "stylegan-lite-cifar10"}


def saved(network, folder):
    """A checkpoint with random weights that draw images of strong contrast, and with visible noise maps."""
    recipe = recipes.load(SAVED[network]).replace(**TINY)
    model, _ = networks.build(recipe)
    arrays = {variable.path: variable.numpy().copy() for variable in model.variables}
    for path in arrays:
        if network == "dcgan" and path.endswith("kernel"):
            arrays[path] *= 20
        elif path.endswith("strength"):
            arrays[path] += np.float32(0.1)
        elif path.endswith("w_mean"):
            arrays[path] += np.float32(0.5)
    return checkpoint.save(folder, recipe, {"generator": arrays}, {"images": 640})


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators")
    return {network: load_generator(saved(network, folder / network)) for network in SAVED}


@pytest.fixture(params=SAVED)
def generator(request, generators):
    return generators[request.param]


@pytest.fixture
def dcgan(generators):
    return generators["dcgan"]


@pytest.fixture
def stylegan(generators):
    return generators["stylegan-lite"]


def difference(a, b):
    return np.abs(a.astype(float) - b).mean()


def test_samples_are_images(generator):
    images = generator.sample(5)
    data = generator.recipe.data
    assert images.dtype == np.uint8
    assert images.shape == (5, data.resolution, data.resolution, data.channels)
    assert images.std() > 30
    assert all(difference(a, b) > 10 for a, b in itertools.combinations(images, 2))


def test_a_loaded_generator_says_what_it_is(generator):
    assert isinstance(generator, Generator)
    assert generator.info["images"] == 640
    assert generator.recipe.model.latent_dim == 8


def test_equal_seeds_give_equal_images(generator):
    np.testing.assert_array_equal(generator.sample(3, seed=7), generator.sample(3, seed=7))
    assert difference(generator.sample(3, seed=7), generator.sample(3, seed=8)) > 10


def test_more_images_begin_with_the_fewer(generator):
    np.testing.assert_array_equal(generator.sample(16)[:4], generator.sample(4))


def test_weights_whose_pictures_are_not_finite_are_refused_by_name(tmp_path):
    generator = load_generator(saved("stylegan-lite", tmp_path / "own"))
    for variable in generator.model.variables:
        variable.assign(np.full(variable.shape, 1e30, np.float32))  # finite, so that it may be in a checkpoint
    with pytest.raises(ZooError, match=r"pictures are not finite.* Received: own$"):
        generator.sample(1)


def test_samples_come_from_the_weights_that_the_model_has_now(tmp_path):
    generator = load_generator(saved("dcgan", tmp_path / "own"))
    z = np.random.default_rng(0).standard_normal((3, 8), np.float32)
    before = generator.images({"z": z})
    for factor in (1.0, 0.25):
        kernel = generator.model.layers[1].kernel
        kernel.assign(kernel * factor)
        drawn, expected = generator.images({"z": z}), to_uint8(np.asarray(generator.model(z)))
        assert np.abs(drawn.astype(int) - expected).max() <= 1  # level
    assert difference(drawn, before) > 1


def test_the_batch_size_changes_nothing(generator):
    images = generator.sample(12).astype(int)
    for size in (1, 5, 12):
        batches = list(generator.batches(12, batch_size=size))
        assert [len(batch) for batch in batches] == [size] * (12 // size) + [12 % size] * (12 % size > 0)
        assert np.abs(np.concatenate(batches) - images).max() <= 1  # level


def test_batches_are_made_when_they_are_asked_for(generator, monkeypatch):
    images = generator.images
    answers = iter([images])  # for one batch, and no other
    monkeypatch.setattr(generator, "images", lambda *arguments: next(answers)(*arguments))
    batch = next(generator.batches(10**9))
    monkeypatch.undo()
    np.testing.assert_array_equal(batch, generator.sample(64))


def test_memory_does_not_grow_with_the_number_of_images(dcgan):
    batches = dcgan.batches(10**9)
    size = next(batches).astype(np.float32).nbytes
    tracemalloc.start()
    for _ in itertools.islice(batches, 20):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * size  # bytes


@pytest.mark.parametrize("n", [0, -1, 2.0, 0.5, "4", None, True])
def test_a_number_of_images_is_a_whole_number_of_at_least_one(n, dcgan):
    with pytest.raises(ValueError, match=r"whole number of at least 1\. Received: " + repr(n)):
        dcgan.sample(n)


def test_numpy_numbers_are_whole_numbers(dcgan):
    np.testing.assert_array_equal(dcgan.sample(np.int64(2), seed=np.int32(3)), dcgan.sample(2, seed=3))


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 1.5},
        {"seed": "a"},
        {"seed": None},
        {"seed": True},
        {"truncation": -0.1},
        {"truncation": 1.1},
        {"truncation": float("nan")},
        {"truncation": "a"},
        {"truncation": None},
    ],
    ids=str,
)
def test_other_options_are_checked(options, generator):
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be .* Received: "):
        generator.sample(2, **options)
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be .* Received: "):
        generator.interpolate(8, 2, **options)


def test_a_batch_holds_an_image(dcgan):
    with pytest.raises(ValueError, match=r"batch_size must be .* Received: 0"):
        next(dcgan.batches(2, batch_size=0))


def test_truncation_needs_styles(dcgan):
    for draw in (dcgan.sample, dcgan.interpolate):
        with pytest.raises(ValueError, match=r"dcgan has no truncation; leave it at 1\. Received: 0\.7"):
            draw(8, truncation=0.7)


def test_without_style_all_images_are_equal_up_to_noise(stylegan):
    rng = np.random.default_rng(0)
    varied = {
        name: rng.standard_normal((4, *shape), np.float32) for name, shape in inputs.drawn(stylegan.model).items()
    }
    same_noise = varied | {"noise": np.repeat(varied["noise"][:1], 4, axis=0)}
    images = stylegan.images(same_noise, truncation=0.0).astype(int)
    assert np.abs(images - images[0]).max() <= 1  # level
    assert difference(*stylegan.images(same_noise)[:2]) > 10
    assert difference(*stylegan.images(varied, truncation=0.0)[:2]) > 1


def test_truncation_trades_variety(stylegan):
    spread = [stylegan.sample(32, truncation=psi).std(axis=0).mean() for psi in (0.0, 0.3, 0.7, 1.0)]
    assert spread == sorted(spread)
    assert spread[0] < 0.5 * spread[-1]
    np.testing.assert_array_equal(stylegan.sample(4), stylegan.sample(4, truncation=1.0))


def test_a_walk_is_closed_and_smooth(generator):
    walk = generator.interpolate(steps=120, stops=4)
    assert (walk.dtype, walk.shape) == (np.uint8, (120, *generator.sample(1).shape[1:]))
    steps = [difference(walk[i - 1], walk[i]) for i in range(120)]  # the first: from the last image
    strangers = [difference(a, b) for a, b in itertools.combinations(generator.sample(16), 2)]
    assert min(steps) > 0
    assert max(steps) < 0.5 * np.median(strangers)


def test_a_walk_depends_on_the_seed_and_not_on_the_steps_between_its_stops(generator):
    coarse, fine = (generator.interpolate(steps, stops=3, seed=2).astype(int) for steps in (3, 96))
    assert np.abs(fine[::32] - coarse).max() <= 1  # level
    assert difference(coarse, generator.interpolate(3, stops=3, seed=3)) > 10


def test_a_walk_stays_on_the_sphere(dcgan, monkeypatch):
    monkeypatch.setattr(dcgan, "images", lambda inputs, truncation: inputs["z"])
    norms = np.linalg.norm(dcgan.interpolate(steps=60, stops=3), axis=1)
    stops = norms[::20]
    for i, (a, b) in enumerate(zip(stops, np.roll(stops, -1), strict=True)):
        between = norms[20 * i : 20 * i + 20]
        assert between.max() < 1.15 * max(a, b)
        assert between.min() > 0.85 * min(a, b)  # a straight line would pass nearer to the origin


@pytest.mark.parametrize(("steps", "stops"), [(3, 4), (8, 1), (0, 0), (5.5, 2), (8, 2.5), ("8", 2), (True, True)])
def test_a_walk_has_stops_and_steps(steps, stops, dcgan):
    with pytest.raises(ValueError, match="Received: "):
        dcgan.interpolate(steps, stops)


def test_levels_are_rounded_and_clipped():
    values = np.array([-9.0, -1.0, -1.0 + 0.4 / 127.5, -1.0 + 0.6 / 127.5, 0.0, 1.0, 9.0], np.float32)
    np.testing.assert_array_equal(to_uint8(values.reshape(1, 7, 1, 1)).ravel(), [0, 0, 0, 1, 128, 255, 255])


def test_an_unknown_name_suggests_the_nearest(monkeypatch):
    monkeypatch.setattr(resolve, "shipped", lambda: ["dcgan-fashion-mnist", "sngan-cifar10"])
    with pytest.raises(ValueError, match=r"did you mean 'dcgan-fashion-mnist'\? Received: 'dcgan-fashon-mni"):
        load_generator("dcgan-fashon-mnist")
    with pytest.raises(ValueError, match=r"known: dcgan-fashion-mnist, sngan-cifar10\. Received: 'zebra'"):
        load_generator("zebra")
    with pytest.raises(ValueError, match=r"no trained checkpoint of this recipe ships.* `ganzoo train dcgan-64`"):
        load_generator("dcgan-64")


def test_a_folder_that_is_no_checkpoint_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"neither a checkpoint .* nor a run .* Received: "):
        load_generator(tmp_path)
    for name, make in (("log.jsonl", Path.touch), ("checkpoints", Path.mkdir)):
        run = tmp_path / f"with-{name}"
        run.mkdir()
        make(run / name)
        with pytest.raises(ValueError, match=r"the run has no checkpoint yet\. Received: "):
            load_generator(run)


def test_a_trained_checkpoint_ships():
    assert "dcgan-fashion-mnist" in resolve.shipped()


FOLDERS = dict.fromkeys(("clothing-64", "flowers-64"), "quick-64")  # made of a folder, by a recipe of another name
OF_A_FOLDER = {"name", "data.source", "model.classes", "log.every_images", "log.checkpoint_every_images"}


@pytest.mark.parametrize("name", resolve.shipped())
def test_a_shipped_checkpoint_was_made_by_its_recipe_and_nothing_else(name):
    recipe = recipes.load(FOLDERS.get(name, name))
    changes = recipes.difference(recipe, checkpoint.open_checkpoint(resolve.resolve(name)).recipe)
    assert {change.key for change in changes} <= (OF_A_FOLDER if name in FOLDERS else set())


@pytest.mark.parametrize("name", resolve.shipped())
def test_the_card_of_a_shipped_checkpoint_says_whether_its_recipe_changed_on_the_way(name):
    facts = card.read(resolve.resolve(name))
    assert facts.changed_on_the_way == (name in ("clothing-64", "r3gan-fashion-mnist"))
    said = "the recipe changed during the run" in " ".join(card.render(facts, name).split())
    assert said == facts.changed_on_the_way


@pytest.mark.parametrize("name", resolve.shipped())
def test_a_shipped_checkpoint_draws_its_golden_sample(name):
    """Up to one level in one of 1,000 pixels. Another processor, number of threads or backend adds floats in another
    order, and a value between two levels is rounded to the other: one pixel of nine sheets, by one TensorFlow.
    """
    content = checkpoint.open_checkpoint(resolve.resolve(name)).content("samples.png")
    golden = np.asarray(Image.open(io.BytesIO(content)), int)
    drawn = np.asarray(pictures.grid(*load_generator(name).sheet()), int)
    assert drawn.shape == golden.shape
    levels = np.abs(drawn - golden)
    assert levels.max() <= 1
    assert (levels > 0).mean() < 1e-3
    assert golden.std() > 20


def test_a_seed_draws_the_same_numbers_with_and_without_classes():
    """These are no sums: they are the same to the bit everywhere, and a label takes none from z."""
    plain, labelled = (load_generator(name).latents(64) for name in ("dcgan-fashion-mnist", "dcgan-cond-fashion-mnist"))
    assert plain["z"][0, :3].tolist() == [-1.4864532947540283, 0.7685379385948181, -2.23936128616333]
    assert plain["z"][63, -3:].tolist() == [-0.046475112438201904, -0.047657258808612823, 1.3238598108291626]
    assert labelled["label"].argmax(axis=1)[:8].tolist() == [0, 4, 1, 3, 5, 4, 5, 8]
    np.testing.assert_array_equal(plain["z"], labelled["z"])


@pytest.mark.parametrize("name", ["dcgan-fashion-mnist", "dcgan-cond-fashion-mnist"])
def test_a_shipped_checkpoint_draws_the_same_bits_again(name):
    """In one process, by the same batch size; also when it is loaded anew, and when its classes are asked for."""
    first, second = load_generator(name), load_generator(name)
    for size in (8, 64):
        batches = list(first.batches(64, seed=3, batch_size=size))
        np.testing.assert_array_equal(batches, list(second.batches(64, seed=3, batch_size=size)))
    classes = first.labels(64, seed=3)
    asked = second.sample(64, seed=3, label=None if classes is None else list(classes))
    np.testing.assert_array_equal(batches[0], asked)
    assert batches[0].std() > 20
