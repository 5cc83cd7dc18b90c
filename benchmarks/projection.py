"""How well projection finds a generator's own images again.

    python benchmarks/projection.py dcgan-fashion-mnist sngan-fashion-mnist

For each checkpoint, images of seeds that the projection does not start from are handed to it as pictures. The goal: for
at least 9 of 10, the image that is found has a PSNR of over 30 dB (an error of 8 levels of 255).
Needs `pip install ".[tensorflow]"` alone.
"""

from __future__ import annotations

import argparse
import statistics
import time

import zoo
from zoo.evaluation.projection import STEPS, project

GOAL_DB = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description="PSNR of a generator's own images, found again by projection.")
    parser.add_argument("names", nargs="*", help="checkpoints or runs (default: all that ship)")
    parser.add_argument("--images", type=int, default=10, help="of each checkpoint (default: 10)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of each projection (default: {STEPS})")
    options = parser.parse_args()
    print("| checkpoint | over 30 dB | median | least | seconds for each |\n|---|---|---|---|---|")
    for name in options.names or zoo.list_checkpoints():
        generator, found, start = zoo.load_generator(name), [], time.perf_counter()
        for seed in range(1000, 1000 + options.images):
            found.append(project(generator, generator.sample(1, seed=seed)[0], steps=options.steps).psnr)
        seconds = (time.perf_counter() - start) / options.images
        over = sum(psnr > GOAL_DB for psnr in found)
        print(
            f"| `{name}` | {over} of {options.images} | {statistics.median(found):.1f} dB | {min(found):.1f} dB "
            f"| {seconds:.0f} |",
            flush=True,
        )
        print("<!-- " + " ".join(f"{psnr:.1f}" for psnr in found) + " -->", flush=True)


if __name__ == "__main__":
    main()
