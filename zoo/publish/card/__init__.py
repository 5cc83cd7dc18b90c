"""The model card of a checkpoint: rendered from its evidence files, measuring nothing, so that CI can compare.

The frame is that of Mitchell 2019 (arXiv:1810.03993) and of the Hugging Face Hub. Its sentences are in the templates
beside this file, the .md.j2. What was not measured is said to be not measured.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from zoo.files.shell import command
from zoo.publish.card.facts import PUBLISHED, Facts, decode, read
from zoo.publish.card.header import header
from zoo.publish.card.wording import FILTERS, escaped, flowed

__all__ = ["PUBLISHED", "Facts", "decode", "read", "render"]

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,  # text out of files is made plain by `escaped`; what is `safe` is our own
    finalize=escaped,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= FILTERS
TEMPLATES.globals["command"] = command


def render(facts: Facts, handle: str, pictures: str = "") -> str:
    """The card as Markdown with a YAML header.

    Args:
        facts: from `read`.
        handle: what a reader gives to `zoo.load_generator`: a shipped name, or "hf://org/name".
        pictures: stands before the name of each picture, "../zoo/.../NAME/"; nothing when they lie beside the
            card.
    """
    evaluation, evidence = facts.evaluation, facts.evidence
    body = TEMPLATES.get_template("card.md.j2").render(
        facts=facts,
        info=facts.info,
        recipe=facts.recipe,
        size=facts.recipe.data.resolution,
        channels=facts.recipe.data.channels,
        data=facts.data,
        training=facts.training,
        evaluation=evaluation,
        evidence=evidence,
        warnings=[*(evaluation.warnings if evaluation else ()), *(evidence.measured.warnings if evidence else ())],
        handle=handle,
        pictures=pictures,
    )
    return f"{header(facts, facts.data)}\n\n{flowed(body)}"
