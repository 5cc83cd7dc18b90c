"""Kinds of numbers in a recipe, and numbers that change during a run."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct, field, structs

from zoo.networks.parts.network import Count

Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]

T = TypeVar("T")


class Ramp(Struct, Generic[T], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number that changes while D sees the first `images` real images, and then stays.

    In a recipe: `{ from = 0.05, to = 0.005, images = 2_000_000, shape = "cosine" }`.

    Three clocks count the images; they agree where both networks move in every step. A learning rate and beta_2 count
    those of the network's own updates. Penalties count those of D's updates. The half-life of the average and ada_p
    count those of all steps, also of steps in which a network waits.
    """

    start: T = field(name="from")
    to: T
    images: Count | Literal["run"] = "run"  # "run": the length of the whole run
    shape: Literal["linear", "cosine"] = "linear"


def times(number: float | Ramp, factor: float) -> float | Ramp:
    """A number times a factor; a ramp keeps its length and shape."""
    if isinstance(number, Ramp):
        return structs.replace(number, start=number.start * factor, to=number.to * factor)
    return number * factor


def scaled(number: float | Ramp, factor: float) -> float | Ramp:
    """`times`, with two digits."""
    number = times(number, factor)
    if isinstance(number, Ramp):
        return structs.replace(number, start=_rounded(number.start), to=_rounded(number.to))
    return _rounded(number)


def largest(number: float | Ramp) -> float:
    """The largest value that a number has in a run."""
    return max(number.start, number.to) if isinstance(number, Ramp) else number


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
