"""How far long work is: a bar that moves on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

logger = logging.getLogger("ganzoo")

EVERY_SECONDS = 30.0  # between two lines
DELAY_SECONDS = 1.0  # before a bar is shown: short work needs none


@contextlib.contextmanager
def progress(count: int, what: str, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """While it lasts, shows how many of `count` images are done.

    Args:
        what: what is done with them, "preparing".
        quiet: show nothing.

    Yields:
        A function to call with how many more are done.

    Example:
        >>> with progress(10_000, "drawing") as advance:
        ...     advance(64)
    """
    from tqdm import tqdm

    on_terminal, begun = moves(), time.monotonic()
    done, told = 0, begun

    def advance(more: int) -> None:
        nonlocal done, told
        done, now = done + more, time.monotonic()
        bar.update(more)
        if not (on_terminal or quiet) and done < count and now - told >= EVERY_SECONDS:
            told, left = now, duration((now - begun) * (count - done) / max(done, 1))
            logger.info(f"{what}: {done:,} of {count:,} images, about {left} left")

    shown = on_terminal and not quiet
    with tqdm(total=count, desc=what, unit="image", disable=not shown, delay=DELAY_SECONDS, **width()) as bar:
        yield advance


def moves() -> bool:
    """Whether a line can move where this process speaks: a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def width() -> dict[str, Any]:
    """What tqdm is told of the width: a terminal without a size, as in a container, would get empty lines."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no terminal
        return {"dynamic_ncols": True}
    return {"dynamic_ncols": True} if columns and rows else {"ncols": 79, "nrows": 24}


def duration(seconds: float) -> str:
    """A duration in the two largest units: "2 h 5 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((i for i, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"
