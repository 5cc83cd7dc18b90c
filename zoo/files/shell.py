"""Commands as one types them."""

from __future__ import annotations

import shlex


def command(*words) -> str:
    """The words of a command in one line, quoted where a shell needs it: `ganzoo sample 'my runs/one'`."""
    return shlex.join(map(str, words))
