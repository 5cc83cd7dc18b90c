"""What all trials of a search have in common, in its file search.toml: it is fixed when the search begins."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tomli_w
from msgspec import Meta, Struct

from zoo import recipe as recipes
from zoo.files.atomic import replacing
from zoo.files.errors import ZooError
from zoo.files.progress import duration
from zoo.recipe import Recipe
from zoo.recipe.numbers import Whole
from zoo.recipe.ranges import read
from zoo.recipe.reading import convert
from zoo.training.search.space import Space

MARKS = (1 / 9, 1 / 3, 1.0)  # shares of a trial at which it is measured; a third of the trials go on from each
OBJECTIVES = {"kid": "minimize", "recall": "maximize", "time": "minimize"}


PAIRS = (("kid", "recall"), ("kid", "time"))


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search, but for how many trials it has: that may grow.

    Attributes:
        images, seconds: the length of a trial, in one of the two. Seconds are those of training steps alone.
        objectives: what is searched for, of `OBJECTIVES`; with two there is no best trial, but a front of them.
        finalists: how many of the best are run again with another seed.
        sampler: "tpe" learns from the trials before; "random" does not.
        prune: end the trials early whose KID is not in the best third; with two objectives only what fails.
        fingerprint: of the images.
        recipe: what is varied, as `Recipe.to_dict` gives it.
        search: the ranges, as `Space.to_dict` gives them.
    """

    images: Whole = 0
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    objectives: tuple[Literal[tuple(OBJECTIVES)], ...] = ("kid",)  # type: ignore[valid-type]
    finalists: Whole = 3
    sampler: Literal["tpe", "random"] = "tpe"
    prune: bool = True
    fingerprint: str
    recipe: dict[str, Any]
    search: dict[str, Any]

    @property
    def base(self) -> Recipe:
        """The recipe that is varied."""
        return recipes.from_dict(self.recipe)

    @property
    def space(self) -> Space:
        return Space.of(self.base, read(self.search))

    @property
    def marks(self) -> list[float]:
        """Where a trial is measured, in images or seconds."""
        shares = MARKS if self.prune else MARKS[-1:]
        return [(self.seconds or self.images) * share for share in shares]

    @property
    def length(self) -> str:
        """How long a trial is, in words."""
        return f"{duration(self.seconds)} of training" if self.seconds else f"{self.images:,} images"

    def write(self, file: Path) -> None:
        with replacing(file) as temporary:
            temporary.write_text(tomli_w.dumps(msgspec.to_builtins(self)), encoding="utf-8")

    def require_same(self, other: Plan, folder: Path) -> None:
        """Raises ZooError when the search in `folder`, this one, is another than `other`."""
        changes = recipes.difference(self.base, other.base.replace(**{"data.source": self.base.data.source}))
        if changes:
            what = f"another recipe ({'; '.join(map(str, changes))})"
        elif self.fingerprint != other.fingerprint:
            what = "other images"
        elif self.search != other.search:
            what = f"another space ({', '.join(sorted(_unlike(self.search, other.search)))})"
        elif self != msgspec.structs.replace(other, recipe=self.recipe):
            a, b = (msgspec.to_builtins(plan) for plan in (self, other))
            what = ", ".join(f"{key} {a[key]!r}" for key in sorted(_unlike(a, b) - {"recipe"}))
        else:
            return
        raise ZooError(
            f"the search in this folder was begun with {what}; search into a new folder, or go on with what is "
            f"there by --resume. Received: {str(folder)!r}"
        )


def made(**values: Any) -> Plan:
    """A plan from a caller's values; ZooError names what is wrong."""
    plan = convert(values, Plan)
    if len(set(plan.objectives)) != len(plan.objectives) or plan.objectives not in (("kid",), *PAIRS):
        raise ZooError(
            f"the objectives are kid, or kid and one of recall, time. Received: {', '.join(plan.objectives) or 'none'}"
        )
    if plan.seconds and "time" in plan.objectives:
        raise ZooError(
            "trials that are as long in time do not differ in it; give the images of a trial. Received: time"
        )
    return plan if len(plan.objectives) == 1 else msgspec.structs.replace(plan, prune=False)


def load(folder: Path) -> Plan:
    """The plan of the search in a folder.

    Raises:
        ZooError: there is none, or it cannot be read.
    """
    file = Path(folder) / "search.toml"
    try:
        return convert(tomllib.loads(file.read_text("utf-8")), Plan)
    except FileNotFoundError:
        raise ZooError(f"this is no search: it has no search.toml. Received: {str(folder)!r}") from None
    except ZooError as error:
        raise ZooError(f"search.toml is not what a search wrote ({error}) Received: {str(file)!r}") from None
    except (ValueError, OSError) as error:
        raise ZooError(f"search.toml cannot be read ({error}). Received: {str(file)!r}") from None


def _unlike(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}
