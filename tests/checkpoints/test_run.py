"""The folder of a run: its log, its checkpoints, and what becomes of damage."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run, default_folder, folder_for
from zoo.checkpoints.run_history import history
from zoo.files.errors import ZooError

RECIPE = recipes.load("dcgan-fashion-mnist", {"schedule.images": 6_400, "schedule.batch_size": 64})


@pytest.fixture
def run(tmp_path):
    """A run with a checkpoint at the start and two more; the start has the smallest KID, step 20 the next."""
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for step, kid in ((0, 0.01), (20, 0.03), (80, 0.05)):
        run.log({"step": step, "images": 64 * step, "kid": kid})
        info = {"step": step, "kid": kid, "healthy": step < 50}
        checkpoint.save(run.checkpoint_path(step), RECIPE, {"generator": {"w": np.ones(3)}}, info)
    return run


def flip(path, position):
    """Changes one byte, to another that is no line break."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


# The log


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "3",
        "{}",
        "nonsense",
        '{"step": 1}',
        '{"step": "1", "images": 4}',
        '{"step": true, "images": 4}',
        '{"step": -1, "images": 4}',
        '{"step": 1, "images": 1' + "0" * 400 + "}",
        '{"step": 1, "images": 4, "kid": "low"}',
        '{"step": 1, "images": 4, "separation": 1' + "0" * 400 + "}",
        '{"step": 1, "images": 4, "d_loss": null}',
        '{"step": 1, "images": 4, "findings": 3}',
        '{"step": 1, "images": 4, "rollback": {}}',
        '{"step": 1, "images": 4, "machine": "mine"}',
        "[" * 100_000,
        '{"step": 1, "images": 4, "ima',
    ],
    ids=lambda line: line[:45],
)
def test_a_line_of_a_wrong_form_is_left_out_and_told(run, line, said):
    lines = (run.path / "log.jsonl").read_text().splitlines()
    (run.path / "log.jsonl").write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    assert [entry["step"] for entry in run.entries()] == [0, 20, 80]
    assert run.read_log().damaged == [2]
    run.rewind(80)
    assert said == [f"{run.path / 'log.jsonl'}: damaged lines are left out, number 2"]
    assert run.read_log().damaged == []


def test_numbers_that_are_not_finite_and_unknown_keys_are_read(run):
    run.log({"step": 81, "images": 5184, "d_loss": float("nan"), "new": ["of a later version"]})
    assert run.entries()[-1]["new"] == ["of a later version"]


def test_a_line_after_one_that_was_cut_short_stands_alone(run):
    with open(run.path / "log.jsonl", "a") as file:
        file.write('{"step": 90, "ima')
    run.log({"step": 100, "images": 6400})
    assert [entry["step"] for entry in run.entries()] == [0, 20, 80, 100]


@pytest.mark.parametrize("file", ["log.jsonl", "rollbacks.jsonl"])
def test_a_flipped_byte_forgets_no_rollback(run, file):
    run.rolled_back({"step": 20, "images": 1280, "rollback": {"from_step": 80, "why": "it failed"}})
    content = (run.path / file).read_bytes()
    start = content.rindex(b'{"step"')  # the line of the rollback
    for position in range(start, len(content), 7):
        (run.path / file).write_bytes(content)
        flip(run.path / file, position)
        assert run.rollbacks() == 1


def test_a_run_of_an_older_version_has_its_rollbacks_in_the_log_alone(run):
    run.log({"step": 20, "images": 1280, "rollback": {"from_step": 80, "why": "it failed"}})
    assert run.rollbacks() == 1


def test_changes_that_an_older_version_wrote_as_text_are_read(run):
    run.log({"step": 80, "images": 5120, "changes": ["schedule.images: 3200 -> 6400", "of another form"]})
    change, other = run.entries()[-1]["changes"]
    assert change == recipes.Change("schedule.images", "3200", "6400")
    assert str(change) == "schedule.images: 3200 -> 6400"
    assert other.key == "of another form"
    run.rewind(80)
    assert run.entries()[-1]["changes"] == [change, other]


def test_findings_that_an_older_version_wrote_as_text_are_read(run):
    text, named = "collapse: all alike: of class 3", {"name": "drift", "value": 0.3, "steps": [1, 2]}
    run.log({"step": 80, "images": 5120, "findings": [text, named, {"name": "d_wins", "text": "d_wins: it wins"}]})
    assert run.entries()[-1]["findings"] == [
        {"name": "collapse", "text": text},
        {"name": "drift", "text": "name drift, value 0.3"},
        {"name": "d_wins", "text": "d_wins: it wins"},
    ]


# Checkpoints


def test_the_start_is_the_best_only_if_there_is_no_other(run, said):
    assert run.best() == run.checkpoint_path(20)
    assert run.choose("best") == run.checkpoint_path(20)
    assert any("step 0, had the smaller KID (0.01; 0.03 at step 20)" in line for line in said)
    run.forget_after(0)
    said.clear()
    assert run.choose("best") == run.checkpoint_path(0)
    assert any("is the start of the run, which training has not touched" in line for line in said)


@pytest.mark.parametrize(("which", "step"), [("best", 20), ("latest", 80), ("healthy", 20), ("80", 80), ("0", 0)])
def test_a_checkpoint_is_chosen_by_word_or_step(run, which, step):
    assert run.choose(which) == run.checkpoint_path(step)


@pytest.mark.parametrize("which", ["21", "newest", "", "-1", "²", "best "])
def test_an_unknown_choice_names_those_that_are_there(run, which):
    with pytest.raises(ZooError, match=r"choose best, latest, healthy or a step, of 0, 20, 80\. Received: "):
        run.choose(which)
    with pytest.raises(ZooError, match="no checkpoint yet"):
        Run(run.path.parent / "new").choose(which)


def test_the_start_with_the_smallest_kid_is_kept_to_compare_with(run):
    for step in (90, 100):
        checkpoint.save(run.checkpoint_path(step), RECIPE, {}, {"step": step, "kid": 0.04})
    run.prune()
    assert [int(path.name[5:]) for path in run.checkpoints()] == [0, 20, 90, 100]


def test_a_damaged_checkpoint_is_named_once_and_the_others_are_used(run, said):
    (run.checkpoint_path(20) / "ganzoo.json").write_text("{")
    for _ in range(3):
        run.prune()
        assert run.best() == run.checkpoint_path(80)
        assert run.healthy() == run.checkpoint_path(0)
    assert len(said) == 1
    assert "step-000000020 is damaged and left out (ganzoo.json is corrupt" in said[0]
    assert run.checkpoint_path(20).is_dir(), "what is damaged is not deleted"


def test_a_run_goes_on_from_the_latest_checkpoint_that_is_intact(run, said):
    flip(run.checkpoint_path(80) / "generator.safetensors", -1)
    assert run.latest() == run.checkpoint_path(80), "its weights are not read for this"
    assert run.intact() == run.checkpoint_path(20)
    assert "step-000000080 is damaged and left out (generator.safetensors does not have the digest" in said[0]
    for step in (0, 20):
        (run.checkpoint_path(step) / "generator.safetensors").unlink()
    with pytest.raises(ZooError, match="none of the run's checkpoints is intact"):
        run.intact()
    assert Run(run.path.parent / "new").intact() is None


def test_folders_that_only_look_like_checkpoints_are_left_alone(run):
    for name in ("step-old", "step-", "step-1.5"):
        (run.path / "checkpoints" / name).mkdir()
        (run.path / "checkpoints" / name / "ganzoo.json").write_text("{}")
    assert [int(path.name[5:]) for path in run.checkpoints()] == [0, 20, 80]


def test_a_damaged_picture_is_left_out_of_the_animation(run, said):
    for i in range(3):
        run.add_samples(i, Image.fromarray(np.full((8, 8), 80 * i, np.uint8)))
    for content in (b"", b"\x89PNG\r\n\x1a\nnonsense", b"GIF"):
        (run.path / "samples" / "0000000001.png").write_bytes(content)
        run.add_samples(3, Image.fromarray(np.full((8, 8), 255, np.uint8)))
        with Image.open(run.path / "samples.gif") as animation:
            assert animation.n_frames == 3
    assert all("0000000001.png is damaged" in line for line in said)


# Beginning again


def test_a_run_that_did_no_step_may_get_another_recipe(tmp_path):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    run.log({"step": 0, "images": 0, "separation": 0.5})
    checkpoint.save(run.checkpoint_path(0), RECIPE, {}, {"step": 0})
    smaller = RECIPE.replace(**{"schedule.batch_size": 32})
    run.start(smaller)
    assert run.recipe == smaller
    assert (run.checkpoints(), run.entries()) == ([], [])


def test_a_folder_with_a_recipe_that_no_run_wrote_is_left_alone(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "mine"\n')
    with pytest.raises(ZooError):
        Run(tmp_path).start(RECIPE)
    assert (tmp_path / "recipe.toml").read_text() == 'name = "mine"\n'


def test_a_start_that_was_killed_leaves_a_free_folder(tmp_path):
    (tmp_path / "log.jsonl").touch()
    (tmp_path / ".lock").touch()
    Run(tmp_path).start(RECIPE)
    assert Run(tmp_path).recipe == RECIPE


def test_only_some_keys_change_in_the_middle_and_the_run_records_it(run, said):
    rates = {"optimizer.d.learning_rate": 1e-4, "optimizer.g.learning_rate": 1e-4}
    log = {"log.every_images": 640, "log.checkpoint_every_images": 1_280, "log.kid_images": 0}
    new = RECIPE.replace(**{"schedule.images": 12_800, "watch": "stop"} | rates | log)
    with pytest.raises(ZooError, match=r"another recipe \(.*schedule.images: 6400 -> 12800.*--resume .* --set"):
        run.start(new)
    run.start(new, resume=True)
    (entry,) = [entry for entry in run.entries() if "changes" in entry]
    assert (entry["step"], entry["images"]) == (80, 5120)
    assert ("schedule.images", "6400", "12800") in entry["changes"]
    assert len(entry["changes"]) == 7
    assert "# changed at step 80: schedule.images: 6400 -> 12800\n" in (run.path / "recipe.toml").read_text()
    assert run.recipe == new
    assert any("follows the new length" in line for line in said)
    run.rewind(20)
    assert entry in run.entries(), "the recipe stays changed too"
    told = history(run, 5120)["findings"]
    assert {"images": 5120, "kind": "change", "text": "schedule.images: 6400 -> 12800"} in told


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("seed", 1, "the order of the images follows from it"),
        ("model.g_channels", 32, "the weights fit the networks"),
        ("schedule.batch_size", 32, "steps are counted"),
        ("data.fit", "crop", "other images"),
        ("ema.half_life_images", 5, "it is part of the method"),
    ],
)
def test_other_keys_may_not_change_and_the_reason_is_said(run, key, value, reason):
    with pytest.raises(
        ZooError, match=f"{key}: .* -> .*: {key} cannot change in the middle of a run, since .*{reason}"
    ):
        run.check(RECIPE.replace(**{key: value}), resume=True)


def test_a_run_cannot_become_shorter_than_it_is(run):
    run.check(RECIPE.replace(**{"schedule.images": 5_120}), resume=True)
    with pytest.raises(ZooError, match=r"has seen 5,120 images already.* Received: schedule.images = 5000"):
        run.check(RECIPE.replace(**{"schedule.images": 5_000}), resume=True)


def test_to_resume_needs_a_run(tmp_path):
    with pytest.raises(ZooError, match="this is no run"):
        Run(tmp_path / "nowhere").check(RECIPE, resume=True)


@pytest.mark.parametrize("name", ["../../x", "a/b", "/etc", "..", "", "a\nb"])
def test_the_default_folder_is_below_runs(name):
    with pytest.raises(ZooError, match="no slashes"):
        default_folder(name)


def test_recipe_and_log_are_utf_8_whatever_the_locale(tmp_path):
    script = """
import sys
from zoo import recipe as recipes
from zoo.checkpoints.run import Run
run = Run(sys.argv[1])
run.start(recipes.load("dcgan-fashion-mnist").replace(paper="\\u00fc"))
(run.path / "log.jsonl").write_bytes('{"step": 1, "images": 1, "non_finite": "\\u00fc"}\\n'.encode("utf-8"))
run.rewind(1)
assert (run.recipe.paper, run.entries()[0]["non_finite"]) == ("\\u00fc", "\\u00fc")
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], env=environment, check=True)
    assert "ü" in (tmp_path / "run" / "recipe.toml").read_text("utf-8")


def test_a_run_beside_the_file_of_a_recipe_is_where_it_trains(tmp_path):
    file = tmp_path / "mine.toml"
    assert folder_for(file, "mine") == Path("runs/mine"), "there is no run beside it"
    (tmp_path / "trials" / "7").mkdir(parents=True)
    (tmp_path / "mine").symlink_to("trials/7")
    assert folder_for(file, "mine") == Path("runs/mine"), "a folder that is no run"
    (tmp_path / "mine" / "recipe.toml").touch()
    assert folder_for(file, "other") == tmp_path / "trials" / "7", "a link may lead elsewhere tomorrow"
    assert folder_for("dcgan-64", "dcgan-64") == Path("runs/dcgan-64")
