"""Several generators side by side."""

from types import SimpleNamespace

import pytest

import zoo
from zoo.evaluation import compare


@pytest.fixture
def evaluated(monkeypatch):
    """What `compare` asks `evaluate` for; its answers have as many images as the name has letters."""
    calls = []

    def evaluate(name, **options):
        calls.append((name, options))
        part = SimpleNamespace(real=SimpleNamespace(fingerprint="0"), generated_count=len(name))
        return SimpleNamespace(name=name, evaluations=[part])

    monkeypatch.setattr(compare, "evaluate", evaluate)
    return calls


def test_each_name_is_evaluated_once_with_the_same_options(evaluated, said):
    results = zoo.compare(["one", "two", "one"], images=20, seeds=(0,))
    assert evaluated == [("one", {"images": 20, "seeds": (0,)}), ("two", {"images": 20, "seeds": (0,)})]
    assert [(name, result.name) for name, result in results.items()] == [("one", "one"), ("two", "two")]
    assert said == ["one", "two"]


def test_numbers_that_do_not_compare_are_told(evaluated, said):
    zoo.compare(["one", "three"])
    assert said[2:] == ["not all were compared with the same images, or with as many; their scores do not compare"]


@pytest.mark.parametrize("wrong", ["dcgan-fashion-mnist", []])
def test_it_wants_a_list(wrong, evaluated):
    with pytest.raises(zoo.ZooError, match="list of names"):
        zoo.compare(wrong)
    assert not evaluated
