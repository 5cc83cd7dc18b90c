"""The checkpoints that a run keeps: which is the best, the latest, a healthy one, one that is intact."""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path

from zoo.checkpoints import checkpoint
from zoo.files.atomic import PARTIAL
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")


class Kept:
    """The checkpoints in the folder of a run. A damaged one is named, once, and left out."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._warned: set[str] = set()

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step is kept."""
        return self.path / "checkpoints" / f"step-{step:09d}"

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first; the files in them may be damaged."""
        paths = (file.parent for file in self.path.glob("checkpoints/step-*/ganzoo.json"))
        return sorted((path for path in paths if path.name[5:].isdecimal()), key=step_of)

    def latest(self) -> Path | None:
        """The checkpoint of the most steps; None if there is none yet."""
        return max(self._opened(), key=step_of, default=None)

    def best(self) -> Path | None:
        """The trained checkpoint with the smallest KID; the later of equals, and the latest if KID was not taken.

        The start, step 0, is the best only if there is no other.
        """
        opened = self._opened()
        return _smallest_kid([one for one in opened.values() if step_of(one.path)] or [*opened.values()])

    def healthy(self, before: float = math.inf) -> Path | None:
        """The latest checkpoint, of those before a step, that was saved while the watcher saw no failure."""
        healthy = [path for path, one in self._opened().items() if one.info.get("healthy", True)]
        return max((path for path in healthy if step_of(path) < before), key=step_of, default=None)

    def choose(self, which: str = "best") -> Path:
        """A checkpoint by a word, or by its step.

        A warning says when this is the start of the run, or when the start had a smaller KID than the best.

        Args:
            which: "best" (smallest KID), "latest", "healthy" (the latest without a failure), or a step: "12000".

        Raises:
            ZooError: there is none; the message names those that are there.
        """
        opened = self._opened()
        if not opened:
            raise ZooError(f"the run has no checkpoint yet. Received: {str(self.path)!r}")
        words = {"best": self.best, "latest": self.latest, "healthy": self.healthy}
        if which in words:
            path = words[which]()
        else:
            path = next((path for path in opened if which.isdecimal() and step_of(path) == int(which)), None)
        if path is None:
            raise ZooError(
                f"the run has no such checkpoint; choose {', '.join(words)} or a step, of "
                f"{', '.join(str(step_of(path)) for path in opened)}. Received: {which!r} of {str(self.path)!r}"
            )
        start = opened.get(self.checkpoint_path(0))
        if path == self.checkpoint_path(0):
            logger.warning(f"{path} is the start of the run, which training has not touched")
        elif which == "best" and start and _kid(start) < _kid(opened[path]) < math.inf:
            logger.warning(
                f"the start of the run, step 0, had the smaller KID ({_kid(start):.4g}; {_kid(opened[path]):.4g} at "
                f"step {step_of(path):,}): judge by eye whether training has helped"
            )
        return path

    def intact(self) -> Path | None:
        """The latest checkpoint of which every file has the stated digest; None if there is none at all.

        Raises:
            ZooError: all checkpoints are damaged.
        """
        for path, one in reversed(self._opened().items()):
            try:
                for file in one.info["files"]:
                    one.content(file)
                return path
            except (ZooError, OSError) as error:
                self._warn(f"{path} is damaged and left out ({error})")
        if self.checkpoints():
            raise ZooError(
                f"none of the run's checkpoints is intact; train into a new folder. Received: {str(self.path)!r}"
            )
        return None

    def forget_after(self, step: int) -> None:
        """Deletes the checkpoints after `step`."""
        for path in self.checkpoints():
            if step_of(path) > step:
                _delete(path)

    def prune(self) -> None:
        """Deletes all checkpoints but the latest two, those that `choose` compares, and damaged ones."""
        opened = self._opened()
        kept = {*[*opened][-2:], _smallest_kid([*opened.values()]), self.best(), self.healthy()}
        for path in opened:
            if path not in kept:
                _delete(path)

    def damaged(self) -> dict[Path, str]:
        """The checkpoints that cannot be opened, and why."""
        return {path: str(why) for path, why in self._tried().items() if isinstance(why, Exception)}

    def _opened(self) -> dict[Path, checkpoint.Checkpoint]:
        """The checkpoints that can be opened, oldest first."""
        opened = {}
        for path, one in self._tried().items():
            if isinstance(one, checkpoint.Checkpoint):
                opened[path] = one
            else:
                self._warn(f"{path} is damaged and left out ({one})")
        return opened

    def _tried(self) -> dict[Path, checkpoint.Checkpoint | Exception]:
        tried = {}
        for path in self.checkpoints():
            try:
                tried[path] = checkpoint.open_checkpoint(path)
            except (ZooError, OSError) as error:
                tried[path] = error
        return tried

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message)


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint's folder."""
    return int(path.name.removeprefix("step-"))


def _delete(path: Path) -> None:
    shutil.rmtree(path.rename(path.with_name(f"{PARTIAL}{path.name}")))  # at once no checkpoint any more


def _smallest_kid(opened: list[checkpoint.Checkpoint]) -> Path | None:
    best = min(reversed(opened), key=_kid, default=None)
    return best and best.path


def _kid(opened: checkpoint.Checkpoint) -> float:
    kid = opened.info.get("kid")
    return kid if isinstance(kid, (int, float)) and math.isfinite(kid) else math.inf
