import datetime
import re
import tomllib

import msgspec
import pytest
import tomli_w

from zoo import networks
from zoo import recipe as recipes
from zoo.files.errors import ZooError
from zoo.step import losses

DATA = ("fashion-mnist", "cifar10", "64")


def test_each_network_has_a_recipe_for_each_kind_of_data():
    assert {f"{network}-{data}" for network in networks.NAMES for data in DATA} <= set(recipes.names())


def tables(written: dict, recipe, where: str = ""):
    """(dotted name of a table, what is written there, the structure that it became), table by table."""
    yield where or "recipe", written, recipe
    for key, value in written.items():
        if isinstance(getattr(recipe, key, None), msgspec.Struct) and not isinstance(
            getattr(recipe, key), recipes.Ramp
        ):
            yield from tables(value, getattr(recipe, key), f"{where}.{key}".lstrip("."))


@pytest.mark.parametrize("name", recipes.names())
def test_a_shipped_recipe_states_every_number(name):
    """Whatever is left out is off: 0, false, empty, or once in every step."""
    written = tomllib.loads((recipes.RECIPES / f"{name}.toml").read_text("utf-8"))
    for where, table, built in tables(written, recipes.load(name)):
        for field in msgspec.structs.fields(built):
            stated = field.encode_name in table
            off = not field.required and (not field.default or field.default == 1)
            assert stated or off or (where, field.name) == ("recipe", "name"), f"{where}.{field.name}"
    assert "arXiv" in written["paper"]


VERSION_1 = """
paper = "arXiv:1802.05957"
seed = 3
precision = "float32"
watch = "warn"
data = { source = "", resolution = 32, channels = 3, fit = "crop" }
loss = { name = "hinge", gradient_penalty = 0.0, r1 = 0.0, r1_every_steps = 1 }
ema = { half_life_images = 500 }
[model]
network = "NETWORK"
latent_dim = 128
g_channels = 256
d_channels = 128
MODEL
[optimizer]
d = { learning_rate = 4e-4, beta_1 = 0.0, beta_2 = 0.9, epsilon = 1e-8, decay = "constant" }
g = { learning_rate = 2e-4, beta_1 = 0.0, beta_2 = 0.9, epsilon = 1e-8, decay = "linear" }
[schedule]
images = 1000
batch_size = 10
"""


@pytest.mark.parametrize(
    ("network", "model", "expected"),
    [
        ("dcgan", "mapping_layers = 0\nstyle_mixing = 0.0\npyramid = false", {}),
        ("sngan", "mapping_layers = 0\nstyle_mixing = 0.0\npyramid = true", {"pyramid": True}),
        (
            "stylegan-lite",
            "mapping_layers = 2\nstyle_mixing = 0.0\npyramid = false",
            {"mapping_layers": 2, "style_mixing": 0.0},
        ),
    ],
)
def test_a_recipe_of_version_1_is_read(network, model, expected):
    recipe = recipes.parse(VERSION_1.replace("NETWORK", network).replace("MODEL", model), "old")
    keys = {"network": network, "latent_dim": 128, "g_channels": 256, "d_channels": 128, "classes": 0}
    assert recipe.to_dict()["model"] == keys | expected
    assert recipe.optimizer.d.learning_rate == 4e-4
    assert recipe.optimizer.g.learning_rate == recipes.Ramp(start=2e-4, to=0.0)


def test_a_key_of_another_network_is_an_error():
    with pytest.raises(ZooError, match=r"unknown key model.mapping_layers in \[model\] of dcgan.*Received: 2"):
        recipes.parse(VERSION_1.replace("NETWORK", "dcgan").replace("MODEL", "mapping_layers = 2"), "old")


@pytest.mark.parametrize(
    ("table", "written"),
    [
        ("model", "mapping_layers = 0\npyramid = false"),
        ("model", "pyramid = false"),
        ("optimizer.d", 'decay = "constant"'),
    ],
)
def test_a_key_of_version_1_in_a_new_recipe_is_an_error(table, written):
    new = tomli_w.dumps(recipes.load("dcgan-cifar10").to_dict()).replace(f"[{table}]", f"[{table}]\n{written}")
    with pytest.raises(ZooError, match=f"unknown key {table}.{written.split()[0]}"):
        recipes.parse(new, "new")


def test_a_number_may_be_a_ramp():
    ramp = {"from": 0.05, "to": 0.005, "images": 2_000_000, "shape": "cosine"}
    recipe = recipes.load("sngan-cifar10", {"loss.r1": ramp, "optimizer.d.beta_2": {"from": 0.9, "to": 0.99}})
    assert recipe.loss.r1 == recipes.Ramp(start=0.05, to=0.005, images=2_000_000, shape="cosine")
    assert recipes.from_dict(recipe.to_dict()) == recipe
    assert recipes.largest(recipe.loss.r1) == 0.05
    assert recipes.scaled(recipe.loss.r1, 2.0) == recipes.Ramp(start=0.1, to=0.01, images=2_000_000, shape="cosine")
    assert recipes.difference(recipes.load("sngan-cifar10", {"loss.r1": ramp}), recipe) == [
        ("optimizer.d.beta_2", "0.9", '{ from = 0.9, to = 0.99, images = "run", shape = "linear" }')
    ]


def test_what_is_known_of_losses_and_of_their_functions_has_the_same_names():
    assert recipes.LOSSES.keys() == losses.LOSSES.keys()


def test_round_trip_and_difference():
    recipe = recipes.load("sngan-cifar10")
    again = recipes.from_dict(recipe.to_dict())
    assert again == recipe and recipes.difference(recipe, again) == []
    other = recipe.replace(**{"schedule.d_steps": 4})
    (change,) = recipes.difference(recipe, other)
    assert change == recipes.Change("schedule.d_steps", old="5", new="4")
    assert str(change) == "schedule.d_steps: 5 -> 4"


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
        ({"model.network": "dcgna"}, ["model.network", '"dcgan"', '"stylegan-lite"', '"dcgna"']),
        ({"schedule.images": "many"}, ["schedule.images", "whole number", '"many"']),
        ({"schedule.images": 1.5}, ["schedule.images", "whole number"]),
        ({"schedule.images": True}, ["schedule.images", "whole number"]),
        ({"data.resolution": 48}, ["data.resolution", "32, 64, 128, 256", "48"]),
        ({"optimizer.g.learning_rate": -1.0}, ["optimizer.g.learning_rate", "above 0"]),
        ({"optimizer.g.beta_1": 1.0}, ["optimizer.g.beta_1", "below 1"]),
        ({"optimizer.g.learning_rate": float("nan")}, ["finite"]),
        ({"loss.gradient_penalty": 10.0}, ["batch normalisation", "gradient_penalty = 10.0"]),
        ({"model.mapping_layers": 2}, ["mapping_layers", "latent_dim"]),
        ({"model.pyramid": True}, ["model.pyramid", "dcgan"]),
        ({"model.network": "sngan", "data.resolution": 64, "model.pyramid": True}, ["model.pyramid", '"sngan" at 64']),
        ({"schedule.d_period": 5}, ["d_period", "g_period"]),
        ({"augment.ada": True, "augment.diffaugment": ["color"]}, ["choose one"]),
        ({"augment.diffaugment": ["colour"]}, ["augment.diffaugment", '"color"']),
        ({"loss.name": "wasserstein", "augment.ada": True}, ["ada", "wasserstein"]),
        ({"loss.name": "wasserstein", "schedule.wait_above": 0.5}, ["wait_above"]),
        ({"loss.name": "wasserstein"}, ["Lipschitz", "gradient_penalty"]),
        ({"augment.ada": True, "schedule.d_period": 2, "schedule.g_period": 1}, ["d_period"]),
        ({"data": 3}, ["[data]", "table"]),
        ({"seed.x": 3}, ["seed"]),
        ({"a - at b": 3}, ["unknown key a - at b"]),
        ({"model.network": "x - at y.z"}, ["model.network must be one of", '"x - at y.z"']),
        ({"optimizer.g.learning_rate": {"from": 0, "to": 0}}, ["a learning rate is above 0"]),
        ({"loss.name": "wasserstein", "loss.gradient_penalty": {"from": 0, "to": 0}}, ["needs a Lipschitz critic"]),
        ({"model": {"latent_dim": 8}}, ["[model] lacks network, one of dcgan"]),
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


def test_another_network_takes_over_the_keys_that_it_has():
    recipe = recipes.load("sngan-64", {"model.network": "dcgan"})
    assert recipe.model.facts.title == "DCGAN"
    with pytest.raises(ZooError, match="pyramid"):
        recipes.load("sngan-64", {"model.network": "dcgan", "model.pyramid": True})
    with pytest.raises(ZooError, match=r"data.source must be a string.*Received: 3"):
        recipe.replace(**{"data.source": 3})


WRONG = ["fast", "", -3, 1.5, True, [], ["color"], [1], {}, {"a": 1}, {"from": 1}, {"from": "x", "to": 1}, 10**20]
WRONG += [{"from": 0.1, "to": 0.2, key: value} for key, value in (("x", 3), ("images", "all"), ("shape", "round"))]
WRONG += [datetime.date(2026, 1, 1), None]


def keys(values: dict, where: str = ""):
    """The dotted keys of a recipe, its tables' too."""
    for key, value in values.items():
        yield f"{where}{key}"
        yield from keys(value, f"{where}{key}.") if isinstance(value, dict) else ()


@pytest.mark.parametrize("network", networks.NAMES)
def test_every_wrong_value_of_every_key_is_one_plain_sentence(network):
    """It names the key and what belongs there; no word of Python's or msgspec's is left."""
    recipe, refused = recipes.load(f"{network}-cifar10"), 0
    for key in keys(recipe.to_dict()):
        for value in WRONG:
            try:
                recipe.replace(**{key: value})
            except ZooError as error:
                text, refused = str(error), refused + 1
                assert re.search(r"^[^`\n]{1,300}\. Received: .+$", text), text
                assert key.rpartition(".")[2] in text, (key, text)
                assert not re.search("Ramp|Expected|Invalid|True|False|Struct|<|{'", text), text
    assert refused > 400


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "augment.diffaugment=color",
            'augment.diffaugment must be a list of "color", "translation", "cutout", as in '
            """--set 'augment.diffaugment=["color"]'. Received: "color\"""",
        ),
        ("schedule.images=ran", 'schedule.images must be a whole number. Received: "ran"'),
        ("schedule.images=1e6", "schedule.images must be a whole number, as in 1000000. Received: 1000000.0"),
        (
            "optimizer.d.learning_rate=fast",
            'optimizer.d.learning_rate must be a number or a ramp, { from = ..., to = ... }. Received: "fast"',
        ),
        (
            'optimizer.d.learning_rate={from=1, to=0, images="ran"}',
            'optimizer.d.learning_rate.images must be a whole number or "run". Received: "ran"',
        ),
        ("augment.flip=yes", 'augment.flip must be true or false. Received: "yes"'),
        ("augment.ada_p={from=true, to=0}", "augment.ada_p.from must be a number. Received: true"),
    ],
)
def test_a_wrong_type_is_told_with_what_to_write(setting, message):
    with pytest.raises(ZooError) as caught:
        recipes.load("dcgan-cifar10", recipes.parse_overrides((setting,)))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "overrides",
    [
        {"loss.r1": {"from": 0.1, "to": 0.01}},
        {"augment.ada_p": {"from": 0.0, "to": 0.2}, "augment.diffaugment": ["color"]},
        {"optimizer.d.learning_rate": {"from": 0.0, "to": 0.0}},
    ],
)
def test_a_check_prints_a_ramp_as_one_writes_it(overrides):
    with pytest.raises(ZooError) as caught:
        recipes.load("dcgan-cifar10", overrides)
    written = re.search(r"\{.*?\}", str(caught.value).partition("Received: ")[2])[0]
    ramp = msgspec.convert(tomllib.loads(f"ramp = {written}")["ramp"], recipes.Ramp)
    assert {"from": ramp.start, "to": ramp.to} in overrides.values()


@pytest.mark.parametrize("text", ["mixed_bfloa\t16", "a\u202eb", "\x1b[31m", "\u0085", '"\\'])
def test_a_value_is_printed_without_what_a_terminal_obeys_and_reads_back(text):
    written = recipes.toml(text)
    assert written.isprintable()
    assert tomllib.loads(f"value = {written}")["value"] == text


@pytest.mark.parametrize(
    "value", [1e-8, 3, True, "a\n\x1b\"'\U0001f600", [], ["color", "b"], {}, {"from": 0.1, "a b": [{"to": "run"}]}]
)
def test_a_value_is_written_as_toml_on_one_line(value):
    written = recipes.toml(value)
    assert "\n" not in written
    assert tomllib.loads(f"value = {written}") == {"value": value}
