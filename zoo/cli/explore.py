"""ganzoo project, directions, demo."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from zoo.cli.draw import of_a_run
from zoo.cli.terminal import load_backend
from zoo.files.errors import ZooError


@click.command()
@click.argument("name")
@click.argument("picture")
@of_a_run
@click.option("--steps", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Of gradient descent.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the images it starts from.")
@click.option("--film", metavar="FILE", help="The way to the image beside the picture, as .gif, .webp or .mp4.")
@click.option("--scale", default=4, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels in the film.")
@click.option("-o", "--out", default="projection.npz", show_default=True, help="The latents, for sample --latents.")
def project(
    name: str, picture: str, checkpoint: str | None, steps: int, seed: int, film: str | None, scale: int, out: str
) -> None:
    """Finds the latents whose image is nearest to a PICTURE. NAME: what `sample` takes.

    \b
    ganzoo project dcgan-fashion-mnist shirt.png
    ganzoo project dcgan-fashion-mnist shirt.png --film way.gif -o shirt.npz
    ganzoo sample dcgan-fashion-mnist --latents shirt.npz -o again.png

    The picture's middle square is scaled to the generator's size. What the generator cannot draw is not found.
    """
    from tqdm import tqdm

    from zoo.checkpoints import latents, resolve
    from zoo.files import films, pictures

    resolve.require(name)
    if not Path(picture).is_file():
        raise ZooError(f"there is no such picture. Received: {picture!r}")
    latents.require_file(out)
    if film:
        films.require(film)
    load_backend()
    import numpy as np

    from zoo.evaluation.projection import project as projected

    with tqdm(total=100, unit="%", disable=not sys.stderr.isatty(), leave=False) as bar:

        def told(share: float, distance: float) -> None:
            bar.set_postfix_str(f"distance {distance:.4f}", refresh=False)
            bar.update(round(100 * share) - bar.n)

        found = projected(name, picture, steps=steps, seed=seed, checkpoint=checkpoint, told=told)
    found.generator.save_latents(out, found.latents)
    if film:
        pairs = (pictures.grid(np.stack([found.target, image]), 2, scale) for image in _held(found.way))
        films.write(pairs, film, about=found.generator.about())
    click.echo(f"wrote the latents of the nearest image to {out}: PSNR {found.psnr:.1f} dB of {found.generator.name}")


def _held(frames, count: int = 30):
    """The frames, and the last one for a while."""
    yield from frames
    for _ in range(count):
        yield frames[-1]


@click.command()
@click.argument("name")
@of_a_run
@click.option("--count", default=8, show_default=True, type=click.IntRange(1, 64), help="How many directions.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the image that is moved.")
@click.option("--scale", default=2, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels.")
@click.option("-o", "--out", default="directions.png", show_default=True)
def directions(name: str, checkpoint: str | None, count: int, seed: int, scale: int, out: str) -> None:
    """Draws the directions along which images change most, one in a row; the middle column is the image itself.

    \b
    ganzoo directions stylegan-lite-fashion-mnist
    ganzoo interpolate stylegan-lite-fashion-mnist --direction 2 -o second.gif

    Generators with styles: SeFa, arXiv:2007.06600. Others: GANSpace, arXiv:2004.02546.
    """
    from zoo.checkpoints import resolve
    from zoo.files import atomic, pictures

    resolve.require(name)
    if not out.endswith(".png"):
        raise ZooError(f"the sheet of directions is written as .png. Received: {out!r}")
    atomic.require_writable_file(Path(out))
    load_backend()
    import zoo
    from zoo.evaluation import directions as finding

    generator = zoo.load_generator(name, checkpoint=checkpoint)
    found = finding.find(generator, count)
    images = finding.sheet(generator, found, generator.latents(seed=seed))
    with atomic.replacing(Path(out)) as temporary:
        said = pictures.text_chunks({**generator.about(seed), "directions": found.method})
        pictures.grid(images, finding.COLUMNS, scale).save(temporary, "PNG", pnginfo=said)
    click.echo(f"wrote {count} directions in {found.space}, found by {found.method}, to {out}")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@of_a_run
@click.option("--port", type=click.IntRange(1, 65_535), help="[default: the first free one from 7860 on]")
@click.option("--share", is_flag=True, help="Make Gradio's public link; otherwise only this machine reaches the page.")
def demo(names: tuple[str, ...], checkpoint: str | None, port: int | None, share: bool) -> None:
    """Opens a page in the browser to play with generators. NAME: what `sample` takes, one or several.

    \b
    ganzoo demo dcgan-fashion-mnist stylegan-lite-fashion-mnist
    ganzoo demo runs/mine --checkpoint latest --port 8000

    A run that trains shows its newest samples, curves and findings too. It needs pip install "keras-ganzoo[demo]".
    """
    from zoo.checkpoints import resolve

    for name in names:
        resolve.require(name)
    load_backend()
    from zoo.publish import demo as pages

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of each new number of images

    pages.demo(*names, port=port, share=share, checkpoint=checkpoint)
