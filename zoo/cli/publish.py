"""ganzoo export, push, pull."""

from __future__ import annotations

import click

from zoo.cli.draw import of_a_run
from zoo.cli.terminal import load_backend, say

FORMATS = [
    "checkpoint",
    "keras",
    "savedmodel",
    "onnx",
    "torch-fidelity",
]  # of zoo.publish.export, which takes long to import


@click.command()
@click.argument("name")
@click.option("--format", "format_", type=click.Choice(FORMATS), required=True)
@of_a_run
@click.option("-o", "--out", required=True, help="What to write: a new folder, a .keras or .onnx file.")
@click.option("--license", help="Of the weights, for a checkpoint's card: apache-2.0, cc-by-4.0, ...")
def export(name: str, format_: str, checkpoint: str | None, out: str, license: str | None) -> None:
    """Writes a trained generator for use elsewhere. NAME: a shipped name, a checkpoint folder or a run.

    \b
    ganzoo export runs/mine --format checkpoint -o my-gan/
    ganzoo export dcgan-fashion-mnist --format keras -o generator.keras
    ganzoo export dcgan-fashion-mnist --format onnx -o generator.onnx

    The formats keras, savedmodel and onnx are one function, from normal z [N, Z] to float32 images [N, H, W, C] in
    [-1, 1]. Where the network has it, truncation [N, 1] is asked for too. The last lines say the sizes. torch-fidelity
    is ONNX as that judge reads it.
    """
    from zoo.checkpoints import resolve

    resolve.require(name)
    load_backend()
    from zoo.publish import export as exporting

    exporting.export(name, format_, out, license, checkpoint)
    say(f"wrote {out}")


@click.command()
@click.argument("name")
@click.argument("repository", metavar="ORG/NAME")
@click.option("--private", is_flag=True, help="Make the repository a private one.")
@click.option("--revision", metavar="BRANCH", help="A branch, made if it does not exist.  [default: the main branch]")
@click.option("-m", "--message", help="What the commit says.")
@click.option("--license", help="Of the weights, for the card: apache-2.0, cc-by-4.0, ...")
@click.option("--space", is_flag=True, help="Make a Space of that name too, with the page of `ganzoo demo`.")
def push(name, repository, private, revision, message, license, space) -> None:
    """Publishes a checkpoint on the Hugging Face Hub. NAME: what `sample` takes; of a run, the best.

    One commit, or none when nothing has changed. The token is that of `hf auth login`, or HF_TOKEN.

    \b
    ganzoo push runs/mine my-name/my-gan --private
    ganzoo push runs/mine my-name/my-gan --space
    ganzoo push runs/mine my-name/my-gan --revision smaller -m "Fewer channels"
    """
    from zoo.checkpoints import resolve

    resolve.require(name)
    load_backend()
    from zoo.publish import push as pushing

    address = pushing.push(
        name, repository, private=private, revision=revision, message=message, license=license, space=space
    )
    say(f"draw from it with: ganzoo sample {address}")


@click.command()
@click.argument("name")
@click.option("-o", "--out", help="A new folder for a copy.  [default: the Hub's cache alone]")
def pull(name: str, out: str | None) -> None:
    """Fetches a checkpoint for use without a connection. NAME: hf://org/name@revision, or one that
    `ganzoo list` names.

    \b
    ganzoo pull hf://my-name/my-gan
    ganzoo pull hf://my-name/my-gan@v1 -o my-gan/
    """
    from zoo.checkpoints import resolve

    say(f"{name} is in {resolve.pull(name, out)}")
