"""Latents as files: what is written draws the same images again, and a hostile file is refused in one line."""

import io
import re
import zipfile

import numpy as np
import pytest
from test_generator import saved

from zoo.checkpoints import latents
from zoo.checkpoints.loading import load_generator
from zoo.files.errors import ZooError


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators")
    return {network: load_generator(saved(network, folder / network)) for network in ("dcgan", "stylegan-lite")}


@pytest.fixture(params=["dcgan", "stylegan-lite"])
def generator(request, generators):
    return generators[request.param]


def test_latents_draw_what_sample_draws(generator):
    drawn = generator.latents(5, seed=3)
    np.testing.assert_array_equal(generator.images(generator.latents(8, seed=3))[:5], generator.sample(5, seed=3))
    np.testing.assert_array_equal(np.concatenate(list(generator.image_batches(drawn))), generator.sample(5, seed=3))
    assert {name: array.shape[1:] for name, array in drawn.items()} == generator.latent_shapes()


def test_each_seed_has_its_own_image(generator):
    drawn = generator.latents(seed=[7, 0, 7])
    for name, array in drawn.items():
        np.testing.assert_array_equal(array[1:2], generator.latents(seed=0)[name])
        np.testing.assert_array_equal(array[0], array[2])
    images = generator.images(drawn).astype(int)
    for image, seed in zip(images, (7, 0, 7), strict=True):
        assert np.abs(image - generator.sample(1, seed=seed)[0]).max() <= 1  # level
    assert np.abs(images[0] - images[1]).mean() > 10


@pytest.mark.parametrize("seed", [[], [1, -1], "7", [1.5], None])
def test_seeds_are_whole_numbers(seed, generators):
    with pytest.raises(ZooError, match=r"seed.* Received: "):
        generators["dcgan"].latents(seed=seed)


def test_batches_of_any_size_hold_the_same_images(generator):
    drawn = generator.latents(7)
    expected = generator.images(drawn).astype(int)
    for size in (1, 3, 64):
        batches = list(generator.image_batches(drawn, batch_size=size))
        assert max(map(len, batches)) <= size
        assert np.abs(np.concatenate(batches) - expected).max() <= 1  # level


def test_w_draws_what_z_draws(generators):
    generator = generators["stylegan-lite"]
    drawn = generator.latents(4, seed=1)
    styles = generator.in_w(drawn)
    assert {name: array.shape[1:] for name, array in styles.items()} == generator.latent_shapes("w")
    assert np.abs(generator.images(styles).astype(int) - generator.images(drawn)).max() <= 1  # level
    truncated = generator.images(generator.in_w(drawn, 0.3)).astype(int)
    assert np.abs(truncated - generator.images(drawn, 0.3)).max() <= 1
    assert np.abs(truncated - generator.images(drawn)).mean() > 1
    with pytest.raises(ZooError, match="w is drawn as it is"):
        generator.images(styles, truncation=0.5)


def test_one_style_for_coarse_layers_and_another_for_fine_ones(generators):
    generator = generators["stylegan-lite"]
    a, b = (generator.in_w(generator.latents(seed=seed)) for seed in (1, 2))
    mixed = {"w": np.concatenate([a["w"][:, :3], b["w"][:, 3:]], axis=1), "noise": a["noise"]}
    image = generator.images(mixed)
    assert (image != generator.images(a)).any()
    assert (image != generator.images(b)).any()


def test_what_is_saved_comes_back(generator, tmp_path):
    for drawn in (generator.latents(3), *([generator.in_w(generator.latents(3))] if generator.has_w else [])):
        generator.save_latents(tmp_path / "z.npz", drawn)
        back = generator.load_latents(tmp_path / "z.npz")
        assert back.keys() == drawn.keys()
        for name in drawn:
            np.testing.assert_array_equal(back[name], drawn[name])


def test_a_file_of_ones_own_needs_no_digest(generators, tmp_path):
    z = np.random.default_rng(0).standard_normal((2, 8))  # float64
    np.savez(tmp_path / "z.npz", z=z)
    back = latents.load(tmp_path / "z.npz", generators["dcgan"])
    assert back["z"].dtype == np.float32
    np.testing.assert_allclose(back["z"], z, rtol=1e-6)


def test_latents_of_another_model_are_refused(generators, tmp_path):
    dcgan, other = generators["dcgan"], load_generator(saved("dcgan", tmp_path / "other"))
    kernel = other.model.layers[1].kernel
    kernel.assign(kernel * 2.0)
    other.info["files"]["generator.safetensors"]["sha256"] = "0" * 64
    latents.save(tmp_path / "z.npz", dcgan.latents(2), dcgan.about(0))
    latents.load(tmp_path / "z.npz", dcgan)
    with pytest.raises(ZooError, match=r"other weights, dcgan, and mean nothing to other\. Received: .*z\.npz'$"):
        latents.load(tmp_path / "z.npz", other)


Z = np.zeros((2, 8), np.float32)
UNFIT = {
    "no z": ({"images": Z}, r"have the arrays z; the file lacks z"),
    "shape": ({"z": np.zeros((2, 9))}, r"z must be numbers \[N, 8\], and is float64 \[2, 9\]"),
    "none": ({"z": Z[:0]}, r"z must be numbers"),
    "flat": ({"z": Z[0]}, r"z must be numbers"),
    "integers": ({"z": Z.astype(int)}, r"z must be numbers"),
    "nan": ({"z": Z * np.nan}, r"not finite"),
    "too large for float32": ({"z": np.full((2, 8), 1e300)}, r"not finite"),
    "digest": ({"z": Z, "sha256": np.zeros(3)}, r"sha256 must be a text"),
}


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("case", UNFIT)
def test_unfit_files_are_refused_in_one_line(case, generators, tmp_path):
    arrays, reason = UNFIT[case]
    np.savez(tmp_path / "z.npz", **arrays)
    with pytest.raises(ZooError, match=rf"{reason}.*Received: '.*z\.npz'$") as caught:
        latents.load(tmp_path / "z.npz", generators["dcgan"])
    assert "\n" not in str(caught.value)


def header(shape, dtype="<f4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


HOSTILE = {
    "empty": b"",
    "text": b"no archive",
    "huge": header((10**9, 8)),
    "cut": header((4, 8)) + b"\0" * 10,
    "negative": header((-1, 8)) + b"\0" * 320,
    "objects": header((2, 8), "|O") + b"cos\nsystem\n(S'true'\ntR.",
    "no array": b"\x93NUMPY" + b"\xff" * 100,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_one_line(case, generators, tmp_path):
    path = tmp_path / "z.npz"
    if case in ("empty", "text"):
        path.write_bytes(HOSTILE[case])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("z.npy", HOSTILE[case])
    with pytest.raises(ZooError, match=r"Received: '.*z\.npz'$") as caught:
        latents.load(path, generators["dcgan"])
    assert re.search("damaged|larger than|must be numbers", str(caught.value))


def test_arrays_are_equally_long(generators, tmp_path):
    drawn = generators["stylegan-lite"].latents(3)
    np.savez(tmp_path / "z.npz", z=drawn["z"], noise=drawn["noise"][:2])
    with pytest.raises(ZooError, match="not equally long: 3 of z, 2 of noise"):
        latents.load(tmp_path / "z.npz", generators["stylegan-lite"])


def test_too_many_latents_are_refused_before_they_are_drawn(generators):
    with pytest.raises(ZooError, match=r"up to [\d,]+ images of this generator; draw fewer\. Received: 1,000,000,000$"):
        latents.require_room(generators["dcgan"], 10**9)
    latents.require_room(generators["dcgan"], 10**6)


def test_a_walk_visits_latents_of_ones_own(generator):
    two = generator.latents(seed=[1, 2])
    for stops in (two, *([generator.in_w(two)] if generator.has_w else [])):
        walk = generator.walk(8, stops)
        name = next(iter(stops))
        np.testing.assert_allclose(walk[name][[0, 4]], stops[name], rtol=1e-5, atol=1e-6)
        assert {key: array.shape for key, array in walk.items()} == {
            key: (8, *array.shape[1:]) for key, array in stops.items()
        }
        assert all((array == array[0]).all() for key, array in walk.items() if key != name)
    with pytest.raises(ZooError, match=r"at least 2 stops and a step for each\. Received: 8 and 1"):
        generator.walk(8, generator.latents(1))
