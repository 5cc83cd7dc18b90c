"""Where is kept what can be made again: image stores, features, classifiers."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.files.errors import ZooError


def cache(name: str) -> Path:
    """The folder of that name in ganzoo's cache, which is `$GANZOO_CACHE` or `~/.cache/ganzoo`; it may not exist yet.

    Raises:
        ZooError: there is no home folder, and GANZOO_CACHE is not set.

    Example:
        >>> cache("features")
        PosixPath('/home/ada/.cache/ganzoo/features')
    """
    root = os.environ.get("GANZOO_CACHE") or "~/.cache/ganzoo"
    try:
        return Path(root).expanduser() / name
    except RuntimeError:
        raise ZooError(
            f"there is no home folder to keep files in: set GANZOO_CACHE to a folder. Received: {root!r}"
        ) from None
