"""A trained generator and what people do with it: samples and walks between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo import networks
from zoo.checkpoints import labels
from zoo.files.errors import ZooError
from zoo.networks.parts import inputs
from zoo.networks.parts.lazy import keras
from zoo.recipe import Recipe

Label = str | int | Sequence[str | int] | np.ndarray | None
COLUMNS, MOST_ROWS = 8, 16  # of images to look at


class Generator:
    """An averaged generator, ready to sample.

    Attributes:
        model: the Keras model, z [N, latent_dim] (and other noise, by name) -> float32 [N, H, W, C] in [-1, 1].
        recipe: what it was trained with.
        info: the checkpoint's ganzoo.json: training data, images seen, versions.
        weights: "ema" or "raw", as in `load_generator`.
        classes: the names of the classes that one may ask for, by label; none of an unconditional model.
        name: of its checkpoint, without folders of this machine.

    Example:
        >>> generator = zoo.load_generator("dcgan-fashion-mnist")
        >>> generator.sample(4, seed=0).shape, generator.recipe.data.resolution
        ((4, 32, 32, 1), 32)
    """

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        info: dict,
        weights: str = "ema",
        name: str = "",
        draw: Callable[[dict[str, np.ndarray]], np.ndarray] | None = None,
    ) -> None:
        """`draw` computes the function of `model`; by default, Keras compiles it."""
        self.model, self.recipe, self.info, self.weights = model, recipe, info, weights
        self.name, self.classes = name or recipe.name, labels.names(recipe, info)
        self._draw = draw or _compiled(lambda given: networks.generate(model, given), model)

    @property
    def has_w(self) -> bool:
        """Whether images can be drawn from w, the styles of each layer, as well as from z."""
        return self.recipe.model.facts.styles

    @cached_property
    def _map(self):
        return _compiled(self.parts[0], self.model)

    @cached_property
    def _draw_w(self):
        return _compiled(self.parts[1], self.model)

    @cached_property
    def parts(self) -> tuple[keras.Model, keras.Model]:
        """(mapping, synthesis) of a generator that `has_w`, as `zoo.networks.styled` gives them."""
        return networks.styled(self.recipe, self.model)

    def sample(self, n: int = 1, seed: int = 0, truncation: float = 1.0, label: Label = None) -> np.ndarray:
        """Draws images.

        Args:
            n: how many, at least 1.
            seed: equal seeds give equal images; a larger `n` begins with the images of a smaller one.
            truncation: psi of Karras 2019, in [0, 1]: below 1, styles move towards the mean, for less variety and
                fewer failures. A network without truncation takes 1 alone.
            label: which class, of a model that has classes: a name, a number, or one of these for each image. By
                default each image's class is drawn, as often as training showed it. The latents are the same for
                every class.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            ZooError: a bad argument, no such class, or a class for a model that has none.

        Example:
            >>> sandals = zoo.load_generator("sngan-cond-fashion-mnist").sample(4, label="Sandal")
        """
        return np.concatenate(list(self.batches(n, seed, truncation, label=label)))

    def batches(
        self, n: int, seed: int = 0, truncation: float = 1.0, batch_size: int = 64, label: Label = None
    ) -> Iterator[np.ndarray]:
        """The images of `sample` in batches, for numbers that do not fit in memory.

        Example:
            >>> generator = zoo.load_generator("sngan-cond-fashion-mnist")
            >>> batches = generator.batches(50_000, seed=1)
            >>> classes = generator.labels(50_000, seed=1)
        """
        chosen = self.labels(n, seed, label)
        _require_whole(batch_size, 1, "batch_size")
        draw = inputs.Sampler(self.model, seed, self.class_shares)
        size = min(batch_size, _next_power_of_two(n))  # few sizes, the last batch's too: each is compiled anew
        for done in range(0, n, size):
            drawn = draw(size)
            if chosen is not None:
                drawn["label"] = inputs.one_hot(np.resize(chosen[done : done + size], size), len(self.classes))
            yield self.images(drawn, truncation)[: n - done]

    def labels(self, n: int, seed: int = 0, label: Label = None) -> np.ndarray | None:
        """The classes of the images of `sample`, by number: int64 [n]; None of a model without classes."""
        _require_whole(n, 1, "the number of images")
        _require_whole(seed, 0, "seed")
        if not self.classes or label is not None:
            return self._numbers(label, n)
        return inputs.Sampler(self.model, seed, self.class_shares).labels(n)

    def asked(self, label: Label, n: int) -> dict[str, np.ndarray]:
        """The latents of classes, as `sample` takes them: {"label": one-hot [n, K]}; nothing without `label`."""
        return {} if label is None else {"label": inputs.one_hot(self._numbers(label, n), len(self.classes))}

    def labels_of(self, latents: dict[str, np.ndarray]) -> np.ndarray | None:
        """The nearest class of each of these latents, by number; None where they have none, as in w."""
        return latents["label"].argmax(axis=-1) if "label" in latents else None

    def _numbers(self, label: Label, n: int) -> np.ndarray | None:
        if label is None:
            return None
        if isinstance(label, (str, int, np.integer)):
            return np.full(n, labels.number(label, self.classes))
        if len(label) != n:
            raise ZooError(f"label is one class, or one for each of the {n} images. Received: {len(label)} classes")
        known = {asked: labels.number(asked, self.classes) for asked in dict.fromkeys(label)}
        return np.array([known[asked] for asked in label])

    def rows(self) -> tuple[np.ndarray, int]:
        """The labels of a sheet to look at, and its columns: a row of 8 for each of the first 16 classes."""
        return np.repeat(np.arange(min(len(self.classes), MOST_ROWS)), COLUMNS), COLUMNS

    def sheet(self, seed: int = 0) -> tuple[np.ndarray, int]:
        """Images to look at, uint8 [n, H, W, C], and the columns of their grid: 64, or a row for each class."""
        if not self.classes:
            return self.sample(COLUMNS**2, seed), COLUMNS
        labels, columns = self.rows()
        return self.sample(len(labels), seed, label=labels), columns

    def latents(self, n: int = 1, seed: int | Sequence[int] = 0, label: Label = None) -> dict[str, np.ndarray]:
        """What `sample` draws its images from, for `images` and `image_batches`.

        Args:
            n: how many of each seed.
            seed: one, or several, whose latents follow one another.
            label: as in `sample`, for all of these images.

        Returns:
            {"z": float32 [N, latent_dim]}, and other inputs by name where each sample draws its own: "label", one-hot
            [N, K], of a model with classes.

        Example:
            >>> generator = zoo.load_generator("dcgan-fashion-mnist")
            >>> latents = generator.latents(seed=[3, 14, 15])
            >>> latents["z"].shape, generator.images(latents).shape
            ((3, 100), (3, 32, 32, 1))
        """
        _require_whole(n, 1, "the number of images")
        seeds = list(seed) if isinstance(seed, Sequence) and not isinstance(seed, str) else [seed]
        if not seeds:
            raise ZooError(f"give at least one seed. Received: {seed!r}")
        for each in seeds:
            _require_whole(each, 0, "seed")
        drawn = [inputs.Sampler(self.model, each, self.class_shares)(n) for each in seeds]
        latents = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
        return latents | self.asked(label, n * len(seeds))

    def save_latents(self, path: str | Path, latents: dict[str, np.ndarray]) -> None:
        """Writes latents, in z or in w, to an .npz file, which says which weights they belong to.

        Raises:
            ZooError: it is no .npz file, or cannot be written.

        Example:
            >>> generator = zoo.load_generator("dcgan-fashion-mnist")
            >>> generator.save_latents("liked.npz", generator.latents(seed=[3, 9]))
            >>> again = generator.images(generator.load_latents("liked.npz"))
        """
        from zoo.checkpoints import latents as files

        files.save(path, latents, self.about())

    def load_latents(self, path: str | Path) -> dict[str, np.ndarray]:
        """The latents in a file of `save_latents`, or of `ganzoo sample --save-latents`, for `images`.

        Raises:
            ZooError: no such file, one that is damaged or too large, latents of other weights, or of other shapes.
        """
        from zoo.checkpoints import latents as files

        return files.load(path, self)

    def latent_shapes(self, space: str = "z") -> dict[str, tuple[int, ...]]:
        """The arrays that `images` takes, with the shape of one image's: {"z": (128,)}; or in the space "w"."""
        shapes = inputs.drawn(self.model)
        if space == "z":
            return shapes
        return {tensor.name: tuple(tensor.shape[1:]) for tensor in self.parts[1].inputs}

    def in_w(self, latents: dict[str, np.ndarray], truncation: float = 1.0) -> dict[str, np.ndarray]:
        """The same latents in w: {"w": float32 [N, layers, latent_dim], "noise": ...}, where the generator `has_w`."""
        if "w" in latents:
            return latents
        complete = inputs.complete(self.model, latents, truncation)
        w = np.asarray(self._map({tensor.name: complete[tensor.name] for tensor in self.parts[0].inputs}))
        return {"w": w, **{name: latents[name] for name in self.latent_shapes("w") if name != "w"}}

    def image_batches(
        self, latents: dict[str, np.ndarray], truncation: float = 1.0, batch_size: int = 64
    ) -> Iterator[np.ndarray]:
        """The images of latents in batches; arguments and images are those of `images`."""
        count = len(next(iter(latents.values())))
        size = min(batch_size, _next_power_of_two(count))
        for done in range(0, count, size):
            part = {name: value[done : done + size] for name, value in latents.items()}
            missing = size - min(size, count - done)  # filled up with the last one, so that nothing is compiled anew
            if missing:
                part = {name: np.concatenate([value, *[value[-1:]] * missing]) for name, value in part.items()}
            yield self.images(part, truncation)[: size - missing]

    def interpolate(
        self, steps: int = 60, stops: int = 4, seed: int = 0, truncation: float = 1.0, label: Label = None
    ) -> np.ndarray:
        """A closed walk through `stops` latents on the sphere (White 2016, arXiv:1609.04468): uint8 [steps, H, W, C].

        Noise inputs other than latents stay fixed. The walk stays in the class of `label`, or goes through classes, if
        it names one for each stop; by default the class of each stop is drawn.

        Example:
            >>> film = zoo.load_generator("dcgan-fashion-mnist").interpolate(60, stops=4, seed=3)
        """
        return np.concatenate(list(self.image_batches(self.walk(steps, stops, seed, label), truncation)))

    def walk(
        self, steps: int = 60, stops: int | dict[str, np.ndarray] = 4, seed: int = 0, label: Label = None
    ) -> dict[str, np.ndarray]:
        """The latents of a closed walk: those of `interpolate`, or a walk through latents of your own.

        Args:
            steps: how many latents, evenly spaced.
            stops: how many latents of this seed are visited, or the latents themselves, in z or in w.
            label: as in `interpolate`.

        Example:
            >>> generator = zoo.load_generator("dcgan-fashion-mnist")
            >>> there_and_back = generator.walk(30, generator.latents(seed=[3, 9]))
            >>> batches = list(generator.image_batches(there_and_back, batch_size=10))
        """
        _require_whole(steps, 2, "the number of steps")
        if not isinstance(stops, dict):
            _require_whole(stops, 2, "the number of stops")
            _require_whole(seed, 0, "seed")
            stops = inputs.stops(self.model, stops, seed, self.class_shares)
        count = len(next(iter(stops.values())))
        stops = stops | self.asked(label, count)
        if not 2 <= count <= steps:
            raise ZooError(f"a walk needs at least 2 stops and a step for each. Received: {steps} and {count}")
        return inputs.walk(stops, steps)

    @property
    def class_shares(self) -> np.ndarray | None:
        """How often training showed each class, [K]."""
        return labels.shares(self.recipe, self.info)

    def about(
        self, seed: int | None = None, truncation: float = 1.0, labels: np.ndarray | None = None
    ) -> dict[str, Any]:
        """What samples of a seed say of themselves, in a picture or an .npz file: what made them, and that they are
        generated. Without checkpoint, as in training, step and digest are left out, and so is a seed of None.

        Args:
            labels: of all of them: their classes are named in the order in which they come.
        """
        file = {"ema": "generator.safetensors", "raw": "training.safetensors"}[self.weights]
        digest = self.info.get("files", {}).get(file, {}).get("sha256")
        said = {
            "generated": "by a GAN; not a photograph",
            "software": f"ganzoo {zoo.__version__}",
            "checkpoint": self.name,
            "weights": self.weights,
            "sha256": digest,
            "step": self.info.get("step"),
            "seed": seed,
            "truncation": float(truncation),
            "classes": None if labels is None else ", ".join(self.classes[label] for label in dict.fromkeys(labels)),
        }
        return {key: value for key, value in said.items() if value is not None}

    def images(self, drawn: dict[str, np.ndarray], truncation: float = 1.0) -> np.ndarray:
        """uint8 images [N, H, W, C] from latents: the arrays of `latents`, or those of `in_w`.

        Inputs that samples derive from z may be given too: "z_mixing" and "mixing", of a network that mixes styles.

        Example:
            >>> generator = zoo.load_generator("stylegan-lite-fashion-mnist")
            >>> image = generator.images(generator.in_w(generator.latents(seed=3), truncation=0.7))
        """
        if not isinstance(truncation, (int, float, np.floating)) or not 0.0 <= truncation <= 1.0:
            raise ZooError(f"truncation must be between 0 and 1. Received: {truncation!r}")
        if truncation != 1.0 and not self.recipe.model.facts.truncation:
            raise ZooError(f"{self.recipe.model.network} has no truncation; leave it at 1. Received: {truncation!r}")
        if "w" in drawn and "label" in drawn:
            raise ZooError(f"w has a class already; leave the class out. Received: {', '.join(drawn)}")
        if "w" in drawn and truncation != 1.0:
            raise ZooError(f"w is drawn as it is; leave truncation at 1, or truncate `in_w`. Received: {truncation!r}")
        complete = drawn if "w" in drawn else inputs.complete(self.model, drawn, truncation)
        images = np.asarray((self._draw_w if "w" in drawn else self._draw)(complete), np.float32)
        if not np.isfinite(images).all():  # the weights are finite, as `load_generator` sees to
            raise ZooError(
                "the weights are so large that pictures are not finite: take an earlier checkpoint, or fetch this "
                f"one again. Received: {self.name}"
            )
        return to_uint8(images)


def _compiled(function: Callable, model: keras.Model) -> Callable:
    from zoo import backend

    return backend.compiled(function, model.variables)


def _require_whole(value, least: int, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ZooError(f"{what} must be a whole number of at least {least}. Received: {value!r}")


def _next_power_of_two(n: int) -> int:
    return 1 << (int(n) - 1).bit_length()


def to_uint8(images: np.ndarray) -> np.ndarray:
    """float [N, H, W, C] in [-1, 1], clipped, to uint8."""
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
