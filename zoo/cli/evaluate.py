"""ganzoo evaluate, compare."""

from __future__ import annotations

import json
from pathlib import Path

import click

import zoo
from zoo.cli.terminal import load_backend, say
from zoo.files.errors import ZooError

OPTIONS = [
    click.option("--data", help="tfds:NAME, a folder of images or an .npz file.  [default: the training data]"),
    click.option(
        "--extractor",
        "extractors",
        multiple=True,
        default=["efficientnet-lite0"],
        show_default=True,
        type=click.Choice(["efficientnet-lite0", "inception", "classifier"]),
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
    click.option(
        "--truncation", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="StyleGAN-lite's psi."
    ),
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
@click.option("-o", "--out", default="evaluation.json", show_default=True, help="The scores with their protocol.")
def evaluate(name, out, **options) -> None:
    """Scores generated images against real ones. NAME: what `sample` takes, or a folder or .npz of images.

    Prints each score beside its floor, the score of real images against other real images. The distance is called FID
    with the inception extractor alone; scores of different extractors do not compare.

    \b
    ganzoo evaluate dcgan-fashion-mnist
    ganzoo evaluate runs/mine --data tfds:cifar10 --extractor inception -n 50000
    ganzoo evaluate dcgan-fashion-mnist --extractor efficientnet-lite0 --extractor classifier
    ganzoo evaluate my/generated/images --data my/real/images
    """
    from zoo.files import atomic

    atomic.require_writable_file(Path(out))
    result = _evaluate(name, options)
    with atomic.replacing(Path(out)) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")
    for evaluation in result["evaluations"]:
        click.echo("\n".join(table(evaluation)))
    similarity = result["ms_ssim"]
    click.echo(
        f"MS-SSIM of {similarity['pairs']:,} random pairs: generated {similarity['generated']:.4f}, real "
        f"{similarity['real']:.4f} (higher is less diverse)"
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
    from zoo.evaluation.metrics.scores import ERROR
    from zoo.files import atomic, pictures
    from zoo.publish.card.wording import measured, number

    if not out.endswith(".png"):
        raise ZooError(f"the chart is written as .png. Received: {out!r}")
    atomic.require_writable_file(Path(out))
    results = {}
    for name in dict.fromkeys(names):
        say(name)
        results[name] = _evaluate(name, options)
        with atomic.replacing(Path(out).with_suffix(".json")) as temporary:  # after each: a later one may fail
            temporary.write_text(json.dumps(results, indent=2) + "\n")
    pictures.comparison(results, Path(out))
    protocols = {
        (part["real"]["fingerprint"], part["generated_count"])
        for result in results.values()
        for part in result["evaluations"]
    }
    if len(protocols) > 1:
        say("warning: not all were compared with the same images, or with as many; their scores do not compare")
    for i, extractor in enumerate(options["extractors"]):
        rows = {name: result["evaluations"][i]["scores"] for name, result in results.items()}
        shown = [score for score in next(iter(rows.values())) if not score.endswith(ERROR)]
        click.echo(f"{extractor:28}" + "".join(f"{score:>20}" for score in shown))
        for row, scores in rows.items():
            click.echo(f"{row[-27:]:28}" + "".join(f"{measured(scores[score]):>20}" for score in shown))
        floors = dict.fromkeys(tuple(number(scores[score]["floor"]) for score in shown) for scores in rows.values())
        for floor in floors:
            click.echo(f"{'floor':28}" + "".join(f"{value:>20}" for value in floor))
    say(f"wrote {out} and {Path(out).with_suffix('.json')}")


def _evaluate(name: str, options: dict) -> dict:
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
    )


def table(evaluation: dict) -> list[str]:
    """The lines that a person reads of one extractor's evaluation."""
    from zoo.publish.card.wording import measured, number

    extractor, real = evaluation["extractor"], evaluation["real"]
    lines = [
        f"{extractor['name']} ({extractor['resizer']}), {evaluation['generated_count']:,} generated against "
        f"{real['count']:,} of {real['source']} ({real['split']})",
        f"{'':32}{'generated':>22}{'floor':>12}{'ratio':>9}",
    ]
    for name, score in evaluation["scores"].items():
        ratio = "" if score["ratio"] is None else f"{score['ratio']:.2f}"
        lines.append(f"{name:32}{measured(score):>22}{number(score['floor']):>12}{ratio:>9}")
    if "class_shares" in evaluation:
        shares = evaluation["class_shares"]
        lines.append(f"shares of the classes (the classifier is right on {shares['accuracy']:.1%} of held-out images)")
        lines += [
            f"  {name:30}{real:>10.1%} real{drawn:>10.1%} generated"
            for name, real, drawn in zip(shares["classes"], shares["real"], shares["generated"], strict=True)
        ]
    return lines
