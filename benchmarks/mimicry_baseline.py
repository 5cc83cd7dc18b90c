"""Baselines of the score table: torch-mimicry's SNGAN and DCGAN on Fashion-MNIST, for so many minutes on these cores.

    python benchmarks/mimicry_baseline.py prepare -o images.npz
    python benchmarks/mimicry_baseline.py train sngan images.npz --minutes 60 -o sngan.npz   # in mimicry's environment
    ganzoo evaluate sngan.npz --data tfds:fashion_mnist --fit pad

mimicry's networks for 32 x 32 (the residual ones; its DCGAN is residual too), its own train_step, Adam and D steps as
in its README's table: SNGAN 2e-4, beta 0 and 0.9, 5 D steps, linear decay over the minutes; DCGAN 2e-4, 0.5, 0.999,
1 D step. Its width for CIFAR-10, 256 and 128 channels, gets through few images on a CPU; --width 64 makes it a fairer
opponent. It knows colour alone: grey images are repeated, and its samples averaged to grey. It has no weight average.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
import types

import numpy as np

BATCH_SIZE = 64
SETTINGS = {
    "sngan": {"betas": (0.0, 0.9), "d_steps": 5, "decay": True},
    "dcgan": {"betas": (0.5, 0.999), "d_steps": 1, "decay": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("prepare", help="write Fashion-MNIST's training images as .npz")
    one.add_argument("--data-dir", help="where TFDS keeps its data sets")
    one.add_argument("-o", "--out", required=True)
    two = commands.add_parser("train", help="train, and write samples as .npz")
    two.add_argument("network", choices=SETTINGS)
    two.add_argument("images")
    two.add_argument("--minutes", type=float, required=True)
    two.add_argument("--width", type=int, help="channels of both networks (default: mimicry's 256 and 128)")
    two.add_argument("--samples", type=int, default=10_000)
    two.add_argument("-o", "--out", required=True)
    options = parser.parse_args()
    prepare(options) if options.command == "prepare" else train(options)


def prepare(options: argparse.Namespace) -> None:
    from zoo import data

    store = data.prepare("tfds:fashion_mnist", resolution=32, channels=1, fit="pad", data_dir=options.data_dir)
    np.savez_compressed(options.out, images=store.images)


def train(options: argparse.Namespace) -> None:
    for name in ("torch_mimicry", "torch_mimicry.training"):  # their __init__.py import TensorFlow and TensorBoard
        spec = importlib.util.find_spec(name)
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = spec.submodule_search_locations
    import torch
    from torch_mimicry.nets import dcgan, sngan
    from torch_mimicry.training.metric_log import MetricLog

    torch.manual_seed(0)
    settings = SETTINGS[options.network]
    make_g, make_d = {
        "sngan": (sngan.SNGANGenerator32, sngan.SNGANDiscriminator32),
        "dcgan": (dcgan.DCGANGenerator32, dcgan.DCGANDiscriminator32),
    }[options.network]
    g, d = make_g(ngf=options.width or 256), make_d(ndf=options.width or 128)
    adams = [torch.optim.Adam(network.parameters(), 2e-4, settings["betas"]) for network in (d, g)]
    with np.load(options.images) as archive:
        images = torch.from_numpy(archive["images"]).permute(0, 3, 1, 2)

    def real():
        chosen = images[torch.randint(len(images), (BATCH_SIZE,))]
        return chosen.float().div(127.5).sub(1.0).expand(-1, 3, -1, -1), None

    start, seen, steps = time.monotonic(), 0, 0
    while (share := (time.monotonic() - start) / (60 * options.minutes)) < 1:
        for group in (group for adam in adams for group in adam.param_groups):
            group["lr"] = 2e-4 * (1 - share if settings["decay"] else 1)
        log = MetricLog()
        for _ in range(settings["d_steps"]):
            batch = real()
            log = d.train_step(real_batch=batch, netG=g, optD=adams[0], log_data=log)
            seen += BATCH_SIZE
        g.train_step(real_batch=batch, netD=d, optG=adams[1], log_data=log)
        steps += 1
        if steps % 50 == 0:
            print(f"{share:.0%}, {seen:,} images, {seen / (time.monotonic() - start):.1f} images/s", flush=True)

    g.eval()
    with torch.no_grad():
        samples = [g.generate_images(100).mean(dim=1) for _ in range(-(-options.samples // 100))]
    samples = torch.cat(samples)[: options.samples, :, :, None]
    samples = ((samples + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    np.savez_compressed(options.out, images=samples)
    parameters = [sum(parameter.numel() for parameter in network.parameters()) for network in (g, d)]
    print(
        json.dumps(
            {
                "network": options.network,
                "minutes": options.minutes,
                "images": seen,
                "steps": steps,
                "parameters": parameters,
            }
        )
    )


if __name__ == "__main__":
    main()
