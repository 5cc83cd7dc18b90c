"""Publishing a checkpoint on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path

from zoo.checkpoints import checkpoint, guard, huggingface, resolve
from zoo.checkpoints.loading import load_generator
from zoo.files.errors import ZooError
from zoo.networks.parts.lazy import keras
from zoo.publish import card, export
from zoo.publish import space as spaces

logger = logging.getLogger("ganzoo")

KERAS = ("config.json", "metadata.json", "model.weights.h5")  # what keras.saving.load_model("hf://org/name") reads
COMMIT_SECONDS = 60.0  # that the Hub may think about a commit
NEUTRAL = {".gitattributes", ".gitignore", "README.md", "LICENSE"}  # a repository may begin with these


def push(
    name: str | Path,
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    license: str | None = None,
    space: bool = False,
) -> str:
    """Publishes a checkpoint, and returns its address, "hf://org/name@commit".

    The repository gets what `export` writes as checkpoint, README.md from the checkpoint's folder or its card, and
    where plain Keras has all the layers, its own files, for `keras.saving.load_model("hf://org/name")`. Our files of an
    earlier push that there are no more are removed. Nothing is committed when nothing has changed.

    Args:
        name: what `load_generator` accepts; a run stands for its best checkpoint.
        repository: "org/name"; made if it does not exist.
        private: make it a private one.
        revision: a branch, made if it does not exist; None: the main branch.
        message: of the commit.
        license: of the weights, as in `zoo.export`.
        space: make a Space of the same name too, whose page is that of `zoo.demo` and draws from this commit.

    Raises:
        ZooError: not org/name, no token, no permission, a repository of other files, or a public one that was to be
            private, no connection, unknown name, corrupt checkpoint.

    Example:
        >>> address = zoo.push("runs/mine", "my-name/my-gan", private=True)
    """
    from huggingface_hub import HfApi, get_token

    address = huggingface.parse(repository)
    if address.revision or re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise ZooError(
            "a checkpoint is pushed to org/name; --revision names the branch, which is no commit. "
            f"Received: {repository!r} and {revision!r}"
        )
    address = huggingface.Address(address.repository, revision)
    if not get_token():
        raise ZooError(f"there is no token to write to the Hub with; {huggingface.LOG_IN}. Received: {repository!r}")
    api = HfApi(**huggingface.CLIENT)
    with huggingface.explained(address), guard.guarded():
        before = _look(api, address)
    _require_ours(before, address, private)
    if space:
        spaces.require_free(api, address)
    with tempfile.TemporaryDirectory() as temporary:
        folder = _assemble(name, Path(temporary) / "checkpoint", address.repository, license)
        files = {path.name for path in folder.iterdir()}
        size = sum(path.stat().st_size for path in folder.iterdir())
        with huggingface.explained(address), guard.guarded(send=size, silence=COMMIT_SECONDS):
            api.create_repo(address.repository, private=private or None, exist_ok=True)
            if revision:
                api.create_branch(address.repository, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=address.repository,
                folder_path=folder,
                revision=revision,
                commit_message=message or f"Checkpoint from ganzoo {huggingface.CLIENT['library_version']}",
                delete_patterns=sorted({*checkpoint.FILES, *KERAS} - files),
            )
    if before and commit.oid == before.sha:
        logger.info(f"nothing has changed: {address} keeps commit {commit.oid[:12]}")
    pushed = huggingface.Address(address.repository, commit.oid)
    if space:
        spaces.publish(api, pushed, private)
        logger.info(f"the page is the Space {address.repository}, which the Hub builds now")
        if private or (before and before.private):
            logger.warning(
                "the Space reads a private checkpoint: add a secret HF_TOKEN, a token that may read "
                f"{address.repository}, in the Space's settings"
            )
    return str(pushed)


def _look(api, address: huggingface.Address):
    """What the Hub says of the repository's branch, or of its main branch where that is not there; None: neither is."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    for revision in dict.fromkeys((address.revision, None)):
        try:
            return api.model_info(address.repository, revision=revision)
        except RevisionNotFoundError:
            continue
        except RepositoryNotFoundError:
            return None
    return None


def _require_ours(before, address: huggingface.Address, private: bool) -> None:
    files = {file.rfilename for file in before.siblings or ()} if before else set()
    foreign = files - NEUTRAL - {*checkpoint.FILES, *KERAS} if "ganzoo.json" in files else files - NEUTRAL
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ZooError(
            f"the repository holds something else ({', '.join(sorted(foreign)[:3])}{more}); push to a new "
            f"one, or delete these files there first. Received: {str(address)!r}"
        )
    if private and before and not before.private:
        raise ZooError(
            "the repository is there and public; make it private in its settings, or push without "
            f"--private. Received: {str(address)!r}"
        )


def _assemble(name: str | Path, folder: Path, repository: str, license: str | None) -> Path:
    """Everything that the repository is to hold."""
    source = resolve.resolve(name)
    own = checkpoint.locate(source, "README.md")
    export.export(source, "checkpoint", folder, license)
    _add_keras(folder)
    if os.path.isfile(own) and license is None:
        shutil.copyfile(own, folder / "README.md")
    else:
        (folder / "README.md").write_text(card.render(card.read(folder), f"hf://{repository}"), "utf-8")
    return folder


def _add_keras(folder: Path) -> None:
    """Writes Keras's own files beside the checkpoint, if its generator is one of plain Keras."""
    generator = load_generator(folder)
    if not generator.recipe.model.facts.plain_keras:
        return
    keras.saving.save_model(export.plain(generator.model), folder, zipped=False)
    (folder / "assets").rmdir()
    metadata = json.loads((folder / "metadata.json").read_text("utf-8"))
    del metadata["date_saved"]  # so that the same weights are the same files
    (folder / "metadata.json").write_text(json.dumps(metadata) + "\n", "utf-8")
