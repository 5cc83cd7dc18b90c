"""The log of a run, log.jsonl: one JSON object a line, an `Entry` each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Required, TypedDict

import msgspec

from zoo.files.text import parse_json
from zoo.recipe import Change

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Machine(TypedDict):
    """What computes: Keras's backend, its device as `zoo.backend.device.device` gives it, and the precision."""

    backend: str
    device: dict[str, Any]
    precision: str


class Rollback(TypedDict):
    """A return to a healthy checkpoint: the step that was reached, and why the run went back."""

    from_step: int
    why: str


class Said(TypedDict):
    """What the watcher said: the name of a finding, and a line of text."""

    name: str
    text: str


class Entry(TypedDict, total=False):
    """A line of the log, with the keys that belong to its kind.

    Every line has `step` and `images`. A line also has one of these:

    - `machine`: a process begins to train here.
    - numbers of a window of steps: what `GAN.update` logs in its last step, and `images_per_second`.
    - numbers of a checkpoint: `kid` and what belongs to it.
    - signals of the watcher, in either kind of line: floats under the names that `Probe.measure` documents.
    - `rollback`, `changes` or `non_finite`.
    """

    step: Required[Count]  # training steps done
    images: Required[Count]  # real images shown to D
    machine: Machine
    d_loss: float
    g_loss: float
    penalty: float  # gradient penalty, R1 and R2 in D's loss
    d_real: float  # mean logits of D
    d_fake: float
    d_gradient: float  # norms of the gradients
    g_gradient: float
    real_accuracy: float  # share that D tells right
    fake_accuracy: float
    r_t: float  # mean sign of D(real) over four steps
    ada_p: float  # probability of ADA's transforms
    images_per_second: float  # in this window, of training steps alone
    kid: float  # of the averaged generator, a small sample
    kid_error: float  # its standard error
    kid_raw: float  # KID of the raw generator
    recall: float  # of the averaged generator
    findings: list[Said]  # what the watcher finds here for the first time
    rollback: Rollback
    changes: list[Change]  # of the recipe, from here on; each is an array in the file
    non_finite: str  # why training ended here


KEPT = ("rollback", "changes")  # lines that stay when a run goes on from an earlier checkpoint


class Log(NamedTuple):
    """A log as far as it can be read: its entries, and the numbers of the damaged lines, from 1."""

    entries: list[Entry]
    damaged: list[int]


def read(path: Path) -> Log:
    """Reads a log. A damaged line, or one of another form, is left out; so is a last one that a crash cut short.

    What older versions wrote as text is taken apart here.
    """
    log = Log([], [])
    if not path.is_file():
        return log
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = _upgraded(parse_json(line))
            known = msgspec.convert(entry, Entry)
            log.entries.append(entry | {key: known[key] for key in UPGRADES if key in known})
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            log.damaged.append(number)
    return log


def _upgraded(entry: Any) -> Any:
    """A line that an older version wrote, in today's form; what has neither form stays as it is."""
    if not isinstance(entry, dict):
        return entry
    lists = {key: values for key in UPGRADES if isinstance(values := entry.get(key), list)}
    return entry | {key: [UPGRADES[key](value) for value in values] for key, values in lists.items()}


def said(finding: Any) -> Any:
    """Was "collapse: samples are nearly the same for all latents (...)", or what was known of it, in a dictionary."""
    if isinstance(finding, str):
        return {"name": finding.partition(":")[0], "text": finding}
    if isinstance(finding, dict) and "text" not in finding:
        known = [f"{key} {value}" for key, value in finding.items() if isinstance(value, (str, int, float))]
        return {"name": str(finding.get("name")), "text": ", ".join(known)}
    return finding


def _change(change: Any) -> Any:
    """Was "schedule.images: 1000 -> 2000"."""
    if not isinstance(change, str):
        return change
    key, _, values = change.partition(": ")
    old, _, new = values.partition(" -> ")
    return [key, old, new]


UPGRADES = {"findings": said, "changes": _change}


def append(path: Path, entry: Entry) -> None:
    """Adds a line; it stands alone even if a crash cut the line before it short."""
    line = json.dumps(entry) + "\n"
    with open(path, "ab+") as file:
        if file.tell() and not _ends_a_line(file):
            line = "\n" + line
        file.write(line.encode())


def _ends_a_line(file) -> bool:
    file.seek(-1, 2)
    return file.read(1) == b"\n"
