import io
import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from zoo import networks
from zoo.checkpoints import checkpoint
from zoo.checkpoints.loading import load_generator
from zoo.files import pictures
from zoo.networks.parts.inputs import INPUTS, Input, Sampler
from zoo.networks.parts.variables import by_path
from zoo.publish.export import export, images_from_z, levels_from_z, plain, signature

# TensorFlow and ONNX take 10 s for a network: of two kinds always, of the others among the slow tests.
EXPORTED = [
    (name, classes)
    if (name, classes) in (("dcgan", 3), ("stylegan-lite", 0))
    else pytest.param(name, classes, marks=pytest.mark.slow)
    for name in networks.NAMES
    for classes in (0, 3)
]
PLAIN = [name for name, config in networks.configs().items() if config.facts.plain_keras]


@pytest.fixture
def saved(small, tmp_path):
    """A function that saves a tiny checkpoint with weights far from their start: `saved("dcgan")`."""

    def make(network, folder="source", scale=1.0, training=False, classes=0, **info):
        changes = {"data.channels": 3} if network == "sngan" else {}
        recipe = small(f"{network}-fashion-mnist", **changes, **{"model.classes": classes})
        rng = np.random.default_rng(0)
        tensors = {}
        for model in networks.build(recipe):
            tensors[model.name] = {
                path: moved(path, np.asarray(variable), rng) for path, variable in by_path(model.variables).items()
            }
        for path in tensors["generator"]:
            if path.startswith("to_image") and path.endswith("kernel"):
                tensors["generator"][path] *= np.float32(scale)
        if training:
            tensors["training"] = {"step": np.zeros(())}
        return checkpoint.save(tmp_path / folder, recipe, tensors, {"images": 640, **info})

    return make


def moved(path, array, rng):
    array = array + rng.normal(0, 0.2, array.shape).astype("float32")
    return np.abs(array) if path.endswith("variance") else array


def noise(model, count=5):
    rng = np.random.default_rng(1)
    return {
        tensor.name: rng.uniform(size=(count, tensor.shape[1])).astype("float32")
        if tensor.name == "mixing"
        else np.eye(tensor.shape[1], dtype="float32")[np.arange(count) % tensor.shape[1]]
        if tensor.name == "label"
        else rng.standard_normal((count, tensor.shape[1]), "float32")
        for tensor in model.inputs
    }


def test_a_run_becomes_the_checkpoint_that_ships(saved, tmp_path, said):
    saved("dcgan", "run/checkpoints/step-000000001", training=True, step=1, kid=0.3)
    saved("dcgan", "run/checkpoints/step-000000002", training=True, step=2, kid=0.2)
    saved("dcgan", "run/checkpoints/step-000000003", training=True, step=3, kid=0.4)
    out = export(tmp_path / "run", "checkpoint", tmp_path / "shipped")

    opened = checkpoint.open_checkpoint(out)
    assert said == [f"{tmp_path / 'run'}: the best checkpoint, step 2"]
    assert {file.name for file in out.iterdir()} == {
        "ganzoo.json",
        "recipe.toml",
        "generator.safetensors",
        "discriminator.safetensors",
        "samples.png",
    }
    assert (opened.info["images"], opened.info["step"], opened.info["kid"]) == (640, 2, 0.2)
    assert opened.info["kernels"] == "float16"
    for network in ("generator", "discriminator"):
        assert {(array.ndim > 1, array.dtype.name) for array in opened.arrays(network).values()} == {
            (True, "float16"),
            (False, "float32"),
        }

    before, after = (load_generator(name).sample(256) for name in (tmp_path / "run", out))
    assert np.abs(before.astype(int) - after).max() <= 1
    assert np.ptp(after) > 100
    with Image.open(io.BytesIO(opened.content("samples.png"))) as picture:
        np.testing.assert_array_equal(picture, pictures.grid(after[:64]))
        assert (picture.text["Checkpoint"], picture.text["Step"], picture.text["Seed"]) == (
            opened.recipe.name,
            "2",
            "0",
        )


@pytest.mark.parametrize(("which", "step"), [(None, 2), ("best", 2), ("latest", 3), ("1", 1)])
def test_one_checkpoint_of_a_run_is_chosen(saved, tmp_path, which, step):
    for number, kid in ((1, 0.3), (2, 0.2), (3, 0.4)):
        saved("dcgan", f"run/checkpoints/step-{number:09}", training=True, step=number, kid=kid)
    out = export(tmp_path / "run", "checkpoint", tmp_path / "out", checkpoint=which)
    assert checkpoint.open_checkpoint(out).info["step"] == step


def test_kernels_stay_in_single_precision_where_half_would_change_the_images(saved, tmp_path, said):
    source = saved("dcgan", scale=1_000.0)
    out = export(source, "checkpoint", tmp_path / "out")
    assert len(said) == 1
    assert "float32" in said[0]
    assert checkpoint.open_checkpoint(out).info["kernels"] == "float32"
    for network in ("generator", "discriminator"):
        for path, array in checkpoint.open_checkpoint(out).arrays(network).items():
            np.testing.assert_array_equal(array, checkpoint.open_checkpoint(source).arrays(network)[path])
    with Image.open(out / "samples.png") as picture:
        np.testing.assert_array_equal(picture, pictures.grid(load_generator(source).sample(64)))


def test_an_exported_checkpoint_exports_to_the_same_weights(saved, tmp_path):
    first = export(saved("dcgan"), "checkpoint", tmp_path / "first")
    second = export(first, "checkpoint", tmp_path / "second")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")  # NumPy 2.4 of a TensorFlow variable
@pytest.mark.slow
def test_keras_files_load_without_zoo(saved, tmp_path):
    sources = {network: saved(network, network) for network in PLAIN}
    sources["sngan-3"] = saved("sngan", "sngan-3", classes=3)
    empty = tmp_path / "empty"
    empty.mkdir()
    z = np.random.default_rng(0).standard_normal((5, 8), "float32")
    np.save(tmp_path / "z.npy", z)
    for network, source in sources.items():
        assert export(source, "keras", tmp_path / f"{network}.keras") == tmp_path / f"{network}.keras"

    code = f"""
import sys
sys.modules["zoo"] = None
import keras, numpy as np
for network in {list(sources)}:
    model = keras.saving.load_model(f"../{{network}}.keras")
    z, labels = np.load("../z.npy"), np.array([0, 1, 2, 1, 0], np.int32)
    np.save(f"../{{network}}.npy", model([z, labels] if network.endswith("-3") else z, training=False))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for network, source in sources.items():
        rows = np.eye(3, dtype="float32")[[0, 1, 2, 1, 0]]
        given = [z, rows] if network.endswith("-3") else z
        images = np.asarray(load_generator(source).model(given, training=False))
        assert np.ptp(images) > 0.5
        np.testing.assert_allclose(np.load(tmp_path / f"{network}.npy"), images, atol=1e-5)


def test_the_plain_generator_has_as_many_layers_and_leaves_the_first_alone(saved):
    model = load_generator(saved("sngan")).model
    before = model.get_weights()
    twin = plain(model)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_keras_refuses_a_network_with_layers_of_its_own(saved, tmp_path):
    with pytest.raises(
        ValueError, match=r"Modulated.*checkpoint or savedmodel or onnx or torch-fidelity\. Received: 'keras'"
    ):
        export(saved("stylegan-lite"), "keras", tmp_path / "g.keras")
    assert not (tmp_path / "g.keras").exists()


def asked(model):
    """Inputs of an exported generator, by name: z, and psi if it has truncation."""
    rng, names = np.random.default_rng(1), {tensor.name for tensor in model.inputs}
    z = rng.standard_normal((5, 8), np.float32)
    psi = {"truncation": np.full((5, 1), 0.7, np.float32)} if "truncation" in names else {}
    return {"z": z} | psi | ({"label": np.array([0, 1, 2, 1, 0], np.int32)} if "label" in names else {})


def expected(generator, inputs):
    """Images [N, H, W, C] in [-1, 1] of the same z and psi, with the noise maps of the first sample of seed 0."""
    first = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "images", lambda inputs, truncation: first.update(inputs) or inputs["z"])
        next(generator.batches(1, seed=0))
    count = len(inputs["z"])
    drawn = {name: np.repeat(value, count, axis=0) for name, value in first.items()} | {"z": inputs["z"]}
    drawn |= generator.asked(inputs.get("label"), count)
    return generator.images(drawn, float(inputs.get("truncation", [[1.0]])[0][0])).astype(int)


def levels(images):
    return np.rint((np.asarray(images) + 1.0) * 127.5).astype(int)


@pytest.mark.parametrize(("network", "classes"), EXPORTED)
def test_savedmodel_and_onnx_are_one_function_of_z(saved, tmp_path, network, classes, said):
    """The same inputs by name, the same images, float32 [N, H, W, C] in [-1, 1]; the last line says so."""
    pytest.importorskip("tf2onnx", reason="writing ONNX needs tf2onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime")
    import tensorflow as tf

    named = {"data": {"classes": ["T-shirt/top", "hat", "Stiefel für Bären"]}} if classes else {}
    source = saved(network, scale=3.0, classes=classes, **named)  # beyond the range, where an output is linear
    generator = load_generator(source)
    inputs = asked(generator.model)
    wanted = expected(generator, inputs)

    loaded = tf.saved_model.load(str(export(source, "savedmodel", tmp_path / "out")))
    serve = loaded.signatures["serving_default"]
    assert serve.structured_input_signature[1].keys() == inputs.keys()
    (saved_images,) = serve(**{name: tf.constant(value) for name, value in inputs.items()}).values()
    session = runtime.InferenceSession(export(source, "onnx", tmp_path / "my g.onnx"))
    assert {entry.name for entry in session.get_inputs()} == inputs.keys()
    (onnx_images,) = session.run(None, inputs)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata.get("classes", "[]")) == (named["data"]["classes"] if classes else [])
    for images in (np.asarray(saved_images), onnx_images):
        assert (images.dtype, images.shape) == (np.float32, (5, 32, 32, wanted.shape[-1]))
        assert -1.0 <= images.min() < -0.5 < 0.5 < images.max() <= 1.0
        assert np.abs(levels(images) - wanted).max() <= 1  # two libraries add in different orders, then both round
    for line in said[-2:]:
        assert "z, float32 [N, 8]" in line
        assert f"float32 [N, 32, 32, {wanted.shape[-1]}], -1 black to 1 white" in line
        assert ("truncation, float32 [N, 1]" in line) == ("truncation" in inputs)
        assert ("label, int32 [N] (a class, 0 to 2: T-shirt/top, hat, Stiefel für Bären)" in line) == bool(classes)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("network", networks.NAMES)
def test_levels_from_z_are_the_samples(saved, network, classes):
    generator = load_generator(saved(network, classes=classes))
    model = levels_from_z(generator.model)
    inputs = noise(generator.model)
    z = np.concatenate([inputs[name] for name in ("z", "noise") if name in inputs], axis=1)
    given = np.asarray(model([z, inputs["label"].argmax(axis=-1)] if classes else z))
    images = generator.images({name: value for name, value in inputs.items() if name in ("z", "noise", "label")})
    assert given.dtype == np.uint8
    assert given.shape == (5, 3, 32, 32)
    apart = np.abs(given.transpose(0, 2, 3, 1) - np.broadcast_to(images, (5, 32, 32, 3)).astype(int))
    assert (
        apart.max() <= 1 and np.mean(apart > 0) < 1e-3
    )  # compiled or not: what lies between two levels may go to either


def test_a_new_kind_of_input_needs_a_row_in_the_table_alone(monkeypatch):
    import keras

    def normal(rng, shape, shares=None):
        return rng.standard_normal(shape, np.float32)

    monkeypatch.setitem(INPUTS, "mood", Input(normal, normal, asked=True, meaning="good or bad"))
    monkeypatch.setitem(INPUTS, "grain", Input(normal, normal))
    tensors = [keras.Input((4,), name=name) for name in ("z", "mood", "grain")]
    generator = keras.Model(tensors, keras.layers.Reshape((2, 2, 1))(keras.ops.concatenate(tensors, -1)[:, ::3]))
    z, mood = np.random.default_rng(1).uniform(-1, 1, (2, 5, 4)).astype(np.float32)
    grain = Sampler(generator, 0)(1)["grain"]

    model = images_from_z(generator)
    assert [tensor.name for tensor in model.inputs] == ["z", "mood"]
    assert "and mood, float32 [N, 4] (good or bad); it gives" in signature(model)
    drawn = np.concatenate([z, mood, np.repeat(grain, 5, axis=0)], axis=-1)[:, ::3]
    np.testing.assert_array_equal(np.asarray(model([z, mood])).reshape(5, 4), np.clip(drawn, -1, 1))
    both = levels_from_z(generator)(np.concatenate([z, mood, np.repeat(grain, 5, axis=0)], axis=-1))
    np.testing.assert_array_equal(np.asarray(both)[:, 0].reshape(5, 4), np.clip(np.round((drawn + 1) * 127.5), 0, 255))


@pytest.mark.parametrize(("network", "classes"), EXPORTED)
def test_torch_fidelity_reads_our_images(saved, tmp_path, network, classes, said):
    pytest.importorskip("tf2onnx", reason="writing ONNX needs tf2onnx")
    runtime = pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime")
    source = saved(network, classes=classes)
    out = export(source, "torch-fidelity", tmp_path / "my g.onnx")
    session = runtime.InferenceSession(out)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata.get("classes", "[]")) == [str(label) for label in range(classes)]
    (z_input, *others), (output,) = session.get_inputs(), session.get_outputs()
    model = levels_from_z(load_generator(source).model)
    z = np.random.default_rng(0).standard_normal((5, z_input.shape[1]), "float32")
    labels = [np.array([0, 1, 2, 1, 0], np.int64)] if classes else []
    assert [(entry.name, entry.type) for entry in others] == [("z_label", "tensor(int64)")] * len(labels)
    (written,) = session.run(None, {"z": z, **dict(zip(("z_label",), labels, strict=False))})
    assert output.type == "tensor(uint8)"
    assert written.shape == (5, 3, 32, 32)
    words = shlex.split(said[0])
    assert words[words.index("--input1") + 1] == str(out)
    assert words[words.index("--input1-model-z-size") + 1] == str(z_input.shape[1])
    difference = np.abs(written.astype(int) - np.asarray(model([z, *labels] if labels else z)))
    assert difference.max() <= 1  # two libraries add in different orders, and then both round
    assert difference.mean() < 0.01


@pytest.mark.parametrize("format", ["onnx", "torch-fidelity"])
def test_onnx_without_its_package_says_what_to_install(format, saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"pip install .tf2onnx"):
        export(saved("dcgan"), format, tmp_path / "g.onnx")


@pytest.mark.parametrize(
    ("format", "out", "message"),
    [
        ("pickle", "g", r"checkpoint, keras, savedmodel, onnx, torch-fidelity\. Received: 'pickle'"),
        ("keras", "g.h5", "generator.keras"),
        ("keras", "folder.keras", "generator.keras"),
        ("onnx", "g", "generator.onnx"),
        ("checkpoint", "full", "something already"),
        ("savedmodel", "file", "something already"),
        ("keras", "file/g.keras", "nothing can be written"),
        ("checkpoint", "file/g", "nothing can be written"),
    ],
)
def test_what_cannot_be_written_is_found_before_the_checkpoint_is_read(tmp_path, format, out, message):
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=message):
        export("no-such-checkpoint", format, tmp_path / out)
    assert (tmp_path / "full" / "precious").exists()


def test_nothing_half_written_stays(saved, tmp_path, monkeypatch):
    import keras

    def disk_full(self, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(keras.Model, "save", disk_full)
    source = saved("dcgan")
    (tmp_path / "g.keras").write_bytes(b"old")
    with pytest.raises(OSError, match="no space"):
        export(source, "keras", tmp_path / "g.keras")
    assert (tmp_path / "g.keras").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} <= {"source", "g.keras", "cache"}
