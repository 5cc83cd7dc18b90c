"""The model card of a checkpoint: rendered from its evidence files, measuring nothing, so that CI can compare.

The frame is that of Mitchell 2019 (arXiv:1810.03993) and of the Hugging Face Hub. What was not measured is said to be
not measured.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checkpoints import checkpoint
from zoo.files.errors import ZooError
from zoo.publish.card import failures
from zoo.publish.card.header import header
from zoo.publish.card.wording import measured, missing, number, plain
from zoo.recipe import Recipe

PUBLISHED = tomllib.loads((Path(__file__).parent / "published.toml").read_text("utf-8"))
UNKNOWN = "unknown"
METHODS = {"dcgan": "DCGAN", "wgan-gp": "WGAN-GP", "sngan": "SNGAN", "stylegan-lite": "StyleGAN-lite"}


@dataclass(frozen=True)
class Facts:
    """All that a card is made from: what the checkpoint folder says of itself."""

    info: dict[str, Any]  # ganzoo.json
    recipe: Recipe
    evaluation: dict[str, Any] | None  # evaluation.json
    evidence: dict[str, Any] | None  # evidence.json

    @property
    def name(self) -> str:
        return plain(self.info.get("name") or self.recipe.name)

    @property
    def licence(self) -> str:
        """Of the weights, as the Hub writes it."""
        return plain(self.info.get("license", UNKNOWN))

    @property
    def floor(self) -> str:
        """What the floor of every measurement is taken of."""
        return plain((self.evidence or {}).get("measured", {}).get("floor", "held-out images"))


def read(folder: Path) -> Facts:
    """The facts of a checkpoint folder.

    Raises:
        ZooError: the checkpoint is damaged, or its evidence is of other weights.
    """
    opened = checkpoint.open_checkpoint(folder)
    files = opened.info["files"]
    contents = {}
    for file in ("evaluation.json", "evidence.json"):
        contents[file] = json.loads(opened.content(file)) if file in files else None
    weights = files.get("generator.safetensors", {}).get("sha256")
    for file, content, key in (
        ("evaluation.json", contents["evaluation.json"], "generated"),
        ("evidence.json", contents["evidence.json"], "checkpoint"),
    ):
        if content and content[key]["generator_sha256"] != weights:
            raise ZooError(
                f"{file} was measured of other weights; measure again with `ganzoo card {folder} "
                f"--measure`. Received: {str(folder)!r}"
            )
    return Facts(opened.info, opened.recipe, contents["evaluation.json"], contents["evidence.json"])


def render(facts: Facts, handle: str, pictures: str = "") -> str:
    """The card as Markdown with a YAML header.

    Args:
        facts: from `read`.
        handle: what a reader gives to `zoo.load_generator`: a shipped name, or "hf://org/name".
        pictures: stands before the name of each picture, "../zoo/.../NAME/"; nothing when they lie beside the
            card.
    """

    def picture(file: str, caption: str) -> str:
        return f"![{file.removesuffix('.png')}]({pictures}{file})\n\n*{caption}*" if file in facts.info["files"] else ""

    data = PUBLISHED["data"].get(facts.recipe.data.source, {})
    try:
        parts = [
            header(facts, data),
            *_what_it_is(facts, handle, picture),
            *_data(facts, data),
            *_training(facts),
            *_scores(facts, data),
            *_use(facts),
            "## Known failure modes",
            *failures.sections(facts, picture),
            *_not_measured_here(facts, data),
        ]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ZooError(
            "the evidence is not what this version of ganzoo writes; measure again with `ganzoo card "
            f"{handle} --measure`. Received: {type(error).__name__} {error}"
        ) from error
    return "\n\n".join(part for part in parts if part) + "\n"


def _what_it_is(facts: Facts, handle: str, picture) -> list[str]:
    recipe, size = facts.recipe, facts.recipe.data.resolution
    counts = facts.info.get("parameters", {})
    start = f", fine-tuned from `{plain(recipe.start)}`" if recipe.start else ""
    evidence = facts.evidence or {}
    walk = evidence.get("interpolation", {})
    return [
        f"# {facts.name}",
        f"{METHODS[recipe.model.network]} ({_linked(plain(recipe.paper))}): an unconditional generator of {size} x "
        f"{size} {'grey' if recipe.data.channels == 1 else 'colour'} images from {recipe.model.latent_dim} normal "
        f"numbers{start}."
        + (
            f" {counts['generator']:,} parameters, and {counts['discriminator']:,} in the discriminator, which comes "
            "with it for fine-tuning."
            if counts
            else ""
        )
        + _licence(facts),
        f"```python\nimport zoo  # the package keras-ganzoo\ngenerator = zoo.load_generator({json.dumps(handle)})\n"
        f"images = generator.sample(64, seed=0)  # uint8 [64, {size}, {size}, {recipe.data.channels}]\n```",
        picture("samples.png", "64 samples of seed 0, not chosen"),
        picture(
            "interpolation.png", f"A walk through {walk.get('stops')} latents of seed {walk.get('seed')}, row by row"
        )
        if walk
        else missing("an interpolation was not drawn", facts),
    ]


def _licence(facts: Facts) -> str:
    return f" Licence of the weights: {facts.licence}." if facts.licence != UNKNOWN else ""


def _linked(paper: str) -> str:
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def _data(facts: Facts, data: dict[str, str]) -> list[str]:
    found, size = facts.info.get("data", {}), facts.recipe.data.resolution
    source, images = plain(found.get("source") or facts.recipe.data.source), found.get("images")
    counted = f"{images:,} training images" if images else "an unknown number of training images"
    if not data:
        return [
            "## Data",
            f"{counted} of `{source}` at {size} x {size} pixels. Their licence, and who is in the "
            "pictures, is not known to this card: say so before you publish it.",
        ]
    return ["## Data", f"{data['name']} ({data['paper']}), {counted}; licence: {data['licence']}. {data['shows']}"]


def _training(facts: Facts) -> list[str]:
    evidence, info = facts.evidence or {}, facts.info
    training = evidence.get("training") or info.get("training") or {}
    hours, images = training.get("hours"), info.get("images")
    machines = [machine for machine in training.get("machines", ()) if "device" in machine] or (
        [{**info, "hours": hours}] if info.get("device") else []
    )
    rows = [
        (
            "command",
            (f"`{plain(evidence['command'])}`" if "command" in evidence else "not recorded")
            + "; every number is in `recipe.toml`",
        ),
        ("images shown to D", f"{images:,}" + _of(training, images, facts.recipe) if images else "not recorded"),
        (
            "time",
            f"{hours:.2f} hours of training steps; measuring, saving and work that was lost are not counted"
            if hours
            else "not recorded in the checkpoint",
        ),
        (
            "device",
            ", then ".join(_machine(machine, facts.recipe) for machine in machines)
            or f"not recorded ({plain(info.get('processor', 'unknown'))})",
        ),
        ("energy", _energy(machines) if hours and machines else "not estimated: that needs the time and the device"),
        (
            "made with",
            ", ".join(f"{plain(name)} {plain(version)}" for name, version in info.get("versions", {}).items())
            or "not recorded",
        ),
    ]
    return ["## Training", "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)]


def _of(training: dict, images: int, recipe: Recipe) -> str:
    reached, planned = training.get("run_images"), recipe.schedule.images
    if not reached:
        return ""
    best = training.get("kid") and min(training["kid"], key=lambda point: point[1])[0] == images
    return (
        f", of {reached:,} in the run" + (": the snapshot with the lowest KID" if best else "")
        if reached > images
        else ""
    ) + (f"; the run was not finished, its recipe asks for {planned:,}" if reached < 0.99 * planned else "")


def _machine(machine: dict, recipe: Recipe) -> str:
    device, precision = machine["device"], machine.get("precision")
    unit = "cores" if device["kind"] == "cpu" else "accelerators"
    return (
        f"{plain(device['name'])}, {device['count']} {unit if device['count'] > 1 else unit[:-1]}"
        + (f", computing in {plain(precision)}" if precision else "")
        + (f" where the recipe has {recipe.precision}" if precision not in (None, recipe.precision) else "")
    )


def _energy(machines: list[dict]) -> str:
    watts, total, parts = PUBLISHED["watts"], 0.0, []
    for machine in machines:
        device, hours = machine["device"], machine["hours"]
        key = (
            "core" if device["kind"] == "cpu" else next((key for key in watts if key in device["name"]), device["kind"])
        )
        reason = {"core": "a core", device["kind"]: f"a {device['kind'].upper()}"}.get(
            key, "the device's stated maximum"
        )
        power = watts[key] * device["count"]
        total += hours * power
        parts.append(f"{hours:.2f} h x {power} W, with {watts[key]} W assumed for {reason}")
    return f"about {total:,.0f} Wh, an estimate: {'; '.join(parts)}; nothing was metered"


def _scores(facts: Facts, data: dict[str, str]) -> list[str]:
    if not facts.evaluation:
        return ["## Scores", missing("the checkpoint has no evaluation.json", facts), *_published(facts, data)]
    parts = ["## Scores"]
    for evaluation in facts.evaluation["evaluations"]:
        if "class_shares" in evaluation:
            name, score = next(iter(evaluation["scores"].items()))
            parts += [
                f"In the features of a small classifier of the data set, {plain(name)} is "
                f"{measured(score)}, floor {number(score['floor'])}."
            ]
        else:
            parts += [_table(evaluation), _protocol(evaluation, facts.evaluation["generated"])]
    warned = [*facts.evaluation["warnings"], *(facts.evidence or {}).get("measured", {}).get("warnings", [])]
    parts += ["Warnings of these measurements: " + "; ".join(map(plain, warned)) + "."] if warned else []
    return [*parts, *_published(facts, data)]


def _table(evaluation: dict) -> str:
    lines = [f"| {plain(evaluation['extractor']['name'])} | this model | floor | ratio |", "|---|---|---|---|"]
    for name, score in evaluation["scores"].items():
        if not name.endswith("standard error"):
            ratio = "" if score["ratio"] is None else f"{score['ratio']:.2f}"
            lines.append(f"| {plain(name)} | {measured(score)} | {number(score['floor'])} | {ratio} |")
    return "\n".join(lines)


def _protocol(evaluation: dict, generated: dict) -> str:
    extractor, real, settings = evaluation["extractor"], evaluation["real"], evaluation["settings"]
    weights = "averaged weights (EMA)" if generated["weights"] == "ema" else "raw weights"
    return (
        f"{evaluation['generated_count']:,} samples ({weights}, truncation {generated['truncation']:g}, seeds "
        f"{', '.join(map(str, generated['seeds']))}; ± is the standard deviation over these) against "
        f"{real['count']:,} of the {plain(real['split'])}. The floor is the same score of {real['floor_count']:,} "
        f"real images ({plain(real['floor'])}). Extractor: weights {extractor['weights_sha256'][:12]}..., resizer "
        f"{plain(extractor['resizer'])}; precision and recall with k = {settings['precision_recall_k']}, density "
        f"and coverage with k = {settings['density_coverage_k']}, and all four suffer from outliers and many "
        "dimensions ([Naeem 2020](https://arxiv.org/abs/2002.09797))."
    )


def _published(facts: Facts, data: dict[str, str]) -> list[str]:
    rows = [
        row
        for row in PUBLISHED["scores"]
        if (row["network"], row["data"]) == (facts.recipe.model.network, facts.recipe.data.source)
    ]
    if not rows:
        return ["Published: no score of this network on this data set that we know of. " + data.get("others", "")]
    lines = ["| published by | model | FID | protocol |", "|---|---|---|---|"]
    lines += [f"| {row['source']} | {row['model']} | {row['fid']} | {row['protocol']} |" for row in rows]
    return [
        "\n".join(lines),
        "These do not compare with ours, nor with each other: another number of images, another split, resizer or "
        "extractor moves FID more than most methods do. Of ours, only a score named FID is taken with FID's own "
        "network.",
    ]


def _use(facts: Facts) -> list[str]:
    return [
        "## Intended use",
        "Teaching, a baseline to compare with, tests of tools for generative models, a start for fine-tuning on "
        "images like these; on others, compare with training from scratch. **Out of scope:** training data for a "
        "product, pictures that pass for real ones, statements about the world: the model knows no more of it than "
        "the data above, and its samples follow no request.",
    ]


def _not_measured_here(facts: Facts, data: dict[str, str]) -> list[str]:
    versions = (facts.evaluation or {}).get("versions", {})
    used = ", with " + ", ".join(f"{plain(name)} {plain(version)}" for name, version in versions.items())
    return [
        "## What this card cannot show",
        "GANs of this kind are known to get counting, perspective and global structure wrong "
        "([Goodfellow 2016](https://arxiv.org/abs/1701.00160)), and we have no measure of these. "
        + data.get("hidden", "Look for them among the samples above."),
        "Where nothing else is said, a number above is of one set of weights and of samples of the seeds stated"
        + (used if versions else "")
        + ". `evaluation.json` and `evidence.json` beside the weights have them all.",
    ]
