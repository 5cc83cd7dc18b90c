"""Measures what a model card says of a checkpoint, and puts it beside the weights: evaluation.json, evidence.json and
pictures. `results` and `sections` say what the two files hold.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from zoo import data
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.generator import COLUMNS, MOST_ROWS, Generator
from zoo.checkpoints.loading import load_generator
from zoo.checkpoints.run import Run
from zoo.checkpoints.run_history import history, upgraded
from zoo.evaluation import EXTRACTORS, evaluate, failure_modes, pictures, results, sections
from zoo.evaluation import cas as training_data
from zoo.evaluation.judges import with_classifier
from zoo.evaluation.measurement import FLOOR_LEAST, Measurement, Reference, Subject
from zoo.evaluation.metrics.extractors import Extractor
from zoo.files import atomic, shell
from zoo.files.errors import ZooError
from zoo.files.pictures import with_text

logger = logging.getLogger("ganzoo")

WALK = {"steps": 16, "stops": 4, "seed": 0}
NO_RUN = "the checkpoint says nothing of its run, and the run was not at hand"


def measure(
    name: str | Path,
    *,
    data_source: str | None = None,
    data_dir: str | None = None,
    images: int = 10_000,
    seeds: Sequence[int] = (0, 1, 2),
    extractor: str | Extractor | Sequence[str | Extractor] = EXTRACTORS[0],
    runs: Sequence[str | Path] = (),
    cas: bool = False,
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
            added where the images have labels that one learns, unless an extractor with `classes` is given.
        runs: folders of runs of the same recipe on the same images: the one that the checkpoint comes from, for its
            history and its raw weights, and complete ones with other seeds, for the spread.
        cas: as in `zoo.evaluate`.

    Raises:
        ZooError: not the images that it was trained on, a run of another recipe, nothing can be written there, or as
            in `zoo.evaluate`.

    Example:
        >>> from zoo.evaluation import evidence
        >>> evidence.measure("my-gan/", data_source="my/images", runs=["runs/mine"])
    """
    folder, opened = _open(name)
    runs = [Run(path) for path in runs]
    _require_same(opened, runs)
    reference = _reference(opened, runs, data_source, data_dir, images)
    judges = with_classifier(extractor, reference.store)
    generator = load_generator(folder)
    if cas:
        training_data.require_labels(generator, reference.store)
    measurement = Measurement.take(Subject.of_generator(generator, seeds=seeds), reference, judges)
    scores = evaluate.evaluation(measurement)
    if cas:
        scores = msgspec.structs.replace(scores, cas=training_data.cas(generator, reference.store))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found, drawn = failure_modes.measure(measurement, generator)

    def scores_of(run: Run, weights: str) -> results.Evaluation:
        subject = Subject.of_generator(load_generator(run.best(), weights), seeds=seeds)
        return evaluate.evaluation(Measurement.take(subject, reference, judges[:1], most=2 * evaluate.SIMILARITY_PAIRS))

    told, curves = _training_history(opened, runs, scores, scores_of)
    evidence = sections.Evidence(
        format=results.FORMAT,
        checkpoint=sections.Weights(
            generator_sha256=opened.info["files"]["generator.safetensors"]["sha256"], images=opened.info.get("images")
        ),
        measured=sections.Protocol(
            images=measurement.count,
            seed=seeds[0],
            extractor=judges[0].name,
            floor="held-out images" if len(reference.store.heldout) >= FLOOR_LEAST else "other training images",
            warnings=tuple(sorted({str(warning.message) for warning in caught})),
        ),
        interpolation=sections.Walk(**WALK),
        **found,
        **told,
    )
    shown = {
        "interpolation.png": pictures.gallery(generator.interpolate(**WALK), 8),
        **({"by_class.png": _each_class(generator)} if generator.classes else {}),
        **drawn,
        **curves,
    }
    about = {
        key: value for key, value in generator.about(seeds[0]).items() if key in ("software", "checkpoint", "step")
    }
    about["evidence"] = "images generated by a GAN, some beside real ones, and charts of both; see the model card"
    contents = {"evaluation.json": results.encode(scores), "evidence.json": results.encode(evidence)}
    checkpoint.renew(folder, contents | {file: with_text(content, about) for file, content in shown.items()})
    return folder


def _each_class(generator: Generator) -> bytes:
    """A row for each class, or for 16 of them, and in each column the same latents."""
    rows = [generator.sample(COLUMNS, label=label) for label in range(len(generator.classes))[:MOST_ROWS]]
    return pictures.gallery(np.concatenate(rows), COLUMNS)


def command(recipe: recipes.Recipe) -> str:
    """The command that runs this recipe with this package."""
    if recipe.name not in recipes.names():
        return "ganzoo train recipe.toml"
    shipped = recipes.load(recipe.name)
    if shipped.model.network != recipe.model.network:
        return "ganzoo train recipe.toml"
    words, values = ["ganzoo", "train", recipe.name], recipe.to_dict()
    for key, _, _ in recipes.difference(shipped, recipe):
        if key == "paper":  # changes nothing
            continue
        value = reduce(dict.__getitem__, key.split("."), values)
        words += ["--data", value] if key == "data.source" else ["--set", f"{key}={recipes.toml(value)}"]
    return shell.command(*words)


def _open(name: str | Path) -> tuple[Path, checkpoint.Checkpoint]:
    """The folder of a checkpoint that evidence can be written into."""
    if resolve.is_address(name):
        raise ZooError(
            "what is measured is written into the checkpoint's folder, and this one is in the Hub's "
            f"cache; export it as checkpoint first. Received: {str(name)!r}"
        )
    folder = resolve.resolve(name)
    opened = checkpoint.open_checkpoint(folder)
    if opened.has_training_state:
        raise ZooError(
            "the checkpoints of a run come and go; export the best first, with: "
            f"{shell.command('ganzoo', 'export', name, '--format', 'checkpoint', '-o', 'NEW')}. Received: {str(name)!r}"
        )
    atomic.require_writable(folder / "evidence.json")
    return folder, opened


def _reference(
    opened: checkpoint.Checkpoint, runs: list[Run], source: str | None, data_dir: str | None, images: int
) -> Reference:
    """The images that the checkpoint was trained on; what is written says where its recipe found them."""
    wanted = opened.recipe.data
    source = source or next((run.recipe.data.source for run in runs), wanted.source)
    store = data.prepare(
        source,
        resolution=wanted.resolution,
        channels=wanted.channels,
        fit=wanted.fit,
        white=wanted.white,
        data_dir=data_dir,
    )
    if store.fingerprint != opened.info.get("data", {}).get("fingerprint", store.fingerprint):
        raise ZooError(
            "a card compares with the images that the checkpoint was trained on, and these are others; "
            f"name them with --data. Received: {source!r}"
        )
    return Reference.of_store(store, wanted.source, wanted.fit, images)


def _require_same(opened: checkpoint.Checkpoint, runs: list[Run]) -> None:
    """The runs are of the checkpoint's recipe and images, each with a seed of its own, and those of others ended."""
    recipe, seeds = opened.recipe, [run.recipe.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ZooError(f"of each training seed one run is enough. Received: runs of the seeds {seeds}")
    for run in runs:
        differences = _differences(recipe, run)
        if differences:
            raise ZooError(
                "a run beside a checkpoint has its recipe, but for the seed; this one differs in "
                f"{'; '.join(map(str, differences))}. Received: {str(run.path)!r}"
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
                "a run of another seed is compared when it has ended; go on with: "
                f"{shell.command('ganzoo', 'train', '--resume', run.path)}. Received: one of {reached:,} of "
                f"{recipe.schedule.steps:,} steps"
            )


def _differences(recipe: recipes.Recipe, run: Run) -> list[recipes.Change]:
    """How a checkpoint's recipe differs from that of a run, but for the seed, the citation and places on this machine.

    The run that the checkpoint comes from may have changed its recipe since, or before, and halved its rates.
    """
    had = run.recipes_so_far() if run.recipe.seed == recipe.seed else [run.recipe]
    places = ["seed", "name", "paper", "data.source", *(["start"] if recipe.start and run.recipe.start else [])]
    slowed = [one.slower(times) for one in had for times in range(run.rollbacks() + 1)]
    differing = [[change for change in recipes.difference(recipe, one) if change.key not in places] for one in slowed]
    return min(differing, key=len)


def _training_history(
    opened: checkpoint.Checkpoint,
    runs: list[Run],
    scores: results.Evaluation | None,
    scores_of: Callable[[Run, str], results.Evaluation] | None,
) -> tuple[dict[str, Any], failure_modes.Pictures]:
    """What evidence.json says of the training: how quality moved up to the checkpoint and after it.

    It also says what the average of the weights gains over the raw ones, and what other seeds give.

    Args:
        scores: of the checkpoint.
        scores_of: gives the scores of a run's best checkpoint, with weights "ema" or "raw".
    """
    images, own = opened.info.get("images"), next((run for run in runs if run.recipe.seed == opened.recipe.seed), None)
    named = own.recipe.name if own else opened.recipe.name
    told: dict[str, Any] = {"command": command(opened.recipe.replace(name=named))}
    known = history(own, images) if own else upgraded(opened.info.get("training"))
    if not known:
        absent = sections.NotMeasured(reason=NO_RUN)
        return {**told, "moment": absent, "findings": absent}, {}
    training = msgspec.convert(known, sections.Training)
    raw = None
    if own and checkpoint.open_checkpoint(own.best()).info.get("images") == images:
        raw = _means(scores_of(own, "raw"))
    rows = [sections.Seed(seed=opened.recipe.seed, images=images, ema=_means(scores), raw=raw)]
    curves = {"this run": training.kid}
    for run in runs:
        if run is not own:
            best = checkpoint.open_checkpoint(run.best()).info["images"]
            rows.append(sections.Seed(seed=run.recipe.seed, images=best, ema=_means(scores_of(run, "ema"))))
            curves[f"seed {run.recipe.seed}"] = history(run, best)["kid"]
    curves = {label: points for label, points in curves.items() if points}
    found = training.findings
    told |= {
        "training": training,
        "moment": sections.Moment(images=images, kid=list(training.kid), seeds=rows),
        "findings": sections.NotMeasured(reason="no watcher ran beside the training")
        if found is None
        else sections.Findings(found=found),
    }
    return told, {"progress.png": pictures.progress(curves, images)} if curves else {}


def _means(evaluation: results.Evaluation) -> dict[str, float]:
    return {score.name: score.mean for score in evaluation.evaluations[0].scores}
