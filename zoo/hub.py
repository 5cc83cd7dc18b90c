"""From a name to a checkpoint folder: a shipped name, a checkpoint folder, or a run."""

from __future__ import annotations

from pathlib import Path

from zoo.recipe import nearest

SHIPPED = Path(__file__).parent / "checkpoints"


def shipped() -> list[str]:
    """Names of the checkpoints inside this package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/ganzoo.json"))


def resolve(name: str | Path) -> Path:
    """The checkpoint folder that a name stands for.

    Args:
        name: a shipped name ("dcgan-fashion-mnist"), a checkpoint folder, or a run folder, which stands for its best
            checkpoint.

    Raises:
        ValueError: nothing of that name; the nearest known name is suggested.
    """
    path = Path(name)
    if str(name) in shipped():
        return SHIPPED / str(name)
    if (path / "ganzoo.json").is_file():
        return path
    if (path / "checkpoints").is_dir():
        from zoo.run import Run

        best = Run(path).best()
        if best is None:
            raise ValueError(f"the run has no checkpoint yet. Received: {str(name)!r}")
        return best
    if path.is_dir():
        raise ValueError(f"the folder is neither a checkpoint (no ganzoo.json) nor a run (no checkpoints/). "
                         f"Received: {str(name)!r}")
    raise ValueError(f"there is no checkpoint of that name{nearest(str(name), shipped())} Received: {str(name)!r}")
