"""ganzoo list, show."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def list_(as_json: bool) -> None:
    """Lists the trained checkpoints, which you can draw from or fine-tune, and the recipes, which you can train.

    \b
    ganzoo list
    ganzoo list --json
    """
    from zoo import recipe
    from zoo.checkpoints import checkpoint, resolve

    names, trained = recipe.names(), resolve.shipped()
    made_by = {name: recipe.load(name) for name in names}
    others = [name for name in trained if name not in made_by]  # made by a recipe of another name
    made_by |= {name: checkpoint.open_checkpoint(resolve.resolve(name)).recipe for name in others}
    rows = [
        {
            "name": name,
            "network": loaded.model.network,
            "data": loaded.data.source,
            "resolution": loaded.data.resolution,
            "channels": loaded.data.channels,
            "classes": loaded.model.classes,
            "recipe": name in names,
            "checkpoint": name in trained,
        }
        for name, loaded in sorted(made_by.items())
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'trained checkpoint':32}{'network':16}{'size':14}classes")
    for row in (row for row in rows if row["checkpoint"]):
        click.echo(f"{_described(row)}{row['classes'] or '-'}")
    click.echo(f"\n{'recipe':32}{'network':16}{'size':14}data")
    for row in (row for row in rows if row["recipe"]):
        click.echo(f"{_described(row)}{row['data'] or '--data'}")


def _described(row: dict) -> str:
    """The columns that both tables have."""
    return f"{row['name']:32}{row['network']:16}{row['resolution']}x{row['resolution']}x{row['channels']}".ljust(62)


@click.command()
@click.argument("name")
def show(name: str) -> None:
    """Shows a recipe, and where a trained checkpoint of it comes from. NAME: a recipe, a checkpoint or a run.

    \b
    ganzoo show dcgan-fashion-mnist
    ganzoo show runs/my-run
    """
    import tomli_w

    from zoo import recipe
    from zoo.checkpoints import checkpoint, resolve
    from zoo.files.text import printable, printable_lines

    if name in resolve.shipped() or resolve.is_address(name) or Path(name).is_dir():
        opened = checkpoint.open_checkpoint(resolve.resolve(name))
        info = opened.info
        click.echo(f"# {printable(opened.path)}")
        for key in ("images", "step", "kid", "backend", "processor"):
            click.echo(f"# {key}: {printable(info.get(key), 200)}")
        if info.get("data"):
            source, count = (printable(info["data"].get(key), 200) for key in ("source", "images"))
            click.echo(f"# data: {source}, {count} images")
        for file, entry in info["files"].items():
            click.echo(f"# {file}: {entry['bytes']:,} bytes, sha256 {entry['sha256'][:16]}...")
        click.echo()
        loaded = opened.recipe
    else:
        loaded = recipe.load(name)
    click.echo(printable_lines(tomli_w.dumps(loaded.to_dict()).rstrip()))
