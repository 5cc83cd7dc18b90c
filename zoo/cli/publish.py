"""ganzoo export, push, pull."""

from __future__ import annotations

import click

from zoo.cli.terminal import load_backend, say


@click.command()
@click.argument("name")
@click.option("--format", "format_", type=click.Choice(["checkpoint", "keras", "onnx", "savedmodel"]), required=True)
@click.option("-o", "--out", required=True, help="What to write: a folder, .keras or .onnx file.")
@click.option("--license", help="Of the weights, for a checkpoint's card: apache-2.0, cc-by-4.0, ...")
def export(name: str, format_: str, out: str, license: str | None) -> None:
    """Writes a trained generator for use elsewhere. NAME: a shipped name, a checkpoint folder or a run (its best).

    \b
    ganzoo export runs/mine --format checkpoint -o my-gan/
    ganzoo export dcgan-fashion-mnist --format keras -o generator.keras
    ganzoo export dcgan-fashion-mnist --format onnx -o generator.onnx
    """
    load_backend()
    from zoo.publish import export as exporting

    exporting.export(name, format_, out, license=license)
    say(f"wrote {out}")


@click.command()
@click.argument("name")
@click.argument("repository", metavar="ORG/NAME")
@click.option("--private", is_flag=True, help="Make the repository a private one.")
@click.option("--revision", metavar="BRANCH", help="A branch, made if it does not exist.  [default: the main branch]")
@click.option("-m", "--message", help="What the commit says.")
@click.option("--license", help="Of the weights, for the card: apache-2.0, cc-by-4.0, ...")
def push(name, repository, private, revision, message, license) -> None:
    """Publishes a checkpoint on the Hugging Face Hub. NAME: what `sample` takes; of a run, the best.

    One commit, or none when nothing has changed. The token is that of `hf auth login`, or HF_TOKEN.

    \b
    ganzoo push runs/mine my-name/my-gan --private
    ganzoo push runs/mine my-name/my-gan --revision smaller -m "Fewer channels"
    """
    load_backend()
    from zoo.publish import push as pushing

    address = pushing.push(name, repository, private=private, revision=revision, message=message, license=license)
    say(f"draw from it with: ganzoo sample {address}")


@click.command()
@click.argument("name")
@click.option("-o", "--out", help="A new folder for a copy.  [default: the Hub's cache alone]")
def pull(name: str, out: str | None) -> None:
    """Fetches a checkpoint for use without a connection. NAME: hf://org/name@revision, or a name from `ganzoo list`.

    \b
    ganzoo pull hf://my-name/my-gan
    ganzoo pull hf://my-name/my-gan@v1 -o my-gan/
    """
    from zoo.checkpoints import resolve

    say(f"{name} is in {resolve.pull(name, out)}")
