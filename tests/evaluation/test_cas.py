"""The classification accuracy score: what samples are worth as training data."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from lights import lights as lights_of

import zoo
from zoo import data
from zoo.checkpoints import checkpoint
from zoo.cli import main
from zoo.cli.evaluate import worth
from zoo.evaluation import results
from zoo.evaluation.cas import cas
from zoo.evaluation.metrics.extractors import classifier
from zoo.networks import build

CLASSES = ("left", "middle", "right")


class Drawn:
    """A generator that draws the class asked for, and of the `wrong` ones that are asked for, other classes."""

    name, classes = "drawn", CLASSES

    def __init__(self, wrong=0.0):
        self.wrong, self.seeds = wrong, []

    def batches(self, count, seed, truncation, batch_size, label):
        self.seeds.append(seed)
        rng = np.random.default_rng(seed)
        yield lights(np.where(rng.random(count) < self.wrong, rng.permutation(label), label), seed)


lights = partial(lights_of, noise=100, shades=(60, 160))


@pytest.fixture
def store():
    labels = np.arange(700) % 3
    images = lights(labels, 100)
    parts = images[:400], images[400:], labels[:400], labels[400:]
    return data.Store(Path("nowhere"), "lights", *parts, CLASSES, "f" * 64, ())


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A small network, a few steps."""
    monkeypatch.setattr(classifier, "LEAST_STEPS", 80)
    monkeypatch.setattr(classifier, "ENOUGH_STEPS", 80)
    monkeypatch.setattr(classifier, "BATCH_SIZE", 50)
    monkeypatch.setattr(classifier, "WIDTHS", (8, 16, 32))


@pytest.mark.slow
def test_samples_as_good_as_real_images_are_worth_as_much(store, said):
    generator = Drawn()
    found = cas(generator, store, seeds=(0, 4))
    assert generator.seeds == [0, 4]
    assert min(found.real.mean, found.generated.mean, found.both.mean) > 0.85
    assert found.ratio.mean == pytest.approx(1, abs=0.15)
    assert found.ratio.values == [g / r for g, r in zip(found.generated.values, found.real.values, strict=True)]
    assert found.ratio.spread == pytest.approx(np.std(found.ratio.values, ddof=1))
    assert (found.images, found.tested_on, found.seeds, found.steps) == (400, 300, [0, 4], 80)
    assert "once" in found.drawn and "32, 64, 128" in found.network
    assert sum("CAS: classifier " in line for line in said) == 6
    assert re.search(r"classifier 6 of 6, trained on both images, seed 4: right on \d+\.\d%", said[-1])


@pytest.mark.slow
def test_samples_of_the_wrong_class_are_worth_less(store):
    found = cas(Drawn(wrong=1.0), store, seeds=(0,))
    assert found.generated.mean < 0.6 < found.real.mean
    assert found.ratio.mean < 0.65
    assert found.ratio.spread is None
    lines = worth(found)
    assert lines[-1].split()[-1] == f"{found.ratio.mean:.3f}"


@pytest.mark.slow
def test_a_classifier_takes_so_many_steps_and_no_more():
    images, labels = lights(np.arange(130) % 3, 0), np.arange(130) % 3
    for steps in (1, 3, 4):  # an epoch has 3
        model = classifier.fitted(lambda: classifier.network((32, 32, 1), 3), images, labels, steps)
        assert int(model.optimizer.iterations) == steps
    again = classifier.fitted(lambda: classifier.network((32, 32, 1), 3), images, labels, 4)
    other = classifier.fitted(lambda: classifier.network((32, 32, 1), 3), images, labels, 4, seed=1)
    first, second, third = (np.asarray(one.weights[0]) for one in (model, again, other))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 1e-3


@pytest.fixture
def saved(small, images, tmp_path):
    """A function that saves an untrained DCGAN, with three classes or none."""

    def make(classes):
        recipe = small("dcgan-fashion-mnist", **{"data.source": images, "model.classes": classes})
        arrays = {
            file: {v.path: np.asarray(v).copy() for v in network.variables}
            for file, network in zip(("generator", "discriminator"), build(recipe), strict=True)
        }
        return str(checkpoint.save(tmp_path / f"saved-{classes}", recipe, arrays, {"name": "squares", "images": 0}))

    return make


@pytest.mark.slow
def test_the_command_scores_a_conditional_checkpoint(saved, tmp_path, monkeypatch):
    """Random images: nothing to learn but the protocol, which is printed and written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifier, "LEAST_STEPS", 1)
    monkeypatch.setattr(classifier, "ENOUGH_STEPS", 1)
    monkeypatch.setattr(cas, "__defaults__", ((7,), 1.0))  # one seed
    done = CliRunner().invoke(main, ["evaluate", saved(3), "-n", "59", "--seeds", "1", "--cas"])
    assert done.exit_code == 0, done.output
    for expected in ("by class, ", "  mean ", "generated over real (CAS)", "118 images, 15 steps, 1 seeds"):
        assert expected in done.stdout
    written = results.decode(json.loads(Path("evaluation.json").read_bytes()), results.Evaluation, "evaluation.json")
    assert written.cas.seeds == [7]
    assert [row.name for row in written.by_class.classes] == ["0", "1", "2"]


def test_without_classes_or_labels_there_is_nothing_to_ask_for(saved, store, tmp_path):
    with pytest.raises(ValueError, match=r"this one has no classes. Received: saved-0"):
        zoo.evaluate(saved(0), images=40, cas=True)
    with pytest.raises(ValueError, match=r"this one has no classes. Received: a set of images"):
        zoo.evaluate(store.images, store.heldout, images=40, cas=True)
    with pytest.raises(ValueError, match=r"needs labelled real images, some of them held out. Received: an array"):
        zoo.evaluate(saved(3), store.images, images=40, cas=True)
    np.savez(tmp_path / "two.npz", images=store.images, labels=store.labels % 2)
    with pytest.raises(
        ValueError, match=r"must have the classes of the generator. Received: 2 classes of .*, and 3 of"
    ):
        zoo.evaluate(saved(3), str(tmp_path / "two.npz"), images=40, cas=True)


@pytest.mark.parametrize(("images", "batches"), [(60_000, 5 * 469), (24_000, 6 * 188), (3_705, 30 * 29), (300, 34 * 3)])
def test_a_classifier_of_few_images_trains_for_more_epochs(monkeypatch, images, batches):
    monkeypatch.undo()
    assert classifier.steps(images) == batches
