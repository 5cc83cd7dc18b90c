"""The command `ganzoo`. Each command imports what it needs when it runs, so that help and lists are instant."""

from __future__ import annotations

import click

import zoo
from zoo.cli import card, doctor, draw, evaluate, explore, names, publish, search, train
from zoo.cli.terminal import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(zoo.__version__, prog_name="ganzoo")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Pretrained GANs for Keras 3, and recipes to train and fine-tune your own.

    \b
    ganzoo list
    ganzoo sample clothing-64 -o samples.png
    ganzoo train quick-64 --data my/images --for 30m
    ganzoo finetune clothing-64 --data my/images --for 30m
    ganzoo doctor runs/mine
    ganzoo evaluate runs/mine
    """


for command in (
    names.list_,
    names.show,
    draw.sample,
    draw.interpolate,
    explore.project,
    explore.directions,
    explore.demo,
    train.train,
    train.finetune,
    search.search,
    doctor.doctor,
    evaluate.evaluate,
    evaluate.compare,
    card.card,
    publish.export,
    publish.push,
    publish.pull,
):
    main.add_command(command)
