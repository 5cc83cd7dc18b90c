"""A run after the fact: what `ganzoo doctor` says, of whole runs and of damaged ones."""

import base64
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner
from PIL import Image

from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.cli import main
from zoo.watch import report
from zoo.watch.diagnosis import diagnose
from zoo.watch.findings import Finding
from zoo.watch.late import LATE
from zoo.watch.remedies import remedy
from zoo.watch.rules import RULES

RECIPE = recipes.load("dcgan-fashion-mnist", {"schedule.images": 6_400, "schedule.batch_size": 64})


@pytest.fixture
def run(tmp_path):
    """A run whose generator stops moving after step 40, with a checkpoint before and after."""
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for step in range(0, 101, 10):
        run.log(
            {
                "step": step,
                "images": 64 * step,
                "d_loss": 1.0 + step / 100,
                "g_loss": 1.0,
                "separation": 0.9,
                "d_update": 0.01,
                "g_update": 0.01 if step <= 40 else 0.0,
                "d_weights": 0.02,
                "g_weights": 0.02,
            }
        )
    for step, kid in ((20, 0.03), (80, 0.05)):
        checkpoint.save(run.checkpoint_path(step), RECIPE, {}, {"step": step, "kid": kid, "healthy": step < 50})
        run.add_samples(64 * step, Image.fromarray(np.full((64, 64), step, np.uint8)))
    return run


def doctor(*arguments):
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def test_a_failing_run_is_explained(run):
    diagnosis = diagnose(run.path)
    assert diagnosis.verdict == "training fails"
    (finding,) = diagnosis.findings
    assert (finding.name, finding.first_step, finding.lasting) == ("g_frozen", 50, True)
    assert diagnosis.use == {
        name: run.checkpoint_path(step) for name, step in (("best", 20), ("last healthy", 20), ("latest", 80))
    }
    text = report.markdown(diagnosis)
    for expected in ("training fails", "first seen at step 50", "g_update was 0", "step-000000020", "Remedy:"):
        assert expected in text


def test_only_a_signal_that_is_compared_with_its_past_is_told_in_deviations(run):
    named = {rule.signal: Finding(rule, 12.5, 50, 60, True) for rule in (*LATE, *RULES)}
    diagnosis = diagnose(run.path)
    for signal, expected in (
        ("g_step_change", "Evidence: g_step was 12.5 deviations from its own healthy past; the"),
        ("loss_change", "Evidence: loss_change was 12.5; the"),
        ("decline", "Evidence: KID, or the coarse KID of every look, was 12.5 deviations above its own healthy past;"),
    ):
        assert any(fact.startswith(expected) for fact in report.facts(diagnosis, named[signal]))


@pytest.mark.parametrize("name", ["dcgan-64", "stylegan-lite-64"])
def test_what_a_remedy_sets_is_written_as_set_reads_it(run, name):
    """Ramps, lists and numbers alike, of every rule."""
    ramp, told = {"from": 2e-4, "to": 1e-5}, 0
    recipe = recipes.load(name, {"optimizer.d.learning_rate": ramp, "optimizer.g.learning_rate": ramp})
    diagnosis = dataclasses.replace(diagnose(run.path), recipe=recipe)
    for rule in RULES:
        finding = Finding(rule, value=1.0, first_step=1, step=2, lasting=True)
        settings = re.findall(r" Set (\S+) = (.*?)\.(?= Set |$)", report.facts(diagnosis, finding)[-1])
        overrides = recipes.parse_overrides(tuple(f"{key}={value}" for key, value in settings))
        assert recipe.replace(**overrides) == recipe.replace(**remedy(finding, recipe).changes)
        told += len(settings)
    assert told > 10


def test_a_class_that_collapsed_is_named_as_the_checkpoint_calls_it(tmp_path):
    recipe = RECIPE.replace(**{"model.classes": 3})
    run = Run(tmp_path / "run")
    run.start(recipe)
    for step in range(0, 101, 10):
        alike = {"class_diversity": 0.7 if step <= 40 else 0.01, "class_least": 1, "class_median": 0.8}
        run.log({"step": step, "images": 64 * step, "d_loss": 1.0 + step / 100, "g_loss": 1.0, **alike})
    info = {"step": 80, "kid": 0.05, "data": {"classes": ["shirt", "sandal", "bag"]}}
    checkpoint.save(run.checkpoint_path(80), recipe, {}, info)
    diagnosis = diagnose(run.path)
    assert [finding.name for finding in diagnosis.findings] == ["class_collapse"]
    assert diagnosis.verdict == "look closer"
    text = report.markdown(diagnosis)
    for expected in (
        "(class_collapse)",
        "Which: sandal (class 1).",
        "class_diversity was 0.01",
        "Look at its real images",
    ):
        assert expected in text
    assert "sandal" in report.page(diagnosis)


def test_the_page_needs_no_other_file(run):
    page = report.page(diagnose(run.path))
    assert set(re.findall(r'src="([^:,]+)', page)) == {"data"}
    assert page.count("<img") == 3  # curves, samples before the failure and at the end
    assert "before the first finding, after 1,280 images" in page
    assert "<script" not in page
    assert not re.search(r"https?://", page)


def test_names_in_a_recipe_cannot_write_into_the_page(run):
    (run.path / "recipe.toml").write_text(tomli_w.dumps(RECIPE.replace(name="<script>alert(1)<script>").to_dict()))
    assert "<script>" not in report.page(diagnose(run.path))


def test_a_terminal_shows_no_commands_out_of_a_log(run):
    run.log({"step": 20, "images": 1280, "rollback": {"from_step": 80, "why": "d_frozen\x1b[31m\u202e"}})
    assert "with half the rates: d_frozen?[31m?\n" in report.markdown(diagnose(run.path))


@pytest.mark.parametrize("kind", ["a file of another kind", "a picture elsewhere", "a folder of samples elsewhere"])
def test_a_page_holds_no_file_from_outside_the_run(run, tmp_path, kind):
    """A run that somebody sent must not put files of this machine into the page."""
    secret = tmp_path / "outside" / "0000000001.png"
    secret.parent.mkdir()
    if kind == "a file of another kind":
        secret.write_text("secret")
    else:
        Image.new("L", (8, 8)).save(secret)
    samples = run.path / "samples"
    before = report.page(diagnose(run.path)).count("<img")
    if kind == "a folder of samples elsewhere":
        shutil.rmtree(samples)
        samples.symlink_to(secret.parent)
        before = 1  # the curves
    else:
        (samples / secret.name).symlink_to(secret)
    page = report.page(diagnose(run.path))
    assert base64.b64encode(secret.read_bytes()).decode() not in page
    assert page.count("<img") == before


def test_a_page_holds_pictures_alone(run):
    """A file of the run that only has the name of a picture."""
    before = report.page(diagnose(run.path)).count("<img")
    (run.path / "samples" / "0000000001.png").write_text("no picture")
    assert report.page(diagnose(run.path)).count("<img") == before


def test_a_healthy_run_is_called_so(tmp_path):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for step in range(0, 101, 10):
        run.log({"step": step, "images": 64 * step, "separation": 0.9})
    diagnosis = diagnose(run.path)
    assert (diagnosis.verdict, diagnosis.changes, diagnosis.use) == ("no failure found", [], {})
    assert diagnosis.better == RECIPE
    assert "None of the known failures" in report.markdown(diagnosis)
    assert "<h2>Evidence" not in report.page(diagnosis)


def test_the_command_prints_writes_and_fixes(run, tmp_path):
    assert "# dcgan-fashion-mnist: training fails" in doctor(run.path).output
    html, fixed = tmp_path / "out" / "report.html", tmp_path / "fixed.toml"
    run.log({"step": 101, "images": 6464, "data_images": 64.0})
    result = doctor(run.path, "-o", html, "--write-recipe", fixed)
    assert result.exit_code == 0
    assert html.read_text().startswith("<!doctype html>")
    better = recipes.load(fixed)
    assert better.augment.diffaugment == ("color", "translation", "cutout")
    assert better.name == "fixed", "for a folder of its own"
    assert "augment.diffaugment" in doctor(run.path).output
    assert "report.txt" in doctor(run.path, "-o", tmp_path / "report.txt").output


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run.path / "recipe.toml").unlink(), "this is no run"),
        (lambda run: (run.path / "recipe.toml").write_text("name = 3\nnew_key = 4"), "another version"),
        (lambda run: (run.path / "recipe.toml").write_bytes(b"\xff\xfe"), "another version"),
        (lambda run: (run.path / "log.jsonl").unlink(), "logged nothing yet"),
        (lambda run: (run.path / "log.jsonl").write_text(""), "logged nothing yet"),
        (lambda run: (run.path / "log.jsonl").write_text("[]\n3\n{}\n"), "nothing in its log can be read"),
        (lambda run: (run.path / "log.jsonl").write_bytes(b"\xff\xfe\x00"), "nothing in its log can be read"),
        (lambda run: (run.path / "log.jsonl").write_text('{"step": 1, "imag'), "nothing in its log can be read"),
    ],
)
def test_a_run_that_cannot_be_judged_is_explained(run, damage, said):
    damage(run)
    result = doctor(run.path)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_an_empty_folder_and_a_missing_one_are_no_runs(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        assert "this is no run" in doctor(path).output


def test_a_log_cut_short_is_judged_as_far_as_it_goes(run):
    with open(run.path / "log.jsonl", "a") as file:
        file.write('{"step": 110, "ima')
    diagnosis = diagnose(run.path)
    assert [finding.name for finding in diagnosis.findings] == ["g_frozen"]
    assert any("1 of 12 lines" in note for note in diagnosis.notes)


def test_a_judge_that_taught_the_discriminator_is_named(tmp_path):
    for recipe in ("quick-64", "dcgan-64"):
        run = Run(tmp_path / recipe)
        run.start(recipes.load(recipe, {"data.source": "images"}))
        run.log({"step": 10, "images": 640, "d_loss": 1.0, "g_loss": 1.0, "kid": 0.1, "kid_error": 0.01})
        named = ["efficientnet-lite0, which taught" in note for note in diagnose(run.path).notes]
        assert any(named) == (recipe == "quick-64")


def test_a_young_run_is_not_judged_and_an_older_log_is_said_to_be_one(tmp_path):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    run.log({"step": 10, "images": 640, "d_loss": 1.0, "g_loss": 1.0, "distance": 3.0})
    diagnosis = diagnose(run.path)
    assert diagnosis.verdict == "too early to tell"
    for expected in ("no probe signals", "no checkpoint", "6 lines of the log"):
        assert expected in " ".join(diagnosis.notes)


@pytest.mark.parametrize(("steps", "verdict"), [(63, "too early to tell"), (100, "no failure found")])
def test_many_lines_of_few_steps_tell_nothing(tmp_path, steps, verdict):
    run = Run(tmp_path / "run")
    run.start(RECIPE)
    for step in range(1, steps + 1):
        run.log({"step": step, "images": 64 * step, "d_loss": 1.0 + step / 1_000, "g_loss": 1.0})
    assert diagnose(run.path).verdict == verdict


def test_a_run_trains_while_a_process_holds_its_lock_and_is_stopped_otherwise(tmp_path):
    run = Run(tmp_path / "my run")
    run.start(RECIPE)
    run.log({"step": 10, "images": 640, "d_loss": 1.0})
    with run.locked():
        assert "step 10 of 100 and trains now" in " ".join(diagnose(run.path).notes)
    stopped = f"is stopped: no process trains in its folder. Go on with: ganzoo train --resume '{run.path}'"
    assert stopped in " ".join(diagnose(run.path).notes)


def test_what_changed_in_the_middle_is_told(run):
    run.log({"step": 80, "images": 5120, "changes": ["schedule.images: 6400 -> 12800"]})
    assert "Changed at step 80: schedule.images: 6400 -> 12800" in report.markdown(diagnose(run.path))


def test_values_of_unknown_kinds_in_the_log_do_not_crash(run):
    run.log({"step": 105, "images": "many", "separation": "high", "d_loss": None, "findings": 3, "rollback": 1})
    assert diagnose(run.path).findings[0].name == "g_frozen"
    assert "<!doctype" in report.page(diagnose(run.path))


def test_a_damaged_checkpoint_is_not_recommended_and_an_intact_one_is(run):
    (run.checkpoint_path(80) / "ganzoo.json").write_text("{")
    diagnosis = diagnose(run.path)
    assert diagnosis.use == dict.fromkeys(("best", "last healthy", "latest"), run.checkpoint_path(20))
    assert any("damaged" in note and "step-000000080" in note for note in diagnosis.notes)


def test_a_rollback_is_told(run):
    run.log({"step": 20, "images": 1280, "rollback": {"from_step": 80, "why": "d_frozen"}})
    assert "from step 80 to 20" in report.markdown(diagnose(run.path))
    json.loads((run.path / "log.jsonl").read_text().splitlines()[-1])
