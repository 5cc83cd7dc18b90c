"""What one sees while a run trains."""

import io
import re
import sys
import time

import pytest
from terminal import Terminal

from zoo import recipe as recipes
from zoo.files.progress import duration
from zoo.training.progress import Progress, losses
from zoo.training.stopping import Stopping

RECIPE = recipes.load("dcgan-fashion-mnist", {"schedule.images": 64_000, "schedule.batch_size": 64})
NUMBERS = {
    "d_loss": 1.234,
    "g_loss": 0.5,
    "d_real": 0.3,
    "d_fake": -0.2,
    "real_accuracy": 0.81,
    "fake_accuracy": 0.9,
    "images_per_second": 320.0,
}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_line_fits_the_terminal_and_begins_with_the_alarms(columns, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal(columns))
    with Progress(RECIPE, 0, shown=True, stopping=Stopping()) as progress:
        progress.compiling()
        for _ in range(100):
            progress.step()
        progress.report(100, NUMBERS, [])
        healthy = sys.stderr.getvalue()
        progress.report(100, NUMBERS, ["collapse", "d_wins"])
        failing = sys.stderr.getvalue().removeprefix(healthy)
    lines = [line for line in re.split(r"[\r\n]+", healthy + failing) if line.strip()]
    assert max(map(len, lines)) <= columns
    assert "dcgan-fashion-mnist" in healthy
    assert all(line.startswith("failing? collapse, d_wins: ") for line in re.split(r"[\r\n]+", failing) if line.strip())
    if columns == 200:
        assert "compiling" in healthy
        assert "6.40k/64.0k images" in healthy
        assert "D 1.23, G 0.50, D right on real 81% fake 90%" in healthy


def test_without_a_terminal_there_is_one_line_for_each_line_of_the_log(monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    monkeypatch.delitem(sys.modules, "ipykernel")
    with Progress(RECIPE.replace(**{"schedule.d_steps": 20}), 0, shown=True, stopping=Stopping()) as progress:
        progress.compiling()
        progress.compiled()
        for _ in range(10):
            progress.step()
            progress.doing("watching")
        progress.report(10, NUMBERS, ["collapse"])
    assert said == [
        "compiling a training step of 21 updates; this may take minutes",
        "failing? collapse: dcgan-fashion-mnist: 12,800 of 64,000 images, 320 images/s, 2 min 40 s left, "
        "D 1.23, G 0.50, D right on real 81% fake 90%",
    ]
    assert "|" not in sys.stderr.getvalue(), "no bar"


def test_the_first_step_tells_no_pace_and_a_set_time_tells_its_end(monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    stopping = Stopping(seconds=3600.0)
    monkeypatch.setattr(stopping, "_end", time.monotonic() + 90.4)
    with Progress(RECIPE, 0, shown=True, stopping=stopping) as progress:
        progress.report(1, {name: value for name, value in NUMBERS.items() if name != "images_per_second"}, [])
    assert said == [
        "dcgan-fashion-mnist: 64 of 64,000 images, D 1.23, G 0.50, D right on real 81% fake 90%, ends in 1 min 30 s at "
        "the latest"
    ]


def test_a_worker_that_does_not_write_says_nothing(monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", Terminal(80))
    with Progress(RECIPE, 0, shown=False, stopping=Stopping()) as progress:
        progress.compiling()
        progress.step()
        progress.report(1, NUMBERS, [])
    assert (said, sys.stderr.getvalue()) == ([], "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (5400, "1 h 30 min"), (200_000, "2 d 7 h")],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert duration(seconds) == text


def test_a_player_that_waited_has_no_loss():
    assert losses({"g_loss": 1.0}) == "G 1.00"
    assert losses({"d_loss": -2.0, "d_real": 3.0, "d_fake": 1.0}) == "D -2.00, critic gap 2.00"
