"""ganzoo sample, interpolate."""

from __future__ import annotations

import math
from pathlib import Path

import click

import zoo
from zoo.cli.terminal import Seeds, load_backend, progress, with_truncation
from zoo.files.errors import ZooError
from zoo.files.text import printable

COUNT = 64  # images, where nobody says how many
of_a_class = click.option(
    "--class", "classes", multiple=True, metavar="CLASS", help="A class by name or number; again for more of them."
)
of_a_run = click.option("--checkpoint", metavar="WHICH", help="Of a run: best (default), latest, healthy or a step.")


@click.command()
@click.argument("name")
@of_a_run
@click.option("-n", "count", type=click.IntRange(min=1), help="How many images.  [default: 64, or 8 of each class]")
@of_a_class
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Equal seeds, equal images.")
@click.option(
    "--seeds", type=Seeds(), help="Instead, one image of each seed: 0-15,42. Files have the seed in their name."
)
@click.option("--latents", metavar="FILE.npz", help="Instead, the images of these latents.")
@click.option("--save-latents", metavar="FILE.npz", help="Write the latents of the images too, for --latents.")
@with_truncation
@click.option("--scale", default=1, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels in a grid.")
@click.option("-o", "--out", help="grid.png, a new DIR/ or images.npz  [default: samples.png; with --seeds samples/]")
@click.pass_context
def sample(
    context: click.Context,
    name: str,
    checkpoint: str | None,
    count: int | None,
    classes: tuple[str, ...],
    seed: int,
    seeds: tuple[int, ...] | None,
    latents: str | None,
    save_latents: str | None,
    truncation: float,
    scale: int,
    out: str | None,
) -> None:
    """Draws images from a trained generator. NAME: a shipped name, a checkpoint folder, a run or hf://org/name.

    \b
    ganzoo sample dcgan-fashion-mnist
    ganzoo sample hf://my-name/my-gan -n 10000 -o images/
    ganzoo sample runs/my-run --checkpoint latest -n 50000 --seed 1 -o images.npz
    ganzoo sample sngan-cond-cifar10 --class ship --class truck -n 16 -o 8-of-each.png
    ganzoo sample sngan-cond-cifar10 -n 5000 -o labelled/
    ganzoo sample dcgan-fashion-mnist --seeds 0-15,42 --save-latents z.npz -o chosen/
    ganzoo sample dcgan-fashion-mnist --latents z.npz -o again.png

    Pictures and .npz files say which checkpoint, step, seed and version made them. A folder must be new or empty.
    """
    from zoo.checkpoints import latents as files
    from zoo.cli import samples

    given = [f"--{key}" for key in ("count", "seed", "seeds", "latents") if _is_given(context, key)]
    if len(given) > 1 and given != ["--count", "--seed"]:
        what = " and ".join(given).replace("--count", "-n")
        raise ZooError(f"give -n with --seed, or --seeds, or --latents, and only one of them. Received: {what}")
    out = out or ("samples/" if seeds else "samples.png")
    if save_latents:
        files.require_file(save_latents)
    write = None if latents else samples.writer(out, len(seeds or range(count or COUNT)), scale, seeds)
    generator = _load(name, checkpoint, with_model=files.is_in_w(latents))
    label, columns = None, None
    if generator.classes and out.endswith(".png") and not (count or seeds or latents or classes):
        label, columns = generator.rows()
        count = len(label)
    count = count or COUNT
    drawn = _latents(generator, latents, seeds, (count, seed) if save_latents else None)
    count = count if drawn is None else len(next(iter(drawn.values())))
    if classes:
        label = spread(classes, count)
    if drawn is None:
        batches, labels = generator.batches(count, seed, truncation, label=label), generator.labels(count, seed, label)
    else:
        drawn |= generator.asked(label, count)
        batches, labels = generator.image_batches(drawn, truncation), generator.labels_of(drawn)
    write = write or samples.writer(out, count, scale)
    about = generator.about(None if seeds or latents else seed, truncation)
    kinds = samples.Kinds(labels, generator.classes, columns) if labels is not None else None
    write(progress(batches, count), about, kinds)
    if save_latents:
        files.save(save_latents, drawn, about)
    click.echo(f"wrote {count:,} images to {out}{_from(generator)}")


def _load(name: str, checkpoint: str | None, with_model: bool) -> zoo.Generator:
    """A generator to draw from. One that ships comes as a graph, and no backend is imported, unless its Keras model is
    asked for."""
    from zoo.checkpoints import graph, loading, resolve

    opened = loading.opened(name, checkpoint)
    if name in resolve.shipped() and not with_model:
        return graph.built(name, opened)
    load_backend()
    return loading.built(name, opened)


def spread(classes: tuple[str, ...], count: int) -> list[str]:
    """A class for each of `count` images, each class for as many, in the order in which they are given."""
    require_one_each(classes, count, "images")
    return [classes[i * len(classes) // count] for i in range(count)]


def require_one_each(classes: tuple[str, ...], count: int, what: str) -> None:
    """Raises ZooError if there are more classes than images, or stops, so that one would be left out."""
    if len(classes) > count:
        raise ZooError(f"each class takes one of the {what}. Received: {len(classes)} classes and {count} {what}")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _latents(
    generator: zoo.Generator, file: str | None, seeds: tuple[int, ...] | None, count_and_seed: tuple[int, int] | None
) -> dict | None:
    """The latents of a file, or of seeds, or of so many images of one seed; None if nobody asks for them."""
    from zoo.checkpoints import latents

    if file:
        return latents.load(file, generator)
    if not seeds and not count_and_seed:
        return None
    count, seed = (1, seeds) if seeds else count_and_seed
    latents.require_room(generator, len(seeds or range(count)))
    return generator.latents(count, seed)


def _from(generator: zoo.Generator) -> str:
    step = generator.info.get("step")
    return f", from {printable(generator.name)}" + (f", step {step:,}" if step is not None else "")


@click.command()
@click.argument("name")
@of_a_run
@click.option("--steps", default=120, show_default=True, type=click.IntRange(2, 2000), help="Images along the walk.")
@click.option("--stops", default=4, show_default=True, type=click.IntRange(min=2), help="Latents that the walk visits.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--latents", metavar="FILE.npz", help="Instead of --stops and --seed, the latents that are visited.")
@of_a_class
@click.option("--direction", type=click.IntRange(1, 64), help="Instead of a walk: one image, along this direction.")
@with_truncation
@click.option("--scale", default=4, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels.")
@click.option(
    "--fps", default=30, show_default=True, type=click.IntRange(1, 60), help="Images per second; about, of a .gif."
)
@click.option("-o", "--out", default="walk.gif", show_default=True, help="walk.gif, walk.webp, walk.mp4 or walk.png")
def interpolate(
    name: str,
    checkpoint: str | None,
    steps: int,
    stops: int,
    seed: int,
    latents: str | None,
    classes: tuple[str, ...],
    direction: int | None,
    truncation: float,
    scale: int,
    fps: int,
    out: str,
) -> None:
    """Walks between latents: a looping film (.gif, .webp, .mp4) or a sheet (.png).

    \b
    ganzoo interpolate dcgan-fashion-mnist
    ganzoo interpolate dcgan-fashion-mnist --steps 300 --stops 10 -o walk.mp4
    ganzoo interpolate dcgan-fashion-mnist --steps 32 --stops 4 -o walk.png
    ganzoo interpolate dcgan-fashion-mnist --latents liked.npz -o liked.webp
    ganzoo interpolate sngan-cond-cifar10 --class ship --class truck
    ganzoo interpolate dcgan-fashion-mnist --direction 2 -o second.gif

    An .mp4 needs imageio-ffmpeg: pip install "keras-ganzoo[film]".
    """
    import numpy as np

    from zoo.checkpoints import latents as files
    from zoo.files import atomic, films, pictures

    sheet = out.endswith(".png")
    if not out.endswith((*films.FORMATS, ".png")):
        raise ZooError(f"the walk is written as {', '.join(films.FORMATS)} or .png. Received: {out!r}")
    atomic.require_writable_file(Path(out)) if sheet else films.require(out)
    generator = _load(name, checkpoint, with_model=bool(direction) or files.is_in_w(latents))
    visited = files.load(latents, generator) if latents else stops
    count = len(next(iter(visited.values()))) if latents else stops
    require_one_each(classes, 1 if direction else count, "images along a direction" if direction else "stops")
    label = [classes[i % len(classes)] for i in range(count)] if classes else None
    psi = truncation
    if direction:
        from zoo.evaluation import directions

        found = directions.find(generator, max(8, direction))
        first = (
            {key: value[:1] for key, value in visited.items()}
            if latents
            else generator.latents(1, seed, classes[0] if classes else None)
        )
        start = directions.in_space(generator, found, first, truncation)
        walk = directions.there_and_back(found, start, direction, steps)
        count, psi = 4, truncation if found.space == "z" else 1.0  # quarters: there, back, beyond, back
    else:
        walk = first = generator.walk(steps, visited, seed, label)
    about = generator.about(None if latents else seed, truncation, generator.labels_of(first))
    batches = progress(generator.image_batches(walk, psi), steps)
    if sheet:
        picture = pictures.grid(np.concatenate(list(batches)), math.ceil(steps / count), scale)
        with atomic.replacing(Path(out)) as temporary:
            picture.save(temporary, "PNG", pnginfo=pictures.text_chunks(about))
    else:
        films.write((pictures.grid(image[None], scale=scale) for batch in batches for image in batch), out, fps, about)
    click.echo(f"wrote {steps} steps to {out}{_from(generator)}")
