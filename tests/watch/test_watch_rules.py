"""From log entries to findings: pure functions, so their tests are made-up logs."""

import dataclasses
import math

import pytest

from zoo import recipe as recipes
from zoo.watch.findings import ABOVE, BELOW, LEVELS, Rule, judge
from zoo.watch.late import LATE
from zoo.watch.remedies import REASONS, cured, remedy
from zoo.watch.rules import RULES, find
from zoo.watch.signals import derive

RATES = {"optimizer.d.learning_rate": 2e-4, "optimizer.g.learning_rate": 2e-4}
RECIPE = recipes.load("dcgan-fashion-mnist", {"schedule.images": 64_000, "schedule.batch_size": 64, **RATES})
CRITIC = recipes.load(
    "wgan-gp-fashion-mnist", {"schedule.images": 192_000, "schedule.batch_size": 64, "schedule.d_steps": 3, **RATES}
)
HEALTHY = {
    "d_loss": 0.9,
    "g_loss": 1.4,
    "penalty": 0.0,
    "d_real": 1.1,
    "d_fake": -1.0,
    "d_gradient": 3.0,
    "g_gradient": 2.0,
    "real_accuracy": 0.86,
    "fake_accuracy": 0.9,
    "probe_real": 1.0,
    "probe_fake": -0.9,
    "probe_spread": 1.2,
    "separation": 0.93,
    "memorised": 0.52,
    "r_v": 0.03,
    "slope": 1.4,
    "image_gradient": 1.0,
    "real_low": -1.0,
    "real_high": 1.0,
    "diversity": 0.9,
    "ndb": 0.2,
    "empty_bins": 0.02,
    "saturated": -0.02,
    "d_weights": 0.03,
    "g_weights": 0.03,
    "d_update": 0.01,
    "g_update": 0.012,
    "movement": 0.3,
}
FIRST = {"data_images": 60_000.0, "data_distance": 0.55, "data_shift": 0.0}
SWAPPED = {"separation": 0.0, "d_real": -1.0, "d_fake": 1.0, "probe_real": -0.9, "probe_fake": 0.9}


def log(count=40, every=25, start=None, **signals):
    """A log of a healthy run; `signals`, numbers or functions of the step, replace what is healthy from `start` on."""
    entries = []
    for i in range(count):
        entry = {"step": every * i, "images": 64 * every * i, **HEALTHY, "d_loss": 0.9 + 0.01 * (-1) ** i}
        if i == 0:
            entry |= FIRST
            for name in ("d_loss", "g_loss", "d_update", "g_update", "movement", "d_gradient"):
                del entry[name]
        if every * i >= (start or 0):
            entry |= {name: value(every * i) if callable(value) else value for name, value in signals.items()}
        entries.append(entry)
    return entries


def names(entries, recipe=RECIPE):
    return [finding.name for finding in find(entries, recipe)]


def test_a_healthy_log_has_no_findings():
    assert names(log()) == []
    assert names(log(), CRITIC) == []


@pytest.mark.parametrize(
    ("expected", "signals"),
    [
        ("non_finite", {"d_loss": math.nan}),
        ("constant_data", {"data_distance": 0.0}),
        ("data_range", {"real_low": 0.0, "real_high": 255.0}),
        ("data_shift", {"data_shift": 0.8}),
        ("few_images", {"data_images": 64.0}),
        ("dead_start", {"diversity": 0.0}),
        ("huge_start", {"saturated": 0.9}),
        ("d_frozen", {"d_update": 0.0}),
        ("g_frozen", {"g_update": 0.0}),
        ("g_too_fast", {"g_update": 0.4}),
        ("d_too_fast", {"d_update": 0.4}),
        ("d_weak", {"d_update": 0.0003, "separation": 0.5}),
        ("swapped", SWAPPED),
        ("batch_statistics", {"d_real": 9.0, "d_fake": -9.0}),
        ("memorised", {"memorised": 0.95}),
        ("collapse", {"diversity": lambda step: 0.9 if step < 500 else 0.01}),
        ("class_collapse", {"class_diversity": lambda step: 0.8 if step < 500 else 0.01, "class_least": 1}),
        ("frozen_losses", {"d_loss": 13.82, "g_loss": 0.0}),
        ("exploding", {"d_gradient": lambda step: 3.0 if step < 600 else 900.0}),
    ],
)
def test_each_failure_is_named_first(expected, signals):
    found = find(log(**signals), RECIPE)
    assert found[0].name == expected
    assert found[0].level in ("warn", "stop")


def test_each_class_that_collapses_is_named():
    def least(step):
        return 7 if step < 500 else 3 + 2 * (step % 2)

    signals = {"class_diversity": lambda step: 0.8 if step < 500 else 0.01, "class_least": least}
    (found,) = find(log(**signals), RECIPE)
    assert (found.labels, found.lasting) == ((3, 5), True)
    assert str(found).startswith("class_collapse: samples of a class are nearly the same for all latents, class 3, 5 (")
    changes = remedy(found, RECIPE.replace(**{"model.classes": 10})).changes
    assert changes["data.balanced"] is True


def test_a_class_that_is_alike_for_a_while_or_with_all_others_is_no_collapse_of_a_class():
    assert names(log(class_diversity=lambda step: 0.01 if step < 300 else 0.7, class_least=2)) == [], "at the start"
    assert names(log(class_diversity=lambda step: 0.01 if step == 600 else 0.7, class_least=2)) == [], "once"
    alike = {"diversity": lambda step: 0.9 if step < 500 else 0.01, "class_diversity": 0.01, "class_least": 2}
    assert names(log(start=500, **alike)) == ["collapse"]


@pytest.mark.parametrize(
    ("expected", "signals"),
    [
        ("mode_dropping", {"empty_bins": 0.6}),
        ("past_best", {"kid": lambda step: 0.02 + 0.02 * step / 1_000, "kid_error": 0.003}),
        ("oscillation", {"movement": 0.95}),
        ("d_chance", {"separation": 0.5, "empty_bins": lambda step: 0.4 if step < 400 else 0.1}),
    ],
)
def test_what_is_worth_a_note_is_no_alarm(expected, signals):
    found = find(log(**signals), RECIPE)
    assert [(finding.name, finding.level) for finding in found] == [(expected, "note")]


def test_samples_that_jump_while_quality_improves_are_no_oscillation():
    """KID is logged now and then, in entries of its own."""
    better, worse = (
        [{"step": step, "images": 64 * step, "kid": kid(step)} for step in range(100, 1_000, 100)]
        for kid in (lambda step: 0.1 - step / 2e4, lambda step: 0.02 + step / 1e5)
    )
    for kids, expected in ((better, []), (worse, ["oscillation"])):
        entries = sorted([*log(movement=0.95), *kids], key=lambda entry: entry["step"])
        assert [name for name in names(entries) if name == "oscillation"] == expected


def test_a_vanishing_gradient_is_one_that_falls_while_all_are_told_apart():
    fading = {"image_gradient": lambda step: 10 ** (-step / 150)}
    assert "d_wins" in names(log(**fading, separation=1.0))
    assert "d_wins" not in names(log(**fading))
    assert "d_wins" not in names(log(**fading, separation=1.0), CRITIC)  # its gradient has norm 1 wherever it is


def test_rules_belong_to_families_of_losses():
    steep = log(slope=30.0)
    assert "not_lipschitz" in names(steep[1:], CRITIC)
    assert "not_lipschitz" not in names(steep[1:], RECIPE)
    relativistic = RECIPE.replace(**{"loss.name": "relativistic"})
    assert "d_wins" not in names(log(image_gradient=lambda step: 10 ** (-step / 150), separation=1.0), relativistic)


def test_momentum_is_read_from_the_recipe():
    assert names(log(), RECIPE.replace(**{"optimizer.d.beta_1": 0.99})) == ["momentum"]


def test_few_images_that_are_augmented_are_no_failure():
    augmented = RECIPE.replace(**{"augment.diffaugment": ["color"]})
    assert names(log(data_images=500.0), augmented) == []
    assert names(log(data_images=500.0), RECIPE.replace(start="elsewhere")) == [], "fine-tuning decides for itself"


def test_a_start_from_other_images_is_no_start_from_bad_weights():
    steep = log()
    steep[0] |= {"saturated": 0.3, "slope": 30.0}
    assert names(steep) == ["huge_start"]
    assert names(steep, RECIPE.replace(start="dcgan-fashion-mnist")) == []


def test_the_first_samples_of_stylegan_may_be_saturated():
    """0.49 was measured in a run of stylegan-lite on CIFAR-10 that went well."""
    assert names(log(saturated=0.49), recipes.load("stylegan-lite-cifar10")) == []
    assert names(log(saturated=0.49))[0] == "huge_start"


def test_players_that_take_turns_or_wait_are_not_frozen():
    resting = log(d_update=0.0)
    assert "d_frozen" not in names(resting, RECIPE.replace(**{"schedule.d_period": 5, "schedule.g_period": 5}))
    assert "d_frozen" not in names(resting, RECIPE.replace(**{"schedule.wait_above": 0.5}))


def test_more_updates_of_the_critic_in_a_step_are_not_too_fast():
    entries = log(d_update=0.1)
    assert "d_too_fast" in names(entries)
    assert "d_too_fast" not in names(entries, RECIPE.replace(**{"schedule.d_steps": 5}))


def test_a_finding_says_when_it_began_when_it_was_established_and_whether_it_lasts():
    (finding,) = find(log(start=500, **SWAPPED), RECIPE)
    assert (finding.first_step, finding.step, finding.lasting) == (500, 500 + 25 * (finding.rule.entries - 1), True)
    passing = [*log(20, **SWAPPED), *log(40)[20:]]
    (finding,) = find(passing, RECIPE)
    assert not finding.lasting
    assert "swapped" in str(finding)


def test_a_rule_wants_entries_in_a_row():
    rule = Rule("x", "warn", "", "separation", BELOW, 0.5, 3, "", 1.0)
    values = [0.1, 0.1, 0.9, 0.1, 0.1, 0.1]
    entries = [{"step": i, "separation": value} for i, value in enumerate(values)]
    assert judge(rule, entries, RECIPE).first_step == 3
    assert judge(rule, entries[:5], RECIPE) is None
    assert judge(dataclasses.replace(rule, side=ABOVE, entries=1), entries, RECIPE).step == 2
    assert judge(dataclasses.replace(rule, since=0.5), entries, RECIPE) is None


def test_signals_that_are_missing_are_not_judged():
    assert names([]) == []
    old = [{"step": i, "images": 64 * i, "d_loss": 1.0 + i, "g_loss": 1.0, "distance": 3.0} for i in range(20)]
    assert names(old) == []
    assert names([{"step": "three"}, {"images": 3}]) == []


def test_derived_signals():
    first, second = derive(
        [
            {"step": 0, "images": 0, "data_images": 100.0, "image_gradient": 4.0, "kid": 0.02},
            {
                "step": 10,
                "images": 640,
                "image_gradient": 1.0,
                "kid": 0.03,
                "kid_error": 0.001,
                "real_low": 0.0,
                "real_high": 255.0,
                "d_update": 0.1,
                "d_weights": 0.02,
                "g_update": 0.1,
                "g_weights": 0.01,
                "d_real": 3.0,
                "d_fake": -1.0,
                "probe_real": 1.0,
                "probe_fake": 0.0,
            },
        ],
        RECIPE,
    )
    assert first["gradient_fall"] == 1
    assert second["gradient_fall"] == 0.25
    assert second["kid_rise"] == pytest.approx(1.5)
    assert second["data_range"] == 254
    assert second["d_step"] == pytest.approx(0.002)
    assert second["step_ratio"] == pytest.approx(2.0)
    assert second["statistics_gap"] == pytest.approx(0.75)


def test_kid_within_its_error_is_no_rise():
    entries = [{"step": i, "kid": value, "kid_error": 0.004} for i, value in enumerate((0.02, 0.03, 0.04))]
    assert [entry["kid_rise"] for entry in derive(entries, RECIPE)] == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("name", recipes.names())
def test_every_finding_has_a_reason_and_a_recipe_that_is_valid(name):
    recipe = recipes.load(name)
    for rule in (*RULES, *LATE):
        finding = judge(
            dataclasses.replace(
                rule, signal="x", side=ABOVE, threshold=0.0, entries=1, since=0.0, late=False, also=lambda entry: True
            ),
            [{"step": 1, "x": 1.0}],
            recipe,
        )
        cure = remedy(finding, recipe)
        assert cure.reason
        changed = recipe.replace(**cure.changes)  # does not raise
        assert len(recipes.difference(recipe, changed)) == len(cure.changes), "a report shows them as changes"
        better = cured(recipe, [finding])
        assert better == (recipe if finding.level == "note" else changed)


def test_remedies_are_differences_of_the_recipe():
    (finding,) = find(log(data_images=64.0), RECIPE)
    assert cured(RECIPE, [finding]).augment.diffaugment == ("color", "translation", "cutout")
    found = find(log(), RECIPE.replace(**{"optimizer.d.beta_1": 0.99}))
    assert cured(RECIPE.replace(**{"optimizer.d.beta_1": 0.99}), found).optimizer.d.beta_1 == 0.5
    (finding,) = find(log(d_update=0.4), RECIPE)
    assert cured(RECIPE, [finding]).optimizer.d.learning_rate == pytest.approx(5e-5)


def test_rates_that_fine_tuning_raised_are_changed_from_where_they_are():
    (finding,) = find(log(d_update=0.4), RECIPE)
    rates = {"optimizer.d.learning_rate": 2.7e-3}
    assert cured(RECIPE.replace(**rates), [finding]).optimizer.d.learning_rate == pytest.approx(2e-4)
    tuned = RECIPE.replace(start="elsewhere", **rates)
    assert cured(tuned, [finding]).optimizer.d.learning_rate == pytest.approx(2.7e-3 / 4, rel=0.01)


def test_complete_overfitting_stops_a_run():
    (finding,) = find(log(r_v=0.95, separation=0.995, memorised=0.9), RECIPE)
    assert (finding.name, finding.level) == ("memorised", "stop")
    (finding,) = find(log(r_v=0.5, memorised=0.9), RECIPE)
    assert (finding.name, finding.level) == ("memorised", "warn")


@pytest.mark.parametrize(("name", "sngan"), [("dcgan-fashion-mnist", "sngan-fashion-mnist"), ("dcgan-64", "sngan-64")])
def test_a_dcgan_that_becomes_an_sngan_is_no_narrower(name, sngan):
    recipe = recipes.load(name)
    (finding,) = find(log(d_real=9.0, d_fake=-9.0), recipe.replace(**{"schedule.images": 64_000}))
    better, usual = cured(recipe, [finding]).model, recipes.load(sngan).model
    assert (better.network, better.pyramid) == ("sngan", usual.pyramid)
    assert better.g_channels >= usual.g_channels and better.d_channels >= usual.d_channels
    started = recipe.replace(start="elsewhere")
    assert cured(started, [finding]) == started, "weights to start from fit one network alone"


def test_rules_are_complete():
    for rule in (*RULES, *LATE):
        assert rule.level in LEVELS
        assert rule.name in REASONS
        assert rule.entries >= 1
        assert 0 < rule.confidence <= 1
        assert rule.source.startswith(("published", "calibrated", "chosen", "by definition"))
