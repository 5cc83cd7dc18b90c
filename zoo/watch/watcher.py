"""The watcher: looks at a run while it grows."""

from __future__ import annotations

import time

from zoo.data import Store
from zoo.files.errors import ZooError
from zoo.step.gan import GAN
from zoo.watch.findings import Finding
from zoo.watch.probe import Probe
from zoo.watch.rules import found
from zoo.watch.signals import Entry, History, onward

SHARE = 0.05  # of the time of training that the probe may take, its compilation aside


class Failing(ZooError):
    """Training was stopped because it fails; `findings` says why, `step` when it began to."""

    def __init__(self, message: str, findings: list[Finding]) -> None:
        super().__init__(message)
        self.findings = findings
        self.step = min(finding.first_step for finding in findings)


class Watcher:
    """Measures signals as often as SHARE allows, and finds what they amount to."""

    def __init__(self, gan: GAN, store: Store, entries: list[Entry]) -> None:
        self.recipe, self.history = gan.recipe, History(gan.recipe)
        for entry in onward(entries):
            self.history.add(entry)
        self.probe = Probe(gan, store)
        self.findings: list[Finding] = []
        self.start, self.spent = None, 0.0

    def signals(self, step: int) -> dict[str, float]:
        """The probe's, or nothing: when its share of the time is used up, or it has measured this step.

        The first time compiles, and is not counted.
        """
        before = time.monotonic()
        if self.start is None:
            signals = self.probe.measure(step)
            self.start = time.monotonic()
            return signals
        if step == self.probe.before["step"] or self.spent > SHARE * (before - self.start):
            return {}
        signals = self.probe.measure(step)
        self.spent += time.monotonic() - before
        return signals

    def look(self, entry: Entry) -> list[Finding]:
        """Takes in the next line of the log; returns the findings that last."""
        before = time.monotonic()
        self.history.add(entry)
        self.findings = [finding for finding in found(self.history.entries, self.recipe) if finding.lasting]
        self.spent += time.monotonic() - before
        return self.findings

    @property
    def failing(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "stop"]
