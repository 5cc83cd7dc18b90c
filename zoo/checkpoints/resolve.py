"""From a name to a checkpoint folder: a shipped or released name, a checkpoint folder, a run, or a Hub address."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

from zoo import recipe
from zoo.checkpoints import checkpoint, huggingface
from zoo.files.atomic import find_interrupted, new_folder, require_writable
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

RELEASED = Path(__file__).parent / "released.toml"


def shipped() -> list[str]:
    """Names of the checkpoints inside this package."""
    return sorted(path.parent.name for path in checkpoint.SHIPPED.glob("*/ganzoo.json"))


def released() -> dict[str, dict[str, Any]]:
    """Checkpoints that do not ship: {name: {"repository", "revision", "files": {file: SHA-256}}}."""
    return tomllib.loads(RELEASED.read_text("utf-8"))


def list_checkpoints() -> list[str]:
    """Names of the trained checkpoints that `load_generator` knows: those inside the package, and those released.

    Example:
        >>> zoo.list_checkpoints()[0]
        'clothing-64'
    """
    return sorted({*shipped(), *released()})


def resolve(name: str | Path, which: str | None = None) -> Path:
    """The checkpoint folder that a name stands for.

    Args:
        name: a shipped name ("dcgan-fashion-mnist"), a checkpoint folder, a run folder, "hf://org/name",
            "hf://org/name@revision", or a released name. The last three are fetched into the Hub's own cache; when the
            Hub cannot be reached, a line says that the cache is used.
        which: of a run: "best" (the smallest KID, also for None), "latest", "healthy" (the latest that the watcher had
            nothing against), or a step, "12000". A line says which step it is.

    Raises:
        ZooError: nothing of that name (the nearest known name is suggested), it cannot be fetched, or `which` is given
            for something else than a run.
    """
    name = str(name)
    if is_run(name):
        return _choose(name, "best" if which is None else which)
    if which is not None:
        raise ZooError(
            f"only the folder of a run has several checkpoints to choose from; leave the choice out. "
            f"Received: {which!r} of {name!r}"
        )
    if name in shipped():
        return checkpoint.SHIPPED / name
    if is_address(name):
        return huggingface.download(huggingface.parse(name))
    path = Path(name)
    if os.path.isfile(path / "ganzoo.json"):
        return path
    if os.path.isdir(path):
        raise ZooError(
            "the folder is neither a checkpoint (no ganzoo.json) nor a run (no log.jsonl, no checkpoints/). "
            f"Received: {name!r}"
        )
    if name in released():
        folder = _fetch(name)
        _verify_release(name, folder)
        return folder
    interrupted = find_interrupted(path)
    if interrupted:
        raise ZooError(
            f"a process that replaced this folder was killed; the old one is whole: mv {shlex.quote(str(interrupted))} "
            f"{shlex.quote(name)}. Received: {name!r}"
        )
    if name in recipe.names():
        raise ZooError(
            f"no trained checkpoint of this recipe ships; name a run of it, runs/{name} after "
            f"`ganzoo train {name}`. Received: {name!r}"
        )
    if os.sep in name:
        raise ZooError(
            f"there is no such folder; an address on the Hugging Face Hub begins with hf://. Received: {name!r}"
        )
    raise ZooError(f"there is no checkpoint of that name{recipe.nearest(name, list_checkpoints())} Received: {name!r}")


def require(name: str | Path) -> None:
    """Raises ZooError if nothing has this name, as `resolve`; what is there, or may be on the Hub, is not opened."""
    if not (os.path.exists(name) or is_address(name) or str(name) in released()):
        resolve(name)


def is_run(name: str | Path) -> bool:
    """Whether a name is the folder of a run."""
    if str(name) in shipped() or is_address(name) or os.path.isfile(Path(name, "ganzoo.json")):
        return False
    begun = os.path.isfile(Path(name, "log.jsonl"))  # before it has a checkpoint; unlike Path's own, never an OSError
    return begun or os.path.isdir(Path(name, "checkpoints"))


def _choose(name: str, which: str) -> Path:
    from zoo.checkpoints.run import Run

    folder = Run(Path(name)).choose(which)
    logger.info(f"{name}: the {which} checkpoint, step {int(folder.name.removeprefix('step-')):,}")
    return folder


def pull(name: str, out: str | Path | None = None) -> Path:
    """Fetches a checkpoint for use without a connection, checks every file of it, and returns its folder.

    A copy in the cache that is damaged is fetched again.

    Args:
        name: a shipped or released name, "hf://org/name" or "hf://org/name@revision".
        out: a new folder for a copy; without it, the checkpoint stays in the Hub's cache, where the name finds it.

    Raises:
        ZooError: as `resolve`; a file is not what ganzoo.json or the release states; `out` is there already.

    Example:
        >>> folder = zoo.pull("hf://my-name/my-gan", "my-gan")
    """
    if out is not None and Path(out).exists():
        raise ZooError(f"there is something of that name; name a new folder. Received: {str(out)!r}")
    if out is not None:
        require_writable(Path(out))
    remote = is_address(name) or name in released()
    folder = _fetch(name) if remote else resolve(name)
    try:
        files = _verify(name, folder)
    except ZooError:
        if not remote:
            raise
        folder = _fetch(name, again=True)
        files = _verify(name, folder)
    if out is None:
        return folder
    with new_folder(Path(out)) as new:
        for file in files:
            shutil.copyfile(checkpoint.locate(folder, file), new / file)
    return Path(out)


def is_address(name: str | Path) -> bool:
    """Whether a name is an address on the Hub."""
    return str(name).startswith(huggingface.PREFIX)


def label(name: str | Path) -> str:
    """The last part of a name, without the revision, to call a folder by."""
    return huggingface.parse(str(name)).repository.partition("/")[2] if is_address(name) else Path(name).name


def pinned(name: str | Path, folder: Path) -> str:
    """A name that always resolves to the same files: a shipped or released name, an address with its commit, or the
    folder."""
    if str(name) in shipped() or str(name) in released():
        return str(name)
    if not is_address(name):
        return str(folder)
    return str(huggingface.Address(huggingface.parse(str(name)).repository, folder.name))


def public(name: str | Path, folder: Path) -> str:
    """A name of a checkpoint without folders of this machine: as `pinned`, "mine/step-000012000" in a run, or the
    folder's own name."""
    told = pinned(name, folder)
    if told != str(folder):
        return told
    path = Path(os.path.abspath(folder))
    return f"{path.parents[1].name}/{path.name}" if path.parent.name == "checkpoints" else path.name


def _fetch(name: str, again: bool = False) -> Path:
    """Downloads an address or a released name."""
    if is_address(name):
        return huggingface.download(huggingface.parse(name), again=again)
    release = released()[name]
    address = huggingface.Address(release["repository"], release["revision"])
    return huggingface.download(address, release["files"], again)


def _verify_release(name: str, folder: Path) -> None:
    for file, digest in released()[name]["files"].items():
        path = checkpoint.locate(folder, file)
        if not os.path.isfile(path) or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ZooError(
                f"{file} is not the one that was released; fetch it again with: ganzoo pull {name}. Received: {name!r}"
            )


def _verify(name: str, folder: Path) -> list[str]:
    """The published files that a checkpoint has, after a comparison with the digests that are stated."""
    if name in released():
        _verify_release(name, folder)
    opened = checkpoint.open_checkpoint(folder)
    files = [file for file in checkpoint.FILES if os.path.isfile(checkpoint.locate(folder, file))]
    for file in {*files} & {*opened.info["files"]}:
        opened.content(file)
    return files
