"""What the page shows, as functions: of numbers of any size, of a class or none, of a run that trains."""

import os
from pathlib import Path

import pytest
from PIL import Image

import zoo
from zoo.evaluation import projection
from zoo.files.errors import ZooError

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


def test_a_run_waits_for_its_first_checkpoint_and_then_is_drawn(begun, save_first):
    name = str(begun.path)
    models = views.Views([NAMES[0], name], "latest")
    models.check(name)  # it is not refused
    before, (notice, tabs, run_tab, *_) = models.state(name), models.opened(name)
    assert "has no checkpoint yet" in notice and tabs["selected"] == "run"
    assert run_tab["visible"] and models.opened(name)[-5:] == (None,) * 5  # images of the last checkpoint go
    for draw in (models.grid, models.moved, models.files):
        with pytest.raises(views.Waiting, match="the run has no checkpoint yet"):
            draw(*[name, 0, 1.0, None, 1, 0.0][: 6 if draw == models.moved else 4])
    assert "it has logged nothing yet" in models.run(name)[0]
    save_first()
    assert models.state(name) != before
    assert models.opened(name)[0] == ""
    assert views._read(models.grid(name, 0, 1.0, None)).size == (512, 512)
    (begun.checkpoint_path(4) / "ganzoo.json").write_text("{}")
    with pytest.raises(ZooError, match="no checkpoint"):  # it has one, which is of no use
        models.check(name)


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
    offered = next(update["choices"] for update in models.opened(name) if "choices" in (update or ()))
    assert offered[:2] == [("as in training", ""), ("T-shirt/top", "T-shirt/top")]
    monkeypatch.setattr(views, "KEPT", 2)
    mixed, bags, again = (models.grid(name, 0, 1.0, label) for label in ("", "Bag", None))
    assert again == mixed != bags
    newest = models.grid(name, 1, 1.0, "")
    kept = {str(file) for file in Path(newest).parent.glob("*.png")}
    assert len(kept) == 2 and newest in kept


def test_a_picture_that_was_fitted_is_said_and_one_that_cannot_be_read_has_its_own_name(both, tmp_path, monkeypatch):
    def at_once(generator, target, *others):
        return projection.Projection(generator.latents(), target, target, 0.0, target, generator)

    monkeypatch.setattr(projection, "_descend", at_once)
    Image.new("RGBA", (640, 480), (200, 30, 30, 128)).save(tmp_path / "mine.png")
    pair, said, found = both.project(NAMES[0], str(tmp_path / "mine.png"))
    assert said == (
        "The picture was 640 x 480 pixels, cut to its middle square and made 32 x 32; had transparency and was laid on "
        "white; was in colour and became grey."
    )
    assert views._read(pair).size == (256, 128) and Path(found["value"][0]).name == "mine.npz"
    Image.new("L", (32, 32)).save(tmp_path / "fits.png")
    assert both.project(NAMES[0], str(tmp_path / "fits.png"))[1] == ""
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(ZooError, match=r"100 megapixels, more than 89; make it smaller\. Received: 'huge\.png'$"):
        both.project(NAMES[0], str(tmp_path / "huge.png"))
