"""What the page shows of each checkpoint, as functions of what a visitor chose.

Numbers come as they stand in the page's boxes, which hold any number, or none, while one types.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import io
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

import zoo
from zoo.checkpoints import latents as latent_files
from zoo.checkpoints import loading, resolve
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.run import Run
from zoo.evaluation import directions
from zoo.files import atomic, pictures
from zoo.files.errors import ZooError
from zoo.files.text import printable

GRID = 16  # images
PIXELS = 128  # an image is enlarged to about this size
KEPT = 500  # pictures on the disk, the newest; a page may stay open for weeks
LAST_SEED = 9999
DIRECTIONS, AMOUNT = 8, 3.0  # how many, and how many standard deviations one can go along them

MIXTURE = ("as in training", "")  # what the choice of a class offers first: its name, and its value

Number = float | None


class Waiting(ZooError):
    """The run has no checkpoint yet to draw from."""


class Views:
    """What the page shows of each checkpoint, as functions of what a visitor chose."""

    def __init__(self, names: Sequence[str], checkpoint: str | None) -> None:
        self._names, self._checkpoint = list(names), checkpoint
        self._folder = tempfile.mkdtemp(prefix="ganzoo-demo-")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._pictures = Path(tempfile.mkdtemp(dir=self._folder))
        self._on_disk: dict[Path, None] = {}  # its files, the one that was shown last at the end
        self._lock = threading.Lock()
        gr.set_static_paths(self._pictures)
        self._load, self._directions = (
            cache(self._load_named),
            cache(lambda name: directions.find(self(name), DIRECTIONS)),
        )

    def __call__(self, name: str) -> Generator:
        if name not in self._names:
            raise ZooError(f"the page was not opened for this checkpoint. Received: {name!r}")
        return self._load(name)

    def _load_named(self, name: str) -> Generator:
        if self.waits(name):
            raise Waiting(f"the run has no checkpoint yet. Received: {name!r}")
        return zoo.load_generator(name, checkpoint=self._which(name))

    def check(self, name: str) -> None:
        """Raises ZooError if this checkpoint cannot be opened. Its network is built when it is chosen."""
        if not self.waits(name):
            loading.opened(name, self._which(name))

    def _which(self, name: str) -> str | None:
        """The checkpoint that was asked for, of a run; nothing else has several."""
        return self._checkpoint if self.has_run(name) else None

    def has_run(self, name: str) -> bool:
        return resolve.is_run(name)

    def waits(self, name: str) -> bool:
        """Whether this is a run without a checkpoint to draw from, until it saves its first one."""
        return self.has_run(name) and not Run(name).checkpoints()

    def state(self, name: str) -> tuple[str, bool]:
        """What changes when the page is to be filled anew: for another name, or a run that waits no more."""
        return name, self.waits(name)

    def opened(self, name: str) -> tuple:
        """What the page has for this checkpoint: a notice, tabs, controls. What was chosen of the last one goes, and so
        do its images where this one waits; else they are soon drawn over."""
        waits = self.waits(name)
        has_w, classes, layers = (False, (), 1) if waits else _traits(self(name))
        return (
            f"**{printable(name)} has no checkpoint yet.** Its images come with the first one." if waits else "",
            gr.update(selected="run") if waits else gr.skip(),
            gr.update(visible=self.has_run(name)),
            [],
            gr.update(value=1, visible=has_w),
            gr.update(choices=[MIXTURE, *((each, each) for each in classes)], value="", visible=bool(classes)),
            gr.update(value=0, maximum=layers, visible=has_w),
            gr.update(value=None, visible=False),
            gr.update(value=None, visible=False),
            None,
            "",
            *[None if waits else gr.skip()] * 5,
        )

    def _file(self, picture: Image.Image) -> str:
        """A file of this picture, written once: Gradio's own is written anew while another visitor reads it."""
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)  # a smaller file would take ten times as long
        content = buffer.getvalue()
        file = self._pictures / f"{hashlib.sha256(content).hexdigest()}.png"
        if not file.exists():
            with atomic.replacing(file) as new:
                new.write_bytes(content)
        with self._lock:  # of the visitors' threads
            self._on_disk[file] = self._on_disk.pop(file, None)  # to the end: it was shown last
            if len(self._on_disk) > KEPT:
                oldest = next(iter(self._on_disk))
                del self._on_disk[oldest]
                oldest.unlink(missing_ok=True)
        return str(file)

    def _latents(self, name: str, seed: Number, label: str | None) -> dict[str, np.ndarray]:
        """Those of the grid. An empty label, as in the choice of a class, is none."""
        return self(name).latents(GRID, _seed(seed), label or None)

    def grid(self, name: str, seed: Number, truncation: Number, label: str | None) -> str:
        generator = self(name)
        return self._file(_enlarged(generator.images(self._latents(name, seed, label), _share(truncation))))

    def chosen(self, name: str, seed: Number, before: list, place: Sequence[int]) -> list[tuple[int, int]]:
        """The last two images that were chosen, (seed, number in its grid) each; the newest is at a place (x, y)."""
        size = self(name).recipe.data.resolution * _scale(self(name))
        column, row = (min(3, max(0, int(value) // size)) for value in place)
        return [*before, (_seed(seed), 4 * row + column)][-2:]

    def between(self, name: str, chosen: list, share: Number, layers: Number, truncation: Number, label: str | None):
        """The first of two images, one between them, and the second; fine layers of the second where there is w."""
        generator, truncation = self(name), _share(truncation)
        fine = int(_within(layers, 0, _traits(generator)[2]))
        (a, b) = chosen if len(chosen) == 2 else (chosen or [(0, 0)]) + [(0, 1)]
        ends = [generator.latents(GRID, seed) for seed, _ in (a, b)]
        two = {key: np.stack([ends[0][key][a[1]], ends[1][key][b[1]]]) for key in ends[0]}
        two |= generator.asked(label or None, 2)
        if generator.has_w:
            two, truncation = generator.in_w(two, truncation), 1.0
        path = generator.walk(200, two)  # there and back
        middle = {key: value[round(100 * _share(share))][None] for key, value in path.items()}
        if generator.has_w and fine:
            middle["w"] = np.array(middle["w"])
            middle["w"][:, -fine:] = two["w"][1:, -fine:]
        row = {key: np.concatenate([two[key][:1], middle[key], two[key][1:]]) for key in two}
        return self._file(_enlarged(generator.images(row, truncation), columns=3))

    def moved(self, name: str, seed: Number, truncation: Number, label: str | None, number: Number, amount: Number):
        generator, found, truncation = self(name), self._directions(name), _share(truncation)
        number, amount = int(_within(number, 1, DIRECTIONS)), _within(amount, -AMOUNT, AMOUNT)
        start = directions.in_space(generator, found, self._latents(name, seed, label), truncation)
        psi = 1.0 if found.space == "w" else truncation
        images = generator.images(found.moved(start, number, np.full(GRID, amount)), psi)
        return self._file(_enlarged(images))

    def files(self, name: str, seed: Number, truncation: Number, label: str | None):
        """The grid as a picture, and its latents."""
        generator, folder = self(name), Path(tempfile.mkdtemp(dir=self._folder))
        drawn, seed, truncation = self._latents(name, seed, label), _seed(seed), _share(truncation)
        about, stem = generator.about(seed, truncation), f"{resolve.label(name)}-seed-{seed}"
        latent_files.save(folder / f"{stem}.npz", drawn, about)
        said = generator.about(seed, truncation, generator.labels_of(drawn))
        (folder / f"{stem}.png").write_bytes(pictures.png(_enlarged(generator.images(drawn, truncation)), said))
        return gr.update(value=[str(folder / f"{stem}.png"), str(folder / f"{stem}.npz")], visible=True)

    def project(self, name: str, picture: str | None):
        """The picture beside the nearest image, how it was fitted to the generator, and the file of the latents."""
        if picture is None:
            raise ZooError("choose a picture first. Received: nothing")
        generator, folder = self(name), Path(tempfile.mkdtemp(dir=self._folder))
        bar = gr.Progress()
        try:
            found = zoo.project(generator, picture, told=lambda share, distance: bar(share, f"distance {distance:.4f}"))
        except ZooError as error:  # of the visitor's file, not of where Gradio keeps it
            raise ZooError(str(error).replace(picture, Path(picture).name)) from None
        file = folder / f"{Path(picture).stem}.npz"
        generator.save_latents(file, found.latents)
        pair = self._file(_enlarged(np.stack([found.target, found.image]), columns=2))
        said = f"The picture {found.fitted}." if found.fitted else ""
        return pair, said, gr.update(value=[str(file)], visible=True, label=f"its latents; PSNR {found.psnr:.1f} dB")

    def about(self, name: str) -> tuple[str, str]:
        """The sheet of directions, and the card with its pictures in it."""
        generator, found = self(name), self._directions(name)
        sheet = directions.sheet(generator, found, generator.latents(seed=0))
        folder = resolve.resolve(name, self._which(name))
        text = zoo.card(folder if self.has_run(name) else name)
        text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)

        def inside(link: re.Match) -> str:
            file = folder / Path(link[2]).name
            return f"![{link[1]}](data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()})"

        text = re.sub(r"!\[([^\]]*)\]\(([\w.-]+\.png)\)", inside, text)
        return self._file(pictures.grid(sheet, directions.COLUMNS, max(1, _scale(generator) // 2))), text

    def run(self, name: str) -> tuple[str, str | None, str | None]:
        """What the doctor says of a run now, its newest samples, and its curves."""
        if not self.has_run(name):
            return "", None, None
        folder, samples = Run(name).path, sorted((Path(name) / "samples").glob("[0-9]*.png"))
        try:
            diagnosis = zoo.diagnose(folder)
            lines = [f"**{diagnosis.verdict}**", *(f"- {note}" for note in diagnosis.notes)]
            lines += [f"- {finding.level}: {finding}" for finding in diagnosis.findings]
        except ZooError as error:
            lines = [str(error)]
        curves = folder / "curves.png"
        newest = self._file(_read(samples[-1])) if samples else None
        return "\n".join(lines), newest, self._file(_read(curves)) if curves.is_file() else None


def _within(value: Number, least: float, most: float) -> float:
    """The number that a slider will show when its box is left: an empty one becomes the least."""
    return least if value is None else min(most, max(least, value))


def _seed(value: Number) -> int:
    return int(_within(value, 0, LAST_SEED))


def _share(value: Number) -> float:
    return _within(value, 0.0, 1.0)


def _read(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.copy()


def _traits(generator: Generator) -> tuple[bool, tuple[str, ...], int]:
    """What the controls depend on: whether it has w, its classes, and how many layers have a style of their own."""
    return generator.has_w, generator.classes, generator.latent_shapes("w")["w"][0] if generator.has_w else 1


def _scale(generator: Generator) -> int:
    return max(1, PIXELS // generator.recipe.data.resolution)


def _enlarged(images: np.ndarray, columns: int = 4) -> Image.Image:
    return pictures.grid(images, columns, max(1, PIXELS // images.shape[1]))
