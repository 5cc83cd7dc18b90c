"""The rules, causes before what follows from them at the same time.

A threshold is published, with its source, or calibrated: fitted by `benchmarks/failure_detection.py fit` on one half of
its runs, between healthy runs and those that were broken in that way. There are no numbers that hold for every loss:
rules name the losses they are for.
"""

from __future__ import annotations

from collections.abc import Iterable

from zoo.recipe import Recipe
from zoo.watch import conditions
from zoo.watch.findings import ABOVE, BELOW, LEVELS, Finding, Rule, judge
from zoo.watch.late import LATE
from zoo.watch.signals import Entry, derive

CALIBRATED = "calibrated: benchmarks/failure_detection.py"
EXACT = "by definition: weights that do not move at all"
CHOSEN = "chosen, not calibrated: benchmarks/late_failures.py counts the runs it was said of"
SMALL_DATA = 1_000  # images; DiffAugment (Zhao 2020) and ADA (Karras 2020) are for sets of hundreds and thousands


RULES: tuple[Rule, ...] = (
    Rule("non_finite", "stop", "a value is not finite", "non_finite", ABOVE, 0.5, 1, "published: compare_gan", 0.75),
    Rule(
        "constant_data", "stop", "the training images are all alike", "data_distance", BELOW, 0.01, 1, CALIBRATED, 0.75
    ),
    Rule(
        "data_range",
        "stop",
        "real images reach D outside [-1, 1]",
        "data_range",
        ABOVE,
        0.05,
        1,
        "published: ganhacks 1, images in [-1, 1]",
        0.75,
    ),
    Rule(
        "dead_start",
        "stop",
        "the first samples are all alike",
        "diversity",
        BELOW,
        1e-3,
        1,
        CALIBRATED,
        0.75,
        also=conditions.at_start,
    ),
    Rule(
        "huge_start",
        "stop",
        "the first samples are saturated",
        "saturated",
        ABOVE,
        0.2,
        1,
        CHOSEN,
        0.5,
        where=conditions.new_and_not_equalised,
        also=conditions.at_start,
    ),
    Rule(
        "huge_start",
        "stop",
        "D is far too steep from the start",
        "slope",
        ABOVE,
        15.0,
        1,
        CALIBRATED,
        0.75,
        where=conditions.new,
        also=conditions.at_start,
    ),
    Rule(
        "d_frozen",
        "stop",
        "D's weights do not move",
        "d_update",
        BELOW,
        1e-8,
        2,
        EXACT,
        0.75,
        where=conditions.both_move,
    ),
    Rule(
        "g_frozen",
        "stop",
        "the generator's weights do not move",
        "g_update",
        BELOW,
        1e-8,
        2,
        EXACT,
        0.75,
        where=conditions.both_move,
    ),
    Rule(
        "data_shift",
        "warn",
        "training and held-out images are of different kinds",
        "data_shift",
        ABOVE,
        0.2,
        1,
        CALIBRATED,
        0.75,
    ),
    Rule(
        "few_images",
        "warn",
        "few training images, and none are augmented",
        "data_images",
        BELOW,
        SMALL_DATA,
        1,
        "published: Karras 2020, arXiv:2006.06676, and Zhao 2020, arXiv:2006.10738",
        0.75,
        where=conditions.new_and_plain,
    ),
    Rule(
        "momentum",
        "warn",
        "more momentum than GANs bear",
        "beta_1",
        ABOVE,
        0.9,
        1,
        "published: Radford 2016, arXiv:1511.06434",
        0.75,
    ),
    Rule(
        "g_too_fast",
        "stop",
        "the generator moves too far in a step",
        "g_step",
        ABOVE,
        conditions.G_STEP,
        2,
        CALIBRATED,
        0.75,
        where=conditions.not_equalised,
    ),
    Rule(
        "d_too_fast",
        "stop",
        "D moves much faster than the generator",
        "step_ratio",
        ABOVE,
        4.4,
        2,
        CALIBRATED,
        0.8,
        where=conditions.both_move,
        also=conditions.g_moves,
    ),
    Rule(
        "d_weak",
        "stop",
        "D moves much slower than the generator",
        "step_ratio",
        BELOW,
        0.14,
        2,
        CALIBRATED,
        0.75,
        where=conditions.both_move,
        also=conditions.outpaced,
    ),
    Rule(
        "swapped",
        "stop",
        "D rates generated images above real ones",
        "separation",
        BELOW,
        0.02,
        4,
        CALIBRATED,
        0.75,
        also=conditions.so_trained,
    ),
    Rule(
        "not_lipschitz",
        "stop",
        "the critic's gradient is far above norm 1",
        "slope",
        ABOVE,
        4.0,
        3,
        CALIBRATED,
        0.67,
        where=conditions.critic,
    ),
    Rule(
        "batch_statistics",
        "warn",
        "D judges otherwise in its update than for the generator",
        "statistics_gap",
        ABOVE,
        0.7,
        3,
        CALIBRATED,
        0.75,
        also=conditions.apart,
    ),
    Rule(
        "d_wins",
        "stop",
        "D tells all apart and the generator's gradient has vanished",
        "gradient_fall",
        BELOW,
        4.4e-3,
        3,
        CALIBRATED,
        0.5,
        where=conditions.logistic,
        also=conditions.separated,
    ),
    Rule(
        "memorised",
        "stop",
        "D counts held-out images as generated",
        "r_v",
        ABOVE,
        0.9,
        6,
        "chosen, not calibrated: near 1, complete overfitting (Karras 2020, arXiv:2006.06676)",
        0.5,
        where=conditions.not_adaptive,
        also=conditions.separated,
    ),
    Rule(
        "memorised",
        "warn",
        "D knows the training images by heart",
        "memorised",
        ABOVE,
        0.75,
        4,
        CHOSEN,
        0.5,
        where=conditions.not_adaptive,
    ),
    Rule("exploding", "warn", "D's gradients have grown a hundredfold", "gradient_rise", ABOVE, 100.0, 3, CHOSEN, 0.5),
    Rule(
        "collapse",
        "stop",
        "samples are nearly the same for all latents",
        "diversity",
        BELOW,
        0.05,
        5,
        CHOSEN,
        0.5,
        since=0.25,
    ),
    Rule(
        "class_collapse",
        "warn",
        "samples of a class are nearly the same for all latents",
        "class_diversity",
        BELOW,
        0.2,
        5,
        "chosen, not calibrated: real images of 10 classes have 0.75 and more, of 100 classes 0.4, and one image has 0",
        0.5,
        since=0.25,
        also=conditions.varied,
        which="class_least",
    ),
    Rule(
        "d_chance",
        "note",
        "D cannot tell real from fake while many kinds are missing",
        "separation",
        BELOW,
        0.55,
        6,
        "published: Google's course on GANs names an accuracy of 50 %",
        0.5,
        where=conditions.logistic,
        also=lambda entry: entry["separation"] > 0.45 and entry.get("empty_bins", 0) > 0.3,
    ),
    Rule(
        "mode_dropping",
        "note",
        "kinds of real images have no samples",
        "empty_bins",
        ABOVE,
        0.2,
        5,
        CHOSEN,
        0.5,
        since=0.5,
    ),
    Rule(
        "oscillation",
        "note",
        "samples jump while quality does not improve",
        "movement",
        ABOVE,
        0.8,
        5,
        CHOSEN,
        0.5,
        since=0.25,
        also=lambda entry: entry.get("last_kid_rise", 2.0) > 1.03,
    ),
    Rule("past_best", "note", "quality was better before", "kid_rise", ABOVE, 1.5, 2, CHOSEN, 0.5, since=0.25),
    Rule(
        "frozen_losses",
        "warn",
        "the losses do not change",
        "loss_change",
        BELOW,
        1e-7,
        4,
        "published: StudioGAN issue 112, constant losses",
        0.5,
    ),
)


def find(entries: Iterable[Entry], recipe: Recipe, rules: Iterable[Rule] = (*LATE, *RULES)) -> list[Finding]:
    """The findings of a run in the order in which they were established; at one step, causes before consequences.

    Args:
        entries: the lines of log.jsonl, oldest first; signals that are missing are not judged.
        recipe: of the run.
        rules: where several have one name, the severest that holds counts, and of these the soonest.
    """
    return found(derive(list(entries), recipe), recipe, rules)


def found(derived: list[Entry], recipe: Recipe, rules: Iterable[Rule] = (*LATE, *RULES)) -> list[Finding]:
    """`find`, of entries that have their further signals."""
    first: dict[str, Finding] = {}
    for rule in rules:
        finding = judge(rule, derived, recipe) if rule.where(recipe) else None
        if finding and (rule.name not in first or _urgency(finding) < _urgency(first[rule.name])):
            first[rule.name] = finding
    return sorted(first.values(), key=lambda finding: finding.step)


def _urgency(finding: Finding) -> tuple[int, int]:
    return -LEVELS.index(finding.level), finding.step
