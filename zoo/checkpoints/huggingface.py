"""The Hugging Face Hub: addresses, downloads into its own cache, and its errors in one line."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo.checkpoints import checkpoint
from zoo.files.errors import ZooError

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


def download(address: Address, files: Collection[str] = checkpoint.FILES, again: bool = False) -> Path:
    """Fetches files of a repository into the Hub's own cache, and returns the folder of that revision there.

    A commit that is in the cache is taken from there without a connection. When the Hub cannot be reached, or is not to
    be (HF_HUB_OFFLINE), a line on stderr says so, and the folder is what the cache has of the revision.

    Args:
        address: a revision that is a commit gives the same files for ever.
        files: their names; others in the repository are never fetched.
        again: fetch even what the cache has.

    Raises:
        ZooError: no such repository or revision, no permission, no checkpoint in it, files too large, or neither a
            connection nor a copy in the cache.
    """
    from huggingface_hub import snapshot_download

    options = {"repo_id": address.repository, "allow_patterns": list(files), **CLIENT}
    with explained(address):
        try:
            listed = snapshot_download(revision=address.revision, dry_run=True, tqdm_class=_bar(False), **options)
        except OSError as error:
            reason = _unreachable(_origin(error))
            if not reason:
                raise
            listed = None
    if listed is None:
        return _cached(address, reason, options)
    if "ganzoo.json" not in {file.filename for file in listed}:
        raise ZooError(
            f"the repository holds no checkpoint of ganzoo: it has no ganzoo.json. Received: {str(address)!r}"
        )
    for file in listed:
        if (file.file_size or 0) > checkpoint.largest(file.filename):
            raise ZooError(
                f"{file.filename} has {file.file_size:,} bytes, more than in any checkpoint of ganzoo; "
                f"nothing was fetched. Received: {str(address)!r}"
            )
    with explained(address):
        return Path(
            snapshot_download(
                revision=listed[0].commit_hash, force_download=again, tqdm_class=_bar(sys.stderr.isatty()), **options
            )
        )


def _bar(shown: bool) -> type:
    from tqdm import tqdm

    class Bar(tqdm):
        __init__ = functools.partialmethod(tqdm.__init__, disable=not shown)

    return Bar


def _cached(address: Address, reason: str, options: dict) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(revision=address.revision, local_files_only=True, **options))
    except LocalEntryNotFoundError:
        raise ZooError(
            f"the Hub cannot be reached ({reason}), and its cache on this machine has no whole copy; try "
            f"again with a connection. Received: {str(address)!r}"
        ) from None
    print(
        f"the Hub cannot be reached ({reason}); {address} comes from the cache, commit {folder.name[:12]}",
        file=sys.stderr,
    )
    return folder


@contextlib.contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turns what huggingface_hub raises into a ValueError of one line; errors of the disk pass."""
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        if getattr(error, "errno", None):
            raise
        raise ZooError(f"{_explanation(_origin(error))} Received: {str(address)!r}") from error


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
    reason = _unreachable(error)
    if reason:
        return f"the Hub cannot be reached ({reason}); try again later."
    return f"the Hub or its client refused ({' '.join(str(error).split())})."


def _origin(error: BaseException) -> BaseException:
    """What huggingface_hub met before it wrapped it."""
    from huggingface_hub.errors import DryRunError, LocalEntryNotFoundError

    while isinstance(error, (DryRunError, LocalEntryNotFoundError, RuntimeError)) and error.__cause__:
        error = error.__cause__
    return error


def _unreachable(error: BaseException) -> str:
    """Why the Hub gives no answer; nothing when it gives one."""
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return f"status {status}" if status == 429 or status >= 500 else ""
    return (str(error) or type(error).__name__) if isinstance(error, errors.HTTPError) else ""
