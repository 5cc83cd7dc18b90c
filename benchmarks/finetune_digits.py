"""Fine-tuning beside training from scratch: scikit-learn's 1,797 digits, the same recipe, augmentation and budget.

    python benchmarks/finetune_digits.py                                  # wgan-gp-fashion-mnist, 60,000 images each
    python benchmarks/finetune_digits.py stylegan-lite-fashion-mnist --images 100000 --out runs/digits

Prints KID (efficientnet-lite0, 1,000 generated against 1,000 training images, since too few are held out) and recall
over the images seen, and after how many images fine-tuning stays as good as training from scratch is at its end; draws
both KIDs. Both runs go on where they were interrupted. Needs `pip install . scikit-learn`.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="wgan-gp-fashion-mnist", help="a shipped checkpoint and its recipe")
    parser.add_argument("--images", type=int, default=60_000, help="images shown in each run")
    parser.add_argument("--every", type=int, default=3_000, help="images between two measurements")
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    options = parser.parse_args()

    import zoo

    source = options.out / "digits.npz"
    if not source.exists():
        options.out.mkdir(parents=True, exist_ok=True)
        write_digits(source)
    settings = {"log.checkpoint_every_images": options.every, "log.every_images": options.every,
                "augment.diffaugment": ["color", "translation", "cutout"]}
    tuned = zoo.finetune(options.name, str(source), options.out / "finetuned", images=options.images,
                         overrides=settings)
    scratch = zoo.train(zoo.load_recipe(options.name, settings | {
        "data.source": str(source), "schedule.images": options.images}), options.out / "scratch")

    curves = {name: [entry for entry in run.entries() if "kid" in entry]
              for name, run in (("fine-tuned", tuned), ("from scratch", scratch))}
    for name, curve in curves.items():
        print(f"{name}\n{'images':>10}{'KID':>20}{'recall':>10}")
        for entry in curve:
            kid = f"{entry['kid']:.4f} ± {entry['kid_error']:.4f}"
            print(f"{entry['images']:10,}{kid:>20}{entry['recall']:10.3f}")
    end = curves["from scratch"][-1]["kid"]
    there = list(itertools.takewhile(lambda entry: entry["kid"] <= end, reversed(curves["fine-tuned"])))
    print(f"training from scratch ends with KID {end:.4f} after {options.images:,} images; fine-tuning "
          + (f"is there for good after {there[-1]['images']:,}" if there else "does not get there for good"))
    draw(curves, options.out / "digits.png")


def write_digits(path: Path) -> None:
    """8 x 8 digits of 17 grey levels, enlarged to 32 x 32, as .npz with labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = (digits.images * (255 / 16)).round().astype(np.uint8)
    images = [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in small]
    np.savez_compressed(path, images=np.stack(images), labels=digits.target)


def draw(curves: dict[str, list[dict]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        images, kid, error = (np.array([entry[key] for entry in curve]) for key in ("images", "kid", "kid_error"))
        axes.semilogy(images, kid, label=name, linewidth=1.5)
        axes.fill_between(images, kid - error, kid + error, alpha=0.2)
    axes.axhline(curves["from scratch"][-1]["kid"], color="k", linestyle=":", linewidth=1)
    axes.set(xlabel="real images shown to D", ylabel="KID (efficientnet-lite0)",
             title="1,797 digits: fine-tuning and training from scratch")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
