import numpy as np
import pytest
from making import noise


@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train"), ("x", "y")])
@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3)])
def test_npz(tmp_path, prepare, keys, shape):
    images, labels = noise(*shape), np.arange(5)[:, None]
    np.savez(tmp_path / "set.npz", **dict(zip(keys, (images, labels), strict=True)))
    channels = 3 if shape[3:] == (3,) else 1
    store = prepare(tmp_path / "set.npz", channels=channels)
    np.testing.assert_array_equal(store.images, images.reshape(5, 8, 8, channels))
    np.testing.assert_array_equal(store.labels, np.arange(5))
    assert store.heldout.shape == (0, 8, 8, channels) and len(store.heldout_labels) == 0
    assert prepare.said == []


def test_npz_with_alpha(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 8, 8, 4), np.uint8))
    assert (prepare(tmp_path / "set.npz").images == 255).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 8, 8), np.float32)}, "255"),
        ({"images": np.zeros((2, 8, 8), np.uint16)}, "uint16"),
        ({"images": noise(8, 8)}, r"\(8, 8\)"),
        ({"images": noise(2, 8, 8, 2)}, r"\(2, 8, 8, 2\)"),
        ({"pictures": noise(2, 8, 8)}, "x_train"),
        ({"images": noise(2, 8, 8), "labels": np.arange(3)}, "labels"),
        ({"images": noise(2, 8, 8), "labels": np.zeros(2)}, "float64"),
        ({"images": np.array([None, {}], object)}, "object"),
        ({"images": noise(0, 8, 8)}, "no readable image"),
    ],
)
def test_npz_refuses(tmp_path, prepare, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(ValueError, match=f"(?s){message}.*Received: |Received: .*{message}"):
        prepare(tmp_path / "set.npz")


def test_damaged_npz_is_refused(tmp_path, prepare):
    np.savez(tmp_path / "set.npz", images=noise(9, 8, 8))
    whole = (tmp_path / "set.npz").read_bytes()
    for damaged in (whole[:300], b"", b"text"):
        (tmp_path / "set.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged.*Received: "):
            prepare(tmp_path / "set.npz")
