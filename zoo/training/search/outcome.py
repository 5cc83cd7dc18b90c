"""What a search leaves in its folder beside the trials: table, report, best.toml and its run; and what it deletes."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import tomli_w

from zoo.checkpoints.kept import step_of
from zoo.checkpoints.run import Run
from zoo.files.atomic import PARTIAL, replacing
from zoo.files.shell import command
from zoo.recipe import difference
from zoo.training.search import report
from zoo.training.search.results import RUNNING, SHOWN, Results, Row, judge, table
from zoo.training.search.study import Study, folder_of

TABLE, BEST, REPORT = "trials.csv", "best.toml", "report.html"


def write(study: Study, found: Results) -> None:
    """Renews the table, best.toml and the link `best`; deletes the checkpoints of losers."""
    table(study, found, study.folder / TABLE)
    if found.best:
        with replacing(study.folder / BEST) as temporary:
            temporary.write_text(best_recipe(study, found), encoding="utf-8")
        _link(study.folder / "best", Path("trials") / f"{found.best.number:04d}")
    tidy(study.folder, found)


def write_report(study: Study, found: Results) -> None:
    """Renews the report, which takes a second."""
    with replacing(study.folder / REPORT) as temporary:
        temporary.write_text(report.page(study, found), encoding="utf-8")


def best_recipe(study: Study, found: Results) -> str:
    """The text of best.toml: what was tried and what came of it, and the recipe of the best trial, which can go on."""
    best, plan = found.best, study.plan
    base = plan.base
    recipe = Run(folder_of(study.folder, best.number)).recipe
    states = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    own = found.of(study.space.own_values)
    lines = [
        f"The best of a search over {base.name} on {base.data.source}, trials of {plan.length} each: {states}.",
        f"KID on {judge(base)} of the average, {base.log.kid_images:,} images: {_scores(best)}",
        found.verdict,
        *([f"The recipe that was varied had KID {own.kid:.4f} ± {own.error:.4f}."] if own and own is not best else []),
        "Changed from it:",
        *(f"  {change}" for change in difference(base, recipe) or ["nothing"]),
        f"Go on from the trial's own checkpoint: {command('ganzoo', 'train', study.folder / BEST)}",
    ]
    return "".join(f"# {line}\n" for line in lines) + tomli_w.dumps(recipe.to_dict())


def tidy(folder: Path, found: Results) -> None:
    """Deletes the checkpoints of all trials but the best and those that run; a run that was trained further stays."""
    kept = {row.number for row in found.ranking[:SHOWN]} | {row.number for row in found.rows if row.state == RUNNING}
    for row in found.rows:
        checkpoints = folder_of(folder, row.number) / "checkpoints"
        if row.number not in kept and checkpoints.is_dir() and not _trained_further(row, Run(checkpoints.parent)):
            shutil.rmtree(checkpoints.rename(checkpoints.with_name(f"{PARTIAL}checkpoints")), ignore_errors=True)


def _trained_further(row: Row, run: Run) -> bool:
    reached = max(map(step_of, run.checkpoints()), default=0) * run.recipe.schedule.images_per_step
    return run.is_training or (row.state == "done" and reached > row.last["images"])


def _scores(row: Row) -> str:
    first = f"{row.last['kid']:.4f} ± {row.last['kid_error']:.4f}"
    if not row.repeated:
        return f"{first}. It was not run again with another seed, so that luck is part of this."
    again = row.again.last
    return f"{first}, and with another seed {again['kid']:.4f} ± {again['kid_error']:.4f}." if again else first


def _link(path: Path, target: Path) -> None:
    """Makes a link, or replaces one, in one moment."""
    temporary = path.with_name(f"{PARTIAL}{path.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    os.replace(temporary, path)
