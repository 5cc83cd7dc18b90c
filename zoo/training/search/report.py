"""The report of a search: one HTML file with curves, importances, samples of the best and all trials in a table."""

from __future__ import annotations

from pathlib import Path

from zoo.files import plotting
from zoo.files.html import environment
from zoo.recipe import difference
from zoo.training.search.results import DONE, PRUNED, SHOWN, Results, Row, judge
from zoo.training.search.study import Study, folder_of

TEMPLATES = environment(Path(__file__).parent)
LARGEST_SHEET = 10**7  # bytes of a picture of samples
DPI = 90
COLOURS = {DONE: "tab:blue", PRUNED: "0.75"}


def page(study: Study, found: Results) -> str:
    """The report as HTML that needs no other file."""
    plan = study.plan
    importances = study.importances
    changes = difference(plan.base, study.space.variant_of(found.best.values)) if found.best else []
    content = {
        "title": f"Search over {plan.base.name}",
        "source": plan.base.data.source,
        "length": plan.length,
        "judge": judge(plan.base),
        "kid_images": plan.base.log.kid_images,
        "counts": found.counts,
        "killed_by": found.killed_by,
        "best": found.best,
        "least_bad": found.least_bad,
        "verdict": found.verdict,
        "changes": [str(change) for change in changes],
        "objectives": plan.objectives,
        "front": found.front(plan.objectives) if len(plan.objectives) > 1 else [],
        "keys": list(study.space.ranges),
        "rows": found.rows,
        "curves": curves(found, plan.objectives) if any(row.marks for row in found.rows) else None,
        "importances": bars(importances) if importances else None,
        "samples": _samples(study.folder, found),
    }
    return TEMPLATES.get_template("report.html.j2").render(content) + "\n"


def curves(found: Results, objectives: tuple[str, ...]) -> bytes:
    """PNG: KID over images for all trials; beside it, with two objectives, one over the other."""
    panels = 1 if len(objectives) == 1 else 2
    figure = plotting.figure(figsize=(8, 4 * panels), layout="constrained")
    rows = figure.subplots(panels, squeeze=False)[:, 0]
    axes = rows[0]
    for row in found.rows:
        if row.marks:
            points = [(mark["images"], mark["kid"]) for mark in row.marks]
            best = row is found.best
            colour = "tab:red" if best or row.failed else COLOURS.get(row.state, "tab:green")
            style = ":" if row.failed else "--" if row.repeats is not None else "-"
            axes.plot(*zip(*points, strict=True), style, marker=".", color=colour, linewidth=2 if best else 1)
    if all(mark["kid"] > 0 for row in found.rows for mark in row.marks):
        axes.set_yscale("log")
    axes.set_xlabel("real images shown to D")
    axes.set_ylabel("KID of the average")
    axes.set_title(
        "red: the best; blue: came to the end; grey: ended early; red dotted: failed; dashed: another seed",
        fontsize=9,
        loc="left",
    )
    axes.grid(alpha=0.3)
    if panels == 2:
        name = {"recall": "recall", "time": "seconds"}[objectives[1]]
        front = found.front(objectives)
        for row in found.trials:
            if row.state == DONE:
                rows[1].scatter(row.last["kid"], row.last[name], color="tab:red" if row in front else "tab:blue", s=20)
        rows[1].set_xlabel("KID of the average")
        rows[1].set_ylabel(name)
        rows[1].set_title("red: no other trial is better in both", fontsize=9, loc="left")
        rows[1].grid(alpha=0.3)
    return plotting.png(figure, DPI)


def bars(importances: dict[str, float]) -> bytes:
    """PNG: a bar for each parameter, the most important above."""
    figure = plotting.figure(figsize=(8, 0.6 + 0.35 * len(importances)), layout="constrained")
    axes = figure.subplots()
    names = list(importances)[::-1]
    axes.barh(names, [importances[name] for name in names])
    axes.set_xlabel("share of the importance for KID")
    axes.tick_params(axis="y", labelsize=8)
    return plotting.png(figure, DPI)


def _samples(folder: Path, found: Results) -> dict[str, bytes]:
    """{caption: PNG} of the best trials at their ends; of the least bad one, if none came there."""
    shown: list[Row] = found.ranking[:SHOWN] or [row for row in (found.least_bad,) if row]
    pictures = {}
    for row in shown:
        sheet = folder_of(folder, row.number) / "samples" / f"{int(row.last['images']):010d}.png"
        if sheet.is_file() and sheet.stat().st_size < LARGEST_SHEET:
            pictures[f"trial {row.number}, KID {row.kid:.4f}"] = sheet.read_bytes()
    return pictures
