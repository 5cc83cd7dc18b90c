"""ganzoo card."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zoo.cli.terminal import load_backend, say
from zoo.evaluation import EXTRACTORS


@click.command()
@click.argument("name")
@click.option("-o", "--out", help="The Markdown file.  [default: print]")
@click.option("--measure", is_flag=True, help="Measure first; evidence and pictures go into the checkpoint's folder.")
@click.option("--data", help="Where the training images are.  [default: where the run or the recipe says]")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
@click.option(
    "-n",
    "--images",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=100),
    help="How many to generate, and real ones to compare with.",
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Sampling seeds 0, 1, ...")
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    default=EXTRACTORS[:1],
    show_default=True,
    type=click.Choice([name for name in EXTRACTORS if name != "classifier"]),
    help="May be repeated; the first one looks for failures. Labelled images get the classifier, too.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="The run that it comes from, for its history and raw weights; others, for the spread over seeds.",
)
@click.option(
    "--cas", is_flag=True, help="Train classifiers on samples of each class, too; of a conditional model. Takes long."
)
def card(name, out, measure, data, data_dir, images, seeds, extractors, runs, cas) -> None:
    """Renders the model card of a checkpoint from its evidence. NAME: what `sample` takes.

    What was not measured, the card says was not measured.

    \b
    ganzoo card dcgan-fashion-mnist
    ganzoo card my-gan/ --measure --run runs/mine -o my-gan/README.md
    ganzoo card my-gan/ --measure --data my/images --run runs/mine --run runs/mine-seed-1
    """
    from zoo.checkpoints import resolve
    from zoo.files import atomic
    from zoo.publish import card as cards

    resolve.require(name)
    if out:
        atomic.require_writable_file(Path(out))
    if measure:
        load_backend()
        from zoo.evaluation import evidence

        evidence.measure(
            name,
            data_source=data,
            data_dir=data_dir,
            images=images,
            seeds=range(seeds),
            extractor=extractors,
            runs=runs,
            cas=cas,
        )
    folder = resolve.resolve(name)
    text = cards.render(cards.read(folder), name, _beside(folder, out))
    if not out:
        click.echo(text, nl=False)
        return
    with atomic.replacing(Path(out)) as temporary:
        temporary.write_text(text, "utf-8")
    say(f"wrote {out}")


def _beside(folder: Path, out: str | None) -> str:
    """What leads from the card to the checkpoint's pictures."""
    where = Path(os.path.relpath(folder.resolve(), Path(out).resolve().parent)).as_posix() if out else "."
    return "" if where == "." else f"{where}/"
