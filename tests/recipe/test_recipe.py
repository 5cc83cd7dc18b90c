import dataclasses
import tomllib

import pytest

from zoo import recipe as recipes

NETWORKS = ("dcgan", "wgan-gp", "sngan", "stylegan-lite")


def test_each_network_has_its_three_recipes_and_one_is_small():
    assert recipes.names() == sorted(
        ["sngan-small-cifar10"]
        + [f"{network}-{data}" for network in NETWORKS for data in ("fashion-mnist", "cifar10", "64")]
    )


@pytest.mark.parametrize("name", recipes.names())
def test_a_shipped_recipe_states_every_number(name):
    written = tomllib.loads((recipes.RECIPES / f"{name}.toml").read_text())
    for table, cls in recipes.get_type_hints(recipes.Recipe).items():
        if dataclasses.is_dataclass(cls) and table != "optimizer":
            assert written[table].keys() == {field.name for field in dataclasses.fields(cls)}
    for player in ("d", "g"):
        assert written["optimizer"][player].keys() == {field.name for field in dataclasses.fields(recipes.Adam)}
    assert "arXiv" in written["paper"]


def test_round_trip_and_difference():
    recipe = recipes.load("sngan-cifar10")
    again = recipes.from_dict(recipe.to_dict())
    assert again == recipe and recipes.difference(recipe, again) == []
    other = recipe.replace(**{"schedule.d_steps": 4})
    assert recipes.difference(recipe, other) == ["schedule.d_steps: 5 -> 4"]


def test_overrides_are_toml_with_optional_quotes():
    overrides = recipes.parse_overrides(
        (
            "optimizer.d.learning_rate=1e-4",
            "precision=mixed_bfloat16",
            "augment.diffaugment=['color', 'cutout']",
            "augment.flip=true",
        )
    )
    recipe = recipes.load("dcgan-cifar10", overrides)
    assert recipe.optimizer.d.learning_rate == 1e-4
    assert recipe.precision == "mixed_bfloat16"
    assert recipe.augment.diffaugment == ("color", "cutout")
    assert recipe.augment.flip is True


@pytest.mark.parametrize(
    "overrides, words",
    [
        ({"optimiser.d.learning_rate": 1e-4}, ["optimiser", "did you mean 'optimizer'"]),
        ({"schedule.batchsize": 4}, ["schedule.batchsize", "'batch_size'"]),
        ({"model.network": "dcgna"}, ["model.network", "'dcgan'", "'stylegan-lite'", "'dcgna'"]),
        ({"schedule.images": "many"}, ["schedule.images", "whole number", "'many'"]),
        ({"schedule.images": 1.5}, ["schedule.images", "whole number"]),
        ({"schedule.images": True}, ["schedule.images", "whole number"]),
        ({"data.resolution": 48}, ["data.resolution", "32, 64, 128", "48"]),
        ({"optimizer.g.learning_rate": -1.0}, ["optimizer.g.learning_rate", "above 0"]),
        ({"optimizer.g.beta_1": 1.0}, ["optimizer.g.beta_1", "below 1"]),
        ({"optimizer.g.learning_rate": float("nan")}, ["finite"]),
        ({"loss.gradient_penalty": 10.0}, ["batch normalisation", "gradient_penalty=10.0"]),
        ({"model.mapping_layers": 2}, ["mapping_layers"]),
        ({"model.pyramid": True}, ["model.pyramid", "'dcgan' at 32"]),
        ({"model.network": "sngan", "data.resolution": 64, "model.pyramid": True}, ["model.pyramid", "'sngan' at 64"]),
        ({"schedule.d_period": 5}, ["d_period", "g_period"]),
        ({"augment.ada": True, "augment.diffaugment": ["color"]}, ["choose one"]),
        ({"augment.diffaugment": ["colour"]}, ["augment.diffaugment", "'color'"]),
        ({"loss.name": "wasserstein", "augment.ada": True}, ["ada", "wasserstein"]),
        ({"loss.name": "wasserstein", "schedule.wait_above": 0.5}, ["wait_above"]),
        ({"loss.name": "wasserstein"}, ["Lipschitz", "gradient_penalty"]),
        ({"augment.ada": True, "schedule.d_period": 2, "schedule.g_period": 1}, ["d_period"]),
        ({"data": 3}, ["[data]", "table"]),
        ({"seed.x": 3}, ["seed"]),
    ],
)
def test_a_wrong_recipe_is_an_error_that_names_key_and_remedy(overrides, words):
    with pytest.raises(ValueError, match="Received: ") as caught:
        recipes.load("dcgan-cifar10", overrides)
    for word in words:
        assert word in str(caught.value)


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'dcgan-cifar10'"):
        recipes.load("dcgan-cifar")


def test_broken_files(tmp_path):
    broken = tmp_path / "broken.toml"
    for content in (b"seed = ", b"\xff\xfe", b"seed = 1\n"):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match="Received"):
            recipes.load(broken)
    with pytest.raises(ValueError, match="does not exist"):
        recipes.load(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="key=value"):
        recipes.parse_overrides(("seed",))


def test_a_file_takes_its_name_from_the_path(tmp_path):
    text = (recipes.RECIPES / "sngan-64.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    assert recipes.load(tmp_path / "mine.toml").name == "mine"
