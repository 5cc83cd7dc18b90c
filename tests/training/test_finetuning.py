"""Fine-tuning: it starts from a checkpoint's networks, and chooses rates, batch and augmentation."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import networks
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.recipe import scaled
from zoo.step.gan import GAN
from zoo.training import finetuning


@pytest.fixture
def recipe(small, images):
    return small("dcgan-fashion-mnist", **{"data.source": images})


@pytest.mark.slow
def test_finetuning_starts_from_both_networks_and_adapts_to_the_images(recipe, tmp_path, monkeypatch, said):
    base = zoo.train(recipe.replace(**{"schedule.batch_size": 16}), tmp_path / "base")
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(60):
        Image.new("RGB", (50, 40), (i, 2 * i, 255 - i)).save(folder / f"{i}.jpg")
    monkeypatch.setattr(finetuning, "OFTEN", 0.1)
    run = zoo.finetune(
        base.path,
        str(folder),
        tmp_path / "tuned",
        images=8,
        freeze_d=1,
        overrides={"log.checkpoint_every_images": 1000, "optimizer.g.learning_rate": 0.05},
    )
    assert run.recipe.augment.diffaugment == ("color", "translation", "cutout")
    assert (run.recipe.schedule.images, run.recipe.schedule.batch_size) == (8, 8)
    assert run.recipe.optimizer.g.learning_rate == 0.05, "what is set is not chosen"
    assert any(
        "cropped and resized to 32 pixels, with 1 channel" in line
        and "color, translation, cutout" in line
        and "0.05 (G)" in line
        for line in said
    )
    assert run.recipe.data.fit == "crop", "whatever the checkpoint was trained with"
    before = checkpoint.open_checkpoint(base.best())
    start = checkpoint.open_checkpoint(run.checkpoint_path(0))
    for file in ("generator", "discriminator"):
        for name, array in before.arrays(file).items():
            np.testing.assert_array_equal(array, start.arrays(file)[name], err_msg=name)
    after = checkpoint.open_checkpoint(run.latest()).arrays("discriminator")
    np.testing.assert_array_equal(after["from_image/kernel"], before.arrays("discriminator")["from_image/kernel"])
    assert not np.array_equal(after["logit/kernel"], before.arrays("discriminator")["logit/kernel"])
    again = zoo.train(run.recipe, tmp_path / "again")
    for name, array in checkpoint.open_checkpoint(again.latest()).arrays("discriminator").items():
        np.testing.assert_array_equal(array, after[name], err_msg="its recipe alone makes it again")


def test_a_time_limit_ends_a_fine_tuning_and_not_its_length(recipe, tmp_path):
    new, begun = Run(tmp_path / "new"), Run(tmp_path / "begun")
    assert finetuning.length(500_000, None, new) == 50_000
    assert finetuning.length(500_000, 1_800, new) == 500_000
    assert finetuning.length(5, None, new) == 1
    begun.start(recipe.replace(**{"schedule.images": 1_234}))
    assert finetuning.length(500_000, None, begun) == finetuning.length(500_000, 1_800, begun) == 1_234


@pytest.mark.slow
def test_a_fine_tuning_goes_on_with_a_time_limit_and_without(recipe, images, tmp_path):
    base = zoo.train(recipe.replace(**{"schedule.images": 80, "schedule.batch_size": 8}), tmp_path / "base")
    begun = zoo.finetune(base.path, images, tmp_path / "tuned", seconds=1e-3)
    assert begun.recipe.schedule.images == 80
    done = zoo.finetune(base.path, images, tmp_path / "tuned")
    assert done.recipe.schedule.images == 80
    assert done.entries()[-1]["images"] == 80


@pytest.mark.parametrize(
    ("shown", "batch", "expected"),
    [(32_000, 32, 32), (31_999, 32, 16), (12_000, 32, 8), (100, 32, 8), (100, 4, 4), (100, 24, 12), (100, 36, 36)],
)
def test_a_short_fine_tuning_has_smaller_batches(recipe, shown, batch, expected):
    plan = recipe.replace(**{"schedule.images": shown, "schedule.batch_size": batch, "schedule.d_steps": 1}).schedule
    assert finetuning.batch_size(plan) == expected


def test_smaller_batches_count_the_steps_of_d_and_still_fit_the_devices(recipe, monkeypatch):
    plan = recipe.replace(**{"schedule.images": 100_000, "schedule.batch_size": 64, "schedule.d_steps": 5}).schedule
    assert finetuning.batch_size(plan) == 16  # 1,250 steps
    monkeypatch.setattr(finetuning.backend, "devices", lambda: 4)
    assert finetuning.batch_size(plan) == 32, "8 on each"


@pytest.mark.parametrize(
    ("count", "shown", "expected"),
    [(1_800, 90_000, True), (1_800, 89_999, False), (10_000, 10**7, False), (9_999, 10**7, True)],
)
def test_fine_tuning_augments_few_images_that_are_shown_often(recipe, count, shown, expected):
    asked = recipe.replace(**{"schedule.images": shown})
    assert finetuning.needs_augmentation(asked, count) is expected
    assert not finetuning.needs_augmentation(asked.replace(**{"augment.ada": True}), count)


def test_fine_tuning_has_rates_that_grow_as_the_kernels_have(recipe, tmp_path):
    """With kernels 3 times as large as fresh ones in G and 2 times in D, once; those of a fine-tuned one stay."""
    recipe = recipe.replace(**{"optimizer.g.learning_rate": 2e-4, "optimizer.d.learning_rate": 1e-4})
    gan = GAN(recipe)
    arrays = {
        file: {
            name: np.asarray(variable) * (factor if len(variable.shape) > 1 else 1)
            for name, variable in gan.saved()[file].items()
        }
        for file, factor in (("generator", 3), ("discriminator", 2))
    }
    info = {"step": 1, "images": 1, "data": {"fingerprint": ""}}
    checkpoint.save(tmp_path / "grown", recipe, arrays, info)
    first = recipe.optimizer
    assert finetuning.rates(checkpoint.open_checkpoint(tmp_path / "grown")) == {
        "optimizer.g.learning_rate": pytest.approx(3 * first.g.learning_rate, rel=0.05),
        "optimizer.d.learning_rate": pytest.approx(2 * first.d.learning_rate, rel=0.05),
    }
    checkpoint.save(tmp_path / "again", recipe.replace(start="elsewhere"), arrays, info)
    assert finetuning.rates(checkpoint.open_checkpoint(tmp_path / "again")) == {}


@pytest.mark.parametrize("network", networks.NAMES)
def test_rates_grow_as_the_kernels_have(small, tmp_path, network):
    """Three times, if kernels are three times as large as fresh ones; those that start at 0 say nothing."""
    recipe = small(f"{network}-fashion-mnist")
    arrays = {
        model.name: {v.path: np.asarray(v) * (3.0 if len(v.shape) > 1 else 1.0) for v in model.variables}
        for model in networks.build(recipe)
    }
    opened = checkpoint.open_checkpoint(checkpoint.save(tmp_path / "saved", recipe, arrays, {}))
    for player in ("d", "g"):
        before = getattr(recipe.optimizer, player).learning_rate
        assert finetuning.rates(opened)[f"optimizer.{player}.learning_rate"] == scaled(before, 3.0)
