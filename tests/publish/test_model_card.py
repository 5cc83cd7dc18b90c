"""The card of a name, as text and as a file."""

import re

import pytest

import zoo


def test_the_text_is_that_of_the_file_but_for_the_way_to_the_pictures(tmp_path):
    file = tmp_path / "cards" / "card.md"
    text = zoo.card("dcgan-fashion-mnist", out=file)
    assert file.read_text("utf-8") == text
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(pictures) > 5
    assert all((file.parent / picture).is_file() for picture in pictures)
    plain = zoo.card("dcgan-fashion-mnist")
    assert "](samples.png)" in plain
    assert re.sub(r"\]\([^)]*/(\w+\.png)\)", r"](\1)", text) == plain


def test_a_name_that_is_none_leaves_no_file(tmp_path):
    with pytest.raises(zoo.ZooError, match="did you mean 'dcgan-fashion-mnist'"):
        zoo.card("dcgan-fashion", out=tmp_path / "card.md")
    assert not list(tmp_path.iterdir())
