"""A run is a folder, readable while it grows.

recipe.toml      the resolved recipe; comments tell what changed in the middle
log.jsonl        one line of numbers for each window of steps, see `zoo.checkpoints.log`
curves.png       the same as curves
samples/         real.png, and grids of one fixed batch of latents over time, named by the images seen
samples.gif      these grids as an animation
events/          for TensorBoard
checkpoints/     the latest two, the best, and the latest that the watcher found healthy
rollbacks.jsonl  the rollbacks once more, if there were any: they decide the rates, whatever happens to the log
.lock            held by the process that trains
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout
from PIL import Image

from zoo import recipe as recipes
from zoo.checkpoints import log
from zoo.checkpoints.changes import RATES, changed, undone
from zoo.checkpoints.kept import Kept, step_of
from zoo.files import pictures
from zoo.files.atomic import PARTIAL, replacing, require_writable
from zoo.files.errors import ZooError
from zoo.files.shell import command

logger = logging.getLogger("ganzoo")

WRITTEN = ("log.jsonl", "rollbacks.jsonl", "curves.png", "samples", "samples.gif", "events", "checkpoints")


def default_folder(name: str) -> Path:
    """runs/NAME, where a recipe of that name trains unless another folder is given."""
    if not name.isprintable() or Path(name).name != name or name in ("", ".."):
        raise ZooError(f"the name of a recipe names the folder of its run, so it has no slashes. Received: {name!r}")
    return Path("runs") / name


def folder_for(recipe: str | Path, name: str) -> Path:
    """Where a recipe of that name, read from `recipe`, trains unless another folder is given.

    A run `mine` that stands beside `mine.toml` goes on, as after a search; else it is the default folder.
    """
    beside = Path(recipe).with_suffix("")
    if Path(recipe).suffix == ".toml" and (beside / "recipe.toml").is_file():
        return beside.resolve()  # of a link, what it leads to now
    return default_folder(name)


class Run(Kept):
    """The folder of a run. Nothing is created until `start`.

    Attributes:
        stopped_by: the number of the signal that ended training early in this process, once it had saved; else 0.

    Example:
        >>> from zoo.checkpoints.run import Run
        >>> Run("runs/mine").choose("best")
        PosixPath('runs/mine/checkpoints/step-000012000')
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.stopped_by = 0

    # Beginning, and going on

    def check(self, recipe: recipes.Recipe, resume: bool = False) -> None:
        """Finds out whether `start` can succeed, and creates nothing.

        A run that has not done a step yet may get any recipe. The images of a run with a checkpoint may have moved:
        the fingerprint in the checkpoint tells whether they are the same.

        Args:
            recipe: what to train.
            resume: go on with the run that is there, also where `changes.MAY_CHANGE` allows a change.

        Raises:
            ZooError: the folder holds a run of another recipe (the difference is shown) or something else, or
                cannot be written.
        """
        if not (self.path / "recipe.toml").exists():
            if resume:
                raise ZooError(f"this is no run: it has no recipe.toml. Received: {str(self.path)!r}")
            self._require_free()
            return
        if self._not_begun:
            return
        old = self.recipe
        new = recipe.replace(**{"data.source": old.data.source}) if self.checkpoints() else recipe
        changes = changed(old, new) if resume else recipes.difference(old, new)
        if changes and not resume:
            raise ZooError(
                f"the run was started with another recipe ({'; '.join(map(str, changes))}); train into a new folder, "
                f"or change the run in the middle with: {command('ganzoo', 'train', '--resume', self.path)} --set "
                f"KEY=VALUE. Received: {str(self.path)!r}"
            )
        reached = max((step_of(path) for path in self.checkpoints()), default=0)
        if new.schedule.steps < reached:
            raise ZooError(
                f"the run has seen {reached * new.schedule.images_per_step:,} images already, and cannot become "
                f"shorter than that. Received: schedule.images = {new.schedule.images}"
            )

    def start(self, recipe: recipes.Recipe, resume: bool = False) -> None:
        """Makes the folder, or goes on with the run that is there; a changed recipe is recorded. Raises as `check`."""
        self.check(recipe, resume)
        file = self.path / "recipe.toml"
        old = recipes.load(file) if file.exists() else None
        if old == recipe:
            return
        if old and self._not_begun:
            self._clear()
        elif old:
            step = max((step_of(path) for path in self.checkpoints()), default=0)
            changes = recipes.difference(old, recipe)
            self.log({"step": step, "images": step * recipe.schedule.images_per_step, "changes": changes})
            logger.info(f"from step {step:,} on: {'; '.join(map(str, changes))}")
            keys = [change.key for change in changes]
            if "schedule.images" in keys:
                logger.info("what changes over the whole run, such as a decaying rate, follows the new length")
            if self.rollbacks() and any(rate in keys for rate in RATES):
                logger.info(f"both rates are divided by {2 ** self.rollbacks()} more, since the run was rolled back")
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "log.jsonl").touch()  # by which the folder is known as one of ours
        comments = [
            f"# changed at step {entry['step']:,}: {change}\n"
            for entry in self.entries()
            for change in entry.get("changes", ())
        ]
        with replacing(file) as temporary:
            temporary.write_text("".join(comments) + tomli_w.dumps(recipe.to_dict()), encoding="utf-8")

    def beginning(self, recipe: recipes.Recipe) -> Path | None:
        """The checkpoint to go on from; None if there is none, or if the run begins anew with another recipe."""
        anew = self._not_begun and (self.path / "recipe.toml").exists() and self.recipe != recipe
        return None if anew else self.intact()

    @property
    def _not_begun(self) -> bool:
        """Whether the folder is one of ours in which no step was done: a run that failed before is tried again."""
        done = any(step_of(path) for path in self.checkpoints()) or any(entry["step"] for entry in self.entries())
        return (self.path / "log.jsonl").is_file() and not done

    def _require_free(self) -> None:
        folder, log_file = self.path, self.path / "log.jsonl"
        if folder.exists():
            names = {file.name for file in folder.iterdir()} if folder.is_dir() else {folder.name}
            leftovers = {name for name in names if name == ".lock" or name.startswith(PARTIAL)}
            if log_file.is_file() and not log_file.stat().st_size:
                leftovers.add(log_file.name)
            if not folder.is_dir() or names - leftovers:
                raise ZooError(
                    f"the folder for the run exists and is not a run; choose another. Received: {str(folder)!r}"
                )
        require_writable(folder)

    def _clear(self) -> None:
        for path in (self.path / name for name in WRITTEN):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While it lasts, no other process trains in the folder, which is made if it is not there.

        Raises:
            ZooError: another one does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
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
    def is_training(self) -> bool:
        """Whether a process trains in the folder at this moment, as far as this machine can tell."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with FileLock(self.path / ".lock").acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a folder that this user may only read
            return False

    @property
    def recipe(self) -> recipes.Recipe:
        if not (self.path / "recipe.toml").is_file():
            raise ZooError(f"this is no run: it has no recipe.toml. Received: {str(self.path)!r}")
        return recipes.load(self.path / "recipe.toml")

    def recipes_so_far(self) -> list[recipes.Recipe]:
        """The recipes that the run has had, as far as its log tells, under today's name; today's first."""
        had = [self.recipe]
        for entry in reversed(self.entries()):
            before = undone(had[-1], entry["changes"]) if "changes" in entry else had[-1]
            if before is None:
                break
            if before != had[-1]:
                had.append(before)
        return had

    # The log

    def log(self, entry: log.Entry) -> None:
        """Adds a line to the log."""
        log.append(self.path / "log.jsonl", entry)

    def read_log(self) -> log.Log:
        """The entries of the log, and which of its lines are damaged."""
        return log.read(self.path / "log.jsonl")

    def entries(self) -> list[log.Entry]:
        """The lines of the log that can be read."""
        return self.read_log().entries

    def rewind(self, step: int) -> None:
        """Forgets the log lines after `step`, to be written again, but for `log.KEPT`, and what a killed process left
        half-written. Says which lines were damaged."""
        for leftover in (*self.path.glob(f"{PARTIAL}*"), *self.path.glob(f"*/{PARTIAL}*")):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        entries, damaged = self.read_log()
        if damaged:
            lines = ", ".join(map(str, damaged[:5])) + ("..." if len(damaged) > 5 else "")
            logger.warning(f"{self.path / 'log.jsonl'}: damaged lines are left out, number {lines}")
        kept = [entry for entry in entries if entry["step"] <= step or any(name in entry for name in log.KEPT)]
        with replacing(self.path / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")

    def rolled_back(self, entry: log.Entry) -> None:
        """Records a rollback, in the log and beside it."""
        self.log(entry)
        log.append(self.path / "rollbacks.jsonl", entry)

    def rollbacks(self) -> int:
        """How often the run went back to a healthy checkpoint."""
        file = self.path / "rollbacks.jsonl"
        lines = file.read_bytes().split(b"\n") if file.is_file() else []
        return max(sum(bool(line.strip()) for line in lines), sum("rollback" in entry for entry in self.entries()))

    # Pictures

    def add_samples(self, images: int, sheet: Image.Image, about: dict[str, Any] | None = None) -> None:
        """Keeps a grid of the fixed latents and what it says of itself, and renews the animation of them all."""
        folder, about = self.path / "samples", about or {}
        with replacing(folder / f"{images:010d}.png") as temporary:
            temporary.write_bytes(pictures.png(sheet, about))
        frames = []
        for file in sorted(folder.glob("[0-9]*.png")):
            try:
                with Image.open(file) as frame:
                    frames.append(frame.copy())
            except Exception as error:  # a damaged picture raises nearly anything
                self._warn(f"{file} is damaged and not in the animation ({error})")
        pictures.gif(frames, self.path / "samples.gif", about={key: about[key] for key in about if key != "step"})

    def add_real(self, sheet: Image.Image) -> None:
        """Keeps a grid of real images to compare the samples with."""
        with replacing(self.path / "samples" / "real.png") as temporary:
            sheet.save(temporary, "PNG", optimize=True)
