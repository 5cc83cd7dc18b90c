"""Checkpoints: what was saved is read again, and nothing else is."""

import hashlib
import itertools
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from zoo import networks
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, loading, resolve
from zoo.checkpoints.run import Run
from zoo.files import atomic, pictures
from zoo.networks.parts.variables import assign, by_path

TINY = {"model.latent_dim": 4, "model.g_channels": 2, "model.d_channels": 2}
WEIGHTS = "generator.safetensors"


@pytest.fixture(scope="module")
def recipe():
    return recipes.load("dcgan-fashion-mnist").replace(**TINY)


@pytest.fixture(scope="module")
def models(recipe):
    return {model.name: model for model in networks.build(recipe)}


@pytest.fixture(scope="module")
def tensors(models):
    return {
        name: {variable.path: variable.numpy().copy() for variable in model.variables} for name, model in models.items()
    }


@pytest.fixture
def folder(recipe, tensors, tmp_path):
    picture = pictures.png(pictures.grid(np.zeros((4, 8, 8, 1), np.uint8)))
    return checkpoint.save(tmp_path / "saved", recipe, tensors, {"images": 640}, {"samples.png": picture})


def sign(folder):
    """Makes ganzoo.json state the sizes and digests that the files have."""
    info = json.loads((folder / "ganzoo.json").read_text())
    for name, entry in info["files"].items():
        content = (folder / name).read_bytes()
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "ganzoo.json").write_text(json.dumps(info))


def change(folder, edit, name=WEIGHTS):
    """Edits the tensors of a file; sizes and digests agree with the result."""
    arrays = load_file(folder / name)
    edit(arrays)
    save_file(arrays, folder / name)
    sign(folder)


def assert_refused(message, action, *arguments):
    with pytest.raises(ValueError, match=message) as caught:
        action(*arguments)
    assert re.fullmatch(r".+ Received: .+", str(caught.value))  # one line: a dot is no line break


def test_what_was_saved_is_read_again(recipe, tensors, folder):
    opened = checkpoint.open_checkpoint(folder)
    assert opened.recipe == recipe
    assert opened.info["images"] == 640
    assert not opened.has_training_state
    for name, arrays in tensors.items():
        read = opened.arrays(name)
        assert read.keys() == arrays.keys()
        for path, array in arrays.items():
            assert read[path].dtype == array.dtype
            np.testing.assert_array_equal(read[path], array, err_msg=path)
    assert opened.content("samples.png").startswith(b"\x89PNG")
    assert {path.name for path in folder.iterdir()} == {
        "ganzoo.json",
        "recipe.toml",
        "generator.safetensors",
        "discriminator.safetensors",
        "samples.png",
    }


def test_scalars_and_types_stay(recipe, tmp_path):
    arrays = {
        "step": np.array(7, "int32"),
        "r_t": np.array(0.5, "float32"),
        "half": np.ones((2, 3), "float16"),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "empty": np.zeros((0, 3), "float32"),
    }
    opened = checkpoint.open_checkpoint(checkpoint.save(tmp_path / "saved", recipe, {"training": arrays}, {}))
    assert opened.has_training_state
    for name, array in opened.arrays("training").items():
        assert (array.shape, array.dtype) == (arrays[name].shape, arrays[name].dtype)
        np.testing.assert_array_equal(array, arrays[name])


def test_half_precision_is_for_kernels_that_it_can_hold():
    arrays = {
        "kernel": np.full((2, 2), 0.1, "float32"),
        "large": np.full((2, 2), 1e5, "float32"),
        "norm/moving_variance": np.full(3, 0.1, "float32"),
        "strength": np.array(0.1, "float32"),
    }
    halved = checkpoint.half(arrays)
    assert {name: array.dtype.name for name, array in halved.items()} == {
        "kernel": "float16",
        "large": "float32",
        "norm/moving_variance": "float32",
        "strength": "float32",
    }
    np.testing.assert_allclose(halved["kernel"], 0.1, rtol=2**-11)
    np.testing.assert_array_equal(halved["large"], 1e5)


def test_half_precision_is_read_into_single_precision(folder, tensors):
    change(folder, lambda arrays: arrays.update(checkpoint.half(arrays)))
    model = loading.load_generator(folder).model
    for path, variable in by_path(model.variables).items():
        assert variable.dtype == "float32"
        np.testing.assert_allclose(variable, tensors["generator"][path], rtol=1e-3, atol=1e-7)


def truncated(folder):
    os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size // 2)


def flipped(folder, name=WEIGHTS):
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)


def unreadable(folder):
    (folder / WEIGHTS).write_bytes(b"x" * 100)
    sign(folder)


def wrong_shape(arrays):
    arrays["up8/kernel"] = arrays["up8/kernel"][..., :-1].copy()


def extra(arrays):
    arrays["more"] = np.zeros(2)


def missing(arrays):
    del arrays["to_image/bias"]


def not_a_number(arrays):
    arrays["up8/kernel"][0, 0, 0, 0] = np.nan


def infinite(arrays):
    arrays["to_image/bias"][0] = np.inf


def too_large(arrays):
    arrays["to_image/bias"] = np.array([1e300])


CORRUPTIONS = {
    "truncated": (truncated, r"generator\.safetensors has \d+ bytes instead of \d+"),
    "changed": (flipped, r"generator\.safetensors does not have the digest"),
    "changed recipe": (lambda folder: flipped(folder, "recipe.toml"), r"recipe\.toml does not have"),
    "no safetensors": (unreadable, "is corrupt"),
    "wrong shape": (
        lambda folder: change(folder, wrong_shape),
        r"up8/kernel is \(4, 4, 4, 7\) and should be \(4, 4, 4, 8\)",
    ),
    "NaN": (lambda folder: change(folder, not_a_number), "values that are not finite, in up8/kernel"),
    "infinite": (lambda folder: change(folder, infinite), "values that are not finite, in to_image/bias"),
    "too large": (lambda folder: change(folder, too_large), "values that are not finite, in to_image/bias"),
    "extra": (lambda folder: change(folder, extra), r"unexpected more \(2,\)"),
    "missing": (lambda folder: change(folder, missing), r"missing to_image/bias \(1,\)"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), r"has no generator\.safetensors"),
    "no recipe": (lambda folder: (folder / "recipe.toml").unlink(), r"recipe\.toml"),
    "no ganzoo.json": (lambda folder: (folder / "ganzoo.json").unlink(), r"no ganzoo\.json"),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corrupt_checkpoint_is_refused_in_one_line(corruption, folder):
    corrupt, message = CORRUPTIONS[corruption]
    corrupt(folder)
    assert_refused(message, loading.load_generator, folder)


ENTRY = {"bytes": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '"text"',
        "{}",
        '{"format": 1}',
        '{"files": {}}',
        '{"format": 2, "files": {}}',
        '{"format": "1", "files": {}}',
        '{"format": 1, "files": []}',
        '{"format": 1, "files": {"a": null}}',
        '{"format": 1, "files": {}, "images": 1' + "0" * 5_000 + "}",
        "[" * 100_000,
        *(
            json.dumps({"format": 1, "files": {"a": ENTRY | entry}})
            for entry in ({"bytes": -1}, {"bytes": 2**40}, {"bytes": "1"}, {"bytes": 1.0}, {"sha256": None})
        ),
        *(
            json.dumps({"format": 1, "files": {name: ENTRY}})
            for name in ("../x", "a/../../x", "/etc/passwd", "a/b", "..", ".", "")
        ),
    ],
    ids=lambda text: text[:60],
)
def test_a_broken_ganzoo_json_is_refused_in_one_line(text, folder):
    (folder / "ganzoo.json").write_text(text)
    assert_refused(r"ganzoo\.json", checkpoint.open_checkpoint, folder)


FORMS = {
    "images": ["many", 1.5, -1, True, 10**30, [], {"a": 1}],
    "step": ["first", 0.5, -1, [[]]],
    "kid": ["near", [], True],
    "healthy": ["yes", 1, None],
    "data": [None, 7, [], {"images": "many"}, {"fingerprint": 7}, {"source": []}],
    "training": [7, "long", []],
    "parameters": [None, [], {"generator": "many"}],
    "versions": [None, {"keras": 3}],
    "device": [7],
    "name": [7, []],
    "license": [{}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FORMS.items() for value in values], ids=str)
def test_a_ganzoo_json_of_another_form_is_refused_in_one_line(key, value, folder):
    """What other rooms read has its type, so that none of them meets a TypeError or a KeyError."""
    info = json.loads((folder / "ganzoo.json").read_text()) | {key: value}
    (folder / "ganzoo.json").write_text(json.dumps(info))
    assert_refused(r"ganzoo\.json is not what this version writes .*saved", checkpoint.open_checkpoint, folder)


@pytest.mark.parametrize(
    "entry", [{"sha256": "\x1b[31m" + "0" * 59}, {"sha256": "0" * 63}, {"sha256": "\ud800"}, {"bytes": True}, {}]
)
def test_a_listed_file_has_a_size_and_a_digest(entry, folder):
    info = json.loads((folder / "ganzoo.json").read_text())
    info["files"]["samples.png"] = entry and info["files"]["samples.png"] | entry
    (folder / "ganzoo.json").write_text(json.dumps(info))
    assert_refused(r"ganzoo\.json is not what this version writes", checkpoint.open_checkpoint, folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b"1" + b"0" * 5_000])
def test_a_json_file_of_a_checkpoint_is_an_object(content, folder):
    checkpoint.renew(folder, {"evaluation.json": b'{"scores": 1}'})
    assert checkpoint.open_checkpoint(folder).document("evaluation.json") == {"scores": 1}
    checkpoint.renew(folder, {"evaluation.json": content})
    opened = checkpoint.open_checkpoint(folder)
    assert_refused(r"evaluation\.json is corrupt .*saved", opened.document, "evaluation.json")


def test_the_recipe_that_is_used_is_the_one_that_was_checked(folder, monkeypatch):
    """A racing writer changes the file right after it was compared with its digest."""
    checked = checkpoint._content

    def check_then_change(path, info, file):
        content = checked(path, info, file)
        (path / file).write_bytes(content.replace(b"seed = 0", b"seed = 7"))
        return content

    monkeypatch.setattr(checkpoint, "_content", check_then_change)
    assert checkpoint.open_checkpoint(folder).recipe.seed == 0
    assert b"seed = 7" in (folder / "recipe.toml").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 49_000 + " = 1",
        ("a" + ".a" * 4_900 + '."\u2028".') * 10 + "a = 1",
        "\n".join("a" * n + ".a" * 190 + " = 1" for n in range(1, 200)),
        "[" + "a." * 190 + "a]\n" + "\n".join("b" * n + ".a" * 190 + " = 1" for n in range(1, 200)),
        "a = " + "{a = " * 15_000,
        "a = " + "[" * 90_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_recipe_of_great_depth_takes_no_time(text, folder):
    """98 KB of dots took a minute and 9 GB."""
    (folder / "recipe.toml").write_text(text, "utf-8")
    sign(folder)
    start, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(None, checkpoint.open_checkpoint, folder)
    assert time.process_time() - start < 2  # seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < 200  # MiB


def test_a_huge_or_binary_ganzoo_json_is_refused_in_one_line(folder):
    for content in (b"\xff\xfe{}", b" " * 20_000_000):
        (folder / "ganzoo.json").write_bytes(content)
        assert_refused(r"ganzoo\.json is corrupt", checkpoint.open_checkpoint, folder)


@pytest.mark.parametrize(
    "text",
    [
        "seed",
        "seed = 2020-01-01",
        "seed = 1" + "0" * 5_000,
        "seed = " + "[" * 10_000,
        "seed = 'a\nb'",
        "a." * 3_000 + "b = 1",
        "[optimizer.d]\nlearning_rate = 1" + "0" * 400,
        "[model]\nnetwork = []",
        "[model]\ng_channels = 0.5",
        "model = 1",
        "speed = 1",
    ],
    ids=lambda text: text[:30],
)
def test_a_broken_recipe_is_refused_in_one_line(text, recipe, folder):
    (folder / "recipe.toml").write_text(text)
    sign(folder)
    assert_refused(None, checkpoint.open_checkpoint, folder)


def test_a_run_with_a_broken_checkpoint_names_it_and_takes_another(folder, tmp_path, said):
    run = Run(tmp_path / "run")
    for step in (1, 2):
        shutil.copytree(folder, run.checkpoint_path(step))
    for text in ("", "[]", '{"format": 1, "files": {}, "kid": "near"}'):
        (run.checkpoint_path(1) / "ganzoo.json").write_text(text)
        said.clear()
        assert resolve.resolve(run.path) == run.checkpoint_path(2)
        assert "step-000000001 is damaged and left out (ganzoo.json is" in said[0]


def test_the_difference_is_complete_up_to_a_bound(models):
    variables = by_path(models["generator"].variables)
    arrays = {"a": np.zeros(1), "b": np.zeros(1)}
    assert_refused(
        rf"missing project/kernel.* and {len(variables) + 2 - 8} more\. "
        rf"Received: 2 tensors for {len(variables)} variables",
        assign,
        variables,
        arrays,
        "generator",
    )


@pytest.mark.parametrize("edit", [wrong_shape, missing, extra])
def test_all_or_nothing_is_assigned(edit, models, tensors):
    variables = by_path(models["generator"].variables)
    arrays = {path: array + 1 for path, array in tensors["generator"].items()}
    edit(arrays)
    assert_refused("do not fit the generator", assign, variables, arrays, "generator")
    for path, variable in variables.items():
        np.testing.assert_array_equal(variable, tensors["generator"][path], err_msg=path)


def test_two_variables_of_one_path_are_refused(models):
    assert_refused("same path", by_path, 2 * models["generator"].variables[:1])


@pytest.mark.parametrize("exchanging", [True, False])
@pytest.mark.parametrize(
    ("where", "name", "call"),
    [
        (Path, "write_bytes", 1),
        (Path, "write_text", 1),
        (os, "fsync", 1),
        (os, "fsync", 3),
        (os, "replace", 1),
        (os, "replace", 2),
    ],
)
def test_the_old_checkpoint_survives_a_failing_save(
    where, name, call, exchanging, recipe, tensors, folder, monkeypatch
):
    """Where two folders cannot change places at once, they are renamed one after the other."""
    original, calls = getattr(where, name), []

    def full(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            raise OSError(28, "No space left on device")
        return original(*arguments, **options)

    if name == "replace" and exchanging:
        pytest.skip("nothing is renamed")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, full)
        patch.setattr(atomic, "exchange", atomic.exchange if exchanging else lambda a, b: False)
        assert_refused("No space left.*make room.*saved", checkpoint.save, folder, recipe, tensors, {"images": 1})
    assert checkpoint.open_checkpoint(folder).info["images"] == 640
    assert loading.load_generator(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]


KILLED = """
import os, sys
from pathlib import Path
from zoo.checkpoints import checkpoint
from zoo.files import atomic

moment, how, path = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
if how == "renaming":
    atomic.exchange = lambda a, b: False

def die(event, arguments, count=[0]):
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "ctypes.dlsym"):
        count[0] += 1
        if count[0] == moment:
            os.kill(os.getpid(), 9)

sys.addaudithook(die)
checkpoint.renew(path, {"evaluation.json": b"{}"})
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exchanging", "renaming"])
def test_a_checkpoint_whose_renewal_is_killed_is_there_or_is_named(how, folder):
    lost = 0
    for moment in itertools.count(1):
        before = (folder / "ganzoo.json").read_bytes()  # an earlier one may have been killed after it was done
        code = [sys.executable, "-c", KILLED, str(moment), how, str(folder)]
        done = subprocess.run(code, capture_output=True, text=True).returncode == 0
        try:
            opened = checkpoint.open_checkpoint(resolve.resolve(folder))
            assert opened.info["images"] == 640
        except ValueError as error:
            lost += 1
            assert re.search("was killed; the old one is whole: mv ", str(error))
            shutil.move(shlex.split(str(error).partition("whole: ")[2].partition(". Received")[0])[1], folder)
            assert (folder / "ganzoo.json").read_bytes() == before
        if done:
            break
    assert moment > 20
    assert (lost > 0) == (how == "renaming")


def test_what_is_left_of_a_killed_renewal_is_named(folder, monkeypatch):
    """Without an exchange there is a moment between two renames; a process killed there cleans nothing up."""
    killed = folder.parent / f"{atomic.PARTIAL}saved-x"
    killed.mkdir()
    folder.rename(killed / "old")
    assert_refused(f"the old one is whole: mv {killed}/old {folder}", resolve.resolve, folder)


def test_of_several_killed_renewals_the_last_is_named(folder):
    """One that was killed when it had replaced the folder, but not cleaned up, left what is older still."""
    for number, name in enumerate("dbace"):
        (folder.parent / f"{atomic.PARTIAL}saved-{name}" / "old").mkdir(parents=True)
        os.utime(folder.parent / f"{atomic.PARTIAL}saved-{name}", (number, number))
    folder.rename(folder.with_name("elsewhere"))
    assert_refused(f"mv {folder.parent}/{atomic.PARTIAL}saved-e/old {folder}", resolve.resolve, folder)
    os.utime(folder.parent / f"{atomic.PARTIAL}saved-b", (9, 9))
    assert_refused(f"mv {folder.parent}/{atomic.PARTIAL}saved-b/old {folder}", resolve.resolve, folder)


def test_a_save_replaces_the_old_checkpoint(recipe, folder):
    checkpoint.save(folder, recipe, {"generator": {"w": np.zeros(3)}}, {"images": 1})
    opened = checkpoint.open_checkpoint(folder)
    assert opened.info["images"] == 1
    assert {path.name for path in folder.iterdir()} == {"ganzoo.json", "recipe.toml", "generator.safetensors"}
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]
