"""What is on the page to play with generators: Gradio over the functions of this package.

Everything that a visitor chooses is an argument of a function here, or in the page's own state: two visitors at once do
not meet. Checkpoints are loaded once. The page fetches nothing from elsewhere, and sends nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gradio as gr

import zoo
from zoo.files.errors import ZooError
from zoo.publish.views import AMOUNT, DIRECTIONS, LAST_SEED, MIXTURE, Views, Waiting

REFRESH = 10  # seconds between two looks at a run
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
    model = Views(names, checkpoint)
    for name in names:
        model.check(name)
    if not model.waits(names[0]):
        model.grid(names[0], 0, 1.0, None)  # compiled before the first visitor comes
    raw = {"preprocess": False}  # a slider's own check knows no box that one still types in
    quick = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", **raw}
    hidden = {"visible": False}  # until `opened` shows what a checkpoint has
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        chosen = gr.State([])  # of the grid: [(seed, number), ...], the last two
        state = gr.State()  # of the checkpoint: the page is filled when this changes
        notice = gr.Markdown()
        with gr.Row():
            name = gr.Dropdown(list(names), value=names[0], label="checkpoint", scale=2)
            truncation = gr.Slider(0, 1, 1, step=0.05, label="truncation", **hidden)
            label = gr.Dropdown([MIXTURE], value="", label="class", **hidden)
        with gr.Tabs() as tabs:
            with gr.Tab("Images"):
                seed = gr.Slider(0, LAST_SEED, 0, step=1, label="seed")
                with gr.Row():
                    grid = _image("Click on two of these images.")
                    with gr.Column():
                        between = _image("The first of them, one between, and the second:")
                        share = gr.Slider(0, 1, 0.5, step=0.01, label="from the first to the second")
                        layers = gr.Slider(0, 1, 0, step=1, label="fine layers of the second", **hidden)
                keep = gr.Button("Files of this grid")
                files = gr.Files(label="picture and latents", **hidden)
            with gr.Tab("Directions") as directions_tab:
                number = gr.Slider(1, DIRECTIONS, 1, step=1, label="direction")
                amount = gr.Slider(-AMOUNT, AMOUNT, 0, step=0.1, label="standard deviations")
                with gr.Row():
                    moved = _image("The images of the seed, moved along the direction:")
                    sheet = _image("The first eight directions, one in a row:")
            with gr.Tab("Your picture"):
                with gr.Row():
                    picture = gr.File(label="a picture: its middle square is taken", file_count="single")
                    with gr.Column():
                        nearest = _image("Your picture, and the nearest image:")
                        fitted = gr.Markdown()
                project = gr.Button("Find the nearest image")
                found = gr.Files(label="its latents, for ganzoo sample --latents", **hidden)
            with gr.Tab("Card"):
                card = gr.Markdown()
            with gr.Tab("Run", id="run", **hidden) as run_tab:
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
        seed.change(**drawn)  # alone: one waits for it, and while it moves the directions cannot be seen
        directions_tab.select(**shifted)
        for control in (truncation, label):
            control.change(**drawn).then(**shifted)
        for control in (share, layers, truncation, label):
            control.change(**mixed)
        for control in (number, amount):
            control.change(**shifted)

        def choose(name: str, seed: float | None, chosen: list, event: gr.SelectData) -> list:
            return model.chosen(name, seed, chosen, event.index)

        grid.select(choose, [name, seed, chosen], chosen, queue=False, **raw).then(**mixed)
        keep.click(_told(model.files), drawing, files, **raw)
        project.click(_told(model.project), [name, picture], [nearest, fitted, found])
        changing = [notice, tabs, run_tab, chosen, truncation, label, layers, files, found, nearest, fitted]
        images = [grid, between, moved, sheet, card]
        state.change(_told(model.opened), name, changing + images, show_progress="hidden").then(**drawn).then(
            **mixed
        ).then(**shifted).then(_told(model.about), name, [sheet, card])
        blocks.load(**drawn)  # the grid first
        for event in (name.change, blocks.load, timer.tick):
            event(_told(model.state), name, state, show_progress="hidden")
            event(_told(model.run), name, [progress, newest, curves], show_progress="hidden")
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


def _told(function: Callable) -> Callable:
    """The function with errors of the user as a message on the page, which already says that a run waits."""

    @wraps(function)
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Waiting:
            return gr.skip()
        except ZooError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return told
