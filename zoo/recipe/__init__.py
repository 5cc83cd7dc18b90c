"""A recipe: every number of a training run, read from TOML into frozen dataclasses.

There is no inheritance between recipes and nothing in one can run code. A key that the dataclasses below do not name is
an error, and so is a combination that the published methods rule out.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zoo.files.errors import ZooError

RECIPES = Path(__file__).parent / "recipes"
if not RECIPES.is_dir():  # a source checkout; in the wheel the recipes lie inside the package
    RECIPES = Path(__file__).parents[2] / "recipes"
LEAST_KID_IMAGES = 20  # with fewer it says nothing


@dataclass(frozen=True)
class Data:
    source: str  # "tfds:NAME", a folder of images, or a .npz file
    resolution: Literal[32, 64, 128]  # pixels
    channels: Literal[1, 3]
    fit: Literal["pad", "crop"] = "crop"  # how other sizes reach the resolution


@dataclass(frozen=True)
class Model:
    network: Literal["dcgan", "wgan-gp", "sngan", "stylegan-lite"]
    latent_dim: int
    g_channels: int  # the width unit of each network's header
    d_channels: int
    mapping_layers: int = 0  # StyleGAN-lite alone
    style_mixing: float = 0.0  # StyleGAN-lite alone: the share of images made from two styles
    pyramid: bool = False  # WGAN-GP and SNGAN at 32 pixels: wider where the image is smaller, as the others always are


@dataclass(frozen=True)
class Loss:
    name: Literal["non-saturating", "least-squares", "wasserstein", "hinge", "relativistic"]
    gradient_penalty: float = 0.0  # lambda of the two-sided penalty, Gulrajani 2017
    r1: float = 0.0  # gamma of R1, Mescheder 2018; the loss gains gamma / 2 |grad D(real)|^2
    r1_every_steps: int = 1  # lazy regularisation, Karras 2020: every so many D updates, as many times stronger


@dataclass(frozen=True)
class Adam:
    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float = 1e-8
    decay: Literal["constant", "linear"] = "constant"  # linear: to zero after the updates of a run of both players


@dataclass(frozen=True)
class Optimizer:
    d: Adam
    g: Adam


@dataclass(frozen=True)
class Schedule:
    images: int  # real images shown to D in the whole run
    batch_size: int  # real images in one D update, over all replicas
    d_steps: int = 1  # D updates in one training step, each on fresh real images
    g_steps: int = 1  # G updates in one training step
    d_period: int = 0  # longer alternation: so many steps or epochs of D alone ...
    g_period: int = 0  # ... then so many of G alone; 0 and 0: both in every step
    period_unit: Literal["steps", "epochs"] = "steps"
    wait_above: float = 0.0  # D waits for four steps when r_t = E[sign D(real)] of the last four is above; 0: never
    freeze_d: int = 0  # so many of D's first kernels stay: FreezeD, Mo 2020, arXiv:2002.10964

    @property
    def images_per_step(self) -> int:
        """Real images in one training step."""
        return self.batch_size * self.d_steps

    @property
    def steps(self) -> int:
        """Training steps in the whole run."""
        return max(1, round(self.images / self.images_per_step))


@dataclass(frozen=True)
class Augment:
    flip: bool = False  # horizontal flips of the real images
    diffaugment: tuple[Literal["color", "translation", "cutout"], ...] = ()
    ada: bool = False  # adaptive augmentation, Karras 2020
    ada_target: float = 0.6
    ada_speed_images: int = 500_000  # images for p to go from 0 to 1


@dataclass(frozen=True)
class EMA:
    half_life_images: int


@dataclass(frozen=True)
class Log:
    every_images: int = 5_000  # a line in log.jsonl
    checkpoint_every_images: int = 100_000  # a checkpoint, a grid of samples, the KID that chooses the best
    kid_images: int = 1_000  # real and generated ones that KID is taken of; 0: never, the best is the latest


@dataclass(frozen=True)
class Recipe:
    """The whole of a run. `load` reads one; every field is documented where it is defined."""

    name: str
    data: Data
    model: Model
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    ema: EMA
    augment: Augment = field(default_factory=Augment)
    log: Log = field(default_factory=Log)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    seed: int = 0
    paper: str = ""
    watch: Literal["warn", "stop", "rollback"] = "warn"  # when training fails: say so; stop; or go back and on, slower
    start: str = ""  # a checkpoint whose two networks this run starts from, as fine-tuning does

    def to_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def replace(self, /, **overrides: Any) -> Recipe:
        """A copy with dotted keys replaced, for instance `replace(**{"schedule.images": 1000})`."""
        return from_dict(_override(self.to_dict(), overrides))

    def slower(self, rollbacks: int) -> Recipe:
        """A copy with both rates halved for each rollback."""
        return self.replace(
            **{
                f"optimizer.{player}.learning_rate": getattr(self.optimizer, player).learning_rate / 2**rollbacks
                for player in ("d", "g")
            }
        )


def names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load(name: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Reads a shipped recipe by name, or a TOML file by path.

    Args:
        name: "dcgan-fashion-mnist", or "my/recipe.toml".
        overrides: dotted keys and their values, as `parse_overrides` makes them.

    Raises:
        ZooError: unknown recipe, broken TOML, unknown key, wrong type, impossible combination.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = RECIPES / f"{name}.toml"
        if not path.is_file():
            raise ZooError(f"there is no recipe of that name{nearest(str(name), names())} Received: {str(name)!r}")
    try:
        return from_dict(_override({"name": path.stem} | _parse(path), overrides or {}))
    except RecursionError:
        raise ZooError(f"the recipe is nested too deeply. Received: {str(path)!r}") from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ZooError(f"the recipe file does not exist. Received: {str(path)!r}") from None
    except (ValueError, OSError) as error:  # no TOML, no UTF-8, a number too long
        raise ZooError(f"the recipe is not readable TOML ({error}). Received: {str(path)!r}") from None


def from_dict(values: dict[str, Any]) -> Recipe:
    """Builds and checks a recipe from nested dictionaries; raises ValueError as `load` does."""
    recipe = _build(Recipe, values, "")
    _check(recipe)
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


def difference(old: Recipe, new: Recipe) -> list[str]:
    """One line for each value in which two recipes differ: "schedule.images: 1000 -> 2000"."""
    a, b = _flatten(old.to_dict()), _flatten(new.to_dict())
    return [f"{key}: {a.get(key)!r} -> {b.get(key)!r}" for key in sorted(a | b) if a.get(key) != b.get(key)]


def nearest(word: str, known: list[str]) -> str:
    """The end of an error sentence: the nearest known name, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(known) or 'none'}."


def _flatten(values: dict, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _override(values: dict, overrides: dict[str, Any]) -> dict:
    values = copy.deepcopy(values)
    for key, value in overrides.items():
        *tables, last = key.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ZooError(f"{name!r} in the override {key!r} is a value, not a table. Received: {table!r}")
        table[last] = value
    return values


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ZooError(f"[{where}] must be a table of keys and values. Received: {values!r}")
    hints = get_type_hints(cls)
    for key in values:
        if key not in hints:
            raise ZooError(
                f"unknown key {where + '.' + key if where else key!r}{nearest(key, list(hints))} "
                f"Received: {values[key]!r}"
            )
    missing = [
        f.name
        for f in dataclasses.fields(cls)
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ZooError(
            f"{f'[{where}]' if where else 'the recipe'} lacks {', '.join(missing)}. Received: {sorted(values)}"
        )
    return cls(**{key: _convert(hints[key], value, f"{where}.{key}".lstrip(".")) for key, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint) or isinstance(value, bool):
            allowed = ", ".join(map(repr, get_args(hint)))
            raise ZooError(f"{where} must be one of {allowed}. Received: {value!r}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ZooError(f"{where} must be a list. Received: {value!r}")
        return tuple(_convert(get_args(hint)[0], item, where) for item in value)
    if type(value) in (int, float) and not -1e18 < value < 1e18:
        raise ZooError(f"{where} must be finite and below 1e18. Received: {value!r}")
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}[hint]
        raise ZooError(f"{where} must be {kind}. Received: {value!r}")
    return value


def _check(recipe: Recipe) -> None:
    """Ranges, and combinations that the papers rule out."""
    positive = (
        "model.latent_dim",
        "model.g_channels",
        "model.d_channels",
        "loss.r1_every_steps",
        "schedule.images",
        "schedule.batch_size",
        "schedule.d_steps",
        "schedule.g_steps",
        "ema.half_life_images",
        "augment.ada_speed_images",
        "log.every_images",
        "log.checkpoint_every_images",
        "optimizer.d.learning_rate",
        "optimizer.g.learning_rate",
        "optimizer.d.epsilon",
        "optimizer.g.epsilon",
    )
    not_negative = (
        "model.mapping_layers",
        "loss.gradient_penalty",
        "loss.r1",
        "schedule.d_period",
        "schedule.g_period",
        "schedule.freeze_d",
        "log.kid_images",
        "seed",
    )
    below_one = (
        "model.style_mixing",
        "optimizer.d.beta_1",
        "optimizer.d.beta_2",
        "optimizer.g.beta_1",
        "optimizer.g.beta_2",
        "schedule.wait_above",
        "augment.ada_target",
    )
    values = _flatten(recipe.to_dict())
    for keys, holds, rule in (
        (positive, lambda v: v > 0, "above 0"),
        (not_negative, lambda v: v >= 0, "at least 0"),
        (below_one, lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ):
        for key in keys:
            if not holds(values[key]):
                raise ZooError(f"{key} must be {rule}. Received: {values[key]!r}")

    network, loss, schedule, augment = recipe.model.network, recipe.loss, recipe.schedule, recipe.augment
    if network == "dcgan" and (loss.gradient_penalty or loss.r1):
        raise ZooError(
            "DCGAN's discriminator has batch normalisation, for which a penalty on each image's gradient "
            "is not defined (Gulrajani 2017, section 4); set the penalty to 0 or take another network. "
            f"Received: gradient_penalty={loss.gradient_penalty}, r1={loss.r1}"
        )
    if (network == "stylegan-lite") != (recipe.model.mapping_layers > 0):
        raise ZooError(
            "model.mapping_layers is at least 1 for stylegan-lite and 0 for the other networks. "
            f"Received: {recipe.model.mapping_layers} with {network!r}"
        )
    if recipe.model.style_mixing and network != "stylegan-lite":
        raise ZooError(f"model.style_mixing belongs to stylegan-lite alone. Received: {network!r}")
    if recipe.model.pyramid and (network not in ("wgan-gp", "sngan") or recipe.data.resolution != 32):
        raise ZooError(
            "model.pyramid belongs to wgan-gp and sngan at 32 pixels; the others are pyramids already. "
            f"Received: {network!r} at {recipe.data.resolution}"
        )
    if (schedule.d_period > 0) != (schedule.g_period > 0):
        raise ZooError(
            "schedule.d_period and g_period are set together, or both are 0. "
            f"Received: {schedule.d_period} and {schedule.g_period}"
        )
    if schedule.wait_above and loss.name in ("wasserstein", "relativistic"):
        raise ZooError(
            "schedule.wait_above needs a discriminator whose sign tells real from fake; "
            f"{loss.name} has none. Received: {schedule.wait_above}"
        )
    if augment.ada and loss.name in ("wasserstein", "relativistic"):
        raise ZooError(
            "augment.ada is steered by sign D(real), which has no meaning for this loss; "
            f"use augment.diffaugment. Received: {loss.name!r}"
        )
    if schedule.d_period and (augment.ada or schedule.wait_above):
        raise ZooError(
            "augment.ada and schedule.wait_above are steered by four steps in which D moves; set d_period "
            f"and g_period to 0. Received: {schedule.d_period} and {schedule.g_period}"
        )
    if loss.name == "wasserstein" and not loss.gradient_penalty and network != "sngan":
        raise ZooError(
            "a Wasserstein critic must be Lipschitz (Arjovsky 2017): set loss.gradient_penalty, 10 in "
            f"Gulrajani 2017, with another network than dcgan. Received: {network!r} without a penalty"
        )
    if 0 < recipe.log.kid_images < LEAST_KID_IMAGES:
        raise ZooError(
            f"log.kid_images must be at least {LEAST_KID_IMAGES}, or 0 to leave KID out. "
            f"Received: {recipe.log.kid_images}"
        )
    if augment.ada and augment.diffaugment:
        raise ZooError(
            "augment.ada and augment.diffaugment do the same work; choose one. "
            f"Received: ada=true, diffaugment={list(augment.diffaugment)}"
        )
