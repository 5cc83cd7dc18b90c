"""Several generators side by side."""

import inspect
from types import SimpleNamespace

import pytest
from PIL import Image

import zoo
from zoo.evaluation import compare, pictures


@pytest.fixture
def evaluated(monkeypatch):
    """What `compare` asks `evaluate` for; its answers have as many images as the name has letters."""
    calls = []

    def evaluate(name, real, **options):
        calls.append((name, real, options))
        part = SimpleNamespace(real=SimpleNamespace(fingerprint="0"), generated_count=len(name))
        return SimpleNamespace(name=name, evaluations=[part])

    monkeypatch.setattr(compare, "evaluate", evaluate)
    return calls


def test_each_name_is_evaluated_once_with_the_same_options(evaluated, said):
    options = {
        "extractor": "classifier",
        "images": 20,
        "seeds": (0,),
        "truncation": 0.5,
        "weights": "raw",
        "fit": "pad",
        "data_dir": "here",
        "cas": True,
    }
    results = zoo.compare(["one", "two", "one"], "real", **options)
    assert evaluated == [("one", "real", options), ("two", "real", options)]
    assert [(name, result.name) for name, result in results.items()] == [("one", "one"), ("two", "two")]
    assert said == ["one", "two"]


def test_its_options_are_those_of_evaluate():
    _, *own = inspect.signature(zoo.compare).parameters.values()
    _, *all_of_evaluate = inspect.signature(zoo.evaluate).parameters.values()
    assert own == all_of_evaluate


def test_numbers_that_do_not_compare_are_told(evaluated, said):
    zoo.compare(["one", "three"])
    assert said[2:] == ["not all were compared with the same images, or with as many; their scores do not compare"]


@pytest.mark.parametrize("wrong", ["dcgan-fashion-mnist", []])
def test_it_wants_a_list(wrong, evaluated):
    with pytest.raises(zoo.ZooError, match="list of names"):
        zoo.compare(wrong)
    assert not evaluated


def test_the_chart_has_what_all_of_them_were_scored_with(tmp_path):
    """A conditional generator is asked by a classifier, too, and the other one was not."""

    class Part(SimpleNamespace):
        scores = (SimpleNamespace(name="FD", mean=2.0, spread=None, floor=1.0),)

        def score(self, name):
            return self.scores[0]

    one, two = (SimpleNamespace(evaluations=[Part() for _ in range(count)]) for count in (1, 2))
    heights = []
    for i, both in enumerate(({"one": one, "two": two}, {"two": two, "again": two})):
        pictures.comparison(both, tmp_path / f"{i}.png")
        with Image.open(tmp_path / f"{i}.png") as chart:
            heights.append(chart.height)
    assert heights[1] == 2 * heights[0]
