"""Measures what a model card says of a checkpoint, and puts it beside the weights: evaluation.json, evidence.json and
pictures.

evidence.json holds {"format", "checkpoint", "measured": the protocol, "command", "interpolation", "training", "moment"
and "findings" of its run} and the sections that `zoo.defects` measures. A section that could not be measured is
{"not_measured": why}, one that the network cannot have {"not_applicable": why}.
"""

from __future__ import annotations

import json
import logging
import shlex
import warnings
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from zoo import data
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.generator import load_generator
from zoo.checkpoints.run import Run
from zoo.checkpoints.run_history import history
from zoo.evaluation import failure_modes, pictures
from zoo.evaluation.metrics import extractors
from zoo.files import atomic
from zoo.files.errors import ZooError

logger = logging.getLogger("ganzoo")

FORMAT = 1
WALK = {"steps": 16, "stops": 4, "seed": 0}


def measure(
    name: str | Path,
    *,
    data_source: str | None = None,
    data_dir: str | None = None,
    images: int = 10_000,
    seeds: Sequence[int] = (0, 1, 2),
    extractor: str | Sequence[str] = "efficientnet-lite0",
    runs: Sequence[str | Path] = (),
) -> Path:
    """Measures a checkpoint on its training data and renews its evidence, whole or not at all; returns its folder.

    Args:
        name: a shipped name or an exported checkpoint's folder; it is written into.
        data_source: where the training images are, if not where the first of `runs` or the recipe says.
        data_dir: where TFDS keeps its data sets.
        images: how many to generate, and how many real ones to compare with; neighbours are sought among all
            training images.
        seeds: of the scores in evaluation.json; the failure modes are looked for in the samples of the first.
        extractor: as in `zoo.evaluate`; the first is the one that failure modes are measured with. "classifier" is
            added where the images have labels that one learns.
        runs: folders of runs of the same recipe on the same images: the one that the checkpoint comes from, for its
            history and its raw weights, and complete ones with other seeds, for the spread.

    Raises:
        ZooError: not the images that it was trained on, a run of another recipe, nothing can be written there, or as
            in `zoo.evaluate`.
    """
    if str(name).startswith("hf://"):
        raise ZooError(
            "what is measured is written into the checkpoint's folder, and this one is in the Hub's "
            f"cache; export it as checkpoint first. Received: {str(name)!r}"
        )
    folder = resolve.resolve(name)
    opened = checkpoint.open_checkpoint(folder)
    if opened.has_training_state:
        raise ZooError(
            "the checkpoints of a run come and go; export the best first, with: ganzoo export "
            f"{name} --format checkpoint -o NEW. Received: {str(name)!r}"
        )
    atomic.require_writable(folder / "evidence.json")
    runs = [Run(path) for path in runs]
    _require_same(opened, runs)
    wanted = opened.recipe.data
    source = data_source or next((run.recipe.data.source for run in runs), wanted.source)
    store = data.prepare(
        source, resolution=wanted.resolution, channels=wanted.channels, fit=wanted.fit, data_dir=data_dir
    )
    trained_on = opened.info.get("data", {}).get("fingerprint", store.fingerprint)
    if store.fingerprint != trained_on:
        raise ZooError(
            "a card compares with the images that the checkpoint was trained on, and these are others; "
            f"name them with --data. Received: {source!r}"
        )
    names = list(dict.fromkeys([extractor] if isinstance(extractor, str) else extractor))
    if "classifier" not in names and _classifiable(store):
        names.append("classifier")

    def evaluate(subject, names, weights="ema") -> dict[str, Any]:
        result = evaluate.evaluate(
            subject, source, extractor=names, images=images, seeds=seeds, weights=weights, data_dir=data_dir
        )
        for part in result["evaluations"]:
            part["real"]["source"] = wanted.source  # no paths of this machine
        return result

    scores = evaluate(str(folder), names)
    floor = "held-out images" if len(store.heldout) >= evaluate.FLOOR_LEAST else "other training images"
    generator = load_generator(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found, drawn = failure_modes.measure(generator, store, names, images, seeds[0])
    moment, more = _moment(opened, runs, scores, lambda run, weights: evaluate(str(run.best()), names[:1], weights))
    evidence = {
        "format": FORMAT,
        "checkpoint": {
            "generator_sha256": opened.info["files"]["generator.safetensors"]["sha256"],
            "images": opened.info.get("images"),
        },
        "measured": {
            "images": images,
            "seed": seeds[0],
            "extractor": names[0],
            "floor": floor,
            "warnings": sorted({str(warning.message) for warning in caught}),
        },
        "interpolation": WALK,
        **found,
        **moment,
    }
    contents = {
        "evaluation.json": _json(scores),
        "evidence.json": _json(evidence),
        "interpolation.png": pictures.gallery(generator.interpolate(**WALK), 8),
        **drawn,
        **more,
    }
    checkpoint.renew(folder, contents)
    return folder


def command(recipe: recipes.Recipe) -> str:
    """The command that runs this recipe with this package."""
    if recipe.name not in recipes.names():
        return "ganzoo train recipe.toml"
    words = ["ganzoo", "train", recipe.name]
    for line in recipes.difference(recipes.load(recipe.name), recipe):
        key = line.partition(":")[0]
        value = reduce(dict.__getitem__, key.split("."), recipe.to_dict())
        words += ["--data", value] if key == "data.source" else ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join(words)


def _classifiable(store: data.Store) -> bool:
    """Whether a classifier of these images tells more than the most frequent label would."""
    if store.labels is None or not len(store.heldout):
        return False
    accuracy = extractors.load("classifier", store).accuracy
    guess = np.bincount(store.heldout_labels).max() / len(store.heldout)
    if accuracy <= guess:
        logger.warning(
            f"a classifier is right on {accuracy:.0%} of the held-out images and guessing on {guess:.0%}: left out"
        )
    return accuracy > guess


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _require_same(opened: checkpoint.Checkpoint, runs: list[Run]) -> None:
    """The runs are of the checkpoint's recipe and images, each with a seed of its own, and those of others ended."""
    recipe, seeds = opened.recipe, [run.recipe.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ZooError(f"of each training seed one run is enough. Received: runs of the seeds {seeds}")
    for run in runs:
        paths = ["seed", "name", "data.source", *(["start"] if recipe.start and run.recipe.start else [])]
        differences = min(
            (
                [
                    line
                    for line in recipes.difference(recipe, run.recipe.slower(times))
                    if line.partition(":")[0] not in paths
                ]
                for times in range(run.rollbacks() + 1)
            ),
            key=len,
        )
        if differences:
            raise ZooError(
                "a run beside a checkpoint has its recipe, but for the seed; this one differs in "
                f"{'; '.join(differences)}. Received: {str(run.path)!r}"
            )
        if run.best() is None:
            raise ZooError(f"the run has no checkpoint yet. Received: {str(run.path)!r}")
        used, here = (
            info.get("data", {}).get("fingerprint")
            for info in (opened.info, checkpoint.open_checkpoint(run.best()).info)
        )
        if used != here:
            raise ZooError(
                "a run beside a checkpoint was trained on the same images, and this one on others. "
                f"Received: {str(run.path)!r}"
            )
        reached = max((entry["step"] for entry in run.entries()), default=0)
        if run.recipe.seed != recipe.seed and reached < recipe.schedule.steps:
            raise ZooError(
                f"a run of another seed is compared when it has ended; go on with `ganzoo train --resume "
                f"{run.path}`. Received: one of {reached:,} of {recipe.schedule.steps:,} steps"
            )


def _moment(opened: checkpoint.Checkpoint, runs: list[Run], scores: dict, evaluate) -> tuple[dict, dict[str, bytes]]:
    """How the quality moved towards the checkpoint and past it; the average against the raw weights; other seeds."""
    images, own = opened.info.get("images"), next((run for run in runs if run.recipe.seed == opened.recipe.seed), None)
    named = own.recipe.name if own else opened.recipe.name
    made_by = {"command": command(opened.recipe.replace(name=named))}
    told = history(own, images) if own else opened.info.get("training")
    if not told:
        reason = "the checkpoint says nothing of its run, and the run was not at hand"
        return {**made_by, "moment": {"not_measured": reason}, "findings": {"not_measured": reason}}, {}
    rows = [{"seed": opened.recipe.seed, "images": images, "ema": _means(scores)}]
    if own and checkpoint.open_checkpoint(own.best()).info.get("images") == images:
        rows[0]["raw"] = _means(evaluate(own, "raw"))
    curves = {"this run": told["kid"]}
    for run in runs:
        if run is not own:
            best = checkpoint.open_checkpoint(run.best()).info["images"]
            rows.append({"seed": run.recipe.seed, "images": best, "ema": _means(evaluate(run, "ema"))})
            curves[f"seed {run.recipe.seed}"] = history(run, best)["kid"]
    curves = {label: points for label, points in curves.items() if points}
    return {
        **made_by,
        "training": told,
        "moment": {"images": images, "kid": told["kid"], "seeds": rows},
        "findings": {"not_measured": "no watcher ran beside the training"}
        if told["findings"] is None
        else {"found": told["findings"]},
    }, {"progress.png": pictures.progress(curves, images)} if curves else {}


def _means(result: dict) -> dict[str, float]:
    return {name: score["mean"] for name, score in result["evaluations"][0]["scores"].items()}
