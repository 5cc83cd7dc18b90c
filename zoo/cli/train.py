"""ganzoo train, finetune."""

from __future__ import annotations

import click

import zoo
from zoo.cli.terminal import Duration, load_backend, say
from zoo.files.shell import command

STRATEGY = click.Choice(["auto", "none", "mirrored", "multi-worker", "tpu"])


@click.command()
@click.argument("recipe", required=False)
@click.option("--data", help="tfds:NAME, a folder of images, a .zip, .npz or .npy file, instead of the recipe's.")
@click.option("--out", help="The folder of the run.  [default: runs/RECIPE]")
@click.option("--resume", type=click.Path(), help="Go on with this run.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Replace a value of the recipe.")
@click.option("--strategy", type=STRATEGY, default="auto", show_default=True, help="Devices that share a batch.")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Train so long, then save: 30m, 2h, 1h30m.")
@click.option("--dry-run", is_flag=True, help="Read the data, try a few steps, say how long it will take, and stop.")
def train(recipe, data, out, resume, settings, strategy, data_dir, seconds, dry_run) -> None:
    """Trains a recipe. RECIPE: one that `ganzoo list` names, or a .toml file.

    Ctrl-C saves; the same command, or --resume, goes on exactly where it stopped. With --resume, --set may change the
    length (schedule.images), the learning rates, log, watch and name; the run records it. The exit status is 130 after
    Ctrl-C and 143 after SIGTERM.

    \b
    ganzoo train dcgan-fashion-mnist
    ganzoo train sngan-64 --data my/images --out runs/mine
    ganzoo train dcgan-cifar10 --set optimizer.d.learning_rate=1e-4 --set schedule.images=500000
    ganzoo train --resume runs/mine --for 30m
    ganzoo train --resume runs/mine --set schedule.images=5_000_000
    ganzoo train stylegan-lite-cifar10 --dry-run
    """
    from zoo import recipe as recipes
    from zoo.checkpoints.run import Run, folder_for

    if bool(recipe) == bool(resume):
        raise click.UsageError("give either a RECIPE or --resume RUN.")
    if resume and out:
        raise click.UsageError("--resume goes on in the run's own folder; leave out --out.")
    overrides = recipes.parse_overrides(settings) | ({"data.source": data} if data else {})
    if resume:
        loaded, out = Run(resume).recipe.replace(**overrides), resume
    else:
        loaded = recipes.load(recipe, overrides)
        out = out or str(folder_for(recipe, loaded.name))
    if dry_run:
        load_backend()
        _dry_run(loaded, strategy, data_dir)
        return
    recipes.require_source(loaded, f"{recipe!r} without --data", "with --data")
    load_backend()
    _tell(zoo.train(loaded, out, data_dir=data_dir, strategy=strategy, seconds=seconds, resume=bool(resume)))


@click.command()
@click.argument("name")
@click.option("--data", required=True, help="tfds:NAME, a folder of images, a .zip, .npz or .npy file.")
@click.option("--out", help="The folder of the run.  [default: runs/NAME-finetuned]")
@click.option(
    "--images",
    type=click.IntRange(min=1),
    help="Real images to show to D.  [default: a tenth of the first run; with --for, as many]",
)
@click.option("--freeze-d", default=0, show_default=True, type=click.IntRange(min=0), help="Keep D's first layers.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Replace a value of the recipe.")
@click.option("--strategy", type=STRATEGY, default="auto", show_default=True, help="Devices that share a batch.")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Train so long, then save: 30m, 2h, 1h30m.")
def finetune(name, data, out, images, freeze_d, settings, strategy, data_dir, seconds) -> None:
    """Trains both networks of a checkpoint further on your images.

    The images are cropped to a square and resized to what the checkpoint makes. Rates grow as the checkpoint's kernels
    have grown, a short run has smaller batches, and few images that are shown often are augmented; --set has the last
    word.

    \b
    ganzoo finetune clothing-64 --data my/images --for 30m
    ganzoo finetune wgan-gp-fashion-mnist --data digits.npz --images 60000
    """
    from zoo import recipe as recipes
    from zoo.checkpoints import resolve
    from zoo.checkpoints.run import default_folder

    resolve.require(name)
    out = out or str(default_folder(f"{resolve.label(name)}-finetuned"))
    load_backend()
    _tell(
        zoo.finetune(
            name,
            data,
            out,
            images=images,
            freeze_d=freeze_d,
            overrides=recipes.parse_overrides(settings),
            data_dir=data_dir,
            strategy=strategy,
            seconds=seconds,
        )
    )


def _tell(run) -> None:
    """What to do with a run: draw from it, and read what the watcher found."""
    say(f"the run is in {run.path}; draw from its best checkpoint with: {command('ganzoo', 'sample', run.path)}")
    found = {finding["name"]: None for entry in run.entries() for finding in entry.get("findings", ())}
    if found:
        doctor = command("ganzoo", "doctor", run.path)
        say(f"the watcher found {', '.join(found)}; what that means and what to change: {doctor}")
    if run.stopped_by:
        raise click.exceptions.Exit(128 + run.stopped_by)


def _dry_run(recipe, strategy: str, data_dir: str | None) -> None:
    import tomli_w

    from zoo import backend
    from zoo.backend import device
    from zoo.files.progress import duration
    from zoo.training.classes import with_classes
    from zoo.training.estimate import estimate
    from zoo.training.loop import check_devices, prepared
    from zoo.training.rehearsal import rehearse

    with backend.strategy(strategy).scope():
        check_devices(recipe)
        store = prepared(recipe, data_dir) if recipe.data.source else None
        recipe = with_classes(recipe, store) if store else recipe
        needs, plan = estimate(recipe), recipe.schedule
        click.echo(tomli_w.dumps(recipe.to_dict()))
        click.echo(f"# {plan.steps:,} steps of {plan.d_steps} D and {plan.g_steps} G updates")
        click.echo(f"# computed in {device.precision(recipe.precision)}")
        click.echo(f"# parameters: generator {needs['generator']:,}, discriminator {needs['discriminator']:,}")
        click.echo(f"# memory of weights and optimizers: {needs['weights_bytes'] / 2**20:,.0f} MiB")
        if store is None:
            click.echo("# no images yet; with --data, images, time and memory are told too")
            return
        times = plan.images / len(store.images)
        click.echo(
            f"# {len(store.images):,} images to train on, each shown {times:.3g} times; {len(store.heldout):,} held out"
        )
        rehearsal = rehearse(recipe, store)
    whole = duration(rehearsal.seconds)
    click.echo(f"# {rehearsal.images_per_second:g} images/s on this machine: the whole run takes about {whole}")
    click.echo(f"# memory: {rehearsal.memory_bytes / 2**20:,.0f} MiB, the libraries included")
