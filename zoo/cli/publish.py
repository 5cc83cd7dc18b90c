"""ganzoo export."""

from __future__ import annotations

import click

from zoo.cli.terminal import load_backend, say


@click.command()
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
    load_backend()
    from zoo import export as exporting

    exporting.export(name, format_, out, notify=say)
    say(f"wrote {out}")
