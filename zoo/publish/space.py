"""A Hugging Face Space that serves the page of zoo.publish.page for one checkpoint on the Hub."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import zoo
from zoo.checkpoints import guard, huggingface
from zoo.files.errors import ZooError
from zoo.publish import demo

APP = '''"""The page of ganzoo for one checkpoint; `ganzoo push --space` wrote it."""

from zoo.publish import page

page.build(["{address}"]).launch(**page.LAUNCH)
'''
README = """---
title: {title}
sdk: gradio
sdk_version: {gradio}
app_file: app.py
models:
- {repository}
---

Draw from [{repository}](https://huggingface.co/{repository}) in the browser. The page is that of `ganzoo demo`.
"""
NEUTRAL = {".gitattributes", ".gitignore", "LICENSE"}


def files(address: str) -> dict[str, bytes]:
    """The files of a Space that draws from an address on the Hub, "hf://org/name@commit".

    Raises:
        ZooError: Gradio, whose version the Space is to have, is not installed.
    """
    demo.require()
    repository = huggingface.parse(address).repository
    texts = {
        "app.py": APP.format(address=address),
        "README.md": README.format(title=repository.partition("/")[2], gradio=version("gradio"), repository=repository),
        "requirements.txt": f"keras-ganzoo[demo,tensorflow]=={zoo.__version__}\n",
    }
    return {name: text.encode() for name, text in texts.items()}


def require_free(api: Any, address: huggingface.Address) -> None:
    """Raises ZooError if a Space of that name holds something else, or Gradio is not installed."""
    from huggingface_hub.errors import RepositoryNotFoundError

    ours = NEUTRAL | files(str(address)).keys()
    with huggingface.explained(address), guard.guarded():
        try:
            there = api.space_info(address.repository)
        except RepositoryNotFoundError:
            return
    foreign = sorted({file.rfilename for file in there.siblings or ()} - ours)
    if foreign:
        raise ZooError(
            f"the Space of that name holds something else ({', '.join(foreign[:3])}); push to another name, or delete "
            f"these files there first. Received: {address.repository!r}"
        )


def publish(api: Any, address: huggingface.Address, private: bool) -> None:
    """Makes or renews the Space of an address with its commit, in one commit."""
    from huggingface_hub import CommitOperationAdd

    operations = [CommitOperationAdd(name, content) for name, content in files(str(address)).items()]
    with huggingface.explained(address), guard.guarded(send=10_000):
        api.create_repo(
            address.repository, repo_type="space", space_sdk="gradio", private=private or None, exist_ok=True
        )
        api.create_commit(
            address.repository,
            operations,
            repo_type="space",
            commit_message=f"The page of {address} from ganzoo {zoo.__version__}",
        )
