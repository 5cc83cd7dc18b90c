"""Labels through a run: from the images to the checkpoint, over a resume, and from one set of classes to another."""

import shutil

import numpy as np
import pytest
from tiny import tensors

import zoo
from zoo import data, networks
from zoo.checkpoints import checkpoint
from zoo.checkpoints.run import Run
from zoo.evaluation.judges import with_classifier
from zoo.evaluation.metrics import extractors
from zoo.files.errors import ZooError
from zoo.networks.parts.label import name_sees_label
from zoo.training import starting
from zoo.training.classes import counted, with_classes

NAMES = tuple(f"{network}-fashion-mnist" for network in networks.NAMES)


@pytest.fixture
def folder(tmp_path):
    """Two classes of 32 x 32, bags in dark and shoes in bright grey, and a function that makes others."""

    def make(name, **shades):
        from PIL import Image

        for kind, shade in shades.items():
            (tmp_path / name / kind).mkdir(parents=True)
            for i in range(12):
                Image.new("L", (32, 32), shade + i).save(tmp_path / name / kind / f"{i}.png")
        return str(tmp_path / name)

    return make


@pytest.fixture
def labelled(small, folder):
    return small("dcgan-fashion-mnist", **{"data.source": folder("own", bag=40, shoe=200), "model.classes": "auto"})


def weights(path, file="generator"):
    return checkpoint.open_checkpoint(path).arrays(file)


def prepared(source):
    return data.prepare(source, resolution=32, channels=1)


@pytest.mark.slow
def test_a_folder_with_classes_is_told_of_them_once(labelled, tmp_path, caplog):
    caplog.set_level("INFO", "ganzoo")
    plain, said = labelled.replace(**{"model.classes": 0}), "add --set model.classes=auto to learn them"
    zoo.train(plain, tmp_path / "run")
    assert said in caplog.text
    caplog.clear()
    zoo.train(plain, tmp_path / "run")
    zoo.train(labelled, tmp_path / "with")
    assert said not in caplog.text


def test_a_run_knows_its_classes_by_name_and_how_many_images_each_has(labelled, tmp_path):
    run = zoo.train(labelled, tmp_path / "run")
    assert run.recipe.model.classes == 2
    info = checkpoint.open_checkpoint(run.latest()).info
    assert (info["data"]["classes"], info["data"]["class_images"]) == (["bag", "shoe"], [12, 12])
    generator = zoo.load_generator(run.path)
    assert generator.classes == ("bag", "shoe")
    assert zoo.train(labelled, run.path).latest() == run.latest()  # "auto" is the recipe of the run that is there


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_interrupted_and_resumed_equals_uninterrupted(small, labelled, tmp_path, name):
    recipe = small(name, **{"data.source": labelled.data.source, "model.classes": "auto", "data.balanced": True})
    whole = zoo.train(recipe, tmp_path / "whole")
    half = Run(shutil.copytree(whole.path, tmp_path / "half"))
    shutil.rmtree(half.latest())
    zoo.train(recipe, half.path)
    for file in ("generator", "discriminator", "training"):
        ours, theirs = weights(half.latest(), file), weights(whole.latest(), file)
        assert ours.keys() == theirs.keys()
        for path, array in theirs.items():
            np.testing.assert_array_equal(ours[path], array, err_msg=path)


def sources(tmp_path, labels, classes=0):
    images = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 1), np.uint8)
    arrays = {"images": images} | ({} if labels is None else {"labels": np.asarray(labels)})
    np.savez(tmp_path / "some.npz", **arrays)
    return prepared(str(tmp_path / "some.npz"))


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        (None, "auto", "needs labelled images: a sub-folder for each class"),
        ([0] * 12, "auto", "all of one class.* Received: '0'"),
        ([0, 1, 3] * 4, "auto", "1 of 4 classes have no image.* Received: 2"),
        ([0, 1] * 6, 10, "have 2 classes \\(0, 1\\).* Received: model.classes = 10"),
        ([-1, 1] * 6, "auto", "count the classes from 0 on.* labels from -1 to 1 of 12 images"),
        ([0, 2**40] * 6, "auto", f"no more classes than images.* labels from 0 to {2**40} of 12 images"),
    ],
)
def test_labels_that_no_model_can_learn_are_refused(small, tmp_path, labels, classes, said):
    recipe = small("dcgan-fashion-mnist", **{"model.classes": classes})
    with pytest.raises(ZooError, match=said):
        with_classes(recipe, sources(tmp_path, labels))


@pytest.mark.parametrize("labels", [[0, 2**40] * 30, [-1, 1] * 30, [0, 2**63 - 1] * 30])
def test_labels_that_count_no_classes_are_no_classes_of_a_classifier(tmp_path, labels):
    """At once, and without a name for each number below the largest."""
    images = np.random.default_rng(0).integers(0, 255, (60, 32, 32, 1), np.uint8)
    np.savez(tmp_path / "ids.npz", images=images, labels=np.array(labels))
    store = prepared(str(tmp_path / "ids.npz"))
    assert store.class_names == () and len(store.heldout)
    assert [judge.name for judge in with_classifier("efficientnet-lite0", store)] == ["efficientnet-lite0"]
    with pytest.raises(ZooError, match="a classifier needs labelled images"):
        extractors.load("classifier", store)


def test_an_unconditional_model_asks_for_no_labels(small, tmp_path):
    recipe = small("dcgan-fashion-mnist")
    assert with_classes(recipe, sources(tmp_path, [0] * 12)) is recipe


def test_classes_are_counted_in_the_training_images_alone(tmp_path):
    store = sources(tmp_path, [0, 1, 1] * 4)
    assert counted(store) == (["0", "1"], [4, 8])


@pytest.mark.slow
def test_fine_tuning_on_other_classes_keeps_what_it_knows_by_name(labelled, folder, tmp_path, said):
    first = zoo.train(labelled, tmp_path / "first")
    tuned = zoo.finetune(first.path, folder("more", shoe=200, coat=100), tmp_path / "tuned", images=4)
    generator = zoo.load_generator(tuned.path, checkpoint="0")
    assert generator.classes == ("coat", "shoe")
    before, after = weights(first.latest()), weights(tuned.checkpoint_path(0))
    assert {path for path in before if name_sees_label(path)} == {"project_label/kernel"}
    for path, array in before.items():
        if path == "project_label/kernel":
            np.testing.assert_array_equal(after[path], [array.mean(axis=0), array[1]])
        else:
            np.testing.assert_array_equal(after[path], array)
    assert any("knows: shoe; classes that start at the mean of its classes: coat" in line for line in said)


def test_fine_tuning_without_labels_leaves_the_class_layers_out(labelled, images, tmp_path, said):
    first = zoo.train(labelled, tmp_path / "first")
    np.savez(tmp_path / "bare.npz", images=np.load(images)["images"])
    tuned = zoo.finetune(first.path, str(tmp_path / "bare.npz"), tmp_path / "tuned", images=4)
    assert tuned.recipe.model.classes == 0
    before, after = weights(first.latest()), weights(tuned.checkpoint_path(0))
    assert before.keys() - after.keys() == {"project_label/kernel"}
    assert all(np.array_equal(before[path], array) for path, array in after.items())
    assert "of the generator, 1 layers of the checkpoint are left out: project_label" in said


@pytest.fixture
def untrained(tmp_path):
    """A function that saves a checkpoint of a recipe whose networks nobody trained."""
    return lambda recipe: checkpoint.save(tmp_path / "first", recipe, tensors(recipe), {"images": 1})


@pytest.mark.parametrize("name", NAMES)
def test_an_unconditional_checkpoint_learns_classes(small, folder, untrained, name):
    """All that it knows is kept, and what its class layers add begins with no or little effect."""
    first = untrained(small(name, seed=1))
    source = folder("own", bag=40, shoe=200)
    gan = zoo.GAN(small(name, **{"data.source": source, "model.classes": 2}))
    starting.start_from(gan, first, prepared(source))
    for file, model in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        before = weights(first, file)
        fresh = {v.path for v in model.variables if v.path not in before}
        assert fresh
        assert all(name_sees_label(path) for path in fresh)
        for variable in model.variables:
            if variable.path in before:
                np.testing.assert_array_equal(np.asarray(variable), before[variable.path])


def test_a_smaller_model_starts_a_larger_one_with_the_layers_that_fit(small, untrained, images, said):
    recipe = small("stylegan-lite-fashion-mnist", **{"data.source": images, "model.g_channels": 4})
    first = untrained(recipe)
    gan = zoo.GAN(recipe.replace(**{"data.resolution": 64, "model.g_channels": 2, "seed": 1}))
    starting.start_from(gan, first, prepared(images))
    before, after = weights(first), {variable.path: np.asarray(variable) for variable in gan.ema.variables}
    same = [path for path in after if path in before and np.array_equal(before[path], after[path])]
    assert {"conv16_1/kernel", "conv32_2/kernel"} <= set(same)
    assert "conv64_1/kernel" in after
    assert any("of the generator" in line and "start anew" in line for line in said)


def test_a_checkpoint_that_fits_nowhere_is_refused(small, untrained, images):
    recipe = small("dcgan-fashion-mnist", **{"data.source": images})
    first = untrained(recipe)
    gan = zoo.GAN(recipe.replace(**{"model.g_channels": 3, "model.d_channels": 3}))
    with pytest.raises(ZooError, match="no convolution of the checkpoint fits the generator"):
        starting.start_from(gan, first, prepared(images))
