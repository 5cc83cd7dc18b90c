"""ganzoo doctor."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.terminal import say
from zoo.files.errors import ZooError


@click.command()
@click.argument("run")
@click.option("--write-recipe", metavar="FILE.toml", help="Write the recipe with the remedies applied.")
@click.option("-o", "--out", metavar="FILE", help="Write the report to report.html, with curves and samples, or .md.")
def doctor(run: str, write_recipe: str | None, out: str | None) -> None:
    """Explains how a training went: what failed and when, the evidence, what to change. RUN: the folder of a run.

    \b
    ganzoo doctor runs/mine
    ganzoo doctor runs/mine -o report.html
    ganzoo doctor runs/mine --write-recipe fixed.toml && ganzoo train fixed.toml
    """
    import tomli_w

    from zoo.files import atomic
    from zoo.watch import report
    from zoo.watch.diagnosis import diagnose

    for file, suffixes in ((write_recipe, (".toml",)), (out, (".html", ".md"))):
        if file and not file.endswith(suffixes):
            raise ZooError(f"the name of that file ends in {' or '.join(suffixes)}. Received: {file!r}")
        if file:
            atomic.require_writable_file(Path(file))
    diagnosis = diagnose(run)
    if out:
        with atomic.replacing(Path(out)) as temporary:
            text = report.page(diagnosis) if out.endswith(".html") else report.markdown(diagnosis)
            temporary.write_text(text, "utf-8")
        say(f"wrote {out}: {diagnosis.verdict}")
    else:
        click.echo(report.markdown(diagnosis), nl=False)
    if write_recipe:
        with atomic.replacing(Path(write_recipe)) as temporary:
            better = diagnosis.better.replace(name=Path(write_recipe).stem)  # which names its run's folder too
            temporary.write_text(tomli_w.dumps(better.to_dict()), "utf-8")
        say(f"wrote {write_recipe}, with {len(diagnosis.changes)} change{'s' * (len(diagnosis.changes) != 1)}")
