"""The command `ganzoo`. Each command imports what it needs when it runs, so that help and lists are instant."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import click

import zoo


class Group(click.Group):
    """Turns user errors into one line and exit status 1, and keeps the order in which commands are defined."""

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except (ValueError, OSError) as error:
            if context.params["debug"]:
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            message = "".join(c if c.isprintable() else "?" for c in text)  # names out of files may hold anything
            raise click.ClickException(message) from None

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(zoo.__version__, prog_name="ganzoo")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Pretrained GANs for Keras 3, and recipes to train and fine-tune your own.

    \b
    ganzoo list
    ganzoo sample dcgan-fashion-mnist -o samples.png
    ganzoo train dcgan-fashion-mnist
    ganzoo finetune dcgan-fashion-mnist --data my/images
    """


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def list_(as_json: bool) -> None:
    """Lists the recipes and the trained checkpoints.

    \b
    ganzoo list
    ganzoo list --json
    """
    from zoo import hub, recipe

    trained = set(hub.shipped())
    rows = []
    for name in recipe.names():
        loaded = recipe.load(name)
        rows.append({"name": name, "network": loaded.model.network, "data": loaded.data.source,
                     "resolution": loaded.data.resolution, "channels": loaded.data.channels,
                     "checkpoint": name in trained})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'recipe':32}{'data':24}{'size':14}checkpoint")
    for row in rows:
        size = f"{row['resolution']}x{row['resolution']}x{row['channels']}"
        click.echo(f"{row['name']:32}{row['data'] or '--data':24}{size:14}{'trained' if row['checkpoint'] else '-'}")


@main.command()
@click.argument("name")
def show(name: str) -> None:
    """Shows a recipe, and where a trained checkpoint of it comes from. NAME: a recipe, a checkpoint or a run.

    \b
    ganzoo show dcgan-fashion-mnist
    ganzoo show runs/my-run
    """
    import tomli_w

    from zoo import checkpoint, hub, recipe

    if name in hub.shipped() or Path(name).is_dir():
        opened = checkpoint.open_checkpoint(hub.resolve(name))
        info = opened.info
        click.echo(f"# {opened.path}")
        for key in ("images", "step", "distance", "backend", "processor"):
            click.echo(f"# {key}: {info.get(key)}")
        if isinstance(info.get("data"), dict):
            click.echo(f"# data: {info['data'].get('source')}, {info['data'].get('images')} images")
        for file, entry in info["files"].items():
            click.echo(f"# {file}: {entry['bytes']:,} bytes, sha256 {entry['sha256'][:16]}...")
        click.echo()
        loaded = opened.recipe
    else:
        loaded = recipe.load(name)
    click.echo(tomli_w.dumps(loaded.to_dict()).rstrip())


@main.command()
@click.argument("name")
@click.option("-n", "count", default=64, show_default=True, type=click.IntRange(min=1), help="How many images.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Equal seeds, equal images.")
@click.option("--truncation", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="StyleGAN-lite's psi.")
@click.option("--scale", default=1, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels in a grid.")
@click.option("-o", "--out", default="samples.png", show_default=True, help="grid.png, DIR/ or images.npz")
def sample(name: str, count: int, seed: int, truncation: float, scale: int, out: str) -> None:
    """Draws images from a trained generator. NAME: a shipped name, a checkpoint folder or a run.

    \b
    ganzoo sample dcgan-fashion-mnist
    ganzoo sample dcgan-fashion-mnist -n 10000 -o images/
    ganzoo sample runs/my-run -n 50000 --seed 1 -o images.npz
    """
    from zoo import output

    write = output.writer(out, count, scale)
    _load_backend()
    generator = zoo.load_generator(name)
    write(_progress(generator.batches(count, seed, truncation), count))
    click.echo(f"wrote {count:,} images to {out}")


@main.command()
@click.argument("name")
@click.option("--steps", default=60, show_default=True, type=click.IntRange(2, 2000), help="Images along the walk.")
@click.option("--stops", default=4, show_default=True, type=click.IntRange(min=2), help="Latents that the walk visits.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--truncation", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="StyleGAN-lite's psi.")
@click.option("--scale", default=4, show_default=True, type=click.IntRange(1, 16), help="Enlarge pixels.")
@click.option("-o", "--out", default="walk.gif", show_default=True, help="walk.gif or walk.png")
def interpolate(name: str, steps: int, stops: int, seed: int, truncation: float, scale: int, out: str) -> None:
    """Walks between latents: a looping animation (.gif) or a sheet (.png).

    \b
    ganzoo interpolate dcgan-fashion-mnist
    ganzoo interpolate dcgan-fashion-mnist --steps 32 --stops 4 -o walk.png
    """
    from zoo import files, pictures

    if not out.endswith((".gif", ".png")):
        raise ValueError(f"the walk is written as .gif or .png. Received: {out!r}")
    files.require_writable_file(Path(out))
    _load_backend()
    images = zoo.load_generator(name).interpolate(steps, stops, seed, truncation)
    if out.endswith(".gif"):
        pictures.gif([pictures.grid(image[None], scale=scale) for image in images], Path(out), last_milliseconds=120)
    else:
        with files.replacing(Path(out)) as temporary:
            pictures.grid(images, columns=-(-steps // stops), scale=scale).save(temporary, "PNG")
    click.echo(f"wrote {steps} steps to {out}")


STRATEGY = click.Choice(["auto", "none", "mirrored", "multi-worker", "tpu"])


@main.command()
@click.argument("recipe", required=False)
@click.option("--data", help="tfds:NAME, a folder of images or an .npz file, instead of the recipe's.")
@click.option("--out", help="The folder of the run.  [default: runs/RECIPE]")
@click.option("--resume", type=click.Path(), help="Go on with this run.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Replace a value of the recipe.")
@click.option("--strategy", type=STRATEGY, default="auto", show_default=True, help="Devices, through tf.distribute.")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
@click.option("--dry-run", is_flag=True, help="Print the resolved recipe, parameters and memory, and stop.")
def train(recipe, data, out, resume, settings, strategy, data_dir, dry_run) -> None:
    """Trains a recipe. RECIPE: a name from `ganzoo list`, or a .toml file.

    Ctrl-C saves; the same command, or --resume, goes on exactly where it stopped.

    \b
    ganzoo train dcgan-fashion-mnist
    ganzoo train sngan-64 --data my/images --out runs/mine
    ganzoo train dcgan-cifar10 --set optimizer.d.learning_rate=1e-4 --set schedule.images=500000
    ganzoo train --resume runs/mine
    ganzoo train stylegan-lite-cifar10 --dry-run
    """
    from zoo import recipe as recipes
    from zoo.run import Run

    if bool(recipe) == bool(resume):
        raise click.UsageError("give either a RECIPE or --resume RUN.")
    if resume and out:
        raise click.UsageError("--resume goes on in the run's own folder; leave out --out.")
    overrides = recipes.parse_overrides(settings) | ({"data.source": data} if data else {})
    if resume:
        loaded, out = Run(resume).recipe.replace(**overrides), resume
    else:
        loaded = recipes.load(recipe, overrides)
        out = out or str(Path("runs") / loaded.name)
    if dry_run:
        _load_backend()
        _dry_run(loaded)
        return
    if not loaded.data.source:
        raise ValueError("this recipe has no data of its own; name a folder, an .npz file or a TFDS set with --data. "
                         f"Received: {recipe!r} without --data")
    _load_backend()
    zoo.train(loaded, out, data_dir=data_dir, strategy=strategy, notify=_say)
    _say(f"the run is in {out}; draw from its best checkpoint with: ganzoo sample {out}")


@main.command()
@click.argument("name")
@click.option("--data", required=True, help="tfds:NAME, a folder of images or an .npz file.")
@click.option("--out", help="The folder of the run.  [default: runs/NAME-finetuned]")
@click.option("--images", type=click.IntRange(min=1), help="Real images to show.  [default: a tenth of the first run]")
@click.option("--freeze-d", default=0, show_default=True, type=click.IntRange(min=0), help="Keep D's first layers.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Replace a value of the recipe.")
@click.option("--strategy", type=STRATEGY, default="auto", show_default=True, help="Devices, through tf.distribute.")
@click.option("--data-dir", help="Where TFDS keeps its data sets.")
def finetune(name, data, out, images, freeze_d, settings, strategy, data_dir) -> None:
    """Trains both networks of a checkpoint further on your images.

    The images are resized to what the checkpoint makes; small sets are augmented.

    \b
    ganzoo finetune dcgan-fashion-mnist --data my/images
    ganzoo finetune dcgan-fashion-mnist --data digits.npz --images 100000 --freeze-d 1
    """
    from zoo import recipe as recipes

    out = out or str(Path("runs") / f"{Path(name).name}-finetuned")
    _load_backend()
    zoo.finetune(name, data, out, images=images, freeze_d=freeze_d, overrides=recipes.parse_overrides(settings),
                 data_dir=data_dir, strategy=strategy, notify=_say)
    _say(f"the run is in {out}; draw from its best checkpoint with: ganzoo sample {out}")


@main.command()
@click.argument("name")
@click.option("--format", "format_", type=click.Choice(["checkpoint", "keras", "onnx", "savedmodel"]), required=True)
@click.option("-o", "--out", required=True, help="What to write: a folder, .keras or .onnx file.")
def export(name: str, format_: str, out: str) -> None:
    """Writes a trained generator for use elsewhere. NAME: a shipped name, a checkpoint folder or a run (its best).

    \b
    ganzoo export runs/mine --format checkpoint -o my-gan/
    ganzoo export dcgan-fashion-mnist --format keras -o generator.keras
    ganzoo export dcgan-fashion-mnist --format onnx -o generator.onnx
    """
    _load_backend()
    from zoo import export as exporting

    exporting.export(name, format_, out, notify=_say)
    _say(f"wrote {out}")


def _load_backend() -> None:
    """Imports Keras and its backend without what TensorFlow's C++ prints before one can set its log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            importlib.import_module("keras")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _dry_run(recipe) -> None:
    import tomli_w

    from zoo.estimate import estimate

    needs = estimate(recipe)
    click.echo(tomli_w.dumps(recipe.to_dict()))
    plan = recipe.schedule
    click.echo(f"# {plan.steps:,} steps of {plan.d_steps} D and {plan.g_steps} G updates")
    click.echo(f"# parameters: generator {needs['generator']:,}, discriminator {needs['discriminator']:,}")
    click.echo(f"# memory, estimated: {needs['memory_bytes'] / 2**20:,.0f} MiB, of which weights and optimizers "
               f"{needs['weights_bytes'] / 2**20:,.0f} MiB")


def _progress(batches, count: int):
    """A progress bar in images, on a terminal and for long work alone."""
    from tqdm import tqdm

    with tqdm(total=count, unit="img", unit_scale=True, disable=count < 1000 or not sys.stderr.isatty()) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
