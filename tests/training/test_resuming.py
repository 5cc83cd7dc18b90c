"""The life of a run: it stops in time, grows longer, survives damage, and shows its first pictures early."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tensorboardX
import tomli_w
from PIL import Image

import zoo
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.training import loop, quality, recorder


@pytest.fixture
def recipe(small, images):
    """Sixteen steps of DCGAN, a checkpoint every eight."""
    return small("dcgan-fashion-mnist", **{"data.source": images})


@pytest.fixture
def constant(recipe):
    """The same with rates that do not depend on the length."""
    return recipe.replace(**{"optimizer.d.learning_rate": 2e-4, "optimizer.g.learning_rate": 2e-4})


def assert_same_weights(one, other):
    a, b = (checkpoint.open_checkpoint(run.latest()) for run in (one, other))
    assert a.info["step"] == b.info["step"]
    for file in ("generator", "discriminator", "training"):
        assert a.content(f"{file}.safetensors") == b.content(f"{file}.safetensors"), file


@pytest.mark.slow
def test_a_run_stops_when_its_time_is_up_and_goes_on_to_the_same_bits(recipe, tmp_path, said):
    whole = zoo.train(recipe, tmp_path / "whole")
    parts = zoo.train(recipe, tmp_path / "my parts", seconds=0)
    assert checkpoint.open_checkpoint(parts.latest()).info["step"] == 1, "at least one step each time"
    assert parts.stopped_by == 0, "no signal has come"
    assert f"the time is up: stopped and saved; go on with: ganzoo train --resume '{parts.path}'" in said
    assert_same_weights(whole, zoo.train(recipe, parts.path, seconds=600))


@pytest.mark.slow
def test_a_run_that_became_longer_equals_one_that_was_as_long_from_the_start(constant, tmp_path, said):
    longer = constant.replace(**{"schedule.images": 96})
    whole = zoo.train(longer, tmp_path / "whole")
    run = zoo.train(constant, tmp_path / "run")
    said.clear()
    zoo.train(longer, run.path, resume=True)
    assert_same_weights(whole, run)
    assert "from step 16 on: schedule.images: 64 -> 96" in said
    assert [entry["changes"] for entry in run.entries() if "changes" in entry] == [[("schedule.images", "64", "96")]]
    zoo.train(longer, run.path)  # it is the run's recipe now


@pytest.mark.parametrize("rate", [1e-3, {"from": 1e-3, "to": 0.0}], ids=str)
def test_a_new_rate_holds_from_where_the_run_goes_on(constant, tmp_path, rate):
    run = zoo.train(constant.replace(**{"schedule.images": 32}), tmp_path / "run")
    before = checkpoint.open_checkpoint(run.latest()).arrays("training")
    changes = {"schedule.images": 64, "optimizer.d.learning_rate": rate}
    zoo.train(constant.replace(**changes), run.path, resume=True)
    after = checkpoint.open_checkpoint(run.latest()).arrays("training")
    assert after["d_adam/iteration"] == 2 * before["d_adam/iteration"]
    if rate == 1e-3:
        assert after["d_adam/learning_rate"] == np.float32(1e-3)
    assert after["g_adam/learning_rate"] == before["g_adam/learning_rate"]


def test_a_run_that_failed_before_its_first_step_may_be_tried_again_with_another_recipe(recipe, tmp_path, monkeypatch):
    def no_memory(self, players, batch):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(loop.backend.Engine, "run", no_memory)
        with pytest.raises(MemoryError):
            zoo.train(recipe.replace(watch="stop"), tmp_path / "run")
    assert Run(tmp_path / "run").checkpoints(), "of the start, with other networks"
    smaller = recipe.replace(**{"schedule.batch_size": 2, "schedule.images": 16, "model.latent_dim": 6})
    run = zoo.train(smaller, tmp_path / "run")
    assert run.recipe == smaller
    assert checkpoint.open_checkpoint(run.latest()).info["images"] == 16


@pytest.mark.slow
def test_a_run_whose_latest_checkpoint_is_damaged_goes_on_from_the_one_before(recipe, tmp_path, said):
    whole = zoo.train(recipe, tmp_path / "whole")
    run = zoo.train(recipe, tmp_path / "run")
    (run.latest() / "training.safetensors").write_bytes(b"")
    zoo.train(recipe, run.path)
    assert any("step-000000016 is damaged and left out (training.safetensors" in line for line in said)
    assert f"going on from {run.checkpoint_path(8)}" in said
    assert_same_weights(whole, run)


@pytest.mark.slow
def test_damage_in_what_is_older_ends_no_save(recipe, tmp_path, said):
    run = zoo.train(recipe, tmp_path / "run")
    (run.checkpoint_path(8) / "recipe.toml").write_text("damaged")
    (run.path / "samples" / "0000000032.png").write_bytes(b"damaged")
    (run.path / "log.jsonl").write_bytes(b"\x00" + (run.path / "log.jsonl").read_bytes()[1:])
    said.clear()
    zoo.train(recipe.replace(**{"schedule.images": 128}), run.path, resume=True)
    for words in ("step-000000008 is damaged", "0000000032.png is damaged", "damaged lines are left out, number 1"):
        assert sum(words in line for line in said) == 1, words
    assert checkpoint.open_checkpoint(run.latest()).info["step"] == 32


def test_a_recipe_may_be_named_by_its_file_and_trains_below_runs(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = recipe.replace(**{"schedule.images": 16}).to_dict()
    (tmp_path / "mine.toml").write_text(tomli_w.dumps({key: values[key] for key in values if key != "name"}))
    run = zoo.train("mine.toml")
    assert str(run.path) == "runs/mine"
    assert run.latest()
    with pytest.raises(ValueError, match="did you mean 'dcgan-fashion-mnist'"):
        zoo.train("dcgan-fashon-mnist")
    with pytest.raises(ValueError, match="no data of its own"):
        zoo.train("dcgan-64")


@pytest.mark.parametrize("fails", [False, True])
def test_writers_and_threads_are_closed(recipe, tmp_path, monkeypatch, fails):
    recorders = []
    enter = recorder.Recorder.__enter__
    monkeypatch.setattr(recorder.Recorder, "__enter__", lambda self: recorders.append(enter(self)) or recorders[0])
    if fails:
        monkeypatch.setattr(recorder.Recorder, "checkpoint", lambda self, step, hurry: 1 / 0)
    before = set(threading.enumerate())
    try:
        zoo.train(recipe.replace(**{"log.kid_images": 20, "schedule.images": 32}), tmp_path / "run")
    except ZeroDivisionError:
        assert fails
    assert recorders[0].quality._thread._shutdown
    assert recorders[0].events.file_writer is None
    assert not {thread for thread in set(threading.enumerate()) - before if thread.is_alive() and not thread.daemon}


@pytest.mark.parametrize("moment", ["begins", "ends"])
def test_no_thread_is_left_when_the_writer_fails(recipe, tmp_path, monkeypatch, moment):
    def fail(*arguments, **options):
        raise OSError("the disk is full")

    monkeypatch.setattr(quality.Quality, "_prepare", lambda *arguments: (None, None))
    monkeypatch.setattr(loop, "loop", lambda *arguments: True)
    monkeypatch.setattr(tensorboardX.SummaryWriter, {"begins": "__init__", "ends": "close"}[moment], fail)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="the disk is full"):
        zoo.train(recipe.replace(**{"log.kid_images": 20}), tmp_path / "run")
    assert not {thread for thread in set(threading.enumerate()) - before if thread.is_alive() and not thread.daemon}


@pytest.mark.slow
def test_the_first_pictures_come_early_and_change_no_weight(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "picture_steps", lambda recipe: frozenset())
    plain = zoo.train(recipe, tmp_path / "plain")
    monkeypatch.setattr(recorder, "picture_steps", lambda recipe: frozenset({1, 3, 6}))
    run = zoo.train(recipe, tmp_path / "run")
    names = [path.stem for path in sorted((run.path / "samples").iterdir())]
    assert names == [f"{images:010d}" for images in (0, 4, 12, 24, 32, 64)] + ["real"]
    for file in (run.path / "samples" / "0000000012.png", run.checkpoint_path(8) / "samples.png"):
        with Image.open(file) as sheet:
            said = sheet.text
        assert said["Generated"] == "by a GAN; not a photograph"
        assert (said["Software"], said["Seed"]) == (f"ganzoo {zoo.__version__}", "0")
        assert said["Step"] == {"0000000012.png": "3", "samples.png": "8"}[file.name]
        assert "Sha256" not in said, "of weights that are not saved"
    with Image.open(run.path / "samples.gif") as film:
        assert b"generated: by a GAN; not a photograph" in film.info["comment"]
    assert_same_weights(plain, run)
    with np.load(recipe.data.source) as source, Image.open(run.path / "samples" / "real.png") as sheet:
        assert sheet.size == (256, 256)
        known = {image.tobytes() for image in source["images"]}
        cells = np.asarray(sheet).reshape(8, 32, 8, 32).swapaxes(1, 2).reshape(64, 32, 32)
        assert len({cell.tobytes() for cell in cells} & known) > 60, "64 different real images"


def test_pictures_come_at_growing_intervals_up_to_the_first_checkpoint(recipe):
    plan = {"schedule.batch_size": 64, "schedule.d_steps": 1, "log.checkpoint_every_images": 100_000}
    images = [64 * step for step in sorted(recorder.picture_steps(recipe.replace(**plan)))]
    np.testing.assert_allclose(images, [1e3, 2e3, 5e3, 1e4, 2e4, 5e4], rtol=0.04)
    for name in recipes.names():
        assert len(recorder.picture_steps(recipes.load(name))) < 10


def test_the_batch_after_the_last_step_is_not_made(recipe, monkeypatch):
    made = []
    monkeypatch.setattr(loop.noise, "batch", lambda recipe, generator, step: made.append(step) or {})
    gan = SimpleNamespace(recipe=recipe, generator=None)
    store = SimpleNamespace(images=np.zeros((10, 32, 32, 1), np.uint8), labels=None)
    engine = SimpleNamespace(transfer=lambda batch: batch)
    assert [step for step, _ in loop.feed(gan, store, 14, engine)] == [14, 15]
    assert made == [14, 15]
    assert [*loop.feed(gan, store, 16, engine)] == []


def test_several_workers_cannot_stop_by_the_clock(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.backend, "workers", lambda: 2)
    with pytest.raises(ValueError, match=r"several workers.*Received: 60 seconds"):
        zoo.train(recipe, tmp_path / "run", seconds=60)
    assert not Run(tmp_path / "run").path.exists()


def test_very_few_images_are_called_that(small, tmp_path, said):
    rng = np.random.default_rng(0)
    for count in (5, 120):
        np.savez(tmp_path / f"{count}.npz", images=rng.integers(0, 256, (count, 32, 32), np.uint8))
        loop.prepared(small("dcgan-fashion-mnist", **{"data.source": str(tmp_path / f"{count}.npz")}), None)
    told = [line for line in said if "near copies" in line]
    assert len(told) == 1
    assert told[0].startswith("5 images to train on are very few")
