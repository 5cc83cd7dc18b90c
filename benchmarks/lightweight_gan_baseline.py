"""Samples of lightweight-gan, trained on a folder for so many hours: the tool that people take for small folders.

    python -m venv torch-env
    torch-env/bin/pip install torch torchvision lightweight-gan
    torch-env/bin/python benchmarks/lightweight_gan_baseline.py my/images --hours 8 --out lightweight-gan.npz
    python benchmarks/judges.py lightweight-gan.npz lightweight-gan-ema.npz flowers-64 --data my/images

Networks, losses, optimizer and augmentation are the package's (1.2.1). It refuses to run without CUDA: what it would
place there is left on the CPU. One core trains.

The numbers are those of its command line, but for two that a CPU cannot afford. There is no attention at 32 pixels,
which takes 1.7 times as long and 7 GB. And there is an update after each batch of 10, instead of each fourth. A step is
1.2 TFLOP, 13 s on a core that does 95 GFLOP/s: about 2,200 updates in 8 hours, where the command line's numbers would
allow 330. `--command-line` takes them all the same.

Two files are written, of the generator and of its average. The average only begins after 20,000 steps: before, it is a
copy of the generator, up to 1,000 steps old. Differs from ours: the package trains on all images of the folder, held
out ones too, and resizes them its own way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

SIZE, BATCH = 64, 100
SETTINGS = {
    "batch_size": 10,
    "gradient_accumulate_every": 1,
    "attn_res_layers": [],
    "disc_output_size": 1,
    "aug_types": ["cutout", "translation"],
    "save_every": 500,
}
COMMAND_LINE = SETTINGS | {"gradient_accumulate_every": 4, "attn_res_layers": [32]}


class OnCPU(TorchFunctionMode):
    """Whatever would go to CUDA stays on the CPU."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.cuda:
            return args[0]
        if torch.device(kwargs.get("device") or "cpu").type == "cuda":
            kwargs["device"] = "cpu"
        return function(*args, **kwargs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", help="a folder of images; sub-folders are read too")
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--command-line", action="store_true", help="all numbers of the package's command line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True, help="the .npz file to write")
    options = parser.parse_args()
    settings = COMMAND_LINE if options.command_line else SETTINGS
    torch.set_num_threads(1)
    package = imported()
    package.set_seed(options.seed)
    with OnCPU(), tempfile.TemporaryDirectory() as folder:
        trainer = package.Trainer(
            **settings, base_dir=folder, image_size=SIZE, num_workers=0, num_image_tiles=4, use_aim=False
        )
        trainer.clear()
        trainer.set_data_src(options.images)
        seconds = train(trainer, 3_600 * options.hours, package.NanException)
        gan = trainer.GAN.eval()
        for name, generator in (("", gan.G), ("-ema", gan.GE)):
            file = options.out.with_name(f"{options.out.stem}{name}.npz")
            np.savez_compressed(file, images=samples(generator, options.samples, trainer.latent_dim))
    images = trainer.steps * settings["batch_size"] * settings["gradient_accumulate_every"]
    parameters = [sum(parameter.numel() for parameter in network.parameters()) for network in (gan.G, gan.D)]
    result = {
        "settings": settings,
        "seconds": seconds,
        "steps": trainer.steps,
        "images": images,
        "parameters": parameters,
    }
    print(json.dumps(result))


def imported():
    """The package, which asserts CUDA when it is imported."""
    # Operators of torchvision that are not used here may be of another build than torch: do without them.
    with (
        mock.patch.object(torch.library, "register_fake", lambda *_, **__: lambda function: function),
        mock.patch.object(torch.cuda, "is_available", return_value=True),
    ):
        from lightweight_gan import cli, lightweight_gan

    lightweight_gan.set_seed = cli.set_seed
    return lightweight_gan


def train(trainer, seconds: float, failure: type[Exception]) -> float:
    """Steps until the time is over; the seconds that it took."""
    start, last = time.monotonic(), 0.0
    while (taken := time.monotonic() - start) < seconds:
        try:
            trainer.train()
        except failure:
            print("not a number; going on from the last checkpoint", flush=True)
        if taken - last > 60:
            last = taken
            print(f"{taken / seconds:.0%}, {trainer.steps:,} steps, {trainer.steps / taken:.2f} steps/s", flush=True)
            trainer.print_log()
    return time.monotonic() - start


@torch.no_grad()
def samples(generator, count: int, latent_dim: int) -> np.ndarray:
    """uint8 [count, 64, 64, 3]."""
    parts = []
    for start in range(0, count, BATCH):
        images = generator(torch.randn(min(BATCH, count - start), latent_dim)).clamp(0, 1)
        parts.append((255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
