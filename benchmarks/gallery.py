"""Draws the gallery of the checkpoints that ship: docs/gallery.md and its pictures, from the checkpoints alone.

    python benchmarks/gallery.py

The pictures are of seed 0, and none is chosen. Needs `pip install ".[tensorflow]"` alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import zoo
from zoo.checkpoints import resolve
from zoo.evaluation import directions
from zoo.files import atomic, films, pictures

STEPS, SCALE, FPS = 96, 3, 24  # of the films, which are smaller so than by the command's defaults
DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Gallery

*You want to see what the checkpoints that ship draw.*

`python benchmarks/gallery.py` makes this page. Every picture is of seed 0, and none is chosen. Each checkpoint has a
[model card](../model_cards) that says what is wrong with its images.
"""
SECTION = """
## {name}

{title}. `ganzoo sample {name}`

![{count} images drawn by {name}](gallery/{name}.png)

A walk through four latents, `ganzoo interpolate {name} --steps {steps} --scale {scale} --fps {fps} -o walk.webp`:

![A walk through the latents of {name}](gallery/{name}.webp)

The first four directions of {method}, one in a row. `ganzoo directions {name}` draws eight:

![Directions of {name}](gallery/{name}-directions.png)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws docs/gallery.md and its pictures.")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where (default: docs/)")
    docs = parser.parse_args().docs
    (docs / "gallery").mkdir(parents=True, exist_ok=True)
    sections = [_section(name, docs / "gallery") for name in resolve.shipped()]
    with atomic.replacing(docs / "gallery.md") as temporary:
        temporary.write_text(HEAD + "".join(sections), "utf-8")
    print(f"wrote {docs / 'gallery.md'} with {len(sections)} checkpoints")


def _section(name: str, folder: Path) -> str:
    generator = zoo.load_generator(name)
    about = generator.about(0)
    images, columns = generator.sheet(seed=0)
    (folder / f"{name}.png").write_bytes(pictures.png(pictures.grid(images, columns, 2), about))
    walk = generator.interpolate(STEPS, stops=4, seed=0)
    films.write((pictures.grid(image[None], scale=SCALE) for image in walk), folder / f"{name}.webp", FPS, about)
    found = directions.find(generator, 4)
    moved = directions.sheet(generator, found, generator.latents(seed=0))
    sheet = pictures.grid(np.asarray(moved), directions.COLUMNS, 2)
    (folder / f"{name}-directions.png").write_bytes(pictures.png(sheet, about))
    return SECTION.format(
        name=name,
        title=generator.recipe.model.facts.title,
        method=found.method,
        count=len(images),
        steps=STEPS,
        scale=SCALE,
        fps=FPS,
    )


if __name__ == "__main__":
    main()
