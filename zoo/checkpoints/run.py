"""A run is a folder, readable while it grows.

recipe.toml      the resolved recipe
log.jsonl        one line of numbers for each window of steps
curves.png       the same as curves
samples/         grids of one fixed batch of latents over time
samples.gif      the same as an animation
events/          for TensorBoard
checkpoints/     the latest two, the best, and the latest that the watcher found healthy
.lock            held by the process that trains
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout
from PIL import Image

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.files import pictures
from zoo.files.atomic import PARTIAL, replacing, require_writable
from zoo.files.errors import ZooError


class Run:
    """The folder of a run. Nothing is created until `start`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def check(self, recipe: recipes.Recipe) -> None:
        """Finds out whether `start` can succeed, and creates nothing.

        Raises:
            ZooError: the folder holds a run of another recipe (the difference is shown) or something else, or
                cannot be written. The images of a run with a checkpoint may have moved: `restore` knows them again.
        """
        file = self.path / "recipe.toml"
        if file.exists():
            changes = recipes.difference(recipes.load(file), recipe)
            if self.latest():
                changes = [change for change in changes if not change.startswith("data.source:")]
            if changes:
                raise ZooError(
                    f"the run was started with another recipe ({'; '.join(changes)}); resume it with its "
                    f"own, or train into a new folder. Received: {str(self.path)!r}"
                )
            return
        if self.path.exists() and (
            not self.path.is_dir() or any(not file.name.startswith(PARTIAL) for file in self.path.iterdir())
        ):
            raise ZooError(
                f"the folder for the run exists and is not a run; choose another. Received: {str(self.path)!r}"
            )
        require_writable(self.path)

    def start(self, recipe: recipes.Recipe) -> None:
        """Makes the folder, or goes on with the run of the same recipe that is there; ValueError as in `check`."""
        self.check(recipe)
        file = self.path / "recipe.toml"
        if not file.exists() or recipes.load(file) != recipe:
            with replacing(file) as temporary:
                temporary.write_text(tomli_w.dumps(recipe.to_dict()))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While it lasts, no other process trains in the folder.

        Raises:
            ZooError: another one does.
        """
        try:
            lock = FileLock(self.path / ".lock").acquire(timeout=0)
        except Timeout:
            raise ZooError(
                "another process is training in this folder; stop it, or train into a new one. "
                f"Received: {str(self.path)!r}"
            ) from None
        with lock:
            yield

    @property
    def recipe(self) -> recipes.Recipe:
        if not (self.path / "recipe.toml").is_file():
            raise ZooError(f"this is no run: it has no recipe.toml. Received: {str(self.path)!r}")
        return recipes.load(self.path / "recipe.toml")

    def log(self, entry: dict[str, Any]) -> None:
        with open(self.path / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the log; a last line cut short by a crash is left out."""
        file = self.path / "log.jsonl"
        entries = []
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return entries

    def rewind(self, step: int) -> None:
        """Forgets the log lines after `step`, to be written again, but for those that tell of a rollback, and what a
        killed process left half-written."""
        for leftover in (*self.path.glob(f"{PARTIAL}*"), *self.path.glob(f"*/{PARTIAL}*")):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        kept = [json.dumps(entry) + "\n" for entry in self.entries() if entry["step"] <= step or "rollback" in entry]
        with replacing(self.path / "log.jsonl") as temporary:
            temporary.write_text("".join(kept))

    def add_samples(self, images: int, sheet: Image.Image) -> None:
        """Keeps a grid of the fixed latents and renews the animation of them all."""
        folder = self.path / "samples"
        with replacing(folder / f"{images:010d}.png") as temporary:
            sheet.save(temporary, "PNG", optimize=True)
        frames = []
        for file in sorted(folder.glob("[0-9]*.png")):
            with Image.open(file) as frame:
                frames.append(frame.copy())
        pictures.gif(frames, self.path / "samples.gif")

    def checkpoint_path(self, step: int) -> Path:
        return self.path / "checkpoints" / f"step-{step:09d}"

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        return sorted(file.parent for file in self.path.glob("checkpoints/step-*/ganzoo.json"))

    def latest(self) -> Path | None:
        return max(self.checkpoints(), default=None)

    def best(self) -> Path | None:
        """The checkpoint with the smallest KID; the later of equals, and the latest if KID was not taken."""
        return min(reversed(self.checkpoints()), key=_kid, default=None)

    def healthy(self, before: float = math.inf) -> Path | None:
        """The latest checkpoint, of those before a step, that was saved while the watcher saw no failure."""
        healthy = (
            path
            for path in self.checkpoints()
            if int(path.name.removeprefix("step-")) < before
            and checkpoint.open_checkpoint(path).info.get("healthy", True)
        )
        return max(healthy, default=None)

    def rollbacks(self) -> int:
        """How often the run went back to a healthy checkpoint."""
        return sum("rollback" in entry for entry in self.entries())

    def forget_after(self, step: int) -> None:
        """Deletes the checkpoints after `step`."""
        for path in self.checkpoints():
            if path > self.checkpoint_path(step):
                _delete(path)

    def prune(self) -> None:
        """Deletes all checkpoints but the latest two, the best and the latest healthy one."""
        kept = {*self.checkpoints()[-2:], self.best(), self.healthy()}
        for path in self.checkpoints():
            if path not in kept:
                _delete(path)


def _delete(path: Path) -> None:
    shutil.rmtree(path.rename(path.with_name(f"{PARTIAL}{path.name}")))  # at once no checkpoint any more


def _kid(path: Path) -> float:
    kid = checkpoint.open_checkpoint(path).info.get("kid")
    return kid if isinstance(kid, (int, float)) else math.inf
