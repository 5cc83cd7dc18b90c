import numpy as np
import pytest
from making import noise

from zoo.data import Batches


@pytest.mark.parametrize("size", [1, 7, 12, 24, 100])
def test_each_epoch_is_a_permutation_and_epochs_differ(size):
    batches = Batches(noise(size, 2, 2, 1), seed=3, batch_size=4, d_steps=3)
    steps = np.stack([batches.indices(step) for step in range(size)])  # [step, batch, d_step]: 12 epochs
    epochs = steps.transpose(0, 2, 1).reshape(12, size)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(size), (12, 1)))
    if size >= 7:
        assert len(np.unique(epochs, axis=0)) == 12


def test_random_access_equals_sequential():
    images = noise(10, 2, 2, 3)
    sequential = Batches(images, seed=1, batch_size=4, d_steps=2)
    expected = [sequential[step] for step in range(20)]
    for step in (19, 3, 0, 11):
        np.testing.assert_array_equal(Batches(images, seed=1, batch_size=4, d_steps=2)[step], expected[step])
        np.testing.assert_array_equal(sequential[step], expected[step])


def test_batch_holds_the_images_of_its_indices():
    images = noise(50, 4, 6, 3)
    batches = Batches(images, seed=0, batch_size=5, d_steps=2)
    assert batches[3].shape == (5, 2, 4, 6, 3) and batches[3].dtype == np.uint8
    assert batches[3].flags.c_contiguous
    np.testing.assert_array_equal(batches[3], images[batches.indices(3)])


def test_d_updates_within_one_epoch_see_different_images():
    assert len(np.unique(Batches(noise(40, 2, 2, 1), seed=0, batch_size=8, d_steps=5).indices(0))) == 40


def test_small_data_set_repeats_no_image_within_a_d_update_of_its_size():
    indices = Batches(noise(6, 2, 2, 1), seed=0, batch_size=6, d_steps=4).indices(7)
    np.testing.assert_array_equal(np.sort(indices, axis=0), np.tile(np.arange(6)[:, None], (1, 4)))


def test_seed_changes_the_order():
    images = noise(100, 2, 2, 1)
    first, second = (Batches(images, seed=seed, batch_size=50).indices(0) for seed in (0, 1))
    assert (first != second).any()


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"d_steps": 0}, {"seed": -1}, {"images": noise(0, 2, 2, 1)}])
def test_batches_refuses(wrong):
    arguments = {"images": noise(3, 2, 2, 1), "seed": 0, "batch_size": 2, "d_steps": 1} | wrong
    with pytest.raises(ValueError, match="Received: "):
        Batches(**arguments)
    with pytest.raises(ValueError, match="Received: step=-1"):
        Batches(noise(3, 2, 2, 1), seed=0, batch_size=2)[-1]


def test_labels_are_those_of_the_images():
    images, labels = noise(10, 2, 2, 1), np.arange(10) % 3
    batches = Batches(images, labels, seed=1, batch_size=4, d_steps=2)
    assert batches.labels(5).shape == (4, 2)
    np.testing.assert_array_equal(batches.labels(5), labels[batches.indices(5)])


def test_balanced_epochs_show_every_class_as_often():
    """Of 90, 9 and 1 images, each class is a third of an epoch, and all of a small class come equally often."""
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    batches = Batches(noise(100, 2, 2, 1), labels, seed=1, batch_size=100, balanced=True)
    epochs = [batches.indices(step)[:, 0] for step in range(30)]
    for epoch in epochs:
        assert set(np.bincount(labels[epoch], minlength=3)) <= {33, 34}
        assert np.ptp(np.bincount(epoch, minlength=100)[90:99]) <= 1
    assert len(np.unique(np.concatenate(epochs))) == 100
    assert len(np.unique(labels[epochs[0]][:50])) == 3  # not one class after the other
