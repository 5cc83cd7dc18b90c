"""What is on the page to play with generators: Gradio over the functions of this package.

Everything that a visitor chooses is an argument of a function here, or in the page's own state: two visitors at once do
not meet. Checkpoints are loaded once. The page fetches nothing from elsewhere, and sends nothing anywhere.
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
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

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

GRID = 16  # images
PIXELS = 128  # an image is enlarged to about this size
REFRESH = 10  # seconds between two looks at a run
KEPT = 500  # pictures on the disk, the newest; a page may stay open for weeks
TITLE = "ganzoo: play with a generator"
LAUNCH = {  # fonts of the visitor's machine, since others would be fetched
    "show_error": True,
    "theme": gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    "css": ".pixels img {image-rendering: pixelated} footer {display: none !important}",
    "max_file_size": "50mb",
}


def build(names: Sequence[str], checkpoint: str | None = None) -> Any:
    """The page as `gradio.Blocks`, not launched; arguments and errors are those of `demo`."""
    if not names:
        raise ZooError(f"name at least one checkpoint: {', '.join(zoo.list_checkpoints())}. Received: nothing")
    model = _Models(names, checkpoint)
    for name in names[1:]:
        model.check(name)
    first = model(names[0])
    model.grid(names[0], 0, 1.0, None)  # compiled before the first visitor comes
    quick = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        chosen = gr.State([])  # of the grid: [(seed, number), ...], the last two
        with gr.Row():
            name = gr.Dropdown(list(names), value=names[0], label="checkpoint", scale=2)
            truncation = gr.Slider(0, 1, 1, step=0.05, label="truncation", **_shown(first.has_w))
            label = gr.Dropdown(_asked(first), value="", label="class", **_shown(bool(first.classes)))
        with gr.Tab("Images"):
            seed = gr.Slider(0, 9999, 0, step=1, label="seed")
            with gr.Row():
                grid = _image("Click on two of these images.")
                with gr.Column():
                    between = _image("The first of them, one between, and the second:")
                    share = gr.Slider(0, 1, 0.5, step=0.01, label="from the first to the second")
                    layers = gr.Slider(
                        0, _layers(first), 0, step=1, label="fine layers of the second", **_shown(first.has_w)
                    )
            keep = gr.Button("Files of this grid")
            files = gr.Files(label="picture and latents", visible=False)
        with gr.Tab("Directions"):
            number = gr.Slider(1, 8, 1, step=1, label="direction")
            amount = gr.Slider(-3, 3, 0, step=0.1, label="standard deviations")
            with gr.Row():
                moved = _image("The images of the seed, moved along the direction:")
                sheet = _image("The first eight directions, one in a row:")
        with gr.Tab("Your picture"):
            with gr.Row():
                picture = gr.File(label="a picture: its middle square is taken", file_count="single")
                nearest = _image("Your picture, and the nearest image:")
            project = gr.Button("Find the nearest image")
            found = gr.Files(label="its latents, for ganzoo sample --latents", visible=False)
        with gr.Tab("Card"):
            card = gr.Markdown()
        with gr.Tab("Run", visible=model.has_run(names[0])) as run_tab:
            progress = gr.Markdown()
            with gr.Row():
                newest = _image("The newest samples:")
                curves = _image("The curves:", "")
            timer = gr.Timer(REFRESH)

        drawing = [name, seed, truncation, label]
        pair = [name, chosen, share, layers, truncation, label]
        moving = [name, seed, truncation, label, number, amount]
        drawn = {"fn": _told(model.grid), "inputs": drawing, "outputs": grid, **quick}
        mixed = {"fn": _told(model.between), "inputs": pair, "outputs": between, **quick}
        shifted = {"fn": _told(model.moved), "inputs": moving, "outputs": moved, **quick}
        for control in (seed, truncation, label):
            control.change(**drawn).then(**shifted)  # the grid first: one waits for it
        for control in (share, layers, truncation, label):
            control.change(**mixed)
        for control in (number, amount):
            control.change(**shifted)

        def choose(name: str, seed: int, chosen: list, event: gr.SelectData) -> list:
            return [*chosen, (int(seed), model.number_at(name, event.index))][-2:]

        grid.select(choose, [name, seed, chosen], chosen, queue=False).then(**mixed)
        keep.click(_told(model.files), drawing, files)
        project.click(_told(model.project), [name, picture], [nearest, found])
        changing = [chosen, truncation, label, layers, files, found, nearest, run_tab]
        opened = {"fn": _told(model.opened), "inputs": name, "outputs": changing}
        name.change(**opened).then(**drawn).then(**mixed).then(**shifted).then(
            _told(model.about), name, [sheet, card]
        ).then(_told(model.run), name, [progress, newest, curves])
        blocks.load(**drawn).then(**mixed).then(**shifted).then(_told(model.about), name, [sheet, card])
        blocks.load(_told(model.run), name, [progress, newest, curves], show_progress="hidden")
        timer.tick(_told(model.run), name, [progress, newest, curves], show_progress="hidden")
    return blocks


def _image(caption: str, kind: str = "pixels") -> gr.Image:
    """A picture below its caption; Gradio's own label would lie on it."""
    with gr.Column():
        gr.Markdown(caption)
        return gr.Image(
            label=caption,
            show_label=False,
            format="png",
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_classes=kind,
        )


class _Models:
    """What the page shows of each checkpoint, as functions of what a visitor chose."""

    def __init__(self, names: Sequence[str], checkpoint: str | None) -> None:
        self._names, self._checkpoint = list(names), checkpoint
        self._folder = tempfile.mkdtemp(prefix="ganzoo-demo-")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._pictures = Path(tempfile.mkdtemp(dir=self._folder))
        self._on_disk: dict[Path, None] = {}  # its files, the one that was shown last at the end
        self._lock = threading.Lock()
        gr.set_static_paths(self._pictures)
        self._load, self._directions = cache(self._load_named), cache(lambda name: directions.find(self(name)))

    def __call__(self, name: str) -> Generator:
        if name not in self._names:
            raise ZooError(f"the page was not opened for this checkpoint. Received: {name!r}")
        return self._load(name)

    def _load_named(self, name: str) -> Generator:
        return zoo.load_generator(name, checkpoint=self._which(name))

    def check(self, name: str) -> None:
        """Raises ZooError if this checkpoint cannot be opened. Its network is built when it is chosen."""
        loading.opened(name, self._which(name))

    def _which(self, name: str) -> str | None:
        """The checkpoint that was asked for, of a run; nothing else has several."""
        return self._checkpoint if self.has_run(name) else None

    def has_run(self, name: str) -> bool:
        return resolve.is_run(name)

    def opened(self, name: str) -> tuple:
        """The controls that this checkpoint has, and nothing of the last one."""
        generator = self(name)
        return (
            [],
            gr.update(value=1, **_shown(generator.has_w)),
            gr.update(choices=_asked(generator), value="", **_shown(bool(generator.classes))),
            gr.update(value=0, maximum=_layers(generator), **_shown(generator.has_w)),
            gr.update(value=None, visible=False),
            gr.update(value=None, visible=False),
            None,
            gr.update(visible=self.has_run(name)),
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

    def _latents(self, name: str, seed: int, label: str | None) -> dict[str, np.ndarray]:
        """Those of the grid. An empty label, as in the choice of a class, is none."""
        return self(name).latents(GRID, int(seed), label or None)

    def grid(self, name: str, seed: int, truncation: float, label: str | None) -> str:
        generator = self(name)
        return self._file(_enlarged(generator.images(self._latents(name, seed, label), truncation)))

    def number_at(self, name: str, place: Sequence[int]) -> int:
        """Which image of the grid is at a place (x, y) in pixels."""
        size = self(name).recipe.data.resolution * _scale(self(name))
        column, row = (min(3, max(0, int(value) // size)) for value in place)
        return 4 * row + column

    def between(self, name: str, chosen: list, share: float, layers: float, truncation: float, label: str | None):
        """The first of two images, one between them, and the second; fine layers of the second where there is w."""
        generator = self(name)
        (a, b) = chosen if len(chosen) == 2 else (chosen or [(0, 0)]) + [(0, 1)]
        ends = [generator.latents(GRID, int(seed)) for seed, _ in (a, b)]
        two = {key: np.stack([ends[0][key][a[1]], ends[1][key][b[1]]]) for key in ends[0]}
        two |= generator.asked(label or None, 2)
        if generator.has_w:
            two, truncation = generator.in_w(two, truncation), 1.0
        path = generator.walk(200, two)  # there and back
        middle = {key: value[min(100, round(100 * share))][None] for key, value in path.items()}
        if generator.has_w and layers:
            middle["w"] = np.array(middle["w"])
            middle["w"][:, -int(layers) :] = two["w"][1:, -int(layers) :]
        row = {key: np.concatenate([two[key][:1], middle[key], two[key][1:]]) for key in two}
        return self._file(_enlarged(generator.images(row, truncation), columns=3))

    def moved(self, name: str, seed: int, truncation: float, label: str | None, number: float, amount: float):
        generator, found = self(name), self._directions(name)
        start = directions.in_space(generator, found, self._latents(name, seed, label), truncation)
        psi = 1.0 if found.space == "w" else truncation
        images = generator.images(found.moved(start, int(number), np.full(GRID, amount)), psi)
        return self._file(_enlarged(images))

    def files(self, name: str, seed: int, truncation: float, label: str | None):
        """The grid as a picture, and its latents."""
        generator, folder = self(name), Path(tempfile.mkdtemp(dir=self._folder))
        drawn = self._latents(name, seed, label)
        about, stem = generator.about(int(seed), truncation), f"{resolve.label(name)}-seed-{int(seed)}"
        latent_files.save(folder / f"{stem}.npz", drawn, about)
        said = generator.about(int(seed), truncation, generator.labels_of(drawn))
        (folder / f"{stem}.png").write_bytes(pictures.png(_enlarged(generator.images(drawn, truncation)), said))
        return gr.update(value=[str(folder / f"{stem}.png"), str(folder / f"{stem}.npz")], visible=True)

    def project(self, name: str, picture: str | None):
        if picture is None:
            raise ZooError("choose a picture first. Received: nothing")
        generator, folder = self(name), Path(tempfile.mkdtemp(dir=self._folder))
        bar = gr.Progress()
        found = zoo.project(generator, picture, told=lambda share, distance: bar(share, f"distance {distance:.4f}"))
        file = folder / f"{Path(picture).stem}.npz"
        latent_files.save(file, found.latents, generator.about())
        pair = self._file(_enlarged(np.stack([found.target, found.image]), columns=2))
        return pair, gr.update(value=[str(file)], visible=True, label=f"its latents; PSNR {found.psnr:.1f} dB")

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


def _told(function: Callable) -> Callable:
    """The function with errors of the user as a message on the page."""

    @wraps(function)
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ZooError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return told


def _read(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.copy()


def _shown(visible: bool) -> dict[str, bool]:
    return {"visible": visible}


def _asked(generator: Generator) -> list[tuple[str, str]]:
    """What the choice of a class offers: (name, value), and first a mixture, whose value is empty."""
    return [("as in training", ""), *((name, name) for name in generator.classes)]


def _layers(generator: Generator) -> int:
    """How many layers have a style of their own."""
    return generator.latent_shapes("w")["w"][0] if generator.has_w else 1


def _scale(generator: Generator) -> int:
    return max(1, PIXELS // generator.recipe.data.resolution)


def _enlarged(images: np.ndarray, columns: int = 4) -> Image.Image:
    return pictures.grid(images, columns, max(1, PIXELS // images.shape[1]))
