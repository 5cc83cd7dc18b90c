"""Fine-tuning beside training from scratch, five times as long, on scikit-learn's 1,797 digits.

    python benchmarks/finetune_digits.py        # from stylegan-lite-fashion-mnist, 12,000 images; from scratch 60,000
    python benchmarks/finetune_digits.py wgan-gp-fashion-mnist --out runs/digits-wgan-gp

Three runs: `ganzoo finetune` with a fifth of the images; the checkpoint's recipe from scratch; and the recipe from
scratch with the batch and the augmentation that fine-tuning chose. Prints KID (efficientnet-lite0, 1,000 generated
against 1,000 training images, since too few are held out) and recall over the images seen, and where fine-tuning has
the KID of each of the others' ends; draws the KIDs. Runs go on where they were interrupted. Needs
`pip install ".[tensorflow]" scikit-learn`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="stylegan-lite-fashion-mnist", help="a shipped checkpoint")
    parser.add_argument("--images", type=int, default=60_000, help="images shown from scratch")
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    options = parser.parse_args()

    import zoo

    source = options.out / "digits.npz"
    if not source.exists():
        options.out.mkdir(parents=True, exist_ok=True)
        write_digits(source)

    def every(images: int) -> dict[str, int]:
        return {"log.checkpoint_every_images": images, "log.every_images": images}

    tuned = zoo.finetune(
        options.name,
        str(source),
        options.out / "finetuned",
        images=options.images // 5,
        overrides=every(options.images // 60),
    )
    recipe = zoo.load_recipe(
        options.name, {"data.source": str(source), "schedule.images": options.images} | every(options.images // 20)
    )
    chosen = {
        "schedule.batch_size": tuned.recipe.schedule.batch_size,
        "augment.diffaugment": tuned.recipe.augment.diffaugment,
    }
    scratch = zoo.train(recipe, options.out / "scratch")
    alike = zoo.train(recipe.replace(**chosen), options.out / "alike")
    runs = {"fine-tuned": tuned, "from scratch": scratch, "from scratch, fine-tuning's batch": alike}

    curves = {name: [entry for entry in run.entries() if "kid" in entry] for name, run in runs.items()}
    for name, curve in curves.items():
        print(f"{name}\n{'images':>10}{'KID':>20}{'recall':>10}")
        for entry in curve:
            kid = f"{entry['kid']:.4f} ± {entry['kid_error']:.4f}"
            print(f"{entry['images']:10,}{kid:>20}{entry['recall']:10.3f}")
    fine, *others = curves
    for name in others:
        end = curves[name][-1]
        there = None
        for entry in reversed(curves[fine]):
            if entry["kid"] > end["kid"]:
                break
            there = entry["images"]
        print(
            f"{name}: KID {end['kid']:.4f} after {end['images']:,}; fine-tuning "
            + (f"is there for good after {there:,}" if there else "does not get there for good")
        )
    draw(curves, f"1,797 digits: {options.name}", options.out / "digits.png")


def write_digits(path: Path) -> None:
    """8 x 8 digits of 17 grey levels, enlarged to 32 x 32, as .npz with labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = (digits.images * (255 / 16)).round().astype(np.uint8)
    images = [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in small]
    np.savez_compressed(path, images=np.stack(images), labels=digits.target)


def draw(curves: dict[str, list[dict]], title: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        images, kid, error = (np.array([entry[key] for entry in curve]) for key in ("images", "kid", "kid_error"))
        axes.semilogy(images, kid, label=name, linewidth=1.5)
        axes.fill_between(images, kid - error, kid + error, alpha=0.2)
    axes.axhline(list(curves.values())[-1][-1]["kid"], color="k", linestyle=":", linewidth=1)
    axes.set(xlabel="real images shown to D", ylabel="KID (efficientnet-lite0)", title=title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
