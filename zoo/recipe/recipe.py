"""A recipe: every number of a training run, read from TOML into frozen structures.

There is no inheritance between recipes and nothing in one can run code. A key that the structures below do not name is
an error, and so is a combination that the published methods rule out. Ranges stand at their keys.
"""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union

import msgspec
from msgspec import Meta, Struct

from zoo import networks
from zoo.files.errors import ZooError
from zoo.networks.parts.network import Model
from zoo.recipe import ranges
from zoo.recipe.combinations import KID_JUDGE, require_possible
from zoo.recipe.losses import LOSSES, LossFacts
from zoo.recipe.numbers import Count, NotNegative, Positive, Ramp, Share, Whole, largest, times
from zoo.recipe.reading import convert, nearest, read_text, read_toml, upgraded
from zoo.recipe.writing import toml

RECIPES = Path(__file__).parent / "recipes"
if not RECIPES.is_dir():  # a source checkout; in the wheel the recipes lie inside the package
    RECIPES = Path(__file__).parents[2] / "recipes"

if TYPE_CHECKING:
    AnyModel = Model
else:
    AnyModel = Union[tuple(networks.configs().values())]  # noqa: UP007 - not known before it runs


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a recipe."""


class Data(Table, frozen=True, kw_only=True):
    source: str  # "tfds:NAME", a folder of images, a .zip, .npz or .npy file
    resolution: Literal[32, 64, 128, 256]  # pixels
    channels: Literal[1, 3]
    fit: Literal["pad", "crop"] = "crop"  # how other sizes reach the resolution
    balanced: bool = False  # every class is drawn as often as another; otherwise as often as the images have it
    white: Whole = 0  # the value of white in images of more than 8 bits; 0: found by looking at them


class Loss(Table, frozen=True, kw_only=True):
    name: Literal[tuple(LOSSES)]  # type: ignore[valid-type]
    gradient_penalty: NotNegative | Ramp[NotNegative] = 0.0  # lambda of the two-sided penalty, Gulrajani 2017
    r1: NotNegative | Ramp[NotNegative] = 0.0  # gamma of R1, Mescheder 2018: gamma / 2 |grad D(real)|^2
    r2: NotNegative | Ramp[NotNegative] = 0.0  # the same of generated images, R2 of the same paper
    r1_every_steps: Count = 1  # lazy regularisation, Karras 2020: R1 and R2 in every k-th D update, times k

    @property
    def facts(self) -> LossFacts:
        """What is known of the loss."""
        return LOSSES[self.name]


class Adam(Table, frozen=True, kw_only=True):
    learning_rate: Positive | Ramp[NotNegative]
    beta_1: Share
    beta_2: Share | Ramp[Share]
    epsilon: Positive = 1e-8


class Optimizer(Table, frozen=True, kw_only=True):
    d: Adam
    g: Adam


class Schedule(Table, frozen=True, kw_only=True):
    images: Count  # real images shown to D in the whole run
    batch_size: Annotated[int, Meta(ge=1, le=2**16)]  # real images in one D update, over all replicas
    d_steps: Annotated[int, Meta(ge=1, le=100)] = 1  # D updates in one training step, each on fresh real images
    g_steps: Annotated[int, Meta(ge=1, le=100)] = 1  # G updates in one training step
    d_period: Whole = 0  # longer alternation: so many steps or epochs of D alone ...
    g_period: Whole = 0  # ... then so many of G alone; 0 and 0: both in every step
    period_unit: Literal["steps", "epochs"] = "steps"
    wait_above: Share = 0.0  # D waits for four steps when r_t = E[sign D(real)] of the last four is above; 0: never
    freeze_d: Whole = 0  # the first n layers of D with a kernel are frozen: FreezeD, Mo 2020, arXiv:2002.10964

    @property
    def images_per_step(self) -> int:
        """Real images in one training step."""
        return self.batch_size * self.d_steps

    @property
    def steps(self) -> int:
        """Training steps in the whole run."""
        return max(1, round(self.images / self.images_per_step))


class Augment(Table, frozen=True, kw_only=True):
    flip: bool = False  # horizontal flips of the real images
    diffaugment: tuple[Literal["color", "translation", "cutout"], ...] = ()
    ada: bool = False  # adaptive augmentation, Karras 2020, arXiv:2006.06676
    ada_target: Share = 0.6
    ada_speed_images: Count = 500_000  # images for p to go from 0 to 1
    ada_p: Share | Ramp[Share] = 0.0  # above 0: ADA's transforms with this probability, instead of an adaptive one

    @property
    def transforms(self) -> bool:
        """Whether D sees images through ADA's transforms, adaptively or not."""
        return self.ada or largest(self.ada_p) > 0

    @property
    def used(self) -> tuple[str, ...]:
        """The augmentations whose uniforms come with each batch; flips are always among them."""
        return ("flip", *self.diffaugment, *(["ada"] if self.transforms else []))


class EMA(Table, frozen=True, kw_only=True):
    half_life_images: Count | Ramp[NotNegative]


class Log(Table, frozen=True, kw_only=True):
    every_images: Count = 5_000  # a line in log.jsonl
    checkpoint_every_images: Count = 100_000  # a checkpoint, a grid of samples, the KID that chooses the best
    kid_images: Whole = 1_000  # real and generated ones that KID is taken of; 0: never, the best is the latest


class Recipe(Table, frozen=True, kw_only=True):
    """The whole of a run. `load` reads one; every key is documented where it is defined.

    Example:
        >>> recipe = zoo.load_recipe("dcgan-64")
        >>> isinstance(recipe, zoo.Recipe), recipe.data.resolution
        (True, 64)
        >>> recipe.replace(**{"schedule.images": 1_000}).schedule.images
        1000
    """

    name: str
    data: Data
    model: AnyModel  # zoo/networks: each network has keys of its own
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    ema: EMA
    augment: Augment = Augment()
    log: Log = Log()
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    seed: Whole = 0
    paper: str = ""
    watch: Literal["warn", "stop", "rollback"] = "warn"  # when training fails: say so; stop; or go back and on, slower
    start: str = ""  # a checkpoint whose two networks this run starts from, as fine-tuning does

    @property
    def kid_judge_taught(self) -> bool:
        """Whether the judge of a run's KID taught D too: then this KID compares moments of one run alone."""
        return self.model.facts.teacher == KID_JUDGE

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain values, which `from_dict` reads again.

        Example:
            >>> zoo.load_recipe("dcgan-cifar10").to_dict()["model"]["network"]
            'dcgan'
        """
        return json.loads(msgspec.json.encode(self))

    def replace(self, /, **overrides: Any) -> Recipe:
        """A copy with dotted keys replaced.

        Raises:
            ZooError: unknown key, wrong type, impossible combination.

        Example:
            >>> longer = zoo.load_recipe("dcgan-cifar10").replace(**{"schedule.images": 10_000_000, "seed": 1})
        """
        plain = {key: msgspec.to_builtins(v) if isinstance(v, Struct) else v for key, v in overrides.items()}
        return from_dict(_override(self.to_dict(), plain))

    def slower(self, rollbacks: int) -> Recipe:
        """A copy with both rates halved for each rollback."""
        if not rollbacks:
            return self
        rates = {player: getattr(self.optimizer, player).learning_rate for player in ("d", "g")}
        return self.replace(
            **{f"optimizer.{player}.learning_rate": times(rate, 0.5**rollbacks) for player, rate in rates.items()}
        )


def names() -> list[str]:
    """Names of the recipes that ship.

    Example:
        >>> zoo.list_recipes()[0]
        'dcgan-256'
    """
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load(name: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Reads a shipped recipe by name, or a TOML file by path.

    Args:
        name: "dcgan-fashion-mnist", or "my/recipe.toml".
        overrides: dotted keys and their values, as `parse_overrides` makes them.

    Raises:
        ZooError: unknown recipe, broken TOML, unknown key, wrong type, impossible combination.

    Example:
        >>> zoo.load_recipe("sngan-cifar10", {"schedule.images": 1_000_000}).schedule.images
        1000000
    """
    path = file_of(name)
    return parse(read_text(path), path.stem, str(path), overrides)


def file_of(name: str | Path) -> Path:
    """The file of a recipe, which `load` reads; a path of a .toml file is itself."""
    path = Path(name)
    if path.suffix != ".toml":
        path = RECIPES / f"{name}.toml"
        if not path.is_file():
            raise ZooError(f"there is no recipe of that name{nearest(str(name), names())} Received: {str(name)!r}")
    return path


def parse(text: str, name: str, where: str = "", overrides: dict[str, Any] | None = None) -> Recipe:
    """Reads the text of a recipe; `name` unless the text has one, `where` for errors. Raises as `load` does.

    A table `[search]` is checked and left out: it is no part of a run, and `ranges.load` reads it.
    """
    values = {"name": name} | upgraded(read_toml(text, where))
    try:
        ranges.read(values.pop("search", {}))
        return from_dict(_override(values, overrides or {}))
    except RecursionError:
        raise ZooError(f"the recipe is nested too deeply. Received: {where!r}") from None


def from_dict(values: dict[str, Any]) -> Recipe:
    """Builds and checks a recipe from nested dictionaries; raises ZooError as `load` does."""
    recipe = convert(values, Recipe)
    require_possible(recipe)
    return recipe


def parse_overrides(settings: tuple[str, ...]) -> dict[str, Any]:
    """Turns ("optimizer.d.learning_rate=1e-4", ...) into {"optimizer.d.learning_rate": 1e-4, ...}.

    A value is TOML; one that is not TOML is taken as a string, so that quotes are optional.
    """
    overrides = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise ZooError(f"an override has the form key=value, as in schedule.images=100000. Received: {setting!r}")
        try:
            overrides[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            overrides[key.strip()] = text.strip()
    return overrides


class Change(NamedTuple):
    """A value in which two recipes differ, "schedule.images: 1000 -> 2000". Both values are TOML, or "absent"."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def difference(old: Recipe, new: Recipe) -> list[Change]:
    """Each value in which two recipes differ.

    Of two networks, a key that one lacks and that is off in the other is no difference.
    """
    a, b = _flatten(old.to_dict()), _flatten(new.to_dict())
    return [
        Change(key, toml(a[key]) if key in a else "absent", toml(b[key]) if key in b else "absent")
        for key in sorted(a | b)
        if a.get(key) != b.get(key) and ((key in a and key in b) or a.get(key) or b.get(key))
    ]


def _flatten(values: dict, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        table = isinstance(value, dict) and "from" not in value  # a ramp is one value
        flat |= _flatten(value, f"{prefix}{key}.") if table else {f"{prefix}{key}": value}
    return flat


def _override(values: dict, overrides: dict[str, Any]) -> dict:
    values = copy.deepcopy(values)
    for key, value in overrides.items():
        *tables, last = key.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ZooError(f"{name!r} in the override {key!r} is a value, not a table. Received: {toml(table)}")
        table[last] = value
    if overrides.get("model.network") in networks.NAMES and isinstance(values.get("model"), dict):
        own = {"network", *networks.configs()[overrides["model.network"]].__struct_fields__}
        kept = {key: v for key, v in values["model"].items() if key in own or f"model.{key}" in overrides}
        values["model"] = kept  # without the keys of the network that was there before
    return values
