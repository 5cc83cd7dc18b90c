"""Matplotlib without a display, whatever the environment says of one."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def any_display() -> Iterator[None]:
    """While it lasts, Matplotlib can be imported whatever MPLBACKEND is.

    A notebook sets MPLBACKEND for the commands that it starts too, to a module that another environment lacks; then
    Matplotlib cannot be imported, nor can Keras, which imports it. Afterwards a display that does exist is chosen as
    always.
    """
    display = os.environ.pop("MPLBACKEND", None)
    loaded = "matplotlib" in sys.modules
    try:
        yield
    finally:
        if display is not None:
            os.environ["MPLBACKEND"] = display
            if not loaded and "matplotlib" in sys.modules:
                with contextlib.suppress(ValueError):
                    sys.modules["matplotlib"].rcParams["backend"] = display


def figure(**options):
    """A new `matplotlib.figure.Figure`, which needs no display; `options` are its own."""
    with any_display():
        from matplotlib.figure import Figure

    return Figure(**options)


def png(figure, dpi: int = 100) -> bytes:
    """The bytes of a PNG file of a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
