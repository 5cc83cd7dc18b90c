"""A diagnosis as Markdown, and as one HTML file with curves and samples inside. report.md.j2 and report.html.j2 lay out
the same content.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.files import plotting
from zoo.files.html import environment
from zoo.recipe import toml
from zoo.watch.diagnosis import Diagnosis
from zoo.watch.findings import Finding
from zoo.watch.remedies import remedy
from zoo.watch.story import compared, story, usual

PANELS = 6  # findings whose signals are drawn
LARGEST_SHEET = 10**7  # bytes of a picture of samples


TEMPLATES = environment(Path(__file__).parent)


def markdown(diagnosis: Diagnosis) -> str:
    """The report without pictures."""
    return TEMPLATES.get_template("report.md.j2").render(_content(diagnosis)).rstrip() + "\n"


def page(diagnosis: Diagnosis) -> str:
    """The report as HTML that needs no other file."""
    signals = {compared(finding.rule, diagnosis.entries) for finding in diagnosis.findings}
    drawn = any(_points(diagnosis, signal) for signal in signals)
    pictures = {"curves": evidence(diagnosis) if drawn else None, "samples": _samples(diagnosis)}
    return TEMPLATES.get_template("report.html.j2").render(_content(diagnosis) | pictures) + "\n"


def _content(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "title": f"{diagnosis.recipe.name}: {diagnosis.verdict}",
        "story": story(diagnosis),
        "findings": [
            {
                "level": finding.level,
                "heading": f"{finding.level}: {finding.rule.meaning} ({finding.name})",
                "facts": facts(diagnosis, finding),
            }
            for finding in diagnosis.findings
        ],
        "changes": list(map(str, diagnosis.changes)),
        "use": diagnosis.use,
        "notes": diagnosis.notes,
    }


def facts(diagnosis: Diagnosis, finding: Finding) -> list[str]:
    """What a finding rests on, and what to do, in sentences."""
    rule, cure = finding.rule, remedy(finding, diagnosis.recipe)
    end = "It lasts to the end of the log." if finding.lasting else "It was over by the end of the log."
    changed = "".join(f" Set {key} = {toml(value)}." for key, value in cure.changes.items())
    named = ", ".join(_class_name(diagnosis, label) for label in finding.labels)
    return [
        *([f"Which: {named}."] if named else []),
        f"When: first seen at step {finding.first_step:,}, established at step {finding.step:,}. {end}",
        f"Evidence: {_measured(finding)}; the threshold is {rule.side} {rule.threshold:g}, "
        f"{rule.entries} time{'s' * (rule.entries > 1)} in a row ({rule.source}).",
        f"Confidence: {rule.confidence:.0%}.",
        f"Remedy: {cure.reason}{changed}",
    ]


def _measured(finding: Finding) -> str:
    rule, value = finding.rule, f"{finding.value:.4g}"
    if rule.signal == "decline":
        return f"KID, or the coarse KID of every look, was {value} deviations above its own healthy past"
    past = " deviations from its own healthy past" if rule.measured != rule.signal else ""
    return f"{rule.measured} was {value}{past}"


def _class_name(diagnosis: Diagnosis, label: int) -> str:
    return f"{diagnosis.classes[label]} (class {label})" if label < len(diagnosis.classes) else f"class {label}"


def evidence(diagnosis: Diagnosis) -> bytes:
    """PNG curves of the findings' signals, each marked where it was last healthy, with its threshold; or with its usual
    value before, where it is compared with its own past."""
    shown: dict[str, Finding] = {}
    for finding in diagnosis.findings:
        signal = compared(finding.rule, diagnosis.entries)
        if _points(diagnosis, signal):
            shown.setdefault(signal, finding)
    shown = dict(list(shown.items())[:PANELS])
    figure = plotting.figure(figsize=(8, 2.2 * len(shown)), layout="constrained")
    for axes, (signal, finding) in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown.items(), strict=True):
        steps, values = zip(*_points(diagnosis, signal), strict=True)
        axes.plot(steps, values, linewidth=1, marker="." if len(steps) == 1 else "")
        limit = finding.rule.threshold
        if signal != finding.rule.signal:
            limit = usual(signal, [entry for entry in diagnosis.entries if entry["step"] < finding.first_step])
        if limit is not None:
            axes.axhline(limit, color="k", linestyle="--", linewidth=1)
        axes.axvline(finding.first_step, color="r", linewidth=1)
        if finding.first_step > steps[0] and finding.level != "note":
            axes.annotate(
                "healthy until here ", (finding.first_step, 0.9), xycoords=("data", "axes fraction"), ha="right"
            )
        if min(values) > 0 and max(values) > 100 * min(values):
            axes.set_yscale("log")
        axes.set_title(f"{signal}: {finding.name} from step {finding.first_step:,}", fontsize=9, loc="left")
        axes.grid(alpha=0.3)
    axes.set_xlabel("training steps")
    return plotting.png(figure)


def _points(diagnosis: Diagnosis, signal: str) -> list[tuple[int, float]]:
    return [
        (entry["step"], entry[signal]) for entry in diagnosis.entries if signal in entry and abs(entry[signal]) < 1e30
    ]


def _samples(diagnosis: Diagnosis) -> dict[str, bytes]:
    """Pictures of samples to look at, {caption: PNG}: the first, the last before the failure began, the latest."""
    files = sorted(file for file in (diagnosis.path / "samples").glob("[0-9]*.png") if file.stem.isdigit())
    if not files:
        return {}
    images_per_step = diagnosis.recipe.schedule.images_per_step
    start = min((finding.first_step for finding in diagnosis.findings), default=0) * images_per_step
    before = [file for file in files if int(file.stem) <= start]
    chosen = {
        files[0]: "the first samples",
        **({before[-1]: "before the first finding"} if before else {}),
        files[-1]: "the latest samples",
    }
    shown = {
        f"{caption}, after {int(file.stem):,} images": _picture(diagnosis.path, file)
        for file, caption in chosen.items()
    }
    return {caption: png for caption, png in shown.items() if png}


def _picture(run: Path, file: Path) -> bytes | None:
    """A PNG file of a run; None for what is no picture, or is a link that leads out of the run."""
    if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(run)):
        return None
    try:
        if file.stat().st_size > LARGEST_SHEET:
            return None
        content = file.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.verify()
    except Exception:  # Pillow's decoders raise nearly anything
        return None
    return content
