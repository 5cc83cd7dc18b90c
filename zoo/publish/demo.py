"""The page to play with generators, opened on this machine. What is on it stands in page.py, which needs Gradio."""

from __future__ import annotations

import socket
from importlib.util import find_spec

from zoo.files.errors import ZooError


def demo(*names: str, port: int | None = None, share: bool = False, checkpoint: str | None = None) -> None:
    """Opens a page on this machine to play with generators, and stays until it is interrupted.

    Args:
        names: what `load_generator` accepts; the page lets one choose. A run shows its newest samples too.
        port: on which the page is served; None: the first free one from 7860 on.
        share: make Gradio's public link. Without it, only this machine reaches the page.
        checkpoint: of runs, as in `load_generator`.

    Raises:
        ZooError: Gradio is not installed, an unknown name, a damaged checkpoint, or a port that is in use.

    Example:
        >>> zoo.demo("dcgan-fashion-mnist", "runs/mine", port=8000)
    """
    require()
    if port is not None:
        _require_free(port)
    from zoo.publish import page

    page.build(names, checkpoint).launch(server_name="127.0.0.1", server_port=port, share=share, **page.LAUNCH)


def require() -> None:
    """Raises ZooError if Gradio is not installed."""
    if find_spec("gradio") is None:
        raise ZooError("the page needs Gradio: pip install 'keras-ganzoo[demo]'. Received: no package gradio")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ZooError(f"the port cannot be had ({reason}); name another with --port. Received: {port}") from None
