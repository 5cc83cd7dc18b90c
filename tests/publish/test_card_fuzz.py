"""Whatever the files beside the weights say, a card is rendered of them or they are refused in one line."""

import copy
import json
import random

import pytest

from zoo.checkpoints import checkpoint, resolve
from zoo.evaluation import results
from zoo.files.errors import ZooError
from zoo.publish import card

ODD = [None, -1, 0, 10**30, 1e308, -1e308, 1e-320, float("inf"), float("nan"), True, [], {}, [[]]]
TEXTS = ["", "x" * 300, "<b>|`[", "\u202e\x1b[31m\x9b"]
ROUNDS = 150


def places(document, place=()):
    """The keys that lead to each value; of a list, the first three."""
    if place:
        yield place
    inside = document.items() if isinstance(document, dict) else ()
    inside = list(enumerate(document))[:3] if isinstance(document, list) else inside
    for key, value in inside:
        yield from places(value, (*place, key))


def mutated(document, rng):
    """A copy in which one value is another or is not there."""
    document = copy.deepcopy(document)
    *way, last = rng.choice(list(places(document)))
    at = document
    for key in way:
        at = at[key]
    if rng.random() < 0.2:
        del at[last]
    else:
        at[last] = rng.choice(ODD + TEXTS)
    return document


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of sums with infinite numbers
@pytest.mark.parametrize("form", [1, 2])
@pytest.mark.parametrize("name", ["stylegan-lite-fashion-mnist", "sngan-small-cifar10"])
def test_odd_values_are_rendered_or_refused(name, form):
    opened, rng = checkpoint.open_checkpoint(resolve.resolve(name)), random.Random(f"{name} {form}")
    documents = {file: opened.document(file) for file in ("evaluation.json", "evidence.json")}
    if form == 2:
        facts = card.decode(opened.info, opened.recipe, documents)
        documents = {
            "evaluation.json": json.loads(results.encode(facts.evaluation)),
            "evidence.json": json.loads(results.encode(facts.evidence)),
        }
    documents = {"ganzoo.json": opened.info} | documents
    refused = 0
    for _ in range(ROUNDS):
        file = rng.choice(list(documents))
        changed = documents | {file: mutated(documents[file], rng)}
        info = changed.pop("ganzoo.json")
        try:
            facts = card.decode(info, opened.recipe, changed)
        except ZooError as error:
            assert str(error).startswith(file), error
            refused += 1
            continue
        text = card.render(facts, name)
        assert not [part for part in ("<b>", "\x1b", "\x9b", "\u202e") if part in text]
    assert 0 < refused < ROUNDS
