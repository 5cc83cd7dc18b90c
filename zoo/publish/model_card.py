"""A name in, its model card out."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.checkpoints import resolve
from zoo.files.atomic import replacing, require_writable_file
from zoo.publish import card as cards


def card(name: str | Path, out: str | Path | None = None) -> str:
    """Renders the model card of a checkpoint from the evidence beside its weights. It measures nothing.

    Args:
        name: what `load_generator` takes; a run stands for its best checkpoint.
        out: a Markdown file to write as well. The card's links to pictures then lead from there to the checkpoint.

    Returns:
        The card: Markdown with a YAML header, as the Hugging Face Hub reads it.

    Raises:
        ZooError: unknown name, a damaged checkpoint, or evidence of other weights.

    Example:
        >>> text = zoo.card("dcgan-fashion-mnist")
        >>> zoo.card("my-gan", out="my-gan/README.md")
    """
    if out:
        require_writable_file(Path(out))
    folder = resolve.resolve(name)
    text = cards.render(cards.read(folder), str(name), _way_to(folder, out))
    if out:
        with replacing(Path(out)) as temporary:
            temporary.write_text(text, "utf-8")
    return text


def _way_to(folder: Path, out: str | Path | None) -> str:
    """The relative path from the card to the pictures of a checkpoint, with a slash; empty where they lie beside it."""
    way = Path(os.path.relpath(folder.resolve(), Path(out).resolve().parent)).as_posix() if out else "."
    return "" if way == "." else f"{way}/"
