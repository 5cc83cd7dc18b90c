"""When training has to end before its last step: a signal has come, or the time is up."""

from __future__ import annotations

import math
import signal
import time


class Stopping:
    """While it lasts, Ctrl-C and SIGTERM are noted instead of ending the process; a second Ctrl-C ends it at once.

    Attributes:
        signal: the number of the signal that has come, else 0.
        strict: whether a run that fails ends, even if its recipe only warns.
    """

    strict = False

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds`: how long there is from now on; None: without end."""
        self.signal = 0
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._before: dict = {}

    def __enter__(self) -> Stopping:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread, which alone receives signals
            pass
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.signal = number

    @property
    def left(self) -> float:
        """The seconds that are left; inf where no time was set."""
        return self._end - time.monotonic()

    @property
    def due(self) -> bool:
        """Whether training has to end after this step."""
        return bool(self.signal) or self.left <= 0

    def wants(self, step: int, seconds: float) -> bool:
        """Whether a checkpoint is wanted after so many steps, and seconds of them in this attempt, beside the recipe's.

        A search wants them where it compares runs.
        """
        return False

    def saved(self, step: int) -> bool:
        """Told of each checkpoint once its scores are in the log; returns whether training ends with it."""
        return False
