"""Measures the card of a checkpoint with MobileNetV2 as its judge, since efficientnet-lite0 taught its discriminator.

    python benchmarks/independent_card.py export/clothing-64 --run runs/clothing --data my/clothing

The same as `ganzoo card NAME --measure`, but MobileNetV2 looks for the failures and comes first in the tables;
efficientnet-lite0 comes second, and the card says that it was the teacher. The weights of MobileNetV2 do not ship: see
mobilenet_v2.py. Then `ganzoo card NAME -o FILE` renders the card.
"""

from __future__ import annotations

import argparse

import mobilenet_v2

from zoo.evaluation import evidence


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", help="an exported checkpoint's folder, which is written into")
    parser.add_argument("--run", nargs="+", default=[], dest="runs", help="the run that it comes from, and other seeds")
    parser.add_argument("--data", required=True, help="the images that it was trained on")
    parser.add_argument("--images", type=int, default=10_000, help="how many to generate (default: 10,000)")
    options = parser.parse_args()
    evidence.measure(
        options.checkpoint,
        data_source=options.data,
        images=options.images,
        extractor=[mobilenet_v2.load(), "efficientnet-lite0"],
        runs=options.runs,
    )


if __name__ == "__main__":
    main()
