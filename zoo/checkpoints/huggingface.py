"""The Hugging Face Hub: addresses, downloads into its own cache, and its errors in one line."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo.checkpoints import checkpoint, guard
from zoo.files.errors import ZooError
from zoo.files.progress import moves, width
from zoo.files.text import printable

logger = logging.getLogger("ganzoo")

PREFIX = "hf://"
CLIENT = {"library_name": "keras-ganzoo", "library_version": zoo.__version__}  # what the Hub counts downloads by
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Address:
    """A model repository, "org/name", and a branch, tag or commit of it; None: its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse(name: str) -> Address:
    """Reads "hf://org/name@revision"; prefix and revision may be left out. ValueError when it is not of that form."""
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name.removeprefix(PREFIX), re.ASCII)
    if not match or ".." in name:
        raise ZooError(
            "a repository on the Hub is named org/name, or hf://org/name@revision with a branch, tag or "
            f"commit. Received: {name!r}"
        )
    return Address(*match.groups())


def download(address: Address, files: Collection[str] | None = None, again: bool = False) -> Path:
    """Fetches files of a repository into the Hub's own cache, and returns the folder of that revision there.

    A commit of which the cache has every file is taken from there, and no connection is made. It may be that the Hub
    cannot be reached, breaks off, is too slow, or is not to be used (HF_HUB_OFFLINE). Then the folder is what the cache
    had of the revision before, and a line says so.

    Args:
        address: a revision that is a commit gives the same files for ever.
        files: names of all that is needed; None: those of a checkpoint that the repository has. Others are never
            fetched.
        again: fetch even what the cache has.

    Raises:
        ZooError: no such repository or revision, no permission, no checkpoint in it, files too large, an answer that
            the Hub would not give, a full disk, or neither a connection nor a copy in the cache.
    """
    options = {"repo_id": address.repository, "allow_patterns": list(files or checkpoint.FILES), **CLIENT}
    _require_cache(address)
    cached = None if again else _cached(address, files or (), options)
    if cached and guard.COMMIT.fullmatch(address.revision or ""):
        return cached
    try:
        with explained(address):
            return _fetch(address, options, again)
    except Unreachable as error:
        if again:
            raise
        if cached is None:
            raise ZooError(
                f"the Hub cannot be reached ({error.reason}), and its cache on this machine has no whole copy; try "
                f"again with a connection. Received: {str(address)!r}"
            ) from None
        logger.warning(
            f"the Hub cannot be reached ({error.reason}); {address} comes from the cache, commit {cached.name[:12]}"
        )
        return cached


def _require_cache(address: Address) -> None:
    from huggingface_hub import constants

    try:
        Path(constants.HF_HUB_CACHE).expanduser()
    except RuntimeError:
        raise ZooError(
            f"there is no home folder for the Hub's cache: set HF_HOME to a folder. Received: {str(address)!r}"
        ) from None


def _fetch(address: Address, options: dict, again: bool) -> Path:
    from huggingface_hub import snapshot_download

    with guard.guarded():
        listed = snapshot_download(revision=address.revision, dry_run=True, tqdm_class=_bar(False), **options)
    if "ganzoo.json" not in {file.filename for file in listed}:
        raise ZooError(
            f"the repository holds no checkpoint of ganzoo: it has no ganzoo.json. Received: {str(address)!r}"
        )
    for file in listed:
        if file.file_size is None or file.file_size > checkpoint.largest(file.filename):
            size = "a size that is not told" if file.file_size is None else f"{file.file_size:,} bytes"
            raise ZooError(
                f"{file.filename} has {size}, more than in any checkpoint of ganzoo; "
                f"nothing was fetched. Received: {str(address)!r}"
            )
    wanted = [file.file_size for file in listed if again or not file.is_cached]
    if wanted:
        logger.info(f"fetching {address}: {len(wanted)} files, {sum(wanted) / 1e6:,.1f} MB")
    with guard.guarded(sum(wanted)):
        commit = listed[0].commit_hash
        return Path(snapshot_download(revision=commit, force_download=again, tqdm_class=_bar(moves()), **options))


def _bar(shown: bool) -> type:
    from tqdm import tqdm

    class Bar(tqdm):
        __init__ = functools.partialmethod(tqdm.__init__, disable=not shown, **width())

    return Bar


def _cached(address: Address, needed: Collection[str], options: dict) -> Path | None:
    """The folder that the cache has of a revision, if all that ganzoo.json lists, and all that is needed, is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(revision=address.revision, local_files_only=True, **options))
        listed = checkpoint.open_checkpoint(folder).info["files"]
    except (LocalEntryNotFoundError, ZooError):
        return None
    return folder if all(os.path.isfile(folder / file) for file in {*needed, *listed}) else None


class Unreachable(ZooError):
    """There is no connection to the Hub, or none that is good for anything; `reason` says why."""

    def __init__(self, reason: str, address: Address) -> None:
        super().__init__(f"the Hub cannot be reached ({reason}); try again later. Received: {str(address)!r}")
        self.reason = reason


@contextlib.contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turns whatever huggingface_hub raises into a ZooError of one line; only errors of the disk pass.

    Raises:
        Unreachable: the Hub gives no answer.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # an odd answer of the server makes the client raise anything
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise ZooError(
                f"the disk is full; make room, or set HF_HOME to another folder. Received: {str(address)!r}"
            ) from error
        if getattr(error, "errno", None):
            raise
        origin = _origin(error)
        reason = _unreachable(origin)
        if reason:
            raise Unreachable(reason, address) from error
        raise ZooError(f"{_explanation(origin)} Received: {str(address)!r}") from error


def _explanation(error: BaseException) -> str:
    from huggingface_hub import errors, get_token

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"access must be asked for on the repository's page; then {LOG_IN}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            "there is no repository of that name that your token may see."
            if get_token()
            else f"there is no public repository of that name; for a private one {LOG_IN}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such branch, tag or commit."
    if status == 401:
        return f"the Hub does not know your token; {LOG_IN}."
    if status == 403:
        return f"your token does not permit this; {LOG_IN} with one that may write to the repository."
    if isinstance(error, guard.Unfit):
        return f"this is no answer that the Hub gives ({error}); nothing was fetched."
    if isinstance(error, (errors.HTTPError, OSError, ValueError)):
        return f"the Hub or its client refused ({' '.join(printable(error).split())})."
    return f"the Hub's answer cannot be read ({type(error).__name__}: {printable(error, 200)})."


def _origin(error: BaseException) -> BaseException:
    """The original error below huggingface_hub's wrappers."""
    from huggingface_hub.errors import DryRunError, LocalEntryNotFoundError

    while isinstance(error, (DryRunError, LocalEntryNotFoundError, RuntimeError)) and error.__cause__:
        error = error.__cause__
    return error


def _unreachable(error: BaseException) -> str:
    """Why the Hub gives no answer; nothing when it gives one."""
    from huggingface_hub import errors

    if isinstance(error, guard.Slow):
        return str(error)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return f"status {status}" if status == 429 or status >= 500 else ""
    return (printable(error, 200) or type(error).__name__) if isinstance(error, errors.HTTPError) else ""
