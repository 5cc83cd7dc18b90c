"""Projection finds a generator's own images again, fits any picture, and refuses what is none."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints.generator import Generator
from zoo.evaluation import projection
from zoo.files.errors import ZooError

TINY = {"model.latent_dim": 8, "model.g_channels": 8, "model.d_channels": 4}


def made(name: str, **overrides) -> Generator:
    """A generator with random weights, whose images are smooth in z."""
    recipe = recipes.load(name).replace(**TINY, **overrides)
    model = networks.build_generator(recipe)
    for variable in model.variables:
        if variable.path.endswith("kernel") and variable.path.startswith(("project", "up", "to_image")):
            variable.assign(variable * 4)
    return Generator(model, recipe, {"files": {}})


def with_classes(name: str) -> Generator:
    """The same with three classes, whose images differ."""
    generator = made(name, **{"model.classes": 3})
    rng = np.random.default_rng(1)
    for variable in generator.model.variables:
        if "label" in variable.path:
            variable.assign(rng.normal(0.0, 1.0, variable.shape))
    return generator


@pytest.fixture(scope="module", params=["z", "w"])
def generator(request):
    return made("dcgan-fashion-mnist") if request.param == "z" else zoo.load_generator("stylegan-lite-fashion-mnist")


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(projection, "POOL", 64)


@pytest.mark.slow
def test_an_image_of_its_own_is_found_again(generator, tmp_path):
    picture, told = generator.sample(1, seed=1234)[0], []
    found = zoo.project(generator, picture, steps=40, told=lambda share, distance: told.append((share, distance)))
    assert found.psnr > 30  # dB
    np.testing.assert_array_equal(found.target, picture)
    if generator.has_w:  # one for all layers
        assert (found.latents["w"] == found.latents["w"][:, :1]).all()
    again = generator.images(found.latents)
    np.testing.assert_allclose(again[0], found.image.astype(int), atol=1)  # level
    error = np.square(found.image.astype(float) - picture).mean()
    assert found.psnr == pytest.approx(min(100, 10 * np.log10(255**2 / max(error, 1e-6))), abs=0.01)
    assert {name: array.shape[1:] for name, array in found.latents.items()} == generator.latent_shapes(
        "w" if generator.has_w else "z"
    )
    first = np.square(found.way[0].astype(float) - picture).mean()
    assert first > 4 * error
    np.testing.assert_array_equal(found.way[-1], found.image)
    shares, distances = zip(*told, strict=True)
    assert list(shares) == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1
    assert distances[-1] < distances[0]


@pytest.mark.slow
def test_an_image_of_a_class_is_found_again_with_its_class():
    generator = with_classes("dcgan-fashion-mnist")
    picture = generator.sample(1, seed=1234, label=2)[0]
    found = zoo.project(generator, picture, steps=40)
    assert found.psnr > 30  # dB
    label = found.latents["label"]
    np.testing.assert_array_equal(label, [[0, 0, 1]])
    again = generator.images(found.latents)
    np.testing.assert_allclose(again[0], found.image.astype(int), atol=1)  # level


@pytest.mark.slow
def test_equal_seeds_find_equal_latents(generator, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    monkeypatch.setattr(projection, "POLISHING_STEPS", 2)
    a, b = (zoo.project(generator, picture, steps=3, seed=2) for _ in range(2))
    for name in a.latents:
        np.testing.assert_array_equal(a.latents[name], b.latents[name])
    assert a.psnr < 20  # it cannot draw noise


@pytest.mark.parametrize(
    ("size", "mode", "said_of_it"),
    [
        ((48, 30), "RGBA", "was 48 x 30 pixels, cut to its middle square and made 32 x 32"),
        ((64, 64), "L", "was 64 x 64 pixels, made 32 x 32"),
        ((32, 32), "P", "colour"),
        ((5, 300), "I;16", "8 bits"),
    ],
)
def test_any_picture_is_fitted_and_that_is_said(size, mode, said_of_it, tmp_path, said, monkeypatch):
    rng = np.random.default_rng(0)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65535, size[::-1]).astype(np.uint16))
    else:
        image = Image.fromarray(rng.integers(0, 255, (*size[::-1], 3), np.uint8)).convert(mode)
    image.save(tmp_path / "picture.png")
    monkeypatch.setattr(
        projection,
        "_descend",
        lambda generator, target, *others: projection.Projection({}, target, target, 0.0, target, generator),
    )
    found = zoo.project(made("dcgan-fashion-mnist"), tmp_path / "picture.png")
    assert (found.target.dtype, found.target.shape) == (np.uint8, (32, 32, 1))
    assert said_of_it in found.fitted
    assert f"the picture {found.fitted}" in said


def test_what_is_no_picture_is_one_line(tmp_path, monkeypatch):
    generator = made("dcgan-fashion-mnist")
    monkeypatch.setattr(projection, "_descend", lambda *arguments: pytest.fail("work began before the error"))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")  # 100 megapixels
    for name in ("text.png", "empty.png", "huge.png", "none.png", "."):
        with pytest.raises(ZooError, match=r"picture.* Received: ") as caught:
            zoo.project(generator, tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(
        ZooError, match=r": it has 100 megapixels, more than 89; make it smaller\. Received: .*huge\.png'$"
    ):
        zoo.project(generator, tmp_path / "huge.png")
    for array in (np.zeros((32, 32)), np.zeros(5, np.uint8), np.zeros((2, 32, 32, 1), np.uint8)):
        with pytest.raises(ZooError, match=r"a picture is uint8 of \[H, W\].* Received: "):
            zoo.project(generator, array)
    with pytest.raises(ZooError, match="at least 1 step"):
        zoo.project(generator, np.zeros((32, 32), np.uint8), steps=0)


@pytest.mark.slow
def test_a_shipped_generator_finds_its_own_images(monkeypatch):
    """Two of the pictures of benchmarks/projection.py, which has the whole table."""
    monkeypatch.undo()
    generator = zoo.load_generator("dcgan-fashion-mnist")
    for seed in (1000, 1001):
        assert zoo.project(generator, generator.sample(1, seed=seed)[0]).psnr > 30
