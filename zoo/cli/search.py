"""ganzoo search."""

from __future__ import annotations

import click

import zoo
from zoo.cli.terminal import Duration, load_backend, say
from zoo.files.shell import command


@click.command()
@click.argument("recipe", required=False)
@click.option("--data", help="tfds:NAME, a folder of images, a .zip, .npz or .npy file, instead of the recipe's.")
@click.option("--out", help="The folder of the search.  [default: search/RECIPE]")
@click.option("--resume", type=click.Path(), help="Go on with this search, or help another process with it.")
@click.option("--trials", type=click.IntRange(min=1), help="How many there are in the end.  [default: 40]")
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Search so long, then save: 6h, 1h30m.")
@click.option(
    "--trial-images", type=click.IntRange(min=1), help="A trial's length.  [default: a tenth of the recipe's]"
)
@click.option("--trial-for", "trial_seconds", type=Duration(), metavar="TIME", help="A trial's length in time instead.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Fix a value of the recipe.")
@click.option("--space", metavar="FILE.toml", help="Search these ranges, of a table [search].")
@click.option("--objective", default="kid", show_default=True, help='"kid", "kid,recall" or "kid,time".')
@click.option("--finalists", default=3, show_default=True, type=click.IntRange(min=0), help="Run so many once more.")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
@click.option("--show-space", is_flag=True, help="Print the ranges, as a file for --space, and stop.")
def search(recipe, data, out, resume, settings, seconds, space, objective, data_dir, show_space, **numbers) -> None:
    """Tries variants of a recipe on your images, ends the bad ones early, and names the best.

    RECIPE: one that `ganzoo list` names, or a .toml file. Trials are as long in images, or with --for and --trial-for
    in time. The best ones run once more with another seed. Ctrl-C saves, and --resume goes on. Several processes may
    work on one search.

    \b
    ganzoo search quick-64 --data my/images --for 6h
    ganzoo search sngan-64 --data my/images --trials 40 --out search/mine
    ganzoo search --resume search/mine --trials 60
    ganzoo train search/mine/best.toml
    """
    from zoo import recipe as recipes

    if bool(recipe) == bool(resume):
        raise click.UsageError("give either a RECIPE or --resume SEARCH.")
    fixed = [name for name in ("trial_images", "trial_seconds") if numbers[name]]
    if resume and (out or space or settings or fixed):
        raise click.UsageError("a search that goes on keeps its recipe, its space, its trials' length and its folder.")
    overrides = recipes.parse_overrides(settings) | ({"data.source": data} if data else {})
    timed = bool(numbers["trial_seconds"] or (seconds and not numbers["trial_images"]))
    if show_space:
        _show_space(recipe, overrides, space, timed)
        return
    if recipe:
        recipes.require_source(recipes.load(recipe, overrides), f"{recipe!r} without --data", "with --data")
    load_backend()
    found = zoo.search(
        recipe,
        out or resume,
        seconds=seconds,
        overrides=overrides,
        space=space,
        objectives=tuple(name.strip() for name in objective.split(",")),
        data_dir=data_dir,
        **numbers,
    )
    _tell(found)


def _show_space(recipe, overrides, space, timed: bool) -> None:
    import tomli_w

    from zoo.training.search.space import chosen

    click.echo(tomli_w.dumps({"search": chosen(recipe, overrides, space, timed).to_dict()}), nl=False)


def _tell(found) -> None:
    """The best, and what to do with it."""
    best = found.results.best
    if best:
        say(
            f"the best is trial {best.number}, with KID {best.kid:.4f} ± {best.error:.4f}. {found.results.verdict} "
            f"Go on from its checkpoint with: {command('ganzoo', 'train', found.path / 'best.toml')}"
        )
    say(f"all trials are in {found.path / 'report.html'} and trials.csv")
    if found.stopped_by:
        raise click.exceptions.Exit(128 + found.stopped_by)
