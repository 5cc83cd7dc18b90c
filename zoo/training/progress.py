"""What one sees of a run while it trains: a line that moves on a terminal, else a line for each line of the log."""

from __future__ import annotations

import logging
import math

from tqdm import tqdm

from zoo.files.progress import duration, moves, width
from zoo.recipe import Recipe
from zoo.training.stopping import Stopping

logger = logging.getLogger("ganzoo")

LINE = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} images, {remaining} left, {rate_fmt}{postfix}"


class Progress:
    """The progress of a run; alarms come first, since a narrow terminal cuts the end of the line."""

    def __init__(self, recipe: Recipe, first: int, shown: bool, stopping: Stopping) -> None:
        """`first`: the step to begin at; `shown`: whether this process speaks; `stopping`: may end it early."""
        self._recipe, self._shown, self._stopping = recipe, shown, stopping
        self._images_per_step = recipe.schedule.images_per_step
        self._total = recipe.schedule.steps * self._images_per_step
        self._moves = shown and moves()
        self._numbers = ""
        self._bar = tqdm(
            total=self._total,
            initial=first * self._images_per_step,
            unit="img",
            unit_scale=True,
            desc=f"{recipe.name}: ",
            disable=not self._moves,
            mininterval=1.0,
            bar_format=LINE,
            **width(),
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error) -> None:
        self._bar.close()

    def doing(self, what: str = "") -> None:
        """Says what takes the time now, "compiling" for instance; nothing for training steps."""
        self._bar.set_postfix_str(what or self._numbers)

    def compiling(self) -> None:
        """Says that the first step takes longer."""
        updates = self._recipe.schedule.d_steps + self._recipe.schedule.g_steps
        self.doing("compiling")
        if self._shown and not self._moves:
            logger.info(f"compiling a training step of {updates} updates; this may take minutes")

    def compiled(self) -> None:
        """After it, the pace counts."""
        self._bar.unpause()
        self.doing()

    def step(self) -> None:
        """One more step was done."""
        self._bar.update(self._images_per_step)

    def report(self, step: int, numbers: dict[str, float], alarms: list[str]) -> None:
        """Shows the numbers of a line of the log, and the names of the findings that last."""
        alarm = f"failing? {', '.join(alarms[:3])}: " if alarms else ""
        self._numbers = losses(numbers)
        left = self._stopping.left
        if 0 < left < math.inf:
            self._numbers += f", ends in {duration(left)} at the latest"
        self._bar.set_description_str(alarm or f"{self._recipe.name}: ", refresh=False)
        self.doing()
        if self._shown and not self._moves:
            images, rate = step * self._images_per_step, numbers.get("images_per_second")
            pace = f"{rate:g} images/s, {duration((self._total - images) / rate)} left, " if rate else ""
            logger.info(f"{alarm}{self._recipe.name}: {images:,} of {self._total:,} images, {pace}{self._numbers}")


def losses(numbers: dict[str, float]) -> str:
    """The losses in a few words; of a player that waited there are none."""
    parts = [f"{player} {numbers[name]:.2f}" for player, name in (("D", "d_loss"), ("G", "g_loss")) if name in numbers]
    if "real_accuracy" in numbers:
        parts.append(f"D right on real {numbers['real_accuracy']:.0%} fake {numbers['fake_accuracy']:.0%}")
    elif "d_real" in numbers:
        parts.append(f"critic gap {numbers['d_real'] - numbers['d_fake']:.2f}")
    return ", ".join(parts)
