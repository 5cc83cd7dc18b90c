"""What a card says of a run: how long it took, how its quality moved, what was found wrong."""

from __future__ import annotations

from typing import Any

from zoo.run import Run


def history(run: Run, images: int) -> dict[str, Any]:
    """The training of a checkpoint after `images` images, from the log of its run.

    Returns:
        {"hours": up to the checkpoint, of training steps alone, or None if the log does not say, "run_images",
        "run_hours": of the whole run, "kid": [[images, KID of the average, standard error], ...] over the whole run,
        "findings": what the watcher found, with the images seen by then, or None if there was no watcher}.
    """
    entries = run.entries()
    return {
        "hours": _hours(entries, images), "run_hours": _hours(entries),
        "run_images": max((entry["images"] for entry in entries), default=0),
        "kid": [[entry["images"], entry["kid"], entry.get("kid_error", 0.0)] for entry in entries if "kid" in entry],
        "findings": _findings(entries),
    }


def _hours(entries: list[dict], images: int | None = None) -> float | None:
    """An entry with a rate speaks of the images since the one before."""
    seconds, before = 0.0, 0
    for entry in entries:
        if entry.get("images_per_second") and (images is None or entry["images"] <= images):
            seconds += (entry["images"] - before) / entry["images_per_second"]
            before = entry["images"]
    return round(seconds / 3600, 3) if before else None


def _findings(entries: list[dict]) -> list[dict] | None:
    """Each kind of finding once, when it was first there."""
    if not any("findings" in entry or "separation" in entry for entry in entries):
        return None  # neither a finding nor a signal of the watcher's
    first: dict[str, dict] = {}
    for entry in entries:
        for finding in entry.get("findings", ()):
            kind = finding.get("name") if isinstance(finding, dict) else str(finding).partition(":")[0]
            first.setdefault(str(kind), {"images": entry["images"], "finding": finding})
    return list(first.values())
