"""ganzoo evaluate, compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import zoo
from zoo.cli.terminal import load_backend, say, with_truncation
from zoo.evaluation import EXTRACTORS
from zoo.files.errors import ZooError
from zoo.files.text import printable

if TYPE_CHECKING:
    from zoo.evaluation import results

MOST_CLASSES = 100  # rows of a table
OPTIONS = [
    click.option(
        "--data", help="tfds:NAME, a folder of images, a .zip, .npz or .npy file.  [default: the training data]"
    ),
    click.option(
        "--extractor",
        "extractors",
        multiple=True,
        default=EXTRACTORS[:1],
        show_default=True,
        type=click.Choice(EXTRACTORS),
        help="May be repeated.",
    ),
    click.option(
        "-n",
        "--images",
        default=10_000,
        show_default=True,
        type=click.IntRange(min=10),
        help="How many to generate, and real ones to compare with.",
    ),
    click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Sampling seeds 0, 1, ..."),
    with_truncation,
    click.option(
        "--weights",
        default="ema",
        show_default=True,
        type=click.Choice(["ema", "raw"]),
        help="The average, or in a run the generator that is trained itself.",
    ),
    click.option(
        "--fit",
        type=click.Choice(["crop", "pad"]),
        help="How real images reach the size of the generated.  [default: as in training; crop for files]",
    ),
    click.option("--data-dir", help="Where TFDS keeps its data sets."),
]


def measuring(command):
    """Adds the options that `evaluate` and `compare` share."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@measuring
@click.option(
    "--cas",
    is_flag=True,
    help="Train classifiers on samples of each class, too; of a conditional generator. Takes long.",
)
@click.option("-o", "--out", default="evaluation.json", show_default=True, help="The scores with their protocol.")
def evaluate(name, cas, out, **options) -> None:
    """Scores generated images against real ones. NAME: what `sample` takes, or a folder or file of images.

    Prints each score beside its floor, the score of real images against other real images. The distance is called FID
    with the inception extractor alone; scores of different extractors do not compare.

    \b
    ganzoo evaluate dcgan-fashion-mnist
    ganzoo evaluate runs/mine --data tfds:cifar10 --extractor inception -n 50000
    ganzoo evaluate dcgan-fashion-mnist --extractor efficientnet-lite0 --extractor classifier
    ganzoo evaluate my/generated/images --data my/real/images
    ganzoo evaluate runs/with-classes --cas
    """
    from zoo.checkpoints import resolve
    from zoo.evaluation import results
    from zoo.files import atomic

    resolve.require(name)
    atomic.require_writable_file(Path(out))
    result = _evaluate(name, options, cas)
    with atomic.replacing(Path(out)) as temporary:
        temporary.write_bytes(results.encode(result))
    for part in result.evaluations:
        click.echo("\n".join(table(part)))
    if result.by_class:
        click.echo("\n".join(class_table(result.by_class)))
    if result.cas:
        click.echo("\n".join(worth(result.cas)))
    similarity = result.ms_ssim
    click.echo(
        f"MS-SSIM of {similarity.pairs:,} random pairs: generated {similarity.generated:.4f}, real "
        f"{similarity.real:.4f} (higher is less diverse)"
    )
    say(f"wrote {out}, with the protocol")


@click.command()
@click.argument("names", nargs=-1, required=True)
@measuring
@click.option("-o", "--out", default="comparison.png", show_default=True, help="The chart; a .json lies beside it.")
def compare(names, out, **options) -> None:
    """Scores several checkpoints, runs or folders of images side by side, as a table and a chart.

    \b
    ganzoo compare dcgan-fashion-mnist runs/mine
    ganzoo compare runs/a runs/b runs/c --data tfds:cifar10 -n 5000 -o abc.png
    """
    import msgspec

    from zoo.checkpoints import resolve
    from zoo.evaluation import pictures
    from zoo.files import atomic

    for name in names:  # all of them, since the first may take long
        resolve.require(name)
    if not out.endswith(".png"):
        raise ZooError(f"the chart is written as .png. Received: {out!r}")
    atomic.require_writable_file(Path(out))
    load_backend()
    from zoo.evaluation.compare import warn_of_differences

    found = {}
    for name in dict.fromkeys(names):
        say(name)
        found[name] = _evaluate(name, options)
        with atomic.replacing(Path(out).with_suffix(".json")) as temporary:  # after each: a later one may fail
            temporary.write_text(json.dumps(msgspec.to_builtins(found), indent=1) + "\n", "utf-8")
    pictures.comparison(found, Path(out))
    warn_of_differences(found)
    for i, extractor in enumerate(options["extractors"]):
        rows = {name: result.evaluations[i].scores for name, result in found.items()}
        click.echo("\n".join(side_by_side(extractor, rows)))
    say(f"wrote {out} and {Path(out).with_suffix('.json')}")


def _evaluate(name: str, options: dict, cas: bool = False) -> results.Evaluation:
    load_backend()
    return zoo.evaluate(
        name,
        options["data"],
        extractor=options["extractors"],
        images=options["images"],
        seeds=range(options["seeds"]),
        truncation=options["truncation"],
        weights=options["weights"],
        fit=options["fit"],
        data_dir=options["data_dir"],
        cas=cas,
    )


def table(part: results.Part) -> list[str]:
    """The lines that a person reads of one extractor's scores."""
    from zoo.publish.card.wording import measured, number

    real = part.real
    lines = [
        f"{part.extractor.name} ({part.extractor.resizer}), {part.generated_count:,} generated against "
        f"{real.count:,} of {real.source} ({real.split})",
        f"{'':32}{'generated':>22}{'floor':>12}{'ratio':>9}",
    ]
    for score in part.scores:
        ratio = "" if score.ratio is None else f"{score.ratio:.2f}"
        lines.append(f"{score.name:32}{measured(score):>22}{number(score.floor):>12}{ratio:>9}")
        if score.standard_error is not None:
            error, of_floor = number(score.standard_error), number(score.floor_standard_error)
            lines.append(f"{'  its standard error':32}{error:>22}{of_floor:>12}")
    if part.class_shares:
        shares = part.class_shares
        lines.append(f"shares of the classes (the classifier is right on {shares.accuracy:.1%} of held-out images)")
        lines += [
            f"  {name:30}{real:>10.1%} real{drawn:>10.1%} generated"
            for name, real, drawn in zip(shares.classes, shares.real, shares.generated, strict=True)
        ]
    return lines


def class_table(found: results.ByClass) -> list[str]:
    """The lines that a person reads of a conditional generator's classes, each score with its floor behind it."""
    from zoo.publish.card.wording import number

    counts = [row.count for row in found.classes]
    titles = [score.name for score in found.scored[0].scores] if found.scored else []
    widths = [max(10, len(title) + 1) for title in titles]

    def cells(scores: Sequence[results.Score]) -> str:
        pairs = zip(scores, widths, strict=True)
        return "".join(f"{number(score.mean):>{width}}{number(score.floor):>8}" for score, width in pairs)

    def line(name: str, share: str, scores: str, accuracies: Sequence[float | None]) -> str:
        shown = ("" if value is None else f"{value:.1%}" for value in accuracies)
        return f"  {name:16}{share:>7}{scores}" + "".join(f"{value:>10}" for value in shown)

    heads = "".join(f"{title:>{width}}{'floor':>8}" for title, width in zip(titles, widths, strict=True))
    blank = " " * (sum(widths) + 8 * len(widths))
    lines = [
        f"by class, {min(counts):,} to {max(counts):,} images on each side; behind each score its floor",
        f"{line('', 'share', heads, [])}{'accuracy':>10}{'real':>10}",
    ]
    for row in found.classes[:MOST_CLASSES]:
        scores = cells(row.scores) if row.scores else blank
        name = printable(row.name)[:16]
        lines.append(line(name, f"{row.share:.1%}", scores, (row.accuracy, row.held_out_accuracy)))
    if len(found.classes) > MOST_CLASSES:
        lines.append(f"  and {len(found.classes) - MOST_CLASSES:,} more, in the file")
    lines.append(line("mean", "", cells(found.mean) if found.mean else blank, found.accuracies))
    if found.mean:
        lines.append(f"  (the mean of {titles[0]} is the {found.mean[0].name})")
    return lines


def worth(found: results.Cas) -> list[str]:
    """The lines that a person reads of the classification accuracy score."""

    def shown(side: results.Trained, form: str) -> str:
        return format(side.mean, form) + ("" if side.spread is None else f" ± {format(side.spread, form)}")

    sides = {"real images": found.real, "generated images": found.generated, "both": found.both}
    return [
        f"accuracy on {found.tested_on:,} real held-out images of a classifier, by what it was trained on: "
        f"{found.images:,} images, {found.steps:,} steps, {len(found.seeds)} seeds",
        *(f"  {name:30}{shown(side, '.1%'):>22}" for name, side in sides.items()),
        f"  {'generated over real (CAS)':30}{shown(found.ratio, '.3f'):>22}",
    ]


def side_by_side(title: str, rows: dict[str, list[results.Score]]) -> list[str]:
    """The lines that a person reads of several evaluations with one extractor."""
    from zoo.publish.card.wording import measured, number

    names = [score.name for score in next(iter(rows.values()))]
    floors = dict.fromkeys(tuple(number(score.floor) for score in scores) for scores in rows.values())
    cells = [(title, names)]
    cells += [(row[-27:], map(measured, scores)) for row, scores in rows.items()]
    cells += [("floor", floor) for floor in floors]
    return [f"{first:28}" + "".join(f"{cell:>20}" for cell in others) for first, others in cells]
