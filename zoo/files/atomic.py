"""Writing so that a reader never sees half a file: a temporary name beside the target, then a rename."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.files.errors import ZooError

PARTIAL = ".partial-"  # the prefix of names of what is not complete
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path with the same suffix; what was written there replaces `path` if nothing was raised.

    Raises:
        ZooError: the disk is full; `path` is what it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _explained(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=PARTIAL, suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder; it becomes `path`, a folder that is new or empty, if nothing was raised.

    Raises:
        ZooError: the disk is full; nothing is left behind.
    """
    path = Path(os.path.realpath(path))
    with _beside(path) as temporary:
        yield temporary / "new"
        os.replace(temporary / "new", path)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder; it takes the place of the folder `path` if nothing was raised.

    On Linux the two change places at once, on nearly every file system. Elsewhere the old folder is moved aside before
    the new one comes; `find_interrupted` finds it if the process is killed between the two.

    Raises:
        ZooError: the disk is full; `path` is what it was.
    """
    path = Path(path)
    with _beside(path) as temporary:
        new, old = temporary / "new", temporary / "old"
        yield new
        for file in filter(Path.is_file, new.rglob("*")):
            _sync(file)
        if path.exists() and exchange(new, path):
            return
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            elif path.is_dir() and exchange(new, path):  # another process wrote there in the meantime
                return
            raise


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yields a folder beside `path`, with an empty folder `new` in it; it is removed in the end, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{PARTIAL}{path.name}-"
    with (
        _explained(path),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix, ignore_cleanup_errors=True) as temporary,
    ):
        (Path(temporary) / "new").mkdir()
        yield Path(temporary)


def exchange(a: Path, b: Path) -> bool:
    """Lets two paths change places in one moment; False where the system or the file system has no such thing."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # no Linux
        return False
    return rename(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) == 0


def find_interrupted(path: Path) -> Path | None:
    """The folder that stood at `path` before a process was killed that was replacing it, if there is one.

    Several killed processes may have left one; the newest is what stood there last.
    """
    path = Path(path).absolute()
    with contextlib.suppress(OSError):
        found = path.parent.glob(f"{PARTIAL}{glob.escape(path.name)}-*/old")
        return max(found, key=lambda old: old.parent.stat().st_mtime_ns, default=None)
    return None


def require_writable(path: Path) -> None:
    """Raises ZooError when nothing can be written at `path`, before any work is done for it; creates nothing."""
    folder = next(parent for parent in Path(path).absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ZooError(f"nothing can be written there ({error.strerror}). Received: {str(path)!r}") from None


def require_writable_file(path: Path) -> None:
    """`require_writable` for a file, whose name must not be that of a folder."""
    if Path(path).is_dir():
        raise ZooError(f"there is a folder of that name, and a file is to be written. Received: {str(path)!r}")
    require_writable(path)


def require_new_folder(path: Path) -> None:
    """`require_writable` for a folder that one command fills alone: it is new or empty, and not the current one."""
    path = Path(path)
    if path.is_dir() and path.samefile(os.curdir):
        raise ZooError(f"the current folder cannot be replaced; name a new one. Received: {str(path)!r}")
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise ZooError(
            "there is something already, and a folder holds what one command wrote; name a new one, or remove "
            f"that first. Received: {str(path)!r}"
        )
    require_writable(path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ZooError(
            f"the disk is full ({error.strerror}), and what was written is removed again; make room, or name "
            f"another place. Received: {str(path)!r}"
        ) from error


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
