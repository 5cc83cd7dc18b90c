"""Checkpoint folders from anywhere: whatever is in one, it loads and draws, or it is refused in one line.

Nothing outside the folder is read, and no network is built that its files could not fill.
"""

import gc
import hashlib
import json
import os
import re
import resource
import shutil
import struct
import sys
import time

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as format_safetensors

from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.loading import load_generator
from zoo.cli import main
from zoo.files import pictures
from zoo.networks.parts.variables import by_path
from zoo.training import estimate

BUILT_ANEW = 100  # the others reuse the network that was built for the same recipe, and one in ten of them draws
MEMORY = 500 * 2**20  # bytes by which all of them together may raise the process's peak
SECONDS = 2.0  # of processor time, for each
TINY = {"model.latent_dim": 4, "model.g_channels": 2, "model.d_channels": 2}
FILES = (
    "ganzoo.json",
    "recipe.toml",
    "generator.safetensors",
    "discriminator.safetensors",
    "samples.png",
    "evaluation.json",
    "evidence.json",
    "worst.png",
)
DOCUMENTS = ("ganzoo.json", "evaluation.json", "evidence.json")
ENDING = re.compile(r"[^\n]+ Received: [^\n]+")

JUNK = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    float("nan"),
    10**9,
    2**63,
    10**30,
    "",
    "../x",
    "\x00\n",
    "\ud800",
    "é" * 300,
    [],
    {},
    [[[]]],
    "F64",
    "BF16",
    "BOOL",
    "F8_E4M3",
    "C64",
    [2**40, 2**40],
    [0, 2**62],
    [-1],
    "1e5",
)
TOML_JUNK = (
    "true",
    "-1",
    "0",
    "1",
    "3",
    "64",
    "128",
    "1000",
    "10_000",
    "1_000_000_000",
    "10_000_000_000_000_000",
    "1.5",
    "nan",
    "inf",
    "1e308",
    "1" + "0" * 400,
    "''",
    "'x'",
    "'''\n'''",
    '"\\u0000"',
    "[]",
    "{}",
    "{a.b = 1}",
    "2020-01-01",
    "[" * 3_000,
    "'sngan'",
    "'wgan-gp'",
    "'stylegan-lite'",
    "'../../x'",
)


# Mutations: each takes the contents {name: bytes} and a random generator, and changes the contents, or returns a
# function that changes the folder.


def pick(rng, values):
    return values[rng.integers(len(values))]


def change_bytes(contents, rng):
    """Some bytes of a file changed, cut out, doubled or put in."""
    name = pick(rng, FILES)
    content = bytearray(contents[name])
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(content) + 1))
        stop = start + int(rng.integers(20))
        match rng.integers(4):
            case 0:
                content[start:stop] = rng.bytes(len(content[start:stop]))
            case 1:
                del content[start:stop]
            case 2:
                content[start:start] = content[start:stop]
            case _:
                del content[start:]
    contents[name] = bytes(content)


def damaged(value, rng):
    """One value somewhere in a tree replaced, removed or renamed."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.1:
        return pick(rng, JUNK)
    key = pick(rng, list(value) if isinstance(value, dict) else range(len(value)))
    value = value.copy()
    child = value.pop(key) if rng.random() < 0.2 else value[key]
    if isinstance(value, list):
        return [damaged(item, rng) if index == key else item for index, item in enumerate(value)]
    return value | {key if rng.random() < 0.9 else "renamed": damaged(child, rng)}


def change_json(contents, rng):
    """One or two values of ganzoo.json or of what was measured."""
    name = pick(rng, DOCUMENTS)
    for _ in range(rng.integers(1, 3)):
        contents[name] = json.dumps(damaged(json.loads(contents[name]), rng)).encode()


def change_form(contents, rng):
    """Another document altogether: deep, long, of another type, or no JSON."""
    contents[pick(rng, DOCUMENTS)] = pick(
        rng,
        (
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b"{" + b" " * 900_000 + b"}",
            b"1" + b"0" * 100_000,
            b'"\\ud800"',
            b"\xff\xfe{}",
            b"NaN",
            b"[]",
            b"{}",
            b"",
            json.dumps({"x": "y" * 900_000}).encode(),
        ),
    )


def change_depth(contents, rng):
    """A recipe of dots, brackets or quotes in great number."""
    count = int(pick(rng, (150, 2_000, 45_000)))
    line = pick(
        rng, ("a" + ".a" * count + " = 1", "[" + "a." * count + "a]", "a = " + "[" * count, "a = " + "{a = " * 9)
    )
    contents["recipe.toml"] = pick(rng, (line.encode(), contents["recipe.toml"] + b"\n" + line.encode()))


def change_toml(contents, rng):
    """One or two values of the recipe replaced, or a line renamed or doubled."""
    lines = contents["recipe.toml"].decode().splitlines()
    for _ in range(rng.integers(1, 3)):
        place = pick(rng, [index for index, line in enumerate(lines) if " = " in line])
        key, _, value = lines[place].partition(" = ")
        match rng.integers(6):
            case 0:
                lines[place] = f"{pick(rng, ('speed', 'a.b', key + 's'))} = {value}"
            case 1:
                lines.insert(place, lines[place])
            case _:
                lines[place] = f"{key} = {pick(rng, TOML_JUNK)}"
    contents["recipe.toml"] = "\n".join(lines).encode()


def change_size(contents, rng):
    """A network of another size, sane or not."""
    lines = contents["recipe.toml"].decode().splitlines()
    keys = ("latent_dim", "g_channels", "d_channels", "mapping_layers", "resolution", "channels", "network")
    place = pick(rng, [index for index, line in enumerate(lines) if line.partition(" = ")[0] in keys])
    values = ("1", "3", "32", "64", "500", "10_000", "10_000_000", "10**9", "1_000_000_000_000", "'sngan'")
    lines[place] = f"{lines[place].partition(' = ')[0]} = {pick(rng, values)}"
    contents["recipe.toml"] = "\n".join(lines).encode()


def change_header(contents, rng):
    """The JSON at the beginning of a safetensors file: names, types, shapes, offsets."""
    name = pick(rng, FILES[2:4])
    (size,) = struct.unpack("<Q", contents[name][:8])
    text = json.dumps(damaged(json.loads(contents[name][8 : 8 + size]), rng)).encode()
    contents[name] = struct.pack("<Q", len(text)) + text + contents[name][8 + size :]


def change_length(contents, rng):
    """The length of that JSON, or of the data behind it."""
    name = pick(rng, FILES[2:4])
    length = pick(rng, (0, 1, 7, 10**6 + 1, 10**8 + 1, 2**31, 2**63, 2**64 - 1))
    contents[name] = pick(
        rng,
        (
            struct.pack("<Q", length) + contents[name][8:],
            contents[name] + bytes(8),
            b"",
            contents[name][:8],
            bytes(8),
            contents[name][:-1],
        ),
    )


def change_tensor(contents, rng):
    """One tensor of another name, shape, type or value, in a file that is sound."""
    name = pick(rng, FILES[2:4])
    arrays = parse_safetensors(contents[name])
    key = pick(rng, list(arrays))
    array = arrays.pop(key)
    match rng.integers(8):
        case 0:
            arrays[pick(rng, ("w", "", "../x", key.upper(), key + "\n"))] = array
        case 1:
            arrays[key] = array[..., None]
        case 2:
            arrays[key] = array.astype(pick(rng, ("int8", "uint64", "bool", "float64", "float16", "complex64")))
        case 3:
            arrays[key] = np.full(array.shape, pick(rng, (np.nan, np.inf, -np.inf, 3e38, 0.0, 1e30)), "float32")
        case 4:
            arrays[key] = array.reshape(-1)
        case 5:
            arrays |= {key: array, "more": np.zeros((3, 0, 2), "float32")}
        case 6:
            arrays[key] = np.zeros((0, *array.shape), "float32")
        case _:
            pass
    contents[name] = format_safetensors(arrays)


def swap_files(contents, rng):
    contents[pick(rng, FILES)] = contents[pick(rng, FILES)]


def change_kind(contents, rng):
    """A file that is none: gone, a folder, a pipe, a hole of 3 GB, or a link."""
    name, other = pick(rng, FILES), pick(rng, FILES)
    target = pick(
        rng,
        (
            "../outside",
            "/dev/zero",
            "/dev/stdin",
            "/proc/self/mem",
            "../" * 30 + "etc/passwd",
            name,
            "nowhere",
            ".",
            "..",
            other,
            f"../{'x' * 300}",
            "loop",
        ),
    )

    def change(folder):
        path = folder / name
        path.unlink()
        match rng.integers(8):
            case 0:
                pass
            case 1:
                path.mkdir()
            case 2:
                os.mkfifo(path)
            case 3:
                with open(path, "wb") as file:
                    file.truncate(3 * 2**30)
            case _:
                (folder / "loop").symlink_to(name)
                path.symlink_to(target)

    return change


MUTATORS = (
    change_bytes,
    change_json,
    change_form,
    change_depth,
    change_toml,
    change_size,
    change_header,
    change_length,
    change_tensor,
    swap_files,
    change_kind,
)


def signed(contents):
    """ganzoo.json with the sizes and digests that the files have, so that more than the comparison is reached."""
    try:
        info = json.loads(contents["ganzoo.json"])
        for name, entry in info["files"].items():
            if name in contents:
                entry |= {"bytes": len(contents[name]), "sha256": hashlib.sha256(contents[name]).hexdigest()}
        return contents | {"ganzoo.json": json.dumps(info).encode()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return contents


@pytest.fixture(scope="module")
def tensors():
    recipe = recipes.load("dcgan-fashion-mnist").replace(**TINY)
    return {
        model.name: {variable.path: variable.numpy().copy() for variable in model.variables}
        for model in networks.build(recipe)
    }


@pytest.fixture(scope="module")
def contents(tensors, tmp_path_factory):
    """A checkpoint of a tiny DCGAN, half of it in half precision: {name: bytes}."""
    recipe = recipes.load("dcgan-fashion-mnist").replace(**TINY)
    folder = checkpoint.save(
        tmp_path_factory.mktemp("sound") / "sound",
        recipe,
        tensors | {"discriminator": checkpoint.half(tensors["discriminator"])},
        {"images": 640, "step": 20, "kid": 0.1, "data": {"source": "tfds:fashion_mnist", "images": 60_000}},
        {
            "samples.png": b"\x89PNG and so on",
            "worst.png": pictures.png(pictures.grid(np.zeros((4, 8, 8, 1), np.uint8))),
            "evaluation.json": json.dumps({"format": 1, "scores": {"FD": {"mean": 1.5, "spread": None}}}).encode(),
            "evidence.json": json.dumps({"checkpoint": {"images": 640}, "classes": ["a", "b"]}).encode(),
        },
    )
    return {name: (folder / name).read_bytes() for name in FILES}


class Watch:
    """While it has a folder, notes what is opened near it or in the system's folders, and lies elsewhere."""

    def __init__(self, near):
        self.folder, self.outside = None, []
        self.watched = (str(near), "/etc/", "/dev/zero")
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if event == "open" and self.folder and isinstance(arguments[0], str):
            path = os.path.abspath(arguments[0])
            if path.startswith(self.watched) and not os.path.realpath(path).startswith(self.folder + "/"):
                self.outside.append(path)


def written(contents, folder, change=None):
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    if change:
        change(folder)
    return folder


def test_what_is_sound_loads(contents, tensors, tmp_path):
    generator = load_generator(written(signed(contents), tmp_path / "sound"))
    for path, variable in by_path(generator.model.variables).items():
        np.testing.assert_array_equal(variable, tensors["generator"][path])


@pytest.mark.slow
def test_mutations_load_or_are_refused(contents, tmp_path, monkeypatch):
    fuzz(range(660), contents, tmp_path, monkeypatch)


@pytest.mark.slow
def test_ten_thousand_mutations_load_or_are_refused(contents, tmp_path, monkeypatch):
    fuzz(range(10_000), contents, tmp_path, monkeypatch)


def fuzz(seeds, contents, tmp_path, monkeypatch):
    """Opens a folder for each seed: all of it is read, or it is refused in one line, soon, in little memory."""
    build, built, watch = networks.build_generator, {}, Watch(tmp_path)

    def build_once(recipe, precision=None):
        key = (recipe.model, recipe.data.resolution, recipe.data.channels, recipe.seed)
        if seed < BUILT_ANEW or key not in built:
            built[key] = build(recipe, precision)
        return built[key]

    monkeypatch.setattr(networks, "build_generator", build_once)
    outside = tmp_path / "outside"
    outside.write_text("outside")
    loaded, failures, reached = 0, [], set()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in seeds:
        rng = np.random.default_rng(seed)
        mutator, mutated = MUTATORS[seed % len(MUTATORS)], dict(contents)
        change = mutator(mutated, rng)
        folder = written(signed(mutated) if rng.random() < 0.8 else mutated, tmp_path / "mutated", change)
        watch.folder, start = str(folder), time.process_time()
        gc.disable()  # a finaliser that runs deep in a nested document would fail, and be told by Python in its own way
        try:
            read(folder, draw=seed < BUILT_ANEW or seed % 10 == 0)
            loaded += 1
        except ValueError as error:
            reached.add(re.sub(r"[^a-z ]", "", str(error))[:30])
            if not ENDING.fullmatch(str(error)) or not str(error).isprintable():
                failures.append(f"{seed}: {str(error)[:500]!r}")
        except Exception as error:
            failures.append(f"{seed}: {error!r}"[:500])
        gc.enable()
        spent = time.process_time() - start
        if spent > SECONDS:
            failures.append(f"{seed}: {spent:.1f} s in {mutator.__name__}")
        watch.folder = None
        shutil.rmtree(folder)
    assert not failures, "\n".join(failures)
    assert not watch.outside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert outside.read_text() == "outside"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < MEMORY
    assert len(seeds) // 20 < loaded < len(seeds) // 2
    assert len(reached) > 25  # different errors: the mutations get far


def read(folder, draw):
    """All that is read of a folder: shown, loaded, drawn, and every file that it lists."""
    shown = CliRunner().invoke(main, ["show", str(folder)])
    assert isinstance(shown.exception, SystemExit | None), repr(shown.exception)
    assert all(line.isprintable() for line in shown.output.split("\n"))
    generator, opened = load_generator(folder), checkpoint.open_checkpoint(folder)
    opened.arrays("discriminator")
    for file in opened.info["files"]:
        opened.document(file) if file in DOCUMENTS else opened.content(file)
    if draw:
        size, channels = generator.recipe.data.resolution, generator.recipe.data.channels
        assert generator.sample(1).shape == (1, size, size, channels)


@pytest.mark.parametrize(
    "changes",
    [
        {"model.g_channels": 10**9},
        {"model.d_channels": 10**9},
        {"model.latent_dim": 10**9},
        {"model.g_channels": 10**17},
        {"model.g_channels": 2_000},
        {"model.d_channels": 2_000},
        {"data.resolution": 128, "model.g_channels": 100},
        {"model.network": "stylegan-lite", "model.mapping_layers": 65},
        {"schedule.batch_size": 10**6},
        {"model.network": "stylegan-lite", "model.mapping_layers": 60, "model.latent_dim": 1_000},
        {"schedule.d_steps": 1_000},
        {"schedule.g_steps": 1_000},
    ],
    ids=str,
)
def test_an_oversized_recipe_is_refused_before_anything_is_built(changes, contents, tensors, tmp_path, monkeypatch):
    values = recipes.load("dcgan-fashion-mnist").replace(**TINY).to_dict()
    if changes.get("model.network") == "stylegan-lite":
        values["model"] |= {"mapping_layers": 2, "style_mixing": 0.5}
    for key, value in changes.items():
        table, _, name = key.partition(".")
        values[table][name] = value
    folder = written(signed(contents | {"recipe.toml": tomli_w.dumps(values).encode()}), tmp_path / "saved")
    for build in ("build", "build_generator"):
        monkeypatch.setattr(networks, build, lambda *arguments, **options: pytest.fail("a network was built"))
    with pytest.raises(ValueError, match=r"builds a .* of [\d,]+ to [\d,]+ weights|be at most|below 1e18") as caught:
        load_generator(folder)
    assert ENDING.fullmatch(str(caught.value))


def test_a_file_far_larger_than_the_network_is_refused_before_it_is_read(contents, tmp_path, monkeypatch):
    folder = written(signed(contents), tmp_path / "sound")
    os.truncate(folder / "generator.safetensors", 2**31)
    info = json.loads((folder / "ganzoo.json").read_text())
    info["files"]["generator.safetensors"]["bytes"] = 2**31
    (folder / "ganzoo.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"generator\.safetensors has 2,147,483,648 bytes; fetch"):
        load_generator(folder)


@pytest.mark.parametrize(
    "name",
    [
        "dcgan-fashion-mnist",
        "dcgan-cifar10",
        "dcgan-64",
        "sngan-fashion-mnist",
        "sngan-64",
        "wgan-gp-64",
        "stylegan-lite-fashion-mnist",
        "stylegan-lite-64",
    ],
)
@pytest.mark.parametrize(
    "size",
    [
        {"latent_dim": 1, "g_channels": 1, "d_channels": 1},
        {"latent_dim": 3, "g_channels": 5, "d_channels": 3},
        {"latent_dim": 100, "g_channels": 24, "d_channels": 24},
    ],
)
def test_the_least_weights_are_no_more_than_a_network_has(name, size, tmp_path):
    recipe = recipes.load(name).replace(**{f"model.{key}": value for key, value in size.items()})
    least = recipe.model.least_weights(recipe.data.resolution)
    for model in networks.build(recipe):
        count = estimate.parameters(model)
        assert least[model.name] <= count <= 20 * least[model.name] + checkpoint.SMALL_NETWORK / 2
        assert size["g_channels"] < 24 or count <= 20 * least[model.name]


def test_links_lead_nowhere_but_to_the_blobs_of_a_snapshot(contents, tmp_path):
    def linked(folder, blobs):
        folder.mkdir(parents=True)
        blobs.mkdir(parents=True)
        for name, content in contents.items():
            (blobs / name).write_bytes(content)
            (folder / name).symlink_to(os.path.relpath(blobs / name, folder))
        return folder

    cache = tmp_path / "cache"
    for folder, blobs in (
        (cache / "models--org--a" / "snapshots" / "0", cache / "models--org--a" / "blobs"),
        (cache / "models--org--b" / "snapshots" / "0", cache / "blobs" / "ab"),
    ):
        load_generator(linked(folder, blobs))
    for folder, blobs in (
        (tmp_path / "here", tmp_path / "there"),
        (tmp_path / "x" / "snapshots" / "0", tmp_path / "other"),
        (tmp_path / "y" / "snapshots" / "0", tmp_path / "y" / "blob"),
    ):
        with pytest.raises(ValueError, match=r"ganzoo\.json is a link that leads out of the checkpoint"):
            load_generator(linked(folder, blobs))

    (cache / "models--org--c" / "snapshots").mkdir(parents=True)  # blobs that are a link themselves
    (cache / "models--org--c" / "blobs").symlink_to(tmp_path / "there")
    folder = cache / "models--org--c" / "snapshots" / "0"
    folder.mkdir()
    for name in contents:
        (folder / name).symlink_to(f"../../blobs/{name}")
    with pytest.raises(ValueError, match="leads out"):
        load_generator(folder)


def test_a_folder_may_itself_be_a_link(contents, tmp_path):
    (tmp_path / "link").symlink_to(written(signed(contents), tmp_path / "sound"))
    assert load_generator(tmp_path / "link")
