"""From a name to a checkpoint folder: a shipped or released name, a checkpoint folder, a run, or a Hub address."""

from __future__ import annotations

import hashlib
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

from zoo import recipe
from zoo.checkpoints import checkpoint, huggingface
from zoo.files.atomic import replacing_folder, require_writable
from zoo.files.errors import ZooError

RELEASED = Path(__file__).parent / "released.toml"


def shipped() -> list[str]:
    """Names of the checkpoints inside this package."""
    return sorted(path.parent.name for path in checkpoint.SHIPPED.glob("*/ganzoo.json"))


def released() -> dict[str, dict[str, Any]]:
    """Checkpoints that do not ship: {name: {"repository", "revision", "files": {file: SHA-256}}}."""
    return tomllib.loads(RELEASED.read_text())


def list_checkpoints() -> list[str]:
    """Names of the trained checkpoints that `load_generator` knows: those inside the package, and those released.

    Example:
        >>> zoo.list_checkpoints()[0]
        'dcgan-fashion-mnist'
    """
    return sorted({*shipped(), *released()})


def resolve(name: str | Path) -> Path:
    """The checkpoint folder that a name stands for.

    Args:
        name: a shipped name ("dcgan-fashion-mnist"), a checkpoint folder, a run folder, which stands for its best
            checkpoint, "hf://org/name", "hf://org/name@revision", or a released name. The last three are fetched into
            the Hub's own cache; when the Hub cannot be reached, a line on stderr says that the cache is used.

    Raises:
        ZooError: nothing of that name (the nearest known name is suggested), or it cannot be fetched.
    """
    name = str(name)
    if name in shipped():
        return checkpoint.SHIPPED / name
    if is_address(name):
        return huggingface.download(huggingface.parse(name))
    path = Path(name)
    if os.path.isfile(path / "ganzoo.json"):  # unlike Path's own, never an OSError
        return path
    if os.path.isdir(path / "checkpoints"):
        from zoo.checkpoints.run import Run

        best = Run(path).best()
        if best is None:
            raise ZooError(f"the run has no checkpoint yet. Received: {name!r}")
        return best
    if os.path.isdir(path):
        raise ZooError(
            f"the folder is neither a checkpoint (no ganzoo.json) nor a run (no checkpoints/). Received: {name!r}"
        )
    if name in released():
        folder = _fetch(name)
        _verify_release(name, folder)
        return folder
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
    except ValueError:
        if not remote:
            raise
        folder = _fetch(name, again=True)
        files = _verify(name, folder)
    if out is None:
        return folder
    with replacing_folder(Path(out)) as new:
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
    """A name under which `resolve` finds on any day what it finds now: a shipped or released name, an address with its
    commit, or the folder."""
    if str(name) in shipped() or str(name) in released():
        return str(name)
    if not is_address(name):
        return str(folder)
    return str(huggingface.Address(huggingface.parse(str(name)).repository, folder.name))


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
