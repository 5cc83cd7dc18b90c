"""What a network declares of itself: the keys of its `[model]`, and facts that the rest of the house asks for.

Readable without Keras. A network is one file in `zoo/networks` with

    class Config(Model, frozen=True, tag="its-name")       its keys, with their ranges, its facts, what to search
    generator(model, resolution, channels, init)           a Keras model
    discriminator(model, resolution, channels, init)       a Keras model

and needs no other entry in the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]
Classes = Annotated[int, Meta(ge=0, le=2**16)]

BETA_1 = {  # for a `space`: the two values that papers have, the same for both players
    "optimizer.g.beta_1": {"choices": [0.0, 0.5]},
    "optimizer.d.beta_1": {"times": "optimizer.g.beta_1"},
}


def sizes(resolution: int) -> list[int]:
    """4, 8, ... up to the resolution, in pixels."""
    return [2**i for i in range(2, resolution.bit_length())]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a network.

    Attributes:
        title: as papers write it.
        paper: authors, year and arXiv number.
        resolutions: of the images, in pixels, for which it builds.
        d_batch_norm: D normalises over the batch, so that no penalty can be taken of one image's gradient.
        d_lipschitz: D is Lipschitz by its layers, so that a critic needs no penalty.
        teacher: the extractor whose features D looks at. Scores by it are no evidence for this network.
        equalised: weights are near 1 and scaled when used; they move farther in a step, first samples are strong.
        truncation: the generator has the input "truncation", psi of Karras 2019.
        activations: the generator's layer, at 8 x 8 pixels, whose activations tell directions in z; none with styles.
        styles: the generator turns z into w first; the network's file has `styled(generator)`, which parts the two, and
            `affine(generator)`, the kernels from w to the scales of each layer.
        plain_keras: `keras.saving.load_model` reads the exported generator without this package.
        beta_1: Adam's, in the paper.
        without_batch_norm: the keys of `[model]` of a network as wide whose D has no batch normalisation, from this
            one's keys and the resolution; None where D has none, or where there is no such network.
    """

    title: str
    paper: str
    resolutions: tuple[int, ...] = (32, 64, 128)
    d_batch_norm: bool = False
    d_lipschitz: bool = False
    teacher: str = ""
    equalised: bool = False
    truncation: bool = False
    activations: str = ""
    styles: bool = False
    plain_keras: bool = True
    beta_1: float = 0.0
    without_batch_norm: Callable[[Any, int], dict[str, Any]] | None = None


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="network"):
    """The keys that every network's `[model]` has."""

    latent_dim: Count
    g_channels: Count  # the width unit of the table at the top of the network's file
    d_channels: Count
    classes: Classes | Literal["auto"] = 0  # 0: unconditional; "auto": as many as the images have

    facts: ClassVar[Facts]
    space: ClassVar[dict[str, Any]] = {}  # what `ganzoo search` varies, as in zoo/recipe/ranges.py, beside COMMON there

    @property
    def network(self) -> str:
        """The network's name in recipes."""
        return str(self.__struct_config__.tag)

    @property
    def rows(self) -> int:
        """The classes, as far as they are known."""
        return self.classes if isinstance(self.classes, int) else 0

    def problem(self, resolution: int) -> str:
        """Why these keys do not go together at this resolution, as an error sentence; nothing if they do."""
        return ""

    def widest(self, resolution: int) -> tuple[int, int]:
        """The largest numbers of channels of G and of D."""
        return self.g_channels, self.d_channels

    def least_weights(self, resolution: int) -> dict[str, int]:
        """A lower bound of each network's weights from the keys alone, 20 times too low at the most.

        A checkpoint whose recipe could not fit into its files is refused before a network is built. By default: a 3 x 3
        convolution between the largest width and half of it, and a dense layer from z to that width.
        """
        (g, d), rows = self.widest(resolution), self.rows
        return {
            "generator": 9 * g * (g // 2) + g * self.latent_dim + rows * min(g, self.latent_dim),
            "discriminator": 9 * d * (d // 2) + rows * d,
        }
