"""The pictures of a card, small enough to ship: galleries of images, and charts with a palette. And of a comparison."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.evaluation.results import Evaluation
from zoo.files import pictures, plotting
from zoo.files.atomic import replacing

GAP = 2  # pixels between groups of a gallery
COLOURS = {"generated": "tab:red", "real": "tab:blue", "held-out": "0.6"}


def gallery(images: np.ndarray, columns: int) -> bytes:
    """A PNG of images uint8 [N, H, W, C] in rows."""
    return pictures.png(pictures.grid(images, columns, _enlargement(images)))


def _enlargement(images: np.ndarray) -> int:
    """How large a pixel is drawn: images of 64 pixels can be seen as they are."""
    return 2 if images.shape[-2] < 64 else 1


def columns(groups: np.ndarray, apart: int | None = None) -> bytes:
    """A PNG of groups of images uint8 [groups, N, H, W, C], each a column, with a gap after so many rows."""
    scale = _enlargement(groups)
    rows = groups.swapaxes(0, 1)
    apart = apart or len(rows)
    parts = [pictures.grid(np.concatenate(rows[i : i + apart]), len(groups), scale) for i in range(0, len(rows), apart)]
    step = parts[0].height + GAP * scale
    sheet = Image.new(parts[0].mode, (parts[0].width, step * len(parts) - GAP * scale), "white")
    for i, part in enumerate(parts):
        sheet.paste(part, (0, i * step))
    return pictures.png(sheet)


def histogram(names: list[str], shares: dict[str, list[float]]) -> bytes:
    """Bars of the share of each class, {"real": [...], "generated": [...]}."""
    figure, axes = _chart(height=2.2)
    places, width = np.arange(len(names)), 0.8 / len(shares)
    for i, (label, values) in enumerate(shares.items()):
        axes.bar(places + (i - (len(shares) - 1) / 2) * width, values, width, label=label, color=COLOURS[label])
    axes.set_xticks(places, [name[:14] for name in names], fontsize=7, rotation=20)
    axes.set_ylabel("share", fontsize=8)
    axes.legend(fontsize=7, frameon=False, ncols=len(shares), loc="lower right", bbox_to_anchor=(1, 0.97))
    return _png(figure)


def lines(x: list[float], curves: dict[str, list[float]], xlabel: str, ylabel: str) -> bytes:
    """Curves {"real": [...], "generated": [...]} over one axis; the other is logarithmic."""
    figure, axes = _chart(height=2.2)
    for label, values in curves.items():
        axes.plot(x, values, label=label, color=COLOURS[label], linewidth=1.2)
    axes.set_yscale("log")
    axes.set_xlabel(xlabel, fontsize=8)
    axes.set_ylabel(ylabel, fontsize=8)
    axes.legend(fontsize=7, frameon=False)
    axes.grid(alpha=0.3)
    return _png(figure)


def progress(curves: dict[str, list[list[float]]], chosen: int) -> bytes:
    """KID with its standard error over the images seen, for each run {label: [[images, kid, error], ...]}, and the
    checkpoint at `chosen` images."""
    figure, axes = _chart(height=2.2)
    for i, (label, points) in enumerate(curves.items()):
        images, kid, error = np.transpose(points)
        axes.errorbar(images / 1000, kid, error, label=label, linewidth=1.2, capsize=2, color=f"C{i}")
    axes.axvline(chosen / 1000, color="k", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("thousand real images shown to D; dashed: this checkpoint", fontsize=8)
    axes.set_ylabel("KID", fontsize=8)
    if len(curves) > 1:
        axes.legend(fontsize=7, frameon=False)
    axes.grid(alpha=0.3)
    return _png(figure)


def comparison(evaluations: dict[str, Evaluation], path: Path) -> None:
    """Draws evaluations side by side: a panel for each score, bars with the standard deviation over the sampling seeds,
    and the floor as a dashed line."""
    # a conditional generator has one extractor more, behind those that were asked for
    parts = list(zip(*(evaluation.evaluations for evaluation in evaluations.values()), strict=False))
    titles = [[score.name for score in part[0].scores] for part in parts]
    width = max(map(len, titles))
    size = (2.4 * width, (2 + 0.25 * len(evaluations)) * len(parts))
    figure = plotting.figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(parts), width, squeeze=False)
    labels = [name if len(name) < 24 else f"...{name[-21:]}" for name in evaluations]
    for part, row, names in zip(parts, panels, titles, strict=True):
        for axes, name in zip(row, names, strict=False):
            scores = [of_one.score(name) for of_one in part]
            axes.barh(
                range(len(scores)),
                [score.mean for score in scores],
                color="0.7",
                xerr=[score.spread or 0 for score in scores],
                error_kw={"linewidth": 1, "capsize": 3},
            )
            axes.axvline(scores[0].floor, color="k", linestyle="--", linewidth=1)
            axes.set_yticks(range(len(scores)), labels if axes is row[0] else [""] * len(labels), fontsize=7)
            axes.invert_yaxis()
            axes.set_title(name, fontsize=9, loc="left")
            axes.tick_params(axis="x", labelsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _chart(height: float):
    figure = plotting.figure(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=7)
    return figure, axes


def _png(figure) -> bytes:
    """A chart has few colours: 32 of them take a third of the bytes."""
    with Image.open(io.BytesIO(plotting.png(figure))) as picture:
        return pictures.png(picture.convert("RGB").quantize(32, dither=Image.Dither.NONE))
