"""How long a run will take on this machine, and how much memory: from its first steps, in a folder that is deleted."""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from zoo import data
from zoo.checkpoints.run import Run
from zoo.files.errors import ZooError
from zoo.recipe import Recipe
from zoo.training import quality
from zoo.training.estimate import estimate
from zoo.training.loop import STOPPED, attempt
from zoo.training.stopping import Stopping
from zoo.watch import watcher

STEPS = 8  # the first compiles and is not timed
LIBRARIES = 850 * 2**20  # bytes that Keras, TensorFlow and the extractor of KID take at least
MEMORY, STATUS = Path("/proc/meminfo"), Path("/proc/self/status")


@dataclass(frozen=True)
class Rehearsal:
    """What `rehearse` measures.

    Attributes:
        images_per_second: of training steps alone.
        seconds: that the whole run will take, with the shares of the watcher and of KID.
        memory_bytes: the most that this process has held, the libraries included; on a GPU, in the host's memory.
    """

    images_per_second: float
    seconds: float
    memory_bytes: int


def rehearse(recipe: Recipe, store: data.Store) -> Rehearsal:
    """Trains, watches, measures KID and saves as the run will, for a few steps, and deletes what that leaves.

    The memory is that of a process which has done nothing larger before.

    Raises:
        ZooError: the run would need more memory than is free; nothing was tried.
    """
    expected, free = estimate(recipe)["memory_bytes"] + LIBRARIES, free_memory()
    if free and expected > free:
        raise ZooError(
            f"the run needs about {expected / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free; lower "
            f"schedule.batch_size or the widths. Received: schedule.batch_size = {recipe.schedule.batch_size}"
        )
    images = STEPS * recipe.schedule.images_per_step
    every = {"log.every_images": images, "log.checkpoint_every_images": images}
    short = recipe.replace(**{"schedule.images": images, "watch": "warn", **every})
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run")
        if attempt(short, run, store, Stopping()) == STOPPED:
            raise KeyboardInterrupt
        rate = next(entry["images_per_second"] for entry in run.entries() if "images_per_second" in entry)
    seconds = recipe.schedule.images / rate * (1 + watcher.SHARE + quality.SHARE)
    return Rehearsal(rate, seconds, peak_memory())


def peak_memory() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not tell."""
    if held := _told(STATUS, "VmHWM"):
        return held
    try:
        import resource
    except ImportError:  # Windows
        return 0
    # On Linux this would count what the process that started this one held, a notebook's perhaps.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_memory() -> int:
    """The memory that a new process may use, in bytes; 0 where the system does not tell."""
    return _told(MEMORY, "MemAvailable")


def _told(file: Path, name: str) -> int:
    """What Linux says in one of its files, in bytes; 0 where it says nothing."""
    try:
        match = re.search(rf"^{name}:\s*(\d+) kB", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0
