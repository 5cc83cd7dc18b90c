"""The extractors: numbers of the original networks, both backends, resizing, bad input, and the download."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hub_server import Hub, Repository
from huggingface_hub import close_session, constants
from keras import layers
from PIL import Image
from safetensors.numpy import save, save_file

from zoo.evaluation.metrics import extractors
from zoo.evaluation.metrics.extractors import efficientnet_lite0, extractor, inception, inception_weights
from zoo.evaluation.metrics.extractors.resize import half_pixel, resize, tensorflow_1

SOME = slice(None, None, 128)  # of the features and logits
# What benchmarks/reference_features.py printed: the original networks in PyTorch, on `mosaics()`.
RECORDED = {
    ("efficientnet-lite0", "features"): [
        [0.0, 0.0354251, 0.0, 0.0, 2.43442, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0111255, 0.0, 0.0388199, 2.24307, 0.0, 0.0, 0.0, 0.0, 0.0244876],
    ],
    ("efficientnet-lite0", "logits"): [
        [1.28671, 0.248537, 1.2418, -0.686999, -3.10087, 2.99667, -0.529073, 2.43643],
        [1.3462, -0.328407, 1.31535, -0.607724, -2.54227, 2.52718, -1.52481, 3.09187],
    ],
    ("inception", "features"): [
        [
            0.0230694,
            2.02678,
            0.137737,
            0.0443665,
            0.0473909,
            3.32678,
            0.370243,
            6.51522,
            0.0186314,
            3.30785,
            1.20675,
            0.635771,
            0.424514,
            3.43227,
            0.170519,
            0.0,
        ],
        [
            0.0335507,
            2.09102,
            0.102967,
            0.0325547,
            0.00596632,
            3.6918,
            0.4207,
            6.69158,
            0.0,
            3.2618,
            1.23991,
            0.640077,
            0.490019,
            3.00853,
            0.225823,
            0.0,
        ],
    ],
    ("inception", "logits"): [
        [4.37488, -7.19513, 6.44094, 0.0733562, 11.1389, -1.07919, -4.09424, -4.0464],
        [4.03988, -7.36336, 6.65157, 0.237494, 11.0517, -1.2379, -4.21608, -4.0937],
    ],
}


def mosaics() -> np.ndarray:
    """Two images uint8 [2, 32, 32, 3] of coloured squares with noise, the same for ever."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 224, (2, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return (squares + rng.integers(0, 32, (2, 32, 32, 3))).astype(np.uint8)


def random_state() -> dict[str, np.ndarray]:
    """A state dict for pytorch-fid's network, the same for ever, that keeps activations near 1."""
    rng, state = np.random.default_rng(0), {}
    for layer in inception.network().layers:
        if isinstance(layer, layers.Conv2D):
            height, width, fan_in, fan_out = layer.kernel.shape
            kernel = rng.standard_normal((fan_out, fan_in, height, width), dtype=np.float32)
            state[f"{layer.name}.conv.weight"] = kernel * np.float32(np.sqrt(2 / (height * width * fan_in)))
            for part in ("weight", "running_var"):
                state[f"{layer.name}.bn.{part}"] = rng.uniform(0.5, 1.5, fan_out).astype(np.float32)
            for part in ("bias", "running_mean"):
                state[f"{layer.name}.bn.{part}"] = rng.normal(0, 0.1, fan_out).astype(np.float32)
    state["fc.weight"] = 0.02 * rng.standard_normal((1008, 2048), dtype=np.float32)
    return state | {"fc.bias": np.ones(1008, np.float32)}


@pytest.fixture(scope="module")
def lite0():
    return extractors.load("efficientnet-lite0")


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory):
    """The inception extractor with the random weights, from a file whose digest is taken for FID's."""
    file = tmp_path_factory.mktemp("inception") / "random.safetensors"
    save_file(random_state(), file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANZOO_INCEPTION", str(file))
        patch.setattr(inception_weights, "SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
        return extractors.load("inception")


def difference(array, reference) -> float:
    return np.linalg.norm(array - reference) / np.linalg.norm(reference)


# The networks


def test_the_extractors_state_their_protocol(lite0, random_inception):
    assert (lite0.name, lite0.label, lite0.dimensions) == ("efficientnet-lite0", "lite0", 1280)
    assert lite0.weights_sha256 == hashlib.sha256(efficientnet_lite0.WEIGHTS.read_bytes()).hexdigest()
    assert lite0.resizer == "bilinear to 160, half-pixel centres, antialiased when reducing, float32"
    assert (random_inception.name, random_inception.label, random_inception.dimensions) == ("inception", None, 2048)
    assert random_inception.resizer == "bilinear to 299, as TensorFlow 1 (align_corners=False), float32"


def test_lite0_answers_as_the_original(lite0):
    features, logits = lite0(mosaics())
    assert (features.shape, features.dtype, logits.shape) == ((2, 1280), np.float32, (2, 1000))
    assert difference(features[:, SOME], RECORDED["efficientnet-lite0", "features"]) < 1e-2, "half precision"
    assert difference(logits[:, SOME], RECORDED["efficientnet-lite0", "logits"]) < 1e-2


def test_inception_answers_as_torch_fidelity(random_inception):
    features, logits = random_inception(mosaics())
    assert (features.shape, features.dtype, logits.shape) == ((2, 2048), np.float32, (2, 1008))
    assert difference(features[:, SOME], RECORDED["inception", "features"]) < 1e-5
    assert difference(logits[:, SOME], RECORDED["inception", "logits"]) < 1e-5


@pytest.mark.slow
def test_jax_and_tensorflow_agree(lite0, tmp_path):
    script = (
        "import sys, numpy as np\nfrom zoo.evaluation.metrics import extractors\n"
        "np.savez(sys.argv[2], *extractors.load('efficientnet-lite0')(np.load(sys.argv[1])))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    np.save(tmp_path / "images.npy", mosaics())
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "images.npy", tmp_path / "jax.npz"],
        check=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
    )
    for ours, theirs in zip(lite0(mosaics()), np.load(tmp_path / "jax.npz").values(), strict=True):
        assert difference(ours, theirs) < 1e-5


def test_features_do_not_depend_on_the_batch(lite0, monkeypatch):
    together, _ = lite0(mosaics()[[0, 1, 1]])
    monkeypatch.setattr(extractor, "BATCH_SIZE", 2)
    apart, _ = lite0(mosaics()[[0, 1, 1]])
    assert together.shape == apart.shape
    assert difference(apart, together) < 1e-5


def test_grey_images_are_repeated(lite0):
    grey = mosaics()[..., :1]
    assert difference(lite0(grey)[0], lite0(grey.repeat(3, axis=-1))[0]) < 1e-6


@pytest.mark.parametrize(
    "images, match",
    [
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((8, 8, 3), np.uint8), r"\[N, H, W, C\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), "1 or more"),
        (np.zeros((2, 8, 8, 4), np.uint8), "1 or 3 channels. Received: 4"),
        (np.zeros((2, 8, 8, 2), np.uint8), "1 or 3 channels. Received: 2"),
    ],
)
def test_bad_images_are_refused(lite0, images, match):
    with pytest.raises(ValueError, match=match):
        lite0(images)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"did you mean 'inception'.*Received: 'inceptoin'"):
        extractors.load("inceptoin")


# Resizing


@pytest.mark.parametrize("size, to", [((32, 32), 160), ((37, 50), 160), ((300, 170), 160), ((299, 4), 3)])
def test_half_pixel_resizes_as_pillow(size, to):
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    pillow = Image.fromarray(image.astype(np.float32)).resize((to, to), Image.Resampling.BILINEAR)
    ours = np.asarray(resize(image[None, :, :, None], half_pixel(size[0], to), half_pixel(size[1], to)))
    np.testing.assert_allclose(ours[0, :, :, 0], np.asarray(pillow), atol=1e-3)


def test_tensorflow_1_resizes_from_the_corner():
    ramp = np.array([0, 10, 20], np.uint8).reshape(1, 1, 3, 1)
    found = np.asarray(resize(ramp, tensorflow_1(1, 1), tensorflow_1(3, 6)))
    np.testing.assert_allclose(found.ravel(), [0, 5, 10, 15, 20, 20], rtol=1e-6)


@pytest.mark.parametrize("taps", [half_pixel, tensorflow_1])
def test_the_same_size_stays(taps):
    images = mosaics()
    np.testing.assert_array_equal(np.asarray(resize(images, taps(32, 32), taps(32, 32))), images)


# The weights of inception


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The Hub on loopback, with an empty cache here, and a small file that is taken for FID's weights."""
    content = save({"fc.bias": np.ones(3, np.float32)})
    with Hub() as running:
        running.repositories[inception_weights.REPOSITORY] = Repository()
        running.repositories[inception_weights.REPOSITORY].commit({inception_weights.FILE: content})
        monkeypatch.setattr(inception_weights, "SHA256", hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("GANZOO_INCEPTION", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        close_session()
        yield running
        close_session()


def refused(match):
    return pytest.raises(ValueError, match=match + r"(?s:.*)Received: ")


def test_the_weights_are_downloaded_once(server):
    assert inception_weights.read().keys() == {"fc.bias"}
    server.stop()
    assert inception_weights.read().keys() == {"fc.bias"}


def test_a_damaged_copy_is_fetched_again(server):
    inception_weights.fetch().resolve().write_bytes(b"damaged")
    assert inception_weights.read().keys() == {"fc.bias"}


def test_other_weights_are_refused(server, monkeypatch):
    monkeypatch.setattr(inception_weights, "SHA256", "0" * 64)
    with refused("no FID"):
        inception_weights.read()


def test_without_weights_the_error_names_the_ways_out(server, tmp_path, monkeypatch):
    ways = "Take efficientnet-lite0.*or fetch the file elsewhere and set GANZOO_INCEPTION.*"
    server.repositories[inception_weights.REPOSITORY].commit({}, gone=[inception_weights.FILE])
    with refused(ways):
        extractors.load("inception")
    server.stop()
    with refused(ways + "cannot be reached"):
        extractors.load("inception")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with refused(ways + "HF_HUB_OFFLINE"):
        extractors.load("inception")
    monkeypatch.setenv("GANZOO_INCEPTION", str(tmp_path / "nowhere"))
    with refused("cannot be read .No such file"):
        extractors.load("inception")
    (tmp_path / "other").write_bytes(b"other")
    monkeypatch.setenv("GANZOO_INCEPTION", str(tmp_path / "other"))
    with refused("no FID"):
        extractors.load("inception")


def test_tensors_of_other_names_are_refused():
    state = {"blocks.0.0.conv.weight": np.zeros(1), "Conv2d_1a_3x3.bn.num_batches_tracked": np.zeros(1)}
    with pytest.raises(ValueError, match=r"missing Conv2d_1a_3x3\.bn\.bias; .*unexpected blocks\.0\.0") as error:
        inception_weights.folded(state | {"fc.weight": np.zeros(1), "fc.bias": np.zeros(1)}, ["Conv2d_1a_3x3"])
    assert "num_batches_tracked" not in str(error.value)
