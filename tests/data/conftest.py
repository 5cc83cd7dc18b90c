import numpy as np
import pytest
from making import save

from zoo import data


@pytest.fixture
def prepare(tmp_path, said):
    """`data.prepare` into a cache of this test; `prepare.said` collects what it says."""

    def prepare(source, resolution=8, channels=3, **options):
        options = {"cache_dir": tmp_path / "cache"} | options
        return data.prepare(str(source), resolution=resolution, channels=channels, **options)

    prepare.said = said
    return prepare


@pytest.fixture
def only(tmp_path, prepare):
    """Prepares a folder of a single image; returns the stored pixels."""

    def only(pixels, name="image.png", options=None, **settings):
        save(tmp_path / "only" / name, pixels, **options or {})
        store = prepare(tmp_path / "only", **settings)
        assert store.skipped == () and len(store.images) == 1
        return np.array(store.images[0])

    return only
