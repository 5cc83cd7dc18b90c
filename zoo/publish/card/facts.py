"""What a card is made from: all that a checkpoint folder says of itself."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from zoo.checkpoints import checkpoint, labels
from zoo.checkpoints.run_history import upgraded
from zoo.evaluation import results
from zoo.evaluation.results import Evaluation, Record
from zoo.evaluation.sections import Device, Evidence, Machine, Training
from zoo.files.errors import ZooError
from zoo.files.shell import command
from zoo.publish.card.wording import plain
from zoo.recipe import Recipe

PUBLISHED = tomllib.loads((Path(__file__).parent / "published.toml").read_text("utf-8"))
KINDS = {"evaluation.json": results.OfCheckpoint, "evidence.json": Evidence}
UNKNOWN = "unknown"


class Parameters(Record, frozen=True, kw_only=True):
    generator: int
    discriminator: int


class Data(Record, frozen=True, kw_only=True):
    """The training images."""

    source: str | None = None
    fingerprint: str | None = None
    images: int | None = None
    classes: tuple[str, ...] = ()


class Info(Record, frozen=True, kw_only=True):
    """What a card takes from ganzoo.json."""

    files: dict[str, Any]
    name: str | None = None
    images: int | None = None
    license: str = UNKNOWN
    parameters: Parameters | None = None
    data: Data = Data()
    training: Training | None = None
    device: Device | None = None
    precision: str | None = None
    processor: str = UNKNOWN
    versions: dict[str, str] = {}  # noqa: RUF012


@dataclass(frozen=True)
class Energy:
    """An estimate from the stated maximum of each device."""

    watt_hours: float
    parts: list[str]


@dataclass(frozen=True)
class Facts:
    """All that a card says comes from here."""

    info: Info
    recipe: Recipe
    evaluation: Evaluation | None
    evidence: Evidence | None

    @property
    def name(self) -> str:
        return plain(self.info.name or self.recipe.name)

    @property
    def licence(self) -> str:
        """Of the weights, as the Hub writes it."""
        return plain(self.info.license)

    @property
    def network(self):
        """What is known of the network."""
        return self.recipe.model.facts

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that one may ask for; none of an unconditional model."""
        return labels.names(self.recipe, {"data": {"classes": self.info.data.classes}})

    @property
    def floor(self) -> str:
        """What the floor of every measurement is taken of."""
        return plain(self.evidence.measured.floor if self.evidence else "held-out images")

    @property
    def data(self) -> dict[str, str]:
        """What is published of the data set, or nothing."""
        known = PUBLISHED["images"].get(self.info.data.fingerprint)
        return known or PUBLISHED["data"].get(self.recipe.data.source, {})

    @property
    def published(self) -> list[dict[str, str]]:
        """Scores of the same network on the same data set, as others have published them."""
        ours = self.recipe.model.network, self.recipe.data.source
        return [row for row in PUBLISHED["scores"] if (row["network"], row["data"]) == ours]

    @property
    def training(self) -> Training | None:
        return (self.evidence and self.evidence.training) or self.info.training

    @property
    def changed_on_the_way(self) -> bool:
        """Whether the recipe changed before this snapshot: the last one alone does not make these weights."""
        found = (self.training and self.training.findings) or ()
        return any(row.kind == "change" and row.images < (self.info.images or 0) for row in found)

    @property
    def machines(self) -> list[Machine]:
        """What it was trained on."""
        known = [machine for machine in (self.training.machines if self.training else ()) if machine.device]
        if known or not self.info.device:
            return known
        hours = (self.training and self.training.hours) or 0.0
        return [Machine(hours=hours, device=self.info.device, precision=self.info.precision)]

    @property
    def has_lowest_kid(self) -> bool:
        """Whether no snapshot of the run has a lower KID than this one."""
        points = self.training.kid if self.training else ()
        return bool(points) and min(points, key=lambda point: point[1])[0] == self.info.images

    @property
    def energy(self) -> Energy | None:
        """None without the time and the device."""
        if not self.machines or not (self.training and self.training.hours):
            return None
        watts, total, parts = PUBLISHED["watts"], 0.0, []
        for machine in self.machines:
            device = machine.device
            key = device.kind
            if device.kind == "cpu":
                key, reason = "core", "a core"
            else:
                key = next((key for key in watts if key in device.name), device.kind)
                reason = f"a {device.kind.upper()}" if key == device.kind else "the device's stated maximum"
            each = watts.get(key, watts["gpu"])
            total += machine.hours * each * device.count
            parts.append(f"{machine.hours:.2f} h x {each * device.count} W, with {each} W assumed for {reason}")
        return Energy(total, parts)


def read(folder: Path) -> Facts:
    """The facts of a checkpoint folder.

    Raises:
        ZooError: the checkpoint is damaged, its evidence has another form than this version writes, or it is of other
            weights.
    """
    opened = checkpoint.open_checkpoint(folder)
    documents = {file: opened.document(file) for file in KINDS if file in opened.info["files"]}
    facts = decode(opened.info, opened.recipe, documents)
    weights = opened.info["files"].get("generator.safetensors", {}).get("sha256")
    for file, of in (
        ("evaluation.json", facts.evaluation and facts.evaluation.generated.generator_sha256),
        ("evidence.json", facts.evidence and facts.evidence.checkpoint.generator_sha256),
    ):
        if file in documents and of != weights:
            raise ZooError(
                f"{file} was measured of other weights; measure again with: "
                f"{command('ganzoo', 'card', folder, '--measure')}. Received: {str(folder)!r}"
            )
    return facts


def decode(info: dict[str, Any], recipe: Recipe, documents: dict[str, dict[str, Any]]) -> Facts:
    """The facts from what ganzoo.json and the evidence's files hold.

    Raises:
        ZooError: one of them has another form than this version writes; the message names it.
    """
    try:
        known = msgspec.convert(info | {"training": upgraded(info.get("training"))}, Info)
    except msgspec.ValidationError as error:
        raise ZooError(f"ganzoo.json has another form than this version writes. Received: {error}") from None
    decoded = {file: results.decode(documents[file], kind, file) for file, kind in KINDS.items() if file in documents}
    return Facts(known, recipe, decoded.get("evaluation.json"), decoded.get("evidence.json"))
