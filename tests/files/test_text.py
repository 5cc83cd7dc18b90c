"""Text from outside is shown without being obeyed."""

import math
import tomllib

import pytest
import tomli_w

from zoo.files.text import parse_json, printable, printable_lines

HOSTILE = {
    "escape": "\x1b[31mred",
    "newline": "a\nError: b",
    "return": "a\rb",
    "C1": "a\x9b31m",
    "bidi": "a\u202eb",
    "isolate": "a\u2066b",
    "invisible": "a\u200bb",
    "line separator": "a\u2028b",
    "surrogate": "a\udc80b",
    "private": "a\U000f0000b",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_terminal_would_obey_is_an_escape(kind):
    shown = printable(HOSTILE[kind])
    assert shown.isprintable()
    assert "\\" in shown
    shown.encode()  # also what no file could hold


def test_other_text_stays():
    for text in ("plain", "Ünï ©ødé 日本 עברית", "back\\slash", ""):
        assert printable(text) == printable_lines(text) == text
    assert printable(None) == "None"


def test_long_text_is_cut():
    assert printable("x" * 5_000) == "x" * 1_000 + "..."
    assert printable("x" * 5, longest=5) == "x" * 5


def test_a_recipe_that_is_shown_reads_back():
    values = {key: value for key, value in HOSTILE.items() if key != "surrogate"}
    shown = printable_lines(tomli_w.dumps(values))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert tomllib.loads(shown) == values


@pytest.mark.parametrize("text", ["9" * 41, "-" + "9" * 5_000, '{"a": [1' + "0" * 400 + "]}"])
def test_a_whole_number_that_cannot_become_a_float_is_no_json(text):
    with pytest.raises(ValueError, match=r"^a whole number of \d+ digits$"):
        parse_json(text)


def test_json_is_read_as_always():
    assert parse_json(b'{"a": [1, 1e400, true, 12345678901234567890]}') == {
        "a": [1, math.inf, True, 12345678901234567890]
    }
