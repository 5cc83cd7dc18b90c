"""What the watcher does to a run that fails: it warns, stops it, or takes it back."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import zoo
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.training import loop, starting
from zoo.watch import watcher
from zoo.watch.diagnosis import diagnose
from zoo.watch.findings import BELOW, Finding, Rule
from zoo.watch.late import LATE
from zoo.watch.past import COMPARED
from zoo.watch.rules import RULES
from zoo.watch.signals import derive
from zoo.watch.watcher import Failing

RULE = Rule("swapped", "stop", "D rates generated images above real ones", "separation", BELOW, 0.05, 1, "", 1.0)
CONSTANT = {"optimizer.d.learning_rate": 2e-4, "optimizer.g.learning_rate": 2e-4}


@pytest.fixture
def recipe(small, images):
    """Sixteen steps of DCGAN, a checkpoint every eight, no KID."""
    return small("dcgan-fashion-mnist", **{"data.source": images, "log.kid_images": 0, **CONSTANT})


@pytest.fixture
def fails(monkeypatch):
    """A function that makes runs fail from step 12 on, while D's rate is at least a number. Nothing is measured."""

    class NoProbe:
        def __init__(self, gan, store):
            self.before = {"step": None}

        def measure(self, step):
            return {"separation": 0.0}

    def from_now_on(rate=0.0):
        def find(entries, recipe):
            last = entries[-1]["step"]
            failing = last >= 12 and recipe.optimizer.d.learning_rate >= rate
            return [Finding(RULE, 0.0, 12, last, True)] if failing else []

        monkeypatch.setattr(watcher, "found", find)
        monkeypatch.setattr(watcher, "Probe", NoProbe)

    return from_now_on


def test_signals_and_findings_are_in_the_log(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(watcher, "SHARE", math.inf)
    run = zoo.train(recipe, tmp_path / "run")
    first, *entries = run.entries()
    assert first.keys() == {"step", "images", "machine"}
    assert [entry["step"] for entry in entries if "separation" in entry] == [0, 4, 8, 12, 16]
    assert entries[0]["data_images"] == 118
    assert len(entries[0]["findings"]) == 1
    assert entries[0]["findings"][0]["name"] == "few_images"
    assert not any(said["name"] == "few_images" for entry in entries[1:] for said in entry["findings"])
    assert diagnose(run.path).findings[0].name == "few_images"


def test_every_rules_signal_is_measured(small, tmp_path, monkeypatch):
    """Signals that are missing are not judged: a rule of a misspelt one would be silent."""
    monkeypatch.setattr(watcher, "SHARE", math.inf)
    images = np.random.default_rng(0).integers(0, 256, (2_600, 32, 32), np.uint8)  # enough for held-out ones
    np.savez(tmp_path / "noise.npz", images=images, labels=np.arange(2_600) % 3)
    options = {"data.source": str(tmp_path / "noise.npz"), "log.kid_images": 40, "model.classes": 3}
    recipe = small("dcgan-fashion-mnist", **options)
    measured = set().union(*derive(zoo.train(recipe, tmp_path / "run").entries(), recipe))
    rules = (*RULES, *LATE)
    signals = {rule.signal for rule in rules} | {rule.which for rule in rules if rule.which}
    compared = {f"{name}_change": name for name in COMPARED} | {"decline": "kid"}  # later, when there is a past
    only_of_others = {"penalty_gone", "augmentation_gone"}  # of recipes with a penalty, or with ADA
    assert {compared.get(signal, signal) for signal in signals} - only_of_others <= measured


def test_what_is_measured_stops_a_run(small, tmp_path):
    np.savez(tmp_path / "grey.npz", images=np.full((120, 32, 32), 128, np.uint8))
    recipe = small("dcgan-fashion-mnist", **{"data.source": str(tmp_path / "grey.npz"), "watch": "stop"})
    with pytest.raises(Failing, match="the training images are all alike"):
        zoo.train(recipe, tmp_path / "run")


def test_the_probe_keeps_to_its_share_of_the_time(monkeypatch):
    clock = [0.0]

    class Probe:
        def __init__(self, gan, store):
            self.before = None

        def measure(self, step):
            clock[0] += 10.0 if self.before is None else 1.0  # the first time compiles
            self.before = {"step": step}
            return {"separation": 0.5}

    monkeypatch.setattr(watcher, "Probe", Probe)
    monkeypatch.setattr(watcher.time, "monotonic", lambda: clock[0])
    watching, measured = watcher.Watcher(SimpleNamespace(recipe=recipes.load("dcgan-64")), None, []), []
    for step in range(1000):
        if watching.signals(step):
            measured.append(step)
        assert watching.signals(step) == {}  # once for a step
        clock[0] += 1.0
    assert measured[:3] == [0, 1, 19]
    assert len(measured) == pytest.approx(0.05 * clock[0], abs=2)


def test_warn_goes_on_until_a_value_is_not_finite(recipe, tmp_path, monkeypatch, fails):
    fails()
    original = loop.backend.Engine.run

    def poison(self, players, batch):
        if int(self._gan.step) == 18:
            variable = self._gan.discriminator.get_layer("logit").kernel
            variable.assign(variable * np.nan)
        return original(self, players, batch)

    monkeypatch.setattr(loop.backend.Engine, "run", poison)
    with pytest.raises(loop.NonFinite):
        zoo.train(recipe.replace(**{"schedule.images": 80}), tmp_path / "run")
    run = Run(tmp_path / "run")
    said = {entry["step"]: entry["findings"] for entry in run.entries() if entry.get("findings")}
    assert list(said) == [12]
    assert said[12][0]["name"] == "swapped"
    healthy = {path: checkpoint.open_checkpoint(path).info["healthy"] for path in run.checkpoints()}
    assert list(healthy.values()) == [True, False]
    assert run.healthy() == run.checkpoint_path(8)
    assert run.entries()[-1]["step"] == 20
    assert "non_finite" in [finding.name for finding in diagnose(run.path).findings]


def test_stop_keeps_the_last_healthy_checkpoint_and_says_which_to_use(recipe, tmp_path, fails):
    fails()
    with pytest.raises(Failing, match=r"last healthy: .*step-000000008.*ganzoo doctor"):
        zoo.train(recipe.replace(watch="stop"), tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.checkpoints() == [run.checkpoint_path(0), run.checkpoint_path(8)]
    assert run.entries()[-1]["step"] == 12


def test_rollback_goes_back_lowers_the_rates_and_writes_it_down(recipe, tmp_path, fails, said):
    rate = recipe.optimizer.d.learning_rate
    fails(rate / 3)
    run = zoo.train(recipe.replace(watch="rollback"), tmp_path / "run")
    assert sum("going back from step 12" in line for line in said) == 2
    assert [entry["step"] for entry in run.entries() if "rollback" in entry] == [8, 8]
    assert [entry["step"] for entry in run.entries() if "d_loss" in entry] == [4, 8, 12, 16]
    latest = checkpoint.open_checkpoint(run.latest())
    assert latest.info["step"] == 16
    assert latest.recipe.optimizer.d.learning_rate == rate / 4
    assert latest.arrays("training")["d_adam/learning_rate"] == np.float32(rate / 4)
    assert run.recipe.optimizer.d.learning_rate == rate
    assert len([note for note in diagnose(run.path).notes if "Rolled back" in note]) == 2


def test_there_are_two_rollbacks_at_most_and_none_without_a_healthy_checkpoint(recipe, tmp_path):
    run = Run(tmp_path / "run")
    run.start(recipe)
    run.log({"step": 12, "images": 48})
    failure = Failing("training fails", [Finding(RULE, 0.0, 10, 12, True)])
    assert not starting.roll_back(run, failure)
    for step in (4, 8, 12):
        checkpoint.save(run.checkpoint_path(step), recipe, {}, {"step": step, "images": 4 * step, "healthy": step != 8})
    assert starting.roll_back(run, failure)
    assert run.checkpoints() == [run.checkpoint_path(4)]
    assert starting.roll_back(run, failure)
    assert not starting.roll_back(run, failure)
    assert recipe.slower(run.rollbacks()).optimizer.g.learning_rate == recipe.optimizer.g.learning_rate / 4


def test_several_workers_are_only_warned(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.backend, "workers", lambda: 2)
    with pytest.raises(ValueError, match='set watch to "warn"'):
        zoo.train(recipe.replace(watch="stop"), tmp_path / "run")
