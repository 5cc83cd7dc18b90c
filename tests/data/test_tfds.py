import shutil

import numpy as np
import pytest

from zoo import data
from zoo.data import store as stores


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """TFDS sets "toy" (train, test, labels), "plain" (60 training images only) and "numbers" (no images)."""
    tf = pytest.importorskip("tensorflow")
    tfds = pytest.importorskip("tensorflow_datasets")
    directory = tmp_path_factory.mktemp("tfds")
    image = tfds.features.Image(shape=(None, None, 3))
    label = tfds.features.ClassLabel(names=["low", "high"])

    def dataset(first, last):
        numbers = np.arange(first, last, dtype=np.uint8)
        images = np.broadcast_to(numbers[:, None, None, None], (len(numbers), 8, 8, 3))
        labels = (numbers >= 30).astype(np.int64)
        return tf.data.Dataset.from_tensor_slices({"image": images, "label": labels})

    def store(name, splits, **features):
        features = tfds.features.FeaturesDict(features)
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=features,
            split_datasets=splits,
            data_dir=directory,
            disable_shuffling=True,
        )

    store("toy", {"train": dataset(0, 60), "test": dataset(100, 110)}, image=image, label=label)
    plain = dataset(0, 60).map(lambda example: {"picture": example["image"]})
    store("plain", {"train": plain}, picture=image)
    store("numbers", {"train": dataset(0, 3).map(lambda example: {"label": example["label"]})}, label=label)
    return directory


def test_tfds_test_split_is_held_out(prepare, tfds_dir):
    store = prepare("tfds:toy", data_dir=tfds_dir)
    np.testing.assert_array_equal(store.images[:, 0, 0, 0], np.arange(60))
    np.testing.assert_array_equal(store.heldout[:, 0, 0, 0], np.arange(100, 110))
    assert store.classes == ("low", "high")
    np.testing.assert_array_equal(store.labels, np.arange(60) >= 30)
    np.testing.assert_array_equal(store.heldout_labels, np.ones(10))
    assert prepare("tfds:toy/train", data_dir=tfds_dir).path == store.path and store.source == "tfds:toy"


def test_without_tfds_a_copied_store_serves(prepare, tfds_dir, tmp_path, monkeypatch):
    made, other = prepare("tfds:toy", data_dir=tfds_dir), tmp_path / "other"
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"reading TFDS needs tensorflow.* and copy the folder .*'tfds:toy'"):
        prepare("tfds:toy", cache_dir=other)
    shutil.copytree(made.path, other / made.path.name)
    copied = prepare("tfds:toy", cache_dir=other)
    assert copied.fingerprint == made.fingerprint
    np.testing.assert_array_equal(copied.images, made.images)
    with pytest.raises(ValueError, match="reading TFDS needs tensorflow"):
        prepare("tfds:toy", channels=1, cache_dir=other)


def test_tfds_split(prepare, tfds_dir):
    assert len(prepare("tfds:toy/train[:20%]", data_dir=tfds_dir).images) == 12
    test = prepare("tfds:toy/test", data_dir=tfds_dir)
    assert (len(test.images), len(test.heldout)) == (10, 0)


def test_tfds_without_test_split_or_labels(prepare, tfds_dir):
    store = prepare("tfds:plain", data_dir=tfds_dir, channels=1)
    assert (len(store.images), len(store.heldout)) == (59, 1)
    assert store.labels is None and store.classes == ()
    assert prepare.said == ["60 of 60 images were in colour and became grey"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:cifra10", "Did you mean cifar10"),
        ("tfds:", "no such TFDS data set"),
        ("tfds:no_such_set_at_all", "catalog"),
        ("tfds:toy/validation", "split"),
        ("tfds:numbers", "no images"),
    ],
)
def test_tfds_refuses_in_one_line(prepare, tfds_dir, source, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepare(source, data_dir=tfds_dir)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(f"Received: {source!r}")


def test_without_a_connection_it_says_at_once_what_is_missing(tmp_path, monkeypatch, said):
    tried = []

    def refused(address, timeout):
        tried.append((address, timeout))
        raise OSError("no network")

    monkeypatch.setattr("socket.create_connection", refused)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"must be downloaded.*--data-dir.*Received: 'tfds:fashion_mnist'"):
        data.prepare("tfds:fashion_mnist", resolution=32, channels=1, data_dir=str(tmp_path))
    assert len(tried) == 2 and all(timeout <= 5.0 for _, timeout in tried)
    server = "fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    assert said[-1] == (
        f"the data set fashion_mnist/3.0.1 is not on this machine: downloading it, 29 MiB, from {server}"
    )
    assert tried[0][0] == (server, 443)
