"""What the page shows, as functions: of numbers of any size, of a class or none, of a run that trains."""

import os
from pathlib import Path

import pytest

import zoo

views = pytest.importorskip("zoo.publish.views", exc_type=ImportError)  # it needs Gradio
pytestmark = pytest.mark.filterwarnings("default")  # of Gradio

NAMES = ("dcgan-fashion-mnist", "stylegan-lite-fashion-mnist")


@pytest.fixture(scope="module")
def both():
    return views.Views(NAMES, None)


@pytest.mark.parametrize(("typed", "most"), [(None, False), (-1e30, False), (1e30, True)])
def test_a_number_that_a_slider_has_not_is_the_nearest_that_it_has(typed, most, both):
    """As the slider itself shows it when one leaves its box; an empty box becomes the least number."""
    name, last = NAMES[1], views.LAST_SEED if most else 0
    assert both.grid(name, typed, typed, None) == both.grid(name, last, float(most), None)
    assert both.chosen(name, typed, [], (0, 300)) == [(last, 8)]
    layers = most * both(name).latent_shapes("w")["w"][0]
    assert both.between(name, [], typed, typed, typed, None) == both.between(
        name, [], float(most), layers, float(most), None
    )
    number, amount = (views.DIRECTIONS, views.AMOUNT) if most else (1, -views.AMOUNT)
    assert both.moved(name, 0, 1.0, None, typed, typed) == both.moved(name, 0, 1.0, None, number, amount)
    picture = both.files(name, typed, typed, None)["value"][0]
    assert Path(picture).name == f"{name}-seed-{last}.png"


def test_the_same_grid_is_one_file_that_stays_as_it_is(both):
    first, other = (both.grid(NAMES[0], seed, 1.0, None) for seed in (0, 1))
    before = os.stat(first)
    assert both.grid(NAMES[0], 0, 1.0, None) == first != other  # a visitor may be reading the first just now
    assert (os.stat(first).st_ino, os.stat(first).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.slow
def test_a_run_shows_what_the_doctor_says(small, images, tmp_path):
    run = zoo.train(small("dcgan-fashion-mnist", **{"data.source": images}), tmp_path / "run")
    models = views.Views([str(run.path)], "latest")
    text, newest, curves = models.run(str(run.path))
    assert zoo.diagnose(run.path).verdict in text
    assert views._read(newest).width >= 32
    assert views._read(curves).width > 100
    sheet, card = models.about(str(run.path))
    assert views._read(sheet).width == 9 * 64
    assert "data:image/png;base64," in card
    assert views.Views(NAMES, None).run(NAMES[0]) == ("", None, None)


def test_a_visitor_asks_for_a_class_or_for_none_and_old_pictures_go(monkeypatch):
    name = "dcgan-cond-fashion-mnist"
    models = views.Views([name], None)
    assert views.asked(models(name))[:2] == [("as in training", ""), ("T-shirt/top", "T-shirt/top")]
    monkeypatch.setattr(views, "KEPT", 2)
    mixed, bags, again = (models.grid(name, 0, 1.0, label) for label in ("", "Bag", None))
    assert again == mixed != bags
    newest = models.grid(name, 1, 1.0, "")
    kept = {str(file) for file in Path(newest).parent.glob("*.png")}
    assert len(kept) == 2 and newest in kept
