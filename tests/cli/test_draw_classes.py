"""--class: what one asks for is drawn, said in the picture, and sorted as training reads it."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo import data, networks
from zoo.checkpoints import checkpoint, labels
from zoo.cli import main
from zoo.files.errors import ZooError
from zoo.networks.parts.variables import by_path

CLASSES = ["bag", "../boot", "shirt"]


@pytest.fixture
def own(small, tmp_path, monkeypatch):
    """A checkpoint "own" whose images of class k are of one level, dark, grey and bright; one name is hostile."""
    recipe = small("dcgan-fashion-mnist", **{"model.classes": 3})
    arrays = {
        model.name: {path: np.asarray(variable) for path, variable in by_path(model.variables).items()}
        for model in networks.build(recipe)
    }
    generator = arrays["generator"]
    generator["project/kernel"] *= 0
    generator["project_label/kernel"] = np.array([[-1.0], [0.1], [1.0]], np.float32) * np.ones((1, 16 * 16), np.float32)
    for path, array in generator.items():
        if path.startswith(("up", "to_image")) and path.endswith("kernel"):
            generator[path] = np.abs(array)
    info = {"images": 1, "data": {"classes": CLASSES, "class_images": [10, 0, 30]}}
    checkpoint.save(tmp_path / "own", recipe, arrays, info)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own"


def ganzoo(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def images(generator, label, count=2):
    return generator.sample(count, label=label)


def test_a_class_is_asked_for_by_name_or_number(own):
    generator = zoo.load_generator(own)
    assert generator.classes == tuple(CLASSES)
    np.testing.assert_array_equal(images(generator, "shirt"), images(generator, 2))
    np.testing.assert_array_equal(images(generator, np.int64(2)), images(generator, "2"))
    mixed = generator.sample(2, label=["bag", 2])
    np.testing.assert_array_equal(mixed[0], images(generator, 0)[0])
    np.testing.assert_array_equal(mixed[1], images(generator, 2)[1])
    assert (images(generator, 0) != images(generator, 2)).any()


def test_classes_nobody_asks_for_come_as_often_as_in_training(own):
    generator = zoo.load_generator(own)
    drawn = generator.labels(4_000, seed=3)
    counts = np.bincount(drawn, minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] / 4_000 - 0.25) < 0.03
    np.testing.assert_array_equal(drawn[:10], generator.labels(10, seed=3))
    np.testing.assert_array_equal(generator.sample(10, seed=3), generator.sample(10, seed=3, label=drawn[:10]))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("shrt", r"no such class, did you mean 'shirt'\? .* 0 to 2: bag, ../boot, shirt. Received: 'shrt'"),
        (3, r"no such class. .* 0 to 2: .* Received: 3"),
        (-1, r"no such class.* Received: -1"),
        (True, r"no such class.* Received: True"),
        ("1" * 5_000, r"no such class"),
        (["bag"], r"one for each of the 2 images. Received: 1 classes"),
    ],
)
def test_no_such_class(own, asked, said):
    with pytest.raises(ZooError, match=said):
        zoo.load_generator(own).sample(2, label=asked)


def test_no_class_is_left_out_in_silence(own):
    few = [
        ["sample", own, "--class", "shirt", "--class", "nonsense", "-n", "1", "-o", "s.png"],
        ["interpolate", own, "--class", "shirt", "--class", "nonsense", "--class", "shirt", "--stops", "2"],
        ["interpolate", own, "--class", "shirt", "--class", "nonsense", "--direction", "1"],
    ]
    for command, said in zip(few, ("2 classes and 1 images", "3 classes and 2 stops", "2 classes and 1"), strict=True):
        assert "each class takes one of the" in ganzoo(*command, status=1).stderr
        assert said in ganzoo(*command, status=1).stderr


def test_a_model_without_classes_says_so():
    with pytest.raises(ZooError, match=r"has no classes; leave the class out. Received: 'bag'"):
        labels.number("bag", ())


def test_each_class_gets_its_share_of_the_grid_and_the_picture_names_them(own):
    ganzoo("sample", "own", "--class", "shirt", "--class", "0", "-n", "4", "-o", "some.png")
    with Image.open("some.png") as picture:
        assert picture.text["Classes"] == "shirt, bag"
        cells = np.asarray(picture).reshape(2, 32, 2, 32).swapaxes(1, 2)
    assert cells[0].mean() > cells[1].mean()


def test_a_sheet_has_a_row_for_each_class(own):
    assert "wrote 24 images" in ganzoo("sample", "own").output
    with Image.open("samples.png") as picture:
        assert picture.size == (8 * 32, 3 * 32)


def test_a_folder_is_sorted_by_class_as_training_reads_it(own):
    ganzoo("sample", "own", "--class", "shirt", "--class", "bag", "--class", "1", "-n", "60", "-o", "drawn/")
    store = data.prepare("drawn", resolution=32, channels=1)
    assert store.classes == ("bag", "class-1", "shirt")  # a name that leads elsewhere is no folder
    assert len(store.images) + len(store.heldout) == 60
    assert not (own.parent / "boot").exists()
    for folder, name in (("shirt", "shirt"), ("class-1", "../boot")):
        with Image.open(min((own.parent / "drawn" / folder).iterdir())) as picture:
            assert picture.text["Class"] == name


def test_seeds_of_a_class_are_images_of_that_class(own):
    generator = zoo.load_generator(own)
    ganzoo("sample", "own", "--seeds", "3,14-15", "--class", "shirt", "--class", "bag", "-o", "drawn/")
    drawn = {file.name: file for file in (own.parent / "drawn").rglob("*.png")}
    assert sorted(drawn) == ["seed-000003.png", "seed-000014.png", "seed-000015.png"]
    for seed, kind in ((3, "shirt"), (14, "shirt"), (15, "bag")):
        file = drawn[f"seed-{seed:06}.png"]
        assert file.parent.name == kind
        with Image.open(file) as picture:
            assert (picture.text["Seed"], picture.text["Class"]) == (str(seed), kind)
            np.testing.assert_array_equal(np.asarray(picture), generator.sample(1, seed, label=kind)[0, ..., 0])


def test_an_npz_file_has_labels_as_training_reads_them(own):
    ganzoo("sample", "own", "-n", "60", "-o", "drawn.npz")
    arrays = np.load("drawn.npz")
    assert list(arrays["classes"]) == CLASSES
    np.testing.assert_array_equal(arrays["labels"], zoo.load_generator(own).labels(60))
    store = data.prepare("drawn.npz", resolution=32, channels=1)
    assert sorted(np.unique(store.labels)) == [0, 2]


def test_the_same_latents_as_another_class(own):
    ganzoo("sample", "own", "-n", "2", "--class", "bag", "--save-latents", "z.npz", "-o", "first.npz")
    ganzoo("sample", "own", "--latents", "z.npz", "--class", "shirt", "-o", "second.npz")
    expected = zoo.load_generator(own).sample(2, label="shirt")
    np.testing.assert_array_equal(np.load("second.npz")["images"], expected)


def test_a_walk_stays_in_a_class_or_goes_from_one_to_another(own):
    generator = zoo.load_generator(own)
    inside = generator.interpolate(8, 2, label="bag")
    across = generator.interpolate(8, 2, label=["bag", "shirt"])
    assert inside.astype(int).max() < across.astype(int)[4].max()
    np.testing.assert_array_equal(inside[0], across[0])
    ganzoo("interpolate", "own", "--class", "bag", "--class", "shirt", "--steps", "4", "--stops", "2", "-o", "walk.png")
    with Image.open("walk.png") as picture:
        assert picture.size == (2 * 32 * 4, 2 * 32 * 4)
        assert picture.text["Classes"] == "bag, shirt"


def test_a_class_of_a_model_without_classes_is_refused(small, tmp_path, monkeypatch):
    assert "has no classes" in ganzoo("sample", "dcgan-fashion-mnist", "--class", "3", status=1).output
