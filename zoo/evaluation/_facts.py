"""Stands in for `recipe.model.facts` until main has it."""

from types import SimpleNamespace

_TITLES = {"dcgan": "DCGAN", "wgan-gp": "WGAN-GP", "sngan": "SNGAN", "stylegan-lite": "StyleGAN-lite"}


def facts(recipe):
    name = recipe.model.network
    style = name == "stylegan-lite"
    return SimpleNamespace(title=_TITLES[name], truncation=style, plain_keras=not style)
