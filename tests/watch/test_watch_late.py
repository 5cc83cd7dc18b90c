"""Failures that begin late: a run beside its own past. Made-up logs; `benchmarks/late_failures.py` has real ones."""

import numpy as np
import pytest

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.watch.diagnosis import diagnose
from zoo.watch.past import COMPARED, WINDOW, WORSE
from zoo.watch.report import markdown, page
from zoo.watch.rules import find
from zoo.watch.signals import derive, onward
from zoo.watch.story import story

RATES = {"optimizer.d.learning_rate": 2e-4, "optimizer.g.learning_rate": 2e-4}
RECIPE = recipes.load("dcgan-fashion-mnist", {"schedule.images": 64_000, "schedule.batch_size": 64, **RATES})
PENALISED = recipes.load("stylegan-lite-fashion-mnist", {"schedule.images": 16_000})
ADA = RECIPE.replace(**{"augment.ada": True, "augment.ada_speed_images": 100_000})
BREAK = 600
WORSE_IMAGES = {"cell_kid": 0.9}
USUAL = {
    "d_loss": 0.9,
    "g_loss": 1.4,
    "penalty": 0.02,
    "d_real": 1.1,
    "d_fake": -1.0,
    "d_gradient": 3.0,
    "g_gradient": 2.0,
    "probe_real": 1.0,
    "probe_fake": -0.9,
    "separation": 0.9,
    "slope": 1.4,
    "image_gradient": 1.0,
    "diversity": 0.9,
    "empty_bins": 0.02,
    "saturated": 0.02,
    "cell_kid": 0.1,
    "cell_kid_error": 0.02,
    "d_weights": 0.03,
    "g_weights": 0.03,
    "d_update": 0.01,
    "g_update": 0.012,
    "ema_update": 0.003,
    "statistics_update": 0.01,
    "data_digest": 123456.0,
    "movement": 0.3,
    "d_direction": 0.2,
    "g_direction": 0.3,
}


def log(count=40, every=25, start=BREAK, noise=0.1, **broken):
    """Lines of a healthy run with noise; `broken`, numbers or functions of the step, replace signals after `start`."""
    rng, lines = np.random.default_rng(0), []
    for i in range(count):
        line = {name: value * (1 + noise * rng.standard_normal()) for name, value in USUAL.items()}
        line |= {"step": every * i, "images": 64 * every * i, "data_digest": USUAL["data_digest"]}
        if every * i > start:
            line |= {name: value(every * i) if callable(value) else value for name, value in broken.items()}
        lines.append(line)
    return lines


def alarms(lines, recipe=RECIPE):
    return [finding.name for finding in find(lines, recipe) if finding.level != "note"]


def test_noise_alone_is_no_failure():
    assert alarms(log()) == []
    assert alarms(log(noise=0.3, start=-1, d_weights=0.03, g_weights=0.03)) == []


@pytest.mark.parametrize(
    ("expected", "recipe", "signals"),
    [
        ("g_too_fast", RECIPE, {"g_update": 0.06}),
        ("d_too_fast", RECIPE, {"d_update": 0.03}),
        ("d_weak", RECIPE, {"d_update": 0.002}),
        (
            "weights_changed",
            RECIPE,
            {"d_weights": 0.3, "d_update": lambda step: 0.036 if step == BREAK + 25 else 0.001},
        ),
        (
            "weights_changed",
            RECIPE,
            {"g_weights": 0.006, "g_update": lambda step: 0.16 if step == BREAK + 25 else 0.06},
        ),
        ("carried_on", RECIPE, {"d_direction": 0.99, "g_direction": 0.98}),
        ("data_changed", RECIPE, {"data_digest": 1.0}),
        ("penalty_gone", PENALISED, {"penalty": 0.0}),
        ("augmentation_gone", ADA, {"ada_p": 0.0}),
        ("swapped", RECIPE, {"separation": 0.05, "d_real": -0.5, "d_fake": 0.5, "probe_real": -0.5, "probe_fake": 0.5}),
        ("declined", RECIPE, {}),
    ],
)
def test_what_changed_as_the_images_became_worse_is_the_cause(expected, recipe, signals):
    lines = log(noise=0.02, **signals, **WORSE_IMAGES)
    for line in lines:
        line.setdefault("ada_p", 0.4)
    found = [finding for finding in find(lines, recipe) if finding.level != "note"]
    assert found[0].name == expected
    assert (found[0].level, found[0].lasting, found[0].first_step) == ("stop", True, BREAK + 25)
    assert found[0].step <= BREAK + 3 * 25


@pytest.mark.parametrize(
    "signals",
    [
        {"g_update": 0.03, "d_update": 0.025},
        {"d_gradient": 30.0},
        {"d_direction": 0.99, "g_direction": 0.99},
        {"separation": 0.5},
        {"cell_kid": lambda step: 0.9 if step == BREAK + 100 else 0.1},
        {"cell_kid": 0.01, "d_gradient": 30.0},
    ],
)
def test_a_change_without_lastingly_worse_images_is_no_alarm(signals):
    assert alarms(log(**signals)) == []


@pytest.mark.parametrize("signal", ["data_digest", "penalty", "ada_p"])
def test_what_is_certain_and_harms_nothing_is_a_note(signal):
    recipe = PENALISED if signal == "penalty" else ADA
    lines = log(**{signal: 0.0})
    for line in lines:
        line.setdefault("ada_p", 0.4)
    found = find(lines, recipe)
    names = {"data_digest": "data_changed", "penalty": "penalty_gone", "ada_p": "augmentation_gone"}
    assert [(finding.name, finding.level) for finding in found] == [(names[signal], "note")]


def test_known_changes_are_no_failures():
    lazy = [line | {"penalty": 0.0} if i % 4 else line for i, line in enumerate(log(penalty=0.01))]
    for line in lazy:
        line["penalty"] = max(line["penalty"], 1e-6)  # what is logged stays until it is taken again
    assert alarms(lazy, PENALISED) == []
    assert alarms(log(ada_p=lambda step: (step - BREAK) / 1_000), ADA) == [], "augmentation comes on"
    assert alarms(log(ada_p=lambda step: max(0.0, 0.05 - (step - BREAK) / 2_000)), ADA) == [], "and goes as slowly"
    assert (
        alarms(log(start=0, d_update=lambda s: 0.01 * (1 - s / 1_000), g_update=lambda s: 0.012 * (1 - s / 1_000)))
        == []
    )
    halved = log(d_update=0.005, g_update=0.006)
    halved.insert(25, {"step": BREAK, "images": 64 * BREAK, "changes": ["optimizer.d.learning_rate: 2e-4 -> 1e-4"]})
    halved.insert(25, {"step": BREAK, "images": 64 * BREAK, "machine": {}})
    assert alarms(halved) == [], "a resume with other rates"
    assert alarms(log(start=-1, cell_kid=lambda s: 2.0 if s < 100 else 0.1), RECIPE.replace(start="elsewhere")) == []
    early = log(start=-1, cell_kid=lambda s: 3.0 if 200 < s < 260 else 1.0 if s < 400 else 0.1)
    assert alarms(early, RECIPE.replace(**{"schedule.images": 128_000})) == [], "while it finds its feet"


@pytest.mark.parametrize(
    ("name", "signal"), [("average_stopped", "ema_update"), ("statistics_stopped", "statistics_update")]
)
def test_what_samples_are_drawn_with_must_move_with_the_generator(name, signal):
    assert alarms(log(**{signal: 0.0})) == [name]
    assert name not in alarms(log(**{signal: 0.0}, g_update=0.0)), "it rests with the generator"


def test_weights_that_training_moved_far_were_not_multiplied():
    """At high rates they grow as much, in any direction."""
    lines = log(d_weights=lambda step: 0.03 + (step - BREAK) / 500, d_update=lambda step: 0.04, **WORSE_IMAGES)
    assert max(entry.get("weights_jump", 0.0) for entry in derive(lines, RECIPE)) == 0
    resumed = log(d_weights=0.3)
    for line in resumed:
        if line["step"] == BREAK + 25:  # a probe that begins anew knows no movement
            del line["d_update"], line["g_update"]
    assert max(entry["weights_jump"] for entry in derive(resumed, RECIPE)) == 1


def test_what_heals_does_not_last():
    lines = log(count=60, cell_kid=lambda step: 0.9 if step < BREAK + 200 else 0.1)
    assert [finding.lasting for finding in find(lines, RECIPE) if finding.name == "declined"] == [False]


def test_the_past_is_that_of_good_images():
    """A failure that lasts does not become usual."""
    derived = derive(log(count=200, cell_kid=0.9, d_gradient=300.0), RECIPE)
    assert derived[-1]["worse"] > WORSE
    assert derived[-1]["d_gradient_change"] > WORSE
    assert derived[-1]["good_step"] <= BREAK
    assert "cell_kid_change" not in derived[COMPARED["cell_kid"].values - 1]
    assert "cell_kid_change" in derived[COMPARED["cell_kid"].values]
    assert COMPARED["cell_kid"].values <= WINDOW


def test_kid_within_its_error_is_no_decline():
    def lines(error):
        kids = [
            {"step": s, "images": 64 * s, "kid": 0.02 if s < 600 else 0.03, "kid_error": error}
            for s in range(0, 1000, 50)
        ]
        return [line for line in kids if line["step"]]

    assert alarms(lines(0.004)) == []
    assert alarms(lines(0.0005)) == ["declined"]


def test_a_log_that_goes_back_is_judged_by_what_the_run_remembers():
    """After a resume from an earlier checkpoint, or a rollback that did not cut it."""
    broken, good = log(g_update=0.06, **WORSE_IMAGES), log()
    back = [*broken, *[line for line in good if line["step"] > 500]]
    assert [line["step"] for line in onward(back)][-19:] == [line["step"] for line in good][-19:]
    assert "g_too_fast" in alarms(broken)
    assert alarms(back) == []
    rolled = [*broken, {"step": 500, "images": 32_000, "rollback": {"from_step": 975, "why": "g_too_fast"}}]
    assert alarms(rolled) == []


def test_a_log_with_gaps_is_judged_by_what_is_there():
    """The probe keeps to its share of the time, so that lines are without its signals."""
    training = ("step", "images", "d_loss", "g_loss", "d_gradient", "g_gradient")
    lines = [
        line if i % 3 == 0 else {name: line[name] for name in training}
        for i, line in enumerate(log(count=120, every=8, g_update=0.06, **WORSE_IMAGES))
    ]
    assert alarms(lines)[0] == "g_too_fast"
    del lines[20:50], lines[60]["cell_kid"], lines[60]["d_gradient"]
    assert alarms(lines)[0] == "g_too_fast"


@pytest.mark.parametrize("value", [0.0, 1e300, -1e300, float("inf"), float("nan"), 1e-320])
def test_numbers_of_any_size_are_judged(value):
    for name in USUAL:
        assert all(finding.step for finding in find(log(**{name: value}), RECIPE))
    assert "non_finite" in alarms(log(cell_kid=float("nan")))


def test_an_older_log_is_read():
    """Without the signals that this version added."""
    added = ("cell_kid", "cell_kid_error", "data_digest", "ema_update", "statistics_update")
    old = [{name: value for name, value in line.items() if name not in added} for line in log(d_gradient=3e3)]
    assert all(entry["worse"] == 0 for entry in derive(old, RECIPE))
    assert alarms(old) == ["exploding"]
    assert alarms([{"step": i, "images": i, "distance": 3.0} for i in range(40)]) == []


@pytest.fixture
def run(tmp_path):
    """A run that fails from step 625 on, with checkpoints before and after."""
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for line in log(noise=0.01, g_update=0.096, d_gradient=lambda step: 24.0, **WORSE_IMAGES):
        run.log(line)
        if line["step"] % 100 == 0:
            run.log({"step": line["step"], "images": line["images"], "kid": 0.02 if line["step"] <= BREAK else 0.04})
    for step in (400, 600, 900):
        checkpoint.save(run.checkpoint_path(step), RECIPE, {}, {"step": step, "kid": 0.02, "healthy": step < 700})
    return run


def test_the_report_tells_it_as_a_person_would(run):
    diagnosis = diagnose(run.path)
    said = story(diagnosis)
    assert said.startswith(
        "Healthy until image 38,400; then the way that the generator's weights move in a step rose eight"
    )
    for expected in ("fold within 1,600 images; KID doubled; go on from step 600, with the changes below.",):
        assert expected in said
    text = markdown(diagnosis)
    assert said in text
    assert "g_step was" in text and "deviations from its own healthy past" in text
    assert said.split(";")[0] in page(diagnosis)


def test_a_young_a_stopped_and_a_whole_run_are_called_that(tmp_path):
    for count, verdict, begins in (
        (3, "too early to tell", "The run is young, with 3,200 images"),
        (30, "stopped, no failure found", "Healthy until image 46,400, as far as the log goes; then it was stopped."),
        (41, "no failure found", "Healthy until image 64,000, as far as the log goes."),
    ):
        run = Run(tmp_path / str(count))
        run.start(RECIPE)
        for line in log(count=count):
            run.log(line)
        diagnosis = diagnose(run.path)
        assert diagnosis.verdict == verdict
        assert story(diagnosis).startswith(begins)


def test_a_run_that_was_better_before_is_not_called_healthy(tmp_path):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for line in log(count=41):
        run.log(line | {"kid": 0.02 + 0.02 * line["step"] / 1_000, "kid_error": 0.003})
    for step, kid in ((400, 0.028), (900, 0.038)):
        checkpoint.save(run.checkpoint_path(step), RECIPE, {}, {"step": step, "kid": kid})
    diagnosis = diagnose(run.path)
    assert [finding.rule.name for finding in diagnosis.findings] == ["past_best"]
    assert story(diagnosis) == (
        "No failure until image 64,000, but quality was better before; draw from step 400, whose KID is the smallest."
    )


def test_a_run_that_failed_from_the_start_is_called_that(tmp_path):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for line in log(start=-1, g_update=0.0):
        run.log(line)
    assert story(diagnose(run.path)).startswith("It failed from the start: the generator's weights do not move")
