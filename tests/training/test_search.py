"""A search: what it varies, which trials end early and why, which is the best, and that nothing is lost."""

import base64
import contextlib
import csv
import errno
import io
import math
import os
import re
import signal
import time
import tomllib
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import tomli_w
from PIL import Image

import zoo
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.recipe import difference, ranges
from zoo.recipe.ranges import Range
from zoo.training import loop, recorder
from zoo.training.finite import NonFinite
from zoo.training.search import outcome, plan, report, results, study, trial, worker
from zoo.training.search.results import Row
from zoo.training.search.space import Space, value_of
from zoo.training.stopping import Stopping
from zoo.watch import rules
from zoo.watch.findings import Finding
from zoo.watch.watcher import Failing

RATE = "optimizer.g.learning_rate"


@pytest.fixture
def recipe(small, images):
    """A tiny DCGAN whose run is 5,760 images long, without a decay."""
    rates = {f"optimizer.{player}.learning_rate": 4e-4 for player in "dg"}
    return small(
        "dcgan-fashion-mnist", **{"data.source": images, "schedule.images": 5_760, "log.kid_images": 20}, **rates
    )


@pytest.fixture
def rate_alone(tmp_path):
    """A file with one range: of G's rate."""
    file = tmp_path / "space.toml"
    file.write_text("[search]\noptimizer.g.learning_rate = { low = 1e-5, high = 1e-1, log = true }\n")
    return file


@pytest.fixture
def trained(monkeypatch):
    """Training that takes no time, and a list of (seed, G's rate) of each. KID is smallest at a rate of 1e-3.

    Pictures take none either.
    """
    done = []
    monkeypatch.setattr(trial.keras.backend, "clear_session", lambda: None)
    monkeypatch.setattr(report, "curves", lambda *arguments: b"curves")
    monkeypatch.setattr(report, "bars", lambda importances: b"bars")

    def attempt(recipe, run, store, stopping, resume=False, shown=True):
        rate = recipe.optimizer.g.learning_rate
        done.append((recipe.seed, rate))
        plan_, first = recipe.schedule, max((entry["step"] for entry in run.entries()), default=0)
        with run.locked():
            run.start(recipe)
            for step in range(first + 1, plan_.steps + 1):
                wanted, last = stopping.wants(step, step / 100), stopping.due
                if wanted:
                    images = step * plan_.images_per_step
                    luck = np.random.default_rng([recipe.seed, int(1e8 * rate)]).normal(0, 1e-3)
                    kid = (0.05 + abs(math.log10(rate) + 3) / 4) * (1 + 300 / images) + luck
                    run.log({"step": step, "images": images, "kid": kid, "kid_error": 1e-3, "recall": 1 - kid})
                    (run.checkpoint_path(step)).mkdir(parents=True)
                    (run.checkpoint_path(step) / "ganzoo.json").write_text("{}")
                    last = stopping.saved(step) or last
                if last:
                    return loop.STOPPED
        return loop.DONE

    monkeypatch.setattr(trial, "attempt", attempt)
    return done


def failing(name: str) -> Failing:
    rule = next(rule for rule in rules.RULES if rule.name == name)
    return Failing("training fails", [Finding(rule, 1.0, 1, 2, True)])


# What is varied


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", zoo.list_recipes())
def test_the_space_of_a_shipped_recipe_holds_the_recipe_itself_and_valid_ones(name, timed):
    recipe = zoo.load_recipe(name)
    space = Space.default(recipe, timed)
    own = space.own()
    assert own is not None
    assert not difference(recipe, space.variant(own))
    assert {RATE, "optimizer.d.learning_rate", "schedule.batch_size", "ema.half_life_images"} <= space.ranges.keys()
    assert ("model.g_channels" in space.ranges) == timed
    assert ("loss.r1" in space.ranges) == (value_of(recipe, "loss.r1") > 0)
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    valid = 0
    for _ in range(20):
        parameters = space.suggest(draws.ask())
        with contextlib.suppress(zoo.ZooError):
            variant = space.variant(parameters)
            valid += 1
            ratio = value_of(variant, "optimizer.d.learning_rate") / value_of(variant, RATE)
            assert 0.24 < ratio < 4.1
            assert space.values(parameters) == {key: value_of(variant, key) for key in space.ranges}
    assert valid >= 15


def test_a_number_that_changes_keeps_its_shape_and_a_tied_one_follows(small):
    recipe = small("r3gan-fashion-mnist")
    space = Space.of(recipe, ranges.read({"loss": {"r1": {"low": 0.1, "high": 10}, "r2": {"times": "loss.r1"}}}))
    variant = space.variant({"loss.r1": 6.0})
    old, new = recipe.loss.r1, variant.loss.r1
    assert (new.start, new.to / new.start, new.shape) == (6.0, pytest.approx(old.to / old.start), old.shape)
    assert variant.loss.r2.start == 6.0


def test_a_recipe_may_have_a_space_and_a_run_does_not_know_it(tmp_path, recipe, rate_alone):
    values = recipe.to_dict()
    table = tomllib.loads(rate_alone.read_text())
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(values | table))
    assert zoo.load_recipe(tmp_path / "mine.toml") == recipe
    assert ranges.load(tmp_path / "mine.toml") == {RATE: Range(low=1e-5, high=1e-1, log=True)}
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(values | {"search": {"schedule": {"batch_size": {"low": 9}}}}))
    with pytest.raises(
        zoo.ZooError, match=r"schedule.batch_size: low and high belong together. Received: \{'low': 9\}"
    ):
        zoo.load_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "nothing to search"),
        ({"optimiser.g.learning_rate": {"around": 2}}, "did you mean 'optimizer.g.learning_rate'"),
        ({RATE: {"low": 1e-3, "high": 1e-4}}, "low must be below high"),
        ({RATE: {"low": 1e-3, "high": 1e-3}}, "low must be below high"),
        ({RATE: {"low": 0, "high": 1e-3, "log": True}}, "with log, low must be above 0"),
        ({RATE: {"choices": []}}, "something to choose from"),
        ({RATE: {"choices": [1e-3], "around": 2}}, "a range has one of"),
        ({RATE: {}}, "a range has one of low, choices, around, factors, or times"),
        ({RATE: 1e-3}, r"optimizer.g.learning_rate must be a range, such as \{ low"),
        ({RATE: {"low": "a", "high": 1}}, r"\[search\] optimizer.g.learning_rate: low must be a number"),
        ({RATE: {"lowest": 1, "high": 2}}, "unknown key lowest, did you mean 'low'"),
        ({RATE: {"low": -1.0, "high": 1.0}}, "optimizer.g.learning_rate has a value that it cannot have"),
        ({"loss.name": {"choices": ["hinge", "hinges"]}}, "loss.name has a value that it cannot have"),
        ({"schedule.batch_size": {"low": 0.5, "high": 1.5}}, "batch_size has a value that it cannot have"),
        ({"loss.r1": {"around": 3}}, "around and factors need a number above 0"),
        ({"optimizer.d.beta_1": {"times": "optimizer.g.beta_3"}}, "names no key of the recipe, did you mean"),
        ({"optimizer.d.beta_1": {"times": "loss.name"}}, "times names a number"),
        ({RATE: {"times": RATE}}, "times names a key that stands for itself"),
        ({"data.resolution": {"choices": [32, 64]}}, "data.resolution cannot be searched: all trials see the same"),
        ({"schedule.images": {"around": 2}}, "schedule.images cannot be searched: it is the same for all"),
        ({"model.network": {"choices": ["sngan"]}}, "model.network cannot be searched: each network"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_clear_line(recipe, table, message):
    with pytest.raises(zoo.ZooError, match=message) as raised:
        Space.of(recipe, ranges.read(table))
    assert "Received: " in str(raised.value)
    assert "\n" not in str(raised.value)


# The search


def test_bad_trials_end_early_and_the_best_is_run_again(recipe, rate_alone, tmp_path, trained, said):
    found = zoo.search(recipe, tmp_path / "s", trials=12, trial_images=5_760, space=rate_alone, finalists=2)
    rows, trials = found.results.rows, found.results.trials
    assert len(trials) == 12
    assert trials[0].values == {RATE: 4e-4}, "the recipe itself comes first"
    assert {row.state for row in trials} == {"done", "ended early"}
    assert all(row.last["images"] in (640, 1_920) for row in trials if row.state == "ended early")
    assert all("was not in the best third" in row.why for row in trials if row.state == "ended early")
    assert not any(row.failed for row in trials)
    assert found.results.killed_by == {"KID": found.results.counts["ended early"]}
    early = [row.last["images"] / 5_760 for row in trials if row.state == "ended early"]
    assert np.mean(early) < 1 / 3
    again = [row for row in rows if row.repeats is not None]
    assert {row.repeats for row in again} == {row.number for row in found.results.ranking[:2]}
    assert [seed for seed, _ in trained[-2:]] == [1, 1]
    best = found.results.best
    assert best.kid == (best.last["kid"] + best.again.last["kid"]) / 2
    assert best.kid <= min(row.kid for row in found.results.ranking)
    assert abs(math.log10(best.values[RATE]) + 3) < 0.4
    assert any(line.startswith("trial 0: done after 5,760 images, KID 0.") for line in said)
    assert re.search(r"\d+ ended early, best KID 0\.\d+ ± 0\.\d+ \(trial \d+\), .* left$", said[-1])


def test_the_outcome_says_what_was_tried_and_what_came_of_it(recipe, rate_alone, tmp_path, trained):
    found = zoo.search(recipe, tmp_path / "s", trials=9, trial_images=5_760, space=rate_alone, finalists=2)
    best, text = found.results.best, (found.path / "best.toml").read_text()
    loaded = zoo.load_recipe(found.path / "best.toml")
    assert loaded == recipe.replace(**{RATE: best.values[RATE]})
    assert f"#   {RATE}: 0.0004 -> {best.values[RATE]}\n" in text
    assert f"{best.last['kid']:.4f} ± 0.0010, and with another seed {best.again.last['kid']:.4f}" in text
    assert found.results.verdict in text and "# KID on efficientnet-lite0 of the average" in text
    assert (found.path / "best").resolve() == (found.path / "trials" / f"{best.number:04d}").resolve()
    with open(found.path / "trials.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line[RATE]) for line in lines] == [row.values[RATE] for row in found.results.rows]
    assert [float(line["kid"]) for line in lines] == [row.last["kid"] for row in found.results.rows]
    page = (found.path / "report.html").read_text()
    assert f"The best: trial {best.number}" in page
    assert page.count("<tr class=") == len(found.results.rows)
    assert base64.b64encode(b"curves").decode() in page
    assert found.results.verdict in page.replace("&#39;", "'")


def test_a_judge_that_taught_the_discriminator_is_called_that():
    assert results.judge(recipes.load("dcgan-64")) == "efficientnet-lite0"
    assert "taught the discriminator" in results.judge(recipes.load("quick-64"))


def test_checkpoints_of_losers_are_deleted_and_a_run_that_was_trained_further_stays(
    recipe, rate_alone, tmp_path, trained
):
    found = zoo.search(recipe, tmp_path / "s", trials=14, trial_images=2_880, space=rate_alone, finalists=0)
    kept = {row.number for row in found.results.ranking[: outcome.SHOWN]}
    for row in found.results.rows:
        folder = found.path / "trials" / f"{row.number:04d}"
        assert (folder / "checkpoints").is_dir() == (row.number in kept), row
        assert (folder / "log.jsonl").stat().st_size
    worst = found.results.ranking[-1].number
    further = Run(found.path / "trials" / f"{worst:04d}")
    (further.checkpoint_path(1_440)).mkdir(parents=True)  # by a user, after the search
    (further.checkpoint_path(1_440) / "ganzoo.json").write_text("{}")
    nothing = SimpleNamespace(ranking=[], rows=found.results.rows)
    outcome.tidy(found.path, nothing)
    assert [path.parent.name for path in found.path.glob("trials/*/checkpoints")] == [f"{worst:04d}"]


def test_what_the_watcher_finds_ends_a_trial_and_stands_in_the_table(
    recipe, rate_alone, tmp_path, trained, monkeypatch
):
    attempt = trial.attempt

    def sometimes(recipe, run, *arguments, **more):
        rate = recipe.optimizer.g.learning_rate
        if rate > 1e-2:
            raise failing("g_too_fast")
        if rate < 1e-4:
            raise NonFinite("values are not finite. Received: d_loss")
        return attempt(recipe, run, *arguments, **more)

    monkeypatch.setattr(trial, "attempt", sometimes)
    found = zoo.search(recipe, tmp_path / "s", trials=16, trial_images=2_880, space=rate_alone, finalists=0)
    fast = [row for row in found.results.rows if row.values[RATE] > 1e-2]
    slow = [row for row in found.results.rows if row.values[RATE] < 1e-4]
    assert fast and slow
    assert all(row.failed and row.why.startswith("g_too_fast: the generator moves too far") for row in fast)
    assert all(row.failed and row.why.startswith("non_finite: values are not finite") for row in slow)
    assert found.results.killed_by["g_too_fast"] == len(fast)
    page = (found.path / "report.html").read_text()
    assert f"<tr><td>g_too_fast</td><td>{len(fast)}</td></tr>" in page


def test_no_trial_that_survives_is_said_with_what_killed_them(recipe, rate_alone, tmp_path, trained, monkeypatch):
    attempt = trial.attempt

    def fails(recipe, run, store, stopping, **more):
        if recipe.optimizer.g.learning_rate != 4e-4:
            raise failing("d_wins")
        stopping.saved, saved = lambda step: saved(step) and stopping.reached > 9, stopping.saved
        stopping.wants, wants = lambda step, s: stopping.reached < 1 and wants(step, s), stopping.wants
        attempt(recipe, run, store, stopping, **more)
        raise failing("collapse")

    monkeypatch.setattr(trial, "attempt", fails)
    with pytest.raises(
        zoo.ZooError, match=r"no trial came to its end: ended early 3 by d_wins, 1 by collapse"
    ) as raised:
        zoo.search(recipe, tmp_path / "s", trials=4, trial_images=2_880, space=rate_alone)
    assert re.search(r"the least bad is trial 0, with KID 0\.\d+ after 320 images", str(raised.value))
    assert "Received: 4 trials" in str(raised.value)
    assert "No trial came to its end" in (tmp_path / "s" / "report.html").read_text()
    assert not (tmp_path / "s" / "best.toml").exists()


def test_a_trial_that_does_not_fit_in_memory_is_one_that_failed(recipe, rate_alone, tmp_path, trained, monkeypatch):
    attempt, calls = trial.attempt, []

    def large(*arguments, **more):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return attempt(*arguments, **more)

    monkeypatch.setattr(trial, "attempt", large)
    found = zoo.search(recipe, tmp_path / "s", trials=3, trial_images=2_880, space=rate_alone, finalists=0)
    assert found.results.rows[1].why == "it does not fit in memory"


def test_what_an_older_search_recorded_of_a_trial_is_read():
    marks = [{"images": 10 * i, "seconds": 1.0, "kid": 0.1, "kid_error": 0.01, "recall": 0.5} for i in range(3)]
    older = SimpleNamespace(user_attrs={"mark 1": marks[1], "mark 0": marks[0], "why": "KID 0.1 was not in the"})
    assert study.marks_of(older) == marks[:2]
    assert study.Early.of(older) == ("unknown", "KID 0.1 was not in the")
    older.user_attrs["marks"] = marks[2:]  # it goes on
    assert study.marks_of(older) == marks
    assert study.Early.of(SimpleNamespace(user_attrs={})) is None


def test_an_impossible_combination_is_no_trial(recipe, tmp_path, trained):
    (tmp_path / "space.toml").write_text(
        '[search]\nloss.name = { choices = ["non-saturating", "wasserstein"] }\n'
        "schedule.d_steps = { choices = [1, 2] }\n"
    )
    found = zoo.search(recipe, tmp_path / "s", trials=6, trial_images=2_880, space=tmp_path / "space.toml", finalists=0)
    invalid = [row for row in found.results.rows if row.state == "invalid"]
    assert invalid and all("needs a Lipschitz critic" in row.why for row in invalid)
    assert len(found.results.trials) == 6 == len(trained)
    (tmp_path / "space.toml").write_text('[search]\nloss.name = { choices = ["wasserstein"] }\n')
    with pytest.raises(zoo.ZooError, match="draws in a row are no valid recipe; narrow the space"):
        zoo.search(recipe, tmp_path / "t", trials=2, space=tmp_path / "space.toml")


def test_it_learns_from_the_trials_before(recipe, rate_alone, tmp_path, trained):
    """The last half of the trials lies nearer to the best rate than random ones do."""
    distances = {}
    for sampler in ("tpe", "random"):
        found = zoo.search(
            recipe, tmp_path / sampler, trials=30, trial_images=720, space=rate_alone, sampler=sampler, finalists=0
        )
        late = [abs(math.log10(row.values[RATE]) + 3) for row in found.results.trials[15:]]
        distances[sampler] = np.mean(late)
    assert distances["tpe"] < 0.6 * distances["random"]


def test_a_trial_as_long_in_time_is_measured_in_time(recipe, rate_alone, tmp_path, trained):
    found = zoo.search(recipe, tmp_path / "s", trials=8, trial_seconds=9.0, space=rate_alone, finalists=0)
    seconds = {row.state: row.last["seconds"] for row in found.results.rows}
    assert seconds["done"] == 9.0
    assert seconds["ended early"] in (1.0, 3.0)
    assert "trials of 9 s of training each" in (found.path / "best.toml").read_text()


@pytest.mark.parametrize("second", ["recall", "time"])
def test_two_objectives_give_a_front(recipe, tmp_path, trained, second):
    (tmp_path / "space.toml").write_text(
        "[search]\noptimizer.g.learning_rate = { low = 1e-5, high = 1e-1, log = true }\n"
        "schedule.batch_size = { choices = [2, 4, 8] }\n"
    )
    found = zoo.search(
        recipe, tmp_path / "s", trials=8, trial_images=2_880, space=tmp_path / "space.toml", objectives=("kid", second)
    )
    front = found.results.front(("kid", second))
    assert all(row.state == "done" for row in found.results.rows)
    assert 1 <= len(front) < 8
    assert min(found.results.trials, key=lambda row: row.last["kid"]) in front
    assert f"The front: kid and {second}" in (found.path / "report.html").read_text()


def row(number: int, kid: float, error: float, again: float | None = None) -> Row:
    mark = {"images": 10, "seconds": 1.0, "kid": kid, "kid_error": error, "recall": 0.5}
    second = Row(number + 100, "done", "", [mark | {"kid": again}], repeats=number) if again is not None else None
    return Row(number, "done", "", [mark], again=second)


def test_the_error_is_that_of_the_measurement_or_of_the_seeds():
    from zoo.training.search.results import Results

    assert row(0, 0.1, 0.01).error == 0.01
    assert row(0, 0.1, 0.01, 0.1).error == pytest.approx(0.01 / math.sqrt(2))
    assert row(0, 0.1, 0.01, 0.2).error == pytest.approx(0.05)
    one = Results([row(0, 0.10, 0.01, 0.11), row(1, 0.11, 0.01, 0.12), row(2, 0.05, 0.01)])
    assert [each.number for each in one.ranking] == [0, 1, 2], "what was run again comes first"
    assert "the first and the second do not differ by more than their errors" in one.verdict
    two = Results([row(0, 0.10, 0.001, 0.10), row(1, 0.2, 0.001, 0.2)])
    assert "the first is better by 100.0 times the error" in two.verdict


def test_classes_are_those_of_the_images(recipe, rate_alone, images, tmp_path, trained):
    conditional = recipe.replace(**{"model.classes": "auto"})
    found = zoo.search(conditional, tmp_path / "s", trials=1, trial_images=720, space=rate_alone, finalists=0)
    assert zoo.load_recipe(found.path / "best.toml").model.classes == 3
    zoo.search(conditional, tmp_path / "s", trials=2, trial_images=720, space=rate_alone, finalists=0)


# Going on


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(recipe, rate_alone, tmp_path, trained, said):
    options = {"trial_images": 2_880, "space": rate_alone, "finalists": 1}
    whole = zoo.search(recipe, tmp_path / "whole", trials=7, **options)
    zoo.search(recipe, tmp_path / "parts", trials=3, **(options | {"finalists": 1}))
    parts = zoo.search(None, tmp_path / "parts", trials=7)
    values = [[row.values for row in found.results.trials] for found in (whole, parts)]
    assert values[0][:3] == values[1][:3]
    assert len(values[1]) == 7
    assert len({str(value) for value in values[1]}) == 7, "nothing is drawn twice"
    same = zoo.search(recipe, tmp_path / "parts", trials=7, **options)
    assert len(same.results.rows) == len(parts.results.rows), "nothing is left to do"


def test_ctrl_c_leaves_the_trial_to_the_next_process(recipe, rate_alone, tmp_path, trained, monkeypatch, said):
    attempt, calls = trial.attempt, []

    def interrupted(recipe, run, store, stopping, **more):
        calls.append(run.path.name)
        if len(calls) == 2:
            run.start(recipe)
            stopping.signal = signal.SIGINT
            return loop.STOPPED
        return attempt(recipe, run, store, stopping, **more)

    monkeypatch.setattr(trial, "attempt", interrupted)
    found = zoo.search(recipe, tmp_path / "s", trials=3, trial_images=2_880, space=rate_alone, finalists=0)
    assert found.stopped_by == signal.SIGINT
    assert [row.state for row in found.results.rows] == ["done", "running"]
    assert said[-1] == f"stopped; go on with: ganzoo search --resume {tmp_path / 's'}"
    found = zoo.search(None, tmp_path / "s", trials=3)
    assert calls == ["0000", "0001", "0001", "0002"]
    assert not [row for row in found.results.rows if row.state == "running"]


def test_a_trial_that_ends_its_process_each_time_is_given_up(recipe, rate_alone, tmp_path, trained, monkeypatch):
    attempt = trial.attempt

    class Killed(BaseException):
        pass

    def killed(recipe, *arguments, **more):
        if recipe.optimizer.g.learning_rate != 4e-4:
            raise Killed
        return attempt(recipe, *arguments, **more)

    monkeypatch.setattr(trial, "attempt", killed)
    for _ in range(study.STARTS):
        with pytest.raises(Killed):
            zoo.search(recipe, tmp_path / "s", trials=2, trial_images=2_880, space=rate_alone, finalists=0)
    found = zoo.search(None, tmp_path / "s", trials=2)
    assert found.results.rows[1].why == "its process ended 3 times at step 0; perhaps it does not fit in memory"


def test_a_process_that_ended_before_it_could_record_the_end_of_a_trial(
    recipe, rate_alone, tmp_path, trained, monkeypatch
):
    class Killed(BaseException):
        pass

    def killed(self, *arguments):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(study.Study, "end", killed)
        zoo.search(recipe, tmp_path / "s", trials=1, trial_images=2_880, space=rate_alone, finalists=0)
    found = zoo.search(None, tmp_path / "s", trials=1)
    assert [row.state for row in found.results.rows] == ["done"]
    assert len(trained) == 1, "it is not trained again"


def test_a_trial_whose_checkpoints_are_all_damaged_is_given_up(recipe, rate_alone, tmp_path, trained, monkeypatch):
    options = {"trial_images": 2_880, "space": rate_alone, "finalists": 0}

    class Killed(BaseException):
        pass

    def killed(self, step):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trial.Marks, "mark", killed)
        zoo.search(recipe, tmp_path / "s", trials=2, **options)
    found = zoo.search(recipe, tmp_path / "s", trials=2, **options)
    assert found.results.rows[0].why.startswith("none of the run's checkpoints is intact")
    assert found.results.rows[1].state == "done"


def test_a_full_disk_loses_nothing_that_was_done(recipe, rate_alone, tmp_path, trained, monkeypatch):
    options = {"trial_images": 2_880, "space": rate_alone, "finalists": 0}
    zoo.search(recipe, tmp_path / "s", trials=2, **options)

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(trial, "attempt", full)
        zoo.search(recipe, tmp_path / "s", trials=3, **options)
    journal = tmp_path / "s" / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":6,"worker_id":"')  # what fitted of the last line
    found = zoo.search(recipe, tmp_path / "s", trials=3, **options)
    assert [row.number for row in found.results.trials] == [0, 1, 2]


def test_a_clock_that_jumps_changes_nothing(recipe, rate_alone, tmp_path, trained, monkeypatch):
    days = iter(range(10**6))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: -86_400.0 * next(days))
        found = zoo.search(recipe, tmp_path / "s", trials=4, trial_images=2_880, space=rate_alone, seconds=600)
    assert len(found.results.trials) == 4


def test_the_time_is_up(recipe, rate_alone, tmp_path, trained, said, monkeypatch):
    attempt, clock = trial.attempt, [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])

    def slow(*arguments, **more):
        clock[0] += 10.0
        return attempt(*arguments, **more)

    monkeypatch.setattr(trial, "attempt", slow)
    found = zoo.search(recipe, tmp_path / "s", seconds=100.0, trial_images=2_880, space=rate_alone, finalists=2)
    assert clock[0] <= 100.0
    again = [row for row in found.results.rows if row.repeats is not None]
    assert len(again) == min(2, len(found.results.ranking)), "there was time left for them"
    assert len(found.results.trials) in (7, 8)


def test_a_search_that_goes_on_is_the_same_search(recipe, rate_alone, images, tmp_path, trained):
    options = {"trial_images": 2_880, "space": rate_alone, "finalists": 0}
    zoo.search(recipe, tmp_path / "s", trials=1, **options)
    other = np.load(images)["images"][:60]
    np.savez(tmp_path / "other.npz", images=other)
    fresh = tmp_path / "other.toml"
    fresh.write_text("[search]\noptimizer.g.learning_rate = { low = 1e-5, high = 1e-2, log = true }\n")
    for changed, message in (
        (
            {"recipe": recipe.replace(**{"optimizer.g.beta_1": 0.0})},
            r"another recipe \(optimizer.g.beta_1: 0.5 -> 0.0\)",
        ),
        ({"recipe": recipe.replace(**{"data.source": str(tmp_path / "other.npz")})}, "begun with other images"),
        ({"space": fresh}, "another space"),
        ({"trial_images": 1_440}, "begun with images 2880"),
        ({"recipe": None, "overrides": {"optimizer.g.beta_1": 0.0}}, "keeps its recipe"),
        ({"recipe": None, "overrides": {"data.source": str(tmp_path / "other.npz")}}, "the images are not those"),
    ):
        arguments = {"recipe": recipe, **options, **changed}
        with pytest.raises(zoo.ZooError, match=message):
            zoo.search(out=tmp_path / "s", trials=1, **arguments)
    moved = tmp_path / "moved.npz"
    os.rename(images, moved)
    found = zoo.search(None, tmp_path / "s", trials=2, overrides={"data.source": str(moved)})
    assert len(found.results.trials) == 2


def test_a_folder_with_something_else_is_left_alone(recipe, tmp_path, trained):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "letter.txt").write_text("dear")
    with pytest.raises(zoo.ZooError, match="there is something already"):
        zoo.search(recipe, tmp_path / "s")
    with pytest.raises(zoo.ZooError, match=r"this is no search: it has no search\.toml"):
        zoo.search(None, tmp_path / "s")
    (tmp_path / "s" / "search.toml").write_text("images = 'many'\n")
    with pytest.raises(zoo.ZooError, match=r"search.toml is not what a search wrote \(images must be a whole number"):
        zoo.search(None, tmp_path / "s")
    assert (tmp_path / "s" / "letter.txt").read_text() == "dear"


def test_a_locked_search_is_said(recipe, rate_alone, tmp_path, trained, monkeypatch):
    from filelock import FileLock

    zoo.search(recipe, tmp_path / "s", trials=1, trial_images=2_880, space=rate_alone, finalists=0)
    monkeypatch.setattr(study, "PATIENCE", 0.1)
    for name in ("search", "journal"):
        with (
            FileLock(tmp_path / "s" / ".locks" / name),
            pytest.raises(zoo.ZooError, match=r"another process holds this search for more than 0\.1 seconds"),
        ):
            zoo.search(None, tmp_path / "s", trials=2)


def test_a_journal_that_somebody_edited_is_said(recipe, rate_alone, tmp_path, trained):
    zoo.search(recipe, tmp_path / "s", trials=1, trial_images=2_880, space=rate_alone, finalists=0)
    (tmp_path / "s" / "journal.log").write_text("nothing\nof it\n")
    with pytest.raises(zoo.ZooError, match=r"journal\.log cannot be read"):
        zoo.search(None, tmp_path / "s", trials=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": None}, "give a recipe to search over"),
        ({"trial_images": 10**9}, "a trial has from 1 to 5,760 images"),
        ({"trial_seconds": 0.0}, "a trial takes some time"),
        ({"trial_seconds": 5.0, "trial_images": 64}, "give one of them"),
        ({"objectives": ("recall",)}, "the objectives are kid, or kid and one of"),
        ({"objectives": ("kid", "fid")}, "objectives must be"),
        ({"objectives": ("kid", "time"), "trial_seconds": 5.0}, "do not differ in it"),
        ({"overrides": {"log.kid_images": 0}}, "a search compares by KID"),
        ({"overrides": {"data.source": ""}}, "no data of its own"),
        ({"sampler": "best"}, 'sampler must be one of "tpe", "random"'),
        ({"space": "nowhere.toml"}, "does not exist"),
    ],
)
def test_wrong_arguments_are_one_clear_line_and_leave_nothing(recipe, tmp_path, trained, arguments, message):
    arguments = {"recipe": recipe, "trials": 2, **arguments}
    with pytest.raises(zoo.ZooError, match=message) as raised:
        zoo.search(out=None if arguments["recipe"] is None else tmp_path / "s", **arguments)
    assert "Received: " in str(raised.value)
    assert not (tmp_path / "s").exists()


def test_optuna_is_asked_for(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(zoo.ZooError, match=r'pip install "keras-ganzoo\[search\]"'):
        zoo.search(recipe, tmp_path / "s")


# With training


@pytest.fixture
def cheap_quality(monkeypatch):
    """KID of mean pixels instead of features: there is no extractor to compile."""

    class Quality(contextlib.nullcontext):
        def __init__(self, store, count):
            super().__init__(self)
            self.real, self.count = store.images[:count] / 255.0, count

        def __call__(self, average, raw):
            fake = average.sample(self.count, seed=1) / 255.0
            return {"kid": float(np.mean((fake.mean(0) - self.real.mean(0)) ** 2)), "kid_error": 1e-3, "recall": 0.5}

    monkeypatch.setattr(recorder, "Quality", Quality)


@pytest.mark.slow
def test_the_winner_goes_on_to_the_bits_of_a_run_that_was_not_searched(
    recipe, rate_alone, tmp_path, cheap_quality, monkeypatch
):
    short = recipe.replace(**{"schedule.images": 128})
    found = zoo.search(short, tmp_path / "s", trials=2, trial_images=72, space=rate_alone, finalists=0)
    best = found.results.best
    assert best.last["images"] == 72
    assert sorted(map(str, {row.last["images"] for row in found.results.rows} - {72})) in ([], ["24"], ["8"])
    run = zoo.train(found.path / "best.toml")
    assert run.path == (found.path / "trials" / f"{best.number:04d}").resolve()
    whole = zoo.train(recipes.load(found.path / "best.toml"), tmp_path / "whole")
    for file in ("generator", "discriminator", "training"):
        one, other = (checkpoint.open_checkpoint(each.latest()).content(f"{file}.safetensors") for each in (run, whole))
        assert one == other, file
    assert checkpoint.open_checkpoint(run.latest()).info["step"] == 32


@pytest.mark.slow
def test_a_trial_that_is_stopped_in_the_middle_goes_on_from_its_checkpoint(
    recipe, rate_alone, tmp_path, cheap_quality, monkeypatch, said
):
    due, calls = Stopping.due, []

    def stopped(self):
        calls.append(1)
        if len(calls) == 10:
            self.signal = signal.SIGINT
        return due.fget(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stopping, "due", property(stopped))
        found = zoo.search(recipe, tmp_path / "s", trials=1, trial_images=72, space=rate_alone, finalists=0)
    assert found.stopped_by == signal.SIGINT
    found = zoo.search(None, tmp_path / "s", trials=1)
    assert any(line.startswith("going on from") and line.endswith("step-000000010") for line in said)
    (only,) = found.results.rows
    page = (found.path / "report.html").read_text()
    pictures = re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures]
    assert len(sizes) == 2 and sizes[1] == (256, 256), "the curves, and 64 samples of the best"
    assert [mark["images"] for mark in only.marks] == [8, 24, 72]
    assert plan.load(tmp_path / "s").base == recipe
