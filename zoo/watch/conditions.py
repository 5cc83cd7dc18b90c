"""To which recipes, and to which moments of a run, a rule applies."""

from __future__ import annotations

from zoo.recipe import Recipe
from zoo.watch.past import UNUSUAL, WORSE, change_of
from zoo.watch.signals import Entry

G_STEP = 2.8e-3  # calibrated


def logistic(recipe: Recipe) -> bool:
    """Losses with a decision, so that an accuracy has a meaning."""
    return recipe.loss.facts.decision is not None


def critic(recipe: Recipe) -> bool:
    """A critic that must be Lipschitz, and is not by its layers."""
    return recipe.loss.facts.lipschitz and not recipe.model.facts.d_lipschitz


def both_move(recipe: Recipe) -> bool:
    """In every step, so that a player that rests is broken."""
    return not recipe.schedule.d_period and not recipe.schedule.wait_above


def not_equalised(recipe: Recipe) -> bool:
    """Equalised weights are of size one and scaled as they are used, so they move farther."""
    return not recipe.model.facts.equalised


def plain(recipe: Recipe) -> bool:
    return not recipe.augment.transforms and not recipe.augment.diffaugment


def not_adaptive(recipe: Recipe) -> bool:
    """ADA itself answers a D that overfits."""
    return not recipe.augment.ada


def new(recipe: Recipe) -> bool:
    """The first samples come from initial weights, and not from a checkpoint that drew other images."""
    return not recipe.start


def new_and_plain(recipe: Recipe) -> bool:
    """Fine-tuning augments for itself, where few images are shown often."""
    return new(recipe) and plain(recipe)


def new_and_not_equalised(recipe: Recipe) -> bool:
    """StyleGAN's first samples are three times as strong as images, and it trains well from there."""
    return new(recipe) and not_equalised(recipe)


def at_start(entry: Entry) -> bool:
    return entry["step"] == 0


def g_moves(entry: Entry) -> bool:
    return entry.get("g_step", 0.0) > 0


def outpaced(entry: Entry) -> bool:
    """D has work to do, since it does not tell all apart, and the generator moves no faster than usual."""
    return entry["g_step"] < G_STEP and entry.get("separation", 0.0) < 0.9


def so_trained(entry: Entry) -> bool:
    """D rates them so in its own update too."""
    return entry.get("gap", -1.0) < 0


def apart(entry: Entry) -> bool:
    """D's own update sees a difference that is more than noise, and the real images that the probe sees."""
    return abs(entry["gap"]) > entry.get("probe_spread", 0.0) and not entry.get("data_changes")


def separated(entry: Entry) -> bool:
    return entry.get("separation", 0.0) > 0.99


def varied(entry: Entry) -> bool:
    """All samples together are not one picture, which is another failure."""
    return entry.get("diversity", 1.0) > 0.05


def worse(entry: Entry) -> bool:
    """The images are worse than they were."""
    return entry["worse"] > WORSE


def unusual(entry: Entry) -> bool:
    """The images are somewhat worse or less varied than they were, which is enough beside a cause that is certain."""
    variety = entry.get(change_of("empty_bins"), 0.0), -entry.get(change_of("diversity"), 0.0)
    return max(entry["worse"], *variety) > UNUSUAL


def worse_and_d_moves(entry: Entry) -> bool:
    return worse(entry) and entry.get("d_update", 0.0) > 1e-8


def worse_and_so_trained(entry: Entry) -> bool:
    return worse(entry) and so_trained(entry)
