"""What to change for a finding, and why: as keys of a recipe, where a recipe can change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zoo.files.errors import ZooError
from zoo.recipe import Ramp, Recipe, largest, scaled
from zoo.watch.findings import Finding

PUBLISHED_RATE = 2e-4  # of Adam: Radford 2016, Gulrajani 2017, Miyato 2018
DIFFAUGMENT = ["color", "translation", "cutout"]


@dataclass(frozen=True)
class Remedy:
    """A reason in words, and dotted recipe keys with their new values; none where the fault lies outside the recipe."""

    reason: str
    changes: dict[str, Any]


def remedy(finding: Finding, recipe: Recipe) -> Remedy:
    changes = CHANGES[finding.name](recipe) if finding.name in CHANGES else {}
    return Remedy(REASONS[finding.name], _accepted(recipe, changes))


def cured(recipe: Recipe, findings: Iterable[Finding]) -> Recipe:
    """The recipe with the changes for all findings above the level "note"; the first finding to name a key decides.

    Images that became worse change nothing where another finding says why.
    """
    changes: dict[str, Any] = {}
    findings = [finding for finding in findings if finding.level != "note"]
    explained = any(finding.level == "stop" and finding.name != "declined" for finding in findings)
    for finding in findings:
        if not (explained and finding.name == "declined"):
            new = remedy(finding, recipe).changes
            changes = _accepted(recipe, changes | {key: new[key] for key in new if key not in changes})
    return recipe.replace(**changes)


def _accepted(recipe: Recipe, changes: dict[str, Any]) -> dict[str, Any]:
    """Those changes that change something, without any that would make a combination which recipes refuse."""
    accepted: dict[str, Any] = {}
    for key, value in changes.items():
        before = recipe.replace(**accepted)
        try:
            after = before.replace(**{key: value})
        except ZooError:
            continue
        if after != before:
            accepted[key] = value
    return accepted


def _rates(recipe: Recipe, **factors: float) -> dict[str, Any]:
    """New learning rates; one far above the published is set to it, but where fine-tuning has raised it."""
    changes = {}
    for player, factor in factors.items():
        rate = getattr(recipe.optimizer, player).learning_rate
        usual = recipe.start or recipe.model.facts.equalised or largest(rate) < 8 * PUBLISHED_RATE
        changes[f"optimizer.{player}.learning_rate"] = scaled(rate, factor if usual else PUBLISHED_RATE / largest(rate))
    return changes


def _lipschitz(recipe: Recipe) -> dict[str, Any]:
    if recipe.loss.facts.lipschitz:
        return {"loss.gradient_penalty": 10.0}
    if recipe.model.facts.d_batch_norm:  # which allows no penalty
        return _spectral(recipe)
    return {"loss.r1": recipe.loss.r1 or 1.0}


def _spectral(recipe: Recipe) -> dict[str, Any]:
    """Another network, as wide, whose D has no batch normalisation."""
    other = recipe.model.facts.without_batch_norm
    if other is None or recipe.start:  # weights to start from fit one network alone
        return {}
    return {f"model.{key}": value for key, value in other(recipe.model, recipe.data.resolution).items()}


def _decaying(recipe: Recipe) -> dict[str, Any]:
    """Learning rates that fall to zero over the run, where they are constant."""
    rates = {player: getattr(recipe.optimizer, player).learning_rate for player in ("d", "g")}
    return {
        f"optimizer.{player}.learning_rate": {"from": rate, "to": 0.0}
        for player, rate in rates.items()
        if not isinstance(rate, Ramp)
    }


def _augment(recipe: Recipe) -> dict[str, Any]:
    return {} if recipe.augment.transforms or recipe.augment.diffaugment else {"augment.diffaugment": DIFFAUGMENT}


def _momentum(recipe: Recipe) -> dict[str, Any]:
    target = recipe.model.facts.beta_1
    return {
        f"optimizer.{player}.beta_1": target
        for player in ("d", "g")
        if getattr(recipe.optimizer, player).beta_1 > target
    }


def _doubled(number: int | Ramp) -> int | Ramp:
    return scaled(number, 2.0) if isinstance(number, Ramp) else 2 * number


CHANGES = {
    "non_finite": lambda recipe: _rates(recipe, d=0.25, g=0.25) | {"precision": "float32"},
    "few_images": _augment,
    "memorised": lambda recipe: _augment(recipe) | {"loss.r1": recipe.loss.r1 or 1.0},
    "d_frozen": lambda recipe: {"schedule.freeze_d": 0, "schedule.wait_above": 0.0},
    "d_weak": lambda recipe: _rates(recipe, d=4.0),
    "d_too_fast": lambda recipe: _rates(recipe, d=0.25),
    "g_too_fast": lambda recipe: _rates(recipe, g=0.25),
    "not_lipschitz": _lipschitz,
    "momentum": _momentum,
    "carried_on": _momentum,
    "d_wins": lambda recipe: _rates(recipe, d=0.25) | _lipschitz(recipe),
    "d_chance": lambda recipe: _rates(recipe, d=2.0),
    "batch_statistics": _spectral,
    "exploding": lambda recipe: _rates(recipe, d=0.25, g=0.25) | _lipschitz(recipe),
    "collapse": lambda recipe: _rates(recipe, g=0.5) | _lipschitz(recipe),
    "class_collapse": lambda recipe: {"data.balanced": True} | _augment(recipe) | _lipschitz(recipe),
    "mode_dropping": lambda recipe: _lipschitz(recipe) | {"schedule.batch_size": 2 * recipe.schedule.batch_size},
    "oscillation": lambda recipe: (
        _momentum(recipe) | _decaying(recipe) | {"ema.half_life_images": _doubled(recipe.ema.half_life_images)}
    ),
    "past_best": _decaying,
    "declined": lambda recipe: _rates(recipe, d=0.5, g=0.5),
}

REASONS = {
    "non_finite": (
        "A value left the range of its number format. Smaller rates keep weights small; float32 has the digits "
        "that bfloat16 lacks. Go on from the last healthy checkpoint."
    ),
    "constant_data": (
        "All images are nearly the same picture, or nearly black: look at the files, and at how they were "
        "decoded. No setting of training helps."
    ),
    "data_range": (
        "D is shown real images outside [-1, 1], while the generator ends in that range: D tells them apart "
        "by their size alone. Scale them to [-1, 1] (Chintala's ganhacks, 1)."
    ),
    "data_shift": (
        "The training images are of another kind than the held-out ones: one class where there should be "
        "several, data that were cut before they were shuffled, or another preparation. Put the same kind "
        "into both."
    ),
    "few_images": (
        "D learns few images by heart and then tells the generator nothing. Augment what D sees: DiffAugment "
        "(Zhao 2020, arXiv:2006.10738) or ADA (Karras 2020, arXiv:2006.06676), or start from a checkpoint."
    ),
    "dead_start": (
        "Before the first step, all samples are equal, or D answers everything alike: weights of zero cannot "
        "break the symmetry. Use the initial weights that the network's paper gives."
    ),
    "huge_start": (
        "Before the first step, samples are saturated or D's gradients are enormous: the initial weights are "
        "too large. Use those that the network's paper gives."
    ),
    "d_frozen": (
        "D's weights do not move: no gradient reaches them, they are not trainable, or its rate is zero. The "
        "generator then learns to please a fixed judge."
    ),
    "g_frozen": (
        "The generator's weights do not move: no gradient reaches them, they are not trainable, or its rate is zero."
    ),
    "swapped": (
        "D rates generated images above real ones and stays so: real and fake are swapped in its loss, or its "
        "sign is wrong. The generator is then told to keep away from the data."
    ),
    "batch_statistics": (
        "D answers otherwise in its own update than when the generator asks it: batch normalisation over "
        "batches that mix real and fake images. Show D real and fake images in batches of their own "
        "(Chintala's ganhacks, 4), or normalise spectrally."
    ),
    "d_too_fast": (
        "D's weights move too far in a step for its judgement to last until the generator uses it. Two time "
        "scales want D faster than G by a small factor (Heusel 2017, arXiv:1706.08500), at rates near 2e-4."
    ),
    "g_too_fast": (
        "The generator's weights move too far in a step: it leaps over what D tells it, and samples jump. "
        "Lower its rate."
    ),
    "not_lipschitz": (
        "The critic's gradient is far from norm 1, so that its gap is no distance (Arjovsky 2017, "
        "arXiv:1701.07875). Give it the gradient penalty (Gulrajani 2017, arXiv:1704.00028) or spectral "
        "normalisation."
    ),
    "momentum": (
        "A first-moment decay above 0.9 makes the two players overshoot each other: Radford 2016 "
        "(arXiv:1511.06434) found 0.9 to oscillate and takes 0.5, later work 0."
    ),
    "carried_on": (
        "Both players go on in the direction of their last updates, whatever the other does. Less momentum lets them "
        "answer each other: a beta_1 of 0.5 or 0 (Radford 2016, arXiv:1511.06434)."
    ),
    "d_weak": (
        "D moves far less than the generator, or tells real and fake hardly apart: what it teaches is out of "
        "date. Raise its rate (two time scales: Heusel 2017, arXiv:1706.08500) or give it more updates a "
        "step."
    ),
    "d_wins": (
        "D tells all images apart, and the gradient that reaches the generated images has died: the generator "
        "can no longer learn (Arjovsky and Bottou 2017, arXiv:1701.04862). Lower D's rate and smooth D: "
        "spectral normalisation or a gradient penalty. Making D wait (schedule.wait_above) treats the symptom "
        "alone."
    ),
    "memorised": (
        "D rates training images above held-out ones: it learns them by heart. Augment what it sees, or "
        "smooth it with R1; use an earlier checkpoint."
    ),
    "d_chance": (
        "D cannot tell real from fake, though samples are not good yet: its feedback is noise. Give it a "
        "larger rate or width."
    ),
    "collapse": (
        "Samples are nearly the same picture for all latents. Go back to the last healthy checkpoint; a "
        "slower generator and a smoother D make it rarer."
    ),
    "class_collapse": (
        "The samples of a class are nearly the same picture. Look at its real images: they may be few, or "
        "nearly equal. Where class_median is as low in the log, the generator ignores its latents in every "
        "class. Balanced classes show rare ones as often as others; augmentation and a smoother D keep D from "
        "learning a small class by heart."
    ),
    "mode_dropping": (
        "Kinds of real images have no samples. A larger batch and a smoother D help; see recall and coverage "
        "with `ganzoo evaluate`."
    ),
    "oscillation": (
        "Samples keep changing while quality does not improve: the players circle each other. Less momentum, "
        "decaying rates and a longer average damp it (Yazici 2019, arXiv:1806.04498, on averaging)."
    ),
    "exploding": ("Gradients grow without bound. Lower the rates and smooth D."),
    "past_best": ("Quality has been better: take the best checkpoint. Decaying rates keep a run near its best."),
    "frozen_losses": ("The losses do not change any more at all: an update is disconnected, or a value is clipped."),
    "data_changed": (
        "Images that training reads are not what they were: the files were replaced, converted or damaged under way. "
        "Put them back, and go on from the last healthy checkpoint."
    ),
    "penalty_gone": (
        "The penalty on D's gradient is 0, though the recipe wants it: D can become as steep as it likes. Go on from "
        "the last healthy checkpoint with the recipe as it is."
    ),
    "augmentation_gone": (
        "ADA's probability has fallen to 0 faster than it can by itself: D learns the images by heart again. Go on "
        "from the last healthy checkpoint with the recipe as it is."
    ),
    "weights_changed": (
        "The weights have another size than a moment before, which no usual step does: a checkpoint was edited or "
        "damaged, or rates were far too high. Go on from the last healthy checkpoint."
    ),
    "average_stopped": (
        "The average that samples are drawn from does not follow the generator any more: what is trained from here on "
        "is lost to it. Go on from the last healthy checkpoint."
    ),
    "statistics_stopped": (
        "The mean and variance that normalisation uses to draw samples do not follow the generator any more. Go on "
        "from the last healthy checkpoint, with layers that are trained as a whole."
    ),
    "declined": (
        "The images are worse than they were. Where no other finding says why, go on from the last healthy checkpoint, "
        "with smaller rates; if it happens again at the same place, look at the images that are read there."
    ),
}
