"""What a card says of a run: how long it took, how its quality moved, what was found wrong."""

from __future__ import annotations

import json
from typing import Any

from zoo.checkpoints import log
from zoo.checkpoints.run import Run

CHANGED = "the recipe changed here: "  # began a row of older versions


def history(run: Run, images: int) -> dict[str, Any]:
    """The training of a checkpoint after `images` images, from the log of its run.

    Returns:
        {"hours": up to the checkpoint, of training steps alone, or None if the log does not say, "machines": what it
        was trained on up to there, [{"backend", "device", "precision", "hours"}, ...], "run_images", "run_hours": of
        the whole run, "kid": [[images, KID of the average, standard error], ...] over the whole run,
        "findings": what happened, [{"images", "kind": "finding", "change" or "rollback", "text"}, ...], or None if
        there was no watcher}.
    """
    entries = run.entries()
    machines = _machines([entry for entry in entries if entry["images"] <= images])
    return {
        "hours": _sum(machines),
        "machines": machines,
        "run_hours": _sum(_machines(entries)),
        "run_images": max((entry["images"] for entry in entries), default=0),
        "kid": [[entry["images"], entry["kid"], entry.get("kid_error", 0.0)] for entry in entries if "kid" in entry],
        "findings": _findings(entries),
    }


def seconds(entries: list[dict]) -> float:
    """Of training steps alone, in the lines of a log."""
    return sum(_seconds(entries).values())


def _machines(entries: list[dict]) -> list[dict]:
    spent = _seconds(entries)
    return [{**json.loads(machine), "hours": round(time / 3600, 3)} for machine, time in spent.items()]


def _seconds(entries: list[dict]) -> dict[str, float]:
    """For each machine, as JSON. An entry with a rate speaks of the images since the one before, on the machine
    that was named last."""
    spent: dict[str, float] = {}
    machine, before = "{}", 0
    for entry in entries:
        machine = json.dumps(entry["machine"]) if "machine" in entry else machine
        if entry.get("images_per_second"):
            spent[machine] = spent.get(machine, 0.0) + (entry["images"] - before) / entry["images_per_second"]
            before = entry["images"]
    return spent


def _sum(machines: list[dict]) -> float | None:
    return round(sum(machine["hours"] for machine in machines), 3) if machines else None


def _findings(entries: list[dict]) -> list[dict] | None:
    """Each kind of finding once, when it was first there; every time that the run went back to before one; every
    change of its recipe."""
    if not any({"findings", "separation", "rollback", "changes"} & entry.keys() for entry in entries):
        return None  # neither a finding nor a signal of the watcher's
    rows, known = [], set()
    for entry in entries:
        happened = []
        if "rollback" in entry:
            back = f"{entry['rollback']['why']}: the run went back to here from step {entry['rollback']['from_step']:,}"
            happened.append(("rollback", f"{back}, and on with half the rates"))
        happened += [("change", str(change)) for change in entry.get("changes", ())]
        for finding in entry.get("findings", ()):
            if finding["name"] not in known:
                known.add(finding["name"])
                happened.append(("finding", finding["text"]))
        rows += [{"images": entry["images"], "kind": kind, "text": text} for kind, text in happened]
    return rows


def upgraded(part: Any, key: str = "findings") -> Any:
    """What an older version wrote, in today's form: `part[key]` were rows without a kind, {"images", "finding"}. What
    has another form stays as it is."""
    rows = part.get(key) if isinstance(part, dict) else None
    return part | {key: list(map(_upgraded, rows))} if isinstance(rows, list) else part


def _upgraded(row: Any) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get("finding"), (str, dict)):
        return row
    text = str(log.said(row["finding"])["text"])
    kind = "change" if text.startswith(CHANGED) else "finding"
    return {"images": row.get("images"), "kind": kind, "text": text.removeprefix(CHANGED)}
