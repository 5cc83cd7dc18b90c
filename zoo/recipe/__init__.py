"""What to train: a recipe has every number of a run, and what is known of networks and losses is asked here.

Importing it loads no Keras.
"""

from zoo.recipe.combinations import KID_JUDGE, LEAST_KID_IMAGES, require_source
from zoo.recipe.losses import LOSSES, LossFacts
from zoo.recipe.numbers import Ramp, largest, scaled
from zoo.recipe.reading import nearest
from zoo.recipe.recipe import (
    RECIPES,
    Adam,
    Change,
    Model,
    Recipe,
    Schedule,
    difference,
    file_of,
    from_dict,
    load,
    names,
    parse,
    parse_overrides,
)
from zoo.recipe.writing import toml

__all__ = [
    "KID_JUDGE",
    "LEAST_KID_IMAGES",
    "LOSSES",
    "RECIPES",
    "Adam",
    "Change",
    "LossFacts",
    "Model",
    "Ramp",
    "Recipe",
    "Schedule",
    "difference",
    "file_of",
    "from_dict",
    "largest",
    "load",
    "names",
    "nearest",
    "parse",
    "parse_overrides",
    "require_source",
    "scaled",
    "toml",
]
