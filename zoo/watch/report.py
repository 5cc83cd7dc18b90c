"""A diagnosis as Markdown, and as one HTML file with curves and samples inside."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

from zoo.watch.diagnosis import Diagnosis
from zoo.watch.findings import Finding
from zoo.watch.remedies import remedy

STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { border: 1px solid #ccc; padding: .2rem .6rem; text-align: left }
img { max-width: 100% } .stop { color: #b00020 } .warn { color: #8a5a00 } code, pre { background: #f4f4f4 }
figure { display: inline-block; margin: 0 1rem 1rem 0 } figcaption { font-size: .85rem }"""
PANELS = 6  # findings whose signals are drawn


def markdown(diagnosis: Diagnosis) -> str:
    """The report without pictures."""
    lines = [f"# {_title(diagnosis)}", ""]
    for finding in diagnosis.findings:
        lines += [f"## {_heading(finding)}", "", *(f"- {fact}" for fact in facts(diagnosis, finding)), ""]
    if not diagnosis.findings:
        lines += ["None of the known failures was found in the log.", ""]
    if diagnosis.changes:
        lines += ["## What to change", "", "```", *diagnosis.changes, "```", ""]
    if diagnosis.use:
        uses = (f"- {name}: `{path}`" for name, path in diagnosis.use.items())
        lines += ["## Which checkpoint to use", "", *uses, ""]
    lines += [f"> {note}" for note in diagnosis.notes]
    return "\n".join(lines).rstrip() + "\n"


def page(diagnosis: Diagnosis) -> str:
    """The report as HTML that needs no other file."""
    body = [f"<h1>{html.escape(_title(diagnosis))}</h1>"]
    for finding in diagnosis.findings:
        items = "".join(f"<li>{html.escape(fact)}</li>" for fact in facts(diagnosis, finding))
        body.append(f'<h2 class="{finding.level}">{html.escape(_heading(finding))}</h2><ul>{items}</ul>')
    if not diagnosis.findings:
        body.append("<p>None of the known failures was found in the log.</p>")
    if diagnosis.changes:
        body.append(f"<h2>What to change</h2><pre>{html.escape(chr(10).join(diagnosis.changes))}</pre>")
    if diagnosis.use:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td><code>{html.escape(str(path))}</code></td></tr>"
            for name, path in diagnosis.use.items()
        )
        body.append(f"<h2>Which checkpoint to use</h2><table>{rows}</table>")
    body += [f"<p>{html.escape(note)}</p>" for note in diagnosis.notes]
    if any(_points(diagnosis, finding.rule.signal) for finding in diagnosis.findings):
        body.append(f"<h2>Evidence</h2>{_image(evidence(diagnosis), 'signals over the steps')}")
    body += [_picture(file, caption) for file, caption in _samples(diagnosis)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(_title(diagnosis))}</title>'
        f"<style>{STYLE}</style>{''.join(body)}</html>\n"
    )


def facts(diagnosis: Diagnosis, finding: Finding) -> list[str]:
    """What a finding rests on, and what to do, in sentences."""
    rule, cure = finding.rule, remedy(finding, diagnosis.recipe)
    end = "It lasts to the end of the log." if finding.lasting else "It was over by the end of the log."
    changed = "".join(f" Set {key} = {value!r}." for key, value in cure.changes.items())
    return [
        f"When: first seen at step {finding.first_step:,}, established at step {finding.step:,}. {end}",
        f"Evidence: {rule.signal} was {finding.value:.4g}; the threshold is {rule.side} {rule.threshold:g}, "
        f"{rule.entries} time{'s' * (rule.entries > 1)} in a row ({rule.source}).",
        f"Confidence: {rule.confidence:.0%}.",
        f"Remedy: {cure.reason}{changed}",
    ]


def evidence(diagnosis: Diagnosis) -> bytes:
    """PNG curves of the findings' signals, with thresholds and the steps at which they were passed."""
    from matplotlib.figure import Figure

    shown: dict[str, Finding] = {}
    for finding in diagnosis.findings:
        if _points(diagnosis, finding.rule.signal):
            shown.setdefault(finding.rule.signal, finding)
    shown = dict(list(shown.items())[:PANELS])
    figure = Figure(figsize=(8, 2.2 * len(shown)), layout="constrained")
    for axes, (signal, finding) in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown.items(), strict=True):
        steps, values = zip(*_points(diagnosis, signal), strict=True)
        axes.plot(steps, values, linewidth=1, marker="." if len(steps) == 1 else "")
        axes.axhline(finding.rule.threshold, color="k", linestyle="--", linewidth=1)
        axes.axvline(finding.first_step, color="r", linewidth=1)
        if min(values) > 0 and max(values) > 100 * min(values):
            axes.set_yscale("log")
        axes.set_title(f"{signal}: {finding.name} from step {finding.first_step:,}", fontsize=9, loc="left")
        axes.grid(alpha=0.3)
    axes.set_xlabel("training steps")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _points(diagnosis: Diagnosis, signal: str) -> list[tuple[int, float]]:
    return [
        (entry["step"], entry[signal]) for entry in diagnosis.entries if signal in entry and abs(entry[signal]) < 1e30
    ]


def _samples(diagnosis: Diagnosis) -> list[tuple[Path, str]]:
    """Sample sheets to look at: the first, the last before the failure began, the latest."""
    files = sorted((diagnosis.path / "samples").glob("[0-9]*.png"))
    if not files:
        return []
    images_per_step = diagnosis.recipe.schedule.images_per_step
    start = min((finding.first_step for finding in diagnosis.findings), default=0) * images_per_step
    before = [file for file in files if file.stem.isdigit() and int(file.stem) <= start]
    chosen = {
        files[0]: "the first samples",
        **({before[-1]: "before the first finding"} if before else {}),
        files[-1]: "the latest samples",
    }
    return [
        (file, f"{caption}, after {int(file.stem):,} images") for file, caption in chosen.items() if file.stem.isdigit()
    ]


def _picture(file: Path, caption: str) -> str:
    return f"<figure>{_image(file.read_bytes(), caption)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(png: bytes, description: str) -> str:
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _title(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.recipe.name}: {diagnosis.verdict}"


def _heading(finding: Finding) -> str:
    return f"{finding.level}: {finding.rule.meaning} ({finding.name})"
