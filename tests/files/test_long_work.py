"""What one sees of long work."""

import io
import re
import sys

import pytest
from terminal import Terminal

from zoo.files import progress


def work(count=300, batch=100, **options):
    with progress.progress(count, "drawing", **options) as advance:
        for _ in range(0, count, batch):
            advance(batch)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (120, 24), (0, 0), (100, 0)])
def test_a_bar_fits_the_terminal_also_one_without_a_size(columns, rows, monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", Terminal(columns, rows))
    work()
    lines = [line for line in re.split(r"[\r\n]+", sys.stderr.getvalue()) if line.strip()]
    assert re.match(r"drawing: 100%.*300/300", lines[-1])
    assert max(map(len, lines)) <= (columns if rows else 80)
    assert said == []


def test_elsewhere_lines_tell_how_far_it_is(monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    work(3_000, 1_000)
    assert [line.partition(", about")[0] for line in said] == [
        "drawing: 1,000 of 3,000 images",
        "drawing: 2,000 of 3,000 images",
    ]
    assert all(line.endswith(" left") for line in said)
    assert "\r" not in sys.stderr.getvalue()  # no bar


def test_a_line_comes_now_and_then_alone(monkeypatch, said):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 3_600.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    work()
    assert said == []


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_work_shows_nothing(terminal, monkeypatch, said):
    monkeypatch.setattr(sys, "stderr", Terminal(80) if terminal else io.StringIO())
    work(quiet=True)
    assert sys.stderr.getvalue() == "" and said == []


def test_short_work_needs_no_bar(monkeypatch):
    monkeypatch.setattr(progress, "DELAY_SECONDS", 60.0)
    monkeypatch.setattr(sys, "stderr", Terminal(80))
    work()
    assert sys.stderr.getvalue() == ""
